"""Known: the lines that the scanner knows, told from any other text."""

from __future__ import annotations

from sigtrace.trace.scan import Scanner


class Known:
    """What is a line of trace_pipe by its header, or as a loss: `line in Known()`, whatever stands before and after."""

    def __init__(self) -> None:
        self._scanner = Scanner(4)

    def __contains__(self, line: bytes) -> bool:
        if b"[" not in line and b"PID " not in line:  # the CPU of a header, a loss, or one of our lines
            return False
        scanner = self._scanner
        scanner.opened, scanner.pieces = False, b""
        before = self._headers()
        block = line + b"\n"
        at = 0
        while (at := scanner.scan(block, at, len(block))) < len(block) or scanner.rows:
            scanner.begin()
        return self._headers() > before

    def _headers(self) -> int:
        scanner = self._scanner
        return scanner.microseconds + scanner.ticks + scanner.losses + scanner.unstitchable
