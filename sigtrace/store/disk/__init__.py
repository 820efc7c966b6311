"""Where a session's files are made, and whose they are."""
