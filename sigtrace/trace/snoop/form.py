"""Form: how a tool prints its table, by the head of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from sigtrace.facts.signals import SIGNALS

_LEFT = re.compile(rb"TIME( +)PID( +)COMM {13}SIG( +)TPID( +)(TCOMM {12})?RESULT[ \r]*")
_RIGHT = re.compile(rb"TIME {13,}PID COMM {10,}SIG +TPID RESULT[ \r]*")
_NAMED = {b"N/A": 0} | {name.encode(): number for number, name in SIGNALS.items()}
_NAMED |= {b"SIGNAL-%d" % number: number for number in range(32, 65)}
_DAY_US = 86_400_000_000

_TIME = rb"(?P<time>\d\d:\d\d:\d\d(?:\.\d{6})?) "
_NAME = rb"(?P<comm>.{16}) "
_END = rb"(?P<ret>-?\d{1,10})[ \r]*"
_NUMBER = re.compile(rb"-?\d{1,10}")


class Told(NamedTuple):
    """What one line tells. `day_us` is the time of day; `name` and `target_name` are as bytes."""

    day_us: int
    pid: int
    name: bytes
    sig: int
    target: int
    target_name: bytes
    ret: int


class Form:
    """A table's columns. A name has 16 places whatever is in it, so what stands in it cannot be another column."""

    def __init__(self, tool: str, head: bytes, row: bytes) -> None:
        self.tool = tool
        self._head = re.compile(head)
        self._row = re.compile(head + row, re.DOTALL)

    def begins(self, line: bytes) -> bool:
        """Tell whether a row begins here. A name has no room for the columns before it."""
        found = self._head.match(line)
        return found is not None and _number(found["pid"]) is not None

    def told(self, row: bytes) -> Told | None:
        """Return what a row tells; None if it is none, or not whole."""
        found = self._row.fullmatch(row)
        if found is None:
            return None
        named = found.groupdict()
        hours, minutes, seconds = named["time"].split(b":")
        day_us = (int(hours) * 60 + int(minutes)) * 60_000_000 + round(float(seconds) * 1e6)
        pid, sig, target, ret = (_number(named[name]) for name in ("pid", "sig", "target", "ret"))
        if day_us >= _DAY_US or pid is None or sig is None or target is None or ret is None:
            return None
        target_name = (named.get("tcomm") or b"").rstrip(b" ")
        return Told(day_us, pid, named["comm"].rstrip(b" "), sig, target, target_name, ret)


def of(head: bytes) -> Form | None:
    """Return the form of the table that has such a head, or None if it is the head of none."""
    left = _LEFT.fullmatch(head)
    if left is not None:
        time, pid, sig, target, named = left.groups()
        tool = "sigsnoop" if len(time) == 5 else "killsnoop"  # the others have a place more
        begin = _TIME + b" " * (len(time) - 5) + _left("pid", len(pid) + 2)
        tcomm = rb"(?P<tcomm>.{16}) " if named else b""
        return Form(tool, begin, _NAME + _left("sig", len(sig) + 2) + _left("target", len(target) + 3) + tcomm + _END)
    if _RIGHT.fullmatch(head) is not None:
        begin = _TIME + _right("pid", 8)
        return Form("killsnoop", begin, _NAME + _right("sig", 10) + _right("target", 8) + rb" {0,5}" + _END)
    return None


def _left(name: str, width: int) -> bytes:
    # As `%-*d ` prints it: padded to its width, or longer and not padded.
    return rb"(?P<%b>[^ ]{%d,}|[^ ].{%d}) " % (name.encode(), width + 1, width - 1)


def _right(name: str, width: int) -> bytes:
    # As `%*d ` prints it.
    return rb"(?P<%b>[^ ]{%d,}|.{%d}[^ ]) " % (name.encode(), width + 1, width - 1)


def _number(column: bytes) -> int | None:
    text = column.strip(b" ")
    if text in _NAMED:
        return _NAMED[text]
    number = int(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and -(1 << 31) <= number < 1 << 31 else None
