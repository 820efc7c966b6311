"""What is true of the kernel's events, signals and columns, each said once."""
