"""Lines: a text that is read line by line into rows, with an account of every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.trace.prefix.known import Known
from sigtrace.trace.witness.made import Made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.trace.accounting import Accounting
    from sigtrace.trace.parser import Rows

_BATCH_ROWS = 1 << 14


class Lines:
    """Reads a log in whatever pieces it comes. Of a line longer than `longest` bytes only the beginning is kept."""

    longest = 1 << 20

    def __init__(self, log: str | None, accounting: Accounting) -> None:
        self.accounting = accounting
        self.known = Known()
        self._log = log
        self._tail = b""
        self._rows: list[dict[str, Any]] = []

    def line(self, number: int, line: bytes) -> None:
        """Read a line, without its end: add its rows, and count it."""
        raise NotImplementedError

    def long(self, number: int, line: bytes) -> None:  # noqa: ARG002 -- of which others say more
        """Count a line that is too long, of which this is the beginning."""
        self.count("malformed")

    def finish(self) -> None:
        """Add the rows of what is still open, and count its lines."""

    def add(self, row: dict[str, Any], line: int) -> None:
        """Add a row."""
        self._rows.append({**row, "line": line, "log": self._log})

    def count(self, kind: str, n: int = 1) -> None:
        """Count lines of a kind."""
        if n:
            kinds = self.accounting.lines_by_kind
            kinds[kind] = kinds.get(kind, 0) + n

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Read the next bytes of the log."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._number(line)
            if len(self._rows) >= _BATCH_ROWS:
                yield self._taken()
        if len(self._tail) > self.longest:
            self._tail = self._tail[: self.longest + 1]

    def end(self) -> Iterator[Rows]:
        """Read a last line without a newline, and end the log."""
        if self._tail:
            self._number(self._tail)
            self._tail = b""
        self.finish()
        if self._rows:
            yield self._taken()

    def _number(self, line: bytes) -> None:
        self.accounting.lines += 1
        read = self.long if len(line) > self.longest else self.line
        read(self.accounting.lines, line)

    def _taken(self) -> Made:
        rows, self._rows = self._rows, []
        return Made(rows)
