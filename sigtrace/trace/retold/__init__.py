"""Retold: the kernel's lines as trace-cmd and perf print them, told as trace_pipe tells them."""
