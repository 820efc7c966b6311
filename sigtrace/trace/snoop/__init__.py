"""Snoop: the tables that killsnoop and sigsnoop print, a line for each call or signal."""
