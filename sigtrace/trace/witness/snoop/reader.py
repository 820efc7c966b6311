"""Reader: a table of killsnoop and its like becomes rows, and an account of every line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sigtrace.trace.accounting import Accounting
from sigtrace.trace.prefix.known import Known
from sigtrace.trace.witness.lines import Lines
from sigtrace.trace.witness.snoop import form
from sigtrace.trace.witness.snoop.columns import DAY_US

if TYPE_CHECKING:
    from sigtrace.trace.witness.snoop.columns import Form, Told

_HEAD_LINES = 20  # in which the head stands, behind what a shell or bpftrace prints before it
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


class Reader(Lines):
    """Read the lines of one table. A row that a newline in a name has cut is put together again."""

    def __init__(self, table: Form, log: str | None) -> None:
        super().__init__(log, Accounting(ts_unit="day" if table.timed else "none", tools=[table.tool]))
        self.longest = table.longest
        self._form = table
        self._pieces: list[tuple[int, bytes]] = []  # lines of which the first may begin a row that is cut
        self._days = 0
        self._last_us = 0

    def line(self, number: int, line: bytes) -> None:
        """Read a line."""
        if self._pieces and self._is_put_together(line):
            return
        told = self._form.told(line)
        if told is not None:
            self.finish()
            self._row(number, told)
        elif self._pieces or self._form.begins(line):
            self._pieces.append((number, line))
            while self._pieces and not self._may_go_on():
                self._give_up(1)
        else:
            self.count(self._kind(number, line))

    def long(self, number: int, line: bytes) -> None:
        """Count a line that is too long, by its beginning: no row is so long."""
        self.finish()
        self.count(self._kind(number, line))

    def finish(self) -> None:
        """Count the lines that might have begun a row, each by itself."""
        self._give_up(len(self._pieces))

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
                self.count("continuation", cut)
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
            self.count(self._kind(number, line))

    def _kind(self, number: int, line: bytes) -> str:
        lost = _LOST.fullmatch(line)
        if lost is not None:
            count, cpu = int(lost[1]), int(lost[2])
            self.add({"event": "lost", "cpu": cpu, "lost": count}, number)
            self.accounting.lost_by_cpu[cpu] = self.accounting.lost_by_cpu.get(cpu, 0) + count
            return "lost"
        if not line.strip():
            return "blank"
        if form.of(line) is not None:
            return "comment"
        # A line of another trace, or one that begins as a row does, would be a row if it were whole.
        return "malformed" if self._form.spoiled(line) or b"ost " in line or line in self.known else "other"

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
            self.add({**at, **told.row}, line)
        self.count(told.kind)
