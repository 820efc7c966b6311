"""The zoo: a scene for each way to die, which starts its own processes and knows how they ended."""
