"""Rows followed process by process: who ended whom, and how that is known."""
