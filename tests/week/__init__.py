"""The week: what the flight recorder holds on to while it records for long."""
