"""Several logs of one moment: what more than one of them saw."""
