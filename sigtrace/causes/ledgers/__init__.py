"""The endings of a flight recorder's sessions, as tables that are written once and read often."""
