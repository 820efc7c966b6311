"""What the life of a process says of its end: who asked, who killed, and who they are."""
