"""Columns: what the columns of a table are made of, whichever tool prints it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

from sigtrace.facts.signals import SIGNALS

DAY_US = 86_400_000_000

NAME = rb"(?P<comm>.{16}) "
"""A name takes 16 places, and no more than 15 bytes of it are the name's."""

CLOCK = rb"(?P<time>\d\d:\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?)"

_NAMED = {b"N/A": 0} | {name.encode(): number for number, name in SIGNALS.items()}
_NAMED |= {b"SIGNAL-%d" % number: number for number in range(32, 65)}
_NUMBER = re.compile(rb"-?\d{1,10}")


class Told(NamedTuple):
    """What one line tells: `kind` is that of the line, and `row` lacks what all have in common.

    `day_us` is the time of day, if the table has it.
    """

    day_us: int | None
    kind: str
    row: dict[str, Any] | None


class Form(Protocol):
    """A table of one tool. A name has its places whatever is in it, so what stands in it cannot be another column."""

    tool: str
    timed: bool
    longest: int
    """No line of a table is longer."""

    def begins(self, line: bytes) -> bool:
        """Tell whether a row may begin here that a newline in its name has cut."""

    def spoiled(self, line: bytes) -> bool:
        """Tell whether a line that is no row begins as one does."""

    def told(self, row: bytes) -> Told | None:
        """Return what a row tells; None if it is none, or not whole."""


def left(name: str, width: int) -> bytes:
    """Return a column as `%-*d ` prints it: padded to its width, or longer and not padded."""
    return rb"(?P<%b>[^ ]{%d,}|[^ ].{%d}) " % (name.encode(), width + 1, width - 1)


def right(name: str, width: int) -> bytes:
    """Return a column as `%*d ` prints it."""
    return rb"(?P<%b>[^ ]{%d,}|.{%d}[^ ]) " % (name.encode(), width + 1, width - 1)


def number(column: bytes) -> int | None:
    """Return the number in a column, which may be the name of a signal; None if there is none."""
    found = column.strip(b" ")
    if found in _NAMED:
        return _NAMED[found]
    value = int(found) if _NUMBER.fullmatch(found) else None
    return value if value is not None and -(1 << 31) <= value < 1 << 31 else None


def day_us(time: bytes) -> int | None:
    """Return a time of day in microseconds since midnight; None if it is none."""
    hours, minutes, seconds = time.split(b":")
    found = (int(hours) * 60 + int(minutes)) * 60_000_000 + round(float(seconds) * 1e6)
    return found if found < DAY_US else None


def text(name: bytes) -> str:
    """Return a name as a row has it."""
    return name.rstrip(b" ").decode("utf-8", "backslashreplace")
