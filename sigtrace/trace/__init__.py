"""The text that the kernel prints becomes columns, and an account of every line."""
