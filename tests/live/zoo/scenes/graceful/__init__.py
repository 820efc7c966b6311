"""Graceful: endings that somebody asked for, by whatever way the asking came; and endings that nobody asked for."""
