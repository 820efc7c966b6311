"""What the kernel is asked for: the program, the trace instance, /proc."""
