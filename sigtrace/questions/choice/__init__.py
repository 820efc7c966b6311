"""What a question is about: which processes, and what time."""
