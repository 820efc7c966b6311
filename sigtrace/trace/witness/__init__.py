"""Witness: what other tools print that have rows of their own, found out by its first lines."""
