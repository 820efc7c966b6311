"""Parse: the bytes of a trace_pipe log become Arrow record batches, and an account of every line."""

from sigtrace.trace.parser import COMPILED, Parser

__all__ = ["COMPILED", "Parser"]
