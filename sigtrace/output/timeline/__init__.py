"""Timeline: calls and deaths over time, a lane a signal, drawn by matplotlib or by altair."""
