"""Where files are made: a session's, whoever owns it, and those that somebody keeps."""
