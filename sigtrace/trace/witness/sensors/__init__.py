"""Sensors: what Tetragon, Tracee and Inspektor Gadget write, a JSON object a line."""
