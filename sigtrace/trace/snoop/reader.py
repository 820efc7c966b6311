"""Reader: a table of killsnoop or sigsnoop becomes rows, and an account of every line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sigtrace.trace.accounting import Accounting
from sigtrace.trace.parser import Rows
from sigtrace.trace.prefix.known import Known
from sigtrace.trace.snoop import form

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sigtrace.trace.snoop.form import Form, Told

_HEAD_LINES = 20  # in which the head stands, behind what a shell or bpftrace prints before it
_BATCH_ROWS = 1 << 14
_LONGEST = 256  # more than a row with a name of newlines
_DAY_US = 86_400_000_000
_LOST = re.compile(rb"[Ll]ost (\d{1,18}) events on CPU #(\d{1,5})!?\r?")


class Made(Rows):
    """Rows as objects, which become a record batch when asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._made = rows

    def __len__(self) -> int:
        return len(self._made)

    def batch(self) -> pa.RecordBatch:
        """Return them as a record batch of `SCHEMA`."""
        import pyarrow as pa

        from sigtrace.facts.schema import SCHEMA

        return pa.RecordBatch.from_pylist(self._made, schema=SCHEMA)


def of(sample: bytes, log: str | None) -> Reader | None:
    """Return a reader for the log that begins so; None if no such table is in it."""
    known = Known()
    for number, line in enumerate(sample.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]):
        if line in known:
            return None
        found = form.of(line)
        if found is not None:
            return Reader(found, number, _tells_calls(found, sample), log)
    return None


class Reader:
    """Read the lines of one table. A row that a newline in a name has cut is put together again."""

    def __init__(self, table: Form, head: int, calls: bool, log: str | None) -> None:  # noqa: FBT001
        self._form = table
        self._head = head
        self._calls = calls or table.tool != "sigsnoop"
        self._log = log
        self._known = Known()
        self._tail = b""
        self._opened: tuple[int, bytes] | None = None
        self._rows: list[dict[str, Any]] = []
        self._days = 0
        self._last_us = 0
        tool = "killsnoop" if self._calls else table.tool
        self.accounting = Accounting(ts_unit="day", tools=[tool])

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Read the next bytes of the log."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._line(line)
            if len(self._rows) >= _BATCH_ROWS:
                yield self._taken()
        if len(self._tail) > _LONGEST:  # no row is so long: the rest of it is one line as well
            self._tail = self._tail[: _LONGEST + 1]

    def end(self) -> Iterator[Rows]:
        """Read a last line without a newline, and end the log."""
        if self._tail:
            self._line(self._tail)
            self._tail = b""
        self._abandon()
        if self._rows:
            yield self._taken()

    def _taken(self) -> Made:
        rows, self._rows = self._rows, []
        return Made(rows)

    def _line(self, line: bytes) -> None:
        self.accounting.lines += 1
        if self._opened is not None and self._continues(line):
            return
        told = self._form.told(line)
        if told is not None:
            self._row(self.accounting.lines, told)
        elif self._form.begins(line):
            self._opened = self.accounting.lines, line
        else:
            self._count(self._kind(line))

    def _continues(self, line: bytes) -> bool:
        number, begun = self._opened or (0, b"")
        begun += b"\n" + line
        told = self._form.told(begun)
        if told is not None:
            self._opened = None
            self._count("continuation")
            self._row(number, told)
        elif self._form.begins(line) or len(begun) > _LONGEST:
            self._abandon()
            return False
        else:
            self._opened = number, begun
            self._count("continuation")
        return True

    def _abandon(self) -> None:
        if self._opened is not None:
            self._opened = None
            self._count("malformed")

    def _kind(self, line: bytes) -> str:
        lost = _LOST.fullmatch(line)
        if lost is not None:
            count, cpu = int(lost[1]), int(lost[2])
            self._add({"event": "lost", "cpu": cpu, "lost": count}, self.accounting.lines)
            self.accounting.lost_by_cpu[cpu] = self.accounting.lost_by_cpu.get(cpu, 0) + count
            return "lost"
        if not line.strip():
            return "blank"
        if form.of(line) is not None:
            return "comment"
        # A line of another trace, or one that begins as a row does, would be a row if it were whole.
        return "malformed" if line[:1].isdigit() or b"ost " in line or line in self._known else "other"

    def _row(self, line: int, told: Told) -> None:
        # Nobody prints the day. A table goes on in time, so a time of day that goes back by half a day is of the next.
        if told.day_us < self._last_us - _DAY_US // 2:
            self._days += 1
        self._last_us = told.day_us
        row = {
            "event": "kill" if self._calls else "signal_generate",
            "ts": self._days * _DAY_US + told.day_us,
            "pid": told.pid,
            "comm": _text(told.name),
            "sig": told.sig,
            "target": told.target,
        }
        if self._calls:
            row["ret"] = told.ret
        elif told.target_name:
            row["target_comm"] = _text(told.target_name)
        self._add(row, line)
        self._count("call" if self._calls else "signal_generate")

    def _add(self, row: dict[str, Any], line: int) -> None:
        self._rows.append({**row, "line": line, "log": self._log})

    def _count(self, kind: str) -> None:
        kinds = self.accounting.lines_by_kind
        kinds[kind] = kinds.get(kind, 0) + 1


def _tells_calls(table: Form, sample: bytes) -> bool:
    # sigsnoop prints the same table of signals and, with -k or as killsnoop, of calls. Only a call fails, asks with
    # signal 0, or names a group.
    told = (table.told(line) for line in sample.split(b"\n"))
    return any(one is not None and (one.ret != 0 or one.sig == 0 or one.target <= 0) for one in told)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
