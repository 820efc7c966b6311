"""What the flight recorder's record is asked by: without a path, and how it is."""
