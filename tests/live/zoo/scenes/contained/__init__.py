"""Contained: in control groups and containers, into which processes are put, and with which they end."""
