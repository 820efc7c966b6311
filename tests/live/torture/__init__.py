"""Torture: recorders killed at random moments under load, and one that goes on for long; the calls check themselves."""
