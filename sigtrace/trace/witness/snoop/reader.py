"""Reader: a table of killsnoop and its like becomes rows, and an account of every line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sigtrace.trace.accounting import Accounting
from sigtrace.trace.prefix.known import Known
from sigtrace.trace.witness.made import Made
from sigtrace.trace.witness.snoop import form
from sigtrace.trace.witness.snoop.columns import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.trace.parser import Rows
    from sigtrace.trace.witness.snoop.columns import Form, Told

_HEAD_LINES = 20  # in which the head stands, behind what a shell or bpftrace prints before it
_BATCH_ROWS = 1 << 14
_MOST_PIECES = 256  # more than a name of newlines has
_LOST = re.compile(rb"[Ll]ost (\d{1,18}) events on CPU #(\d{1,5})!?\r?")


def of(sample: bytes, log: str | None) -> Reader | None:
    """Return a reader for the log that begins so; None if no such table is in it."""
    known = Known()
    for line in sample.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]:
        if line in known:
            return None
        found = form.of(line, sample)
        if found is not None:
            return Reader(found, log)
    return None


class Reader:
    """Read the lines of one table. A row that a newline in a name has cut is put together again."""

    def __init__(self, table: Form, log: str | None) -> None:
        self._form = table
        self._log = log
        self._known = Known()
        self._tail = b""
        self._pieces: list[tuple[int, bytes]] = []  # lines of which the first may begin a row that is cut
        self._rows: list[dict[str, Any]] = []
        self._days = 0
        self._last_us = 0
        self.accounting = Accounting(ts_unit="day" if table.timed else "none", tools=[table.tool])

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Read the next bytes of the log."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._line(line)
            if len(self._rows) >= _BATCH_ROWS:
                yield self._taken()
        if len(self._tail) > self._form.longest:  # no row is so long: the rest of it is one line as well
            self._tail = self._tail[: self._form.longest + 1]

    def end(self) -> Iterator[Rows]:
        """Read a last line without a newline, and end the log."""
        if self._tail:
            self._line(self._tail)
            self._tail = b""
        self._give_up(len(self._pieces))
        if self._rows:
            yield self._taken()

    def _taken(self) -> Made:
        rows, self._rows = self._rows, []
        return Made(rows)

    def _line(self, line: bytes) -> None:
        self.accounting.lines += 1
        number = self.accounting.lines
        if len(line) > self._form.longest:
            self._give_up(len(self._pieces))
            self._count(self._kind(number, line))
            return
        if self._pieces and self._is_put_together(line):
            return
        told = self._form.told(line)
        if told is not None:
            self._give_up(len(self._pieces))
            self._row(number, told)
        elif self._pieces or self._form.begins(line):
            self._pieces.append((number, line))
            while self._pieces and not self._may_go_on():
                self._give_up(1)
        else:
            self._count(self._kind(number, line))

    def _is_put_together(self, line: bytes) -> bool:
        # A row's columns stand at places of their own, so no more than one of these can be a row.
        for i, (number, first) in enumerate(self._pieces):
            if not self._form.begins(first):
                continue
            told = self._form.told(b"\n".join([*(piece for _, piece in self._pieces[i:]), line]))
            if told is not None:
                cut = len(self._pieces) - i
                self._give_up(i)
                self._pieces.clear()
                self._row(number, told)
                self._count("continuation", cut)
                return True
        return False

    def _may_go_on(self) -> bool:
        long = sum(len(piece) + 1 for _, piece in self._pieces)
        few = len(self._pieces) <= _MOST_PIECES and long <= min(self._form.longest, _MOST_PIECES)
        return few and self._form.begins(self._pieces[0][1])

    def _give_up(self, n: int) -> None:
        """Count the first lines that might have begun a row, each by itself."""
        given_up, self._pieces = self._pieces[:n], self._pieces[n:]
        for number, line in given_up:
            self._count(self._kind(number, line))

    def _kind(self, number: int, line: bytes) -> str:
        lost = _LOST.fullmatch(line)
        if lost is not None:
            count, cpu = int(lost[1]), int(lost[2])
            self._add({"event": "lost", "cpu": cpu, "lost": count}, number)
            self.accounting.lost_by_cpu[cpu] = self.accounting.lost_by_cpu.get(cpu, 0) + count
            return "lost"
        if not line.strip():
            return "blank"
        if form.of(line) is not None:
            return "comment"
        # A line of another trace, or one that begins as a row does, would be a row if it were whole.
        return "malformed" if self._form.spoiled(line) or b"ost " in line or line in self._known else "other"

    def _row(self, line: int, told: Told) -> None:
        at = {}
        if told.day_us is not None:
            # Nobody prints the day. A table goes on in time, so a time of day that goes back by half a day is of the
            # next.
            if told.day_us < self._last_us - DAY_US // 2:
                self._days += 1
            self._last_us = told.day_us
            at = {"ts": self._days * DAY_US + told.day_us}
        if told.row is not None:
            self._add({**at, **told.row}, line)
        self._count(told.kind)

    def _add(self, row: dict[str, Any], line: int) -> None:
        self._rows.append({**row, "line": line, "log": self._log})

    def _count(self, kind: str, n: int = 1) -> None:
        kinds = self.accounting.lines_by_kind
        kinds[kind] = kinds.get(kind, 0) + n
