"""Snoop: the tables of killsnoop, sigsnoop, exitsnoop and execsnoop, a line for each call, signal, end or exec."""
