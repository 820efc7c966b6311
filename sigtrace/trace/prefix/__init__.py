"""Prefix: what other tools write before each line of a log, found out by its first lines and taken off."""
