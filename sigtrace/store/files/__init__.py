"""Files: what is written for somebody to keep."""
