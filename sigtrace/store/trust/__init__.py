"""What is believed of files on a disk: others may have damaged them, or put something else in their place."""
