"""Logs: any bytes, read as the plain parser reads them, however they are cut."""

from __future__ import annotations

import json
import zlib
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import plain_parser
import twins

from sigtrace.causes.tracking.rows import HANDLERS
from sigtrace.facts.events import ROWS
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.trace import parser

Rows = list[dict[str, Any]]

_SOME = 16
_EVERY = 64
_FEW = 5  # rows, so that batches come to their end
# Python has an allocator of its own for what is at most 512 bytes long, into which the address sanitizer cannot see.
_MANY = 513  # rows
_FULL = 400
_LEAD = 4 * (b"#" * 127 + b"\n")  # comments
_PIECE = 61
# The scanner's columns in which others are; tests/fuzz reads them without Arrow, and sigtrace/trace/batch.py with it.
_HELD_IN = {
    **dict.fromkeys(("res", "handler"), "small"),
    **dict.fromkeys(("grp", "group_dead"), "bit"),
    **dict.fromkeys(("status", "uid"), "code"),
    **dict.fromkeys(("command", "cgroup"), "filename"),
    "cgroup_id": "lost",
}
_NAMES = ("comm", "target_comm", "filename", "command", "cgroup")


def scan(data: bytes, *, all_of_it: bool | None = None) -> None:
    """Hold the scanner to it that it reads the same however the bytes are cut.

    Two parsers go on from input to input: to make one takes longer than to read a short log. Counts are compared at
    each run, and what the rows say every so often, or if told.
    """
    number = zlib.crc32(data)
    log = data if data.endswith(b"\n") or not data else data + b"\n"
    size = _size(data)
    # Each block is longer than what Python allocates by itself.
    whole = _WHOLE.read_on([_LEAD + log])
    cut = _CUT.read_on([_LEAD + log[:size], *_pieces(log[size:], size)])
    assert whole[0] - _WHOLE.lines == _LEAD.count(b"\n") + _lines(data), _before()
    _WHOLE.lines = whole[0]
    assert cut == whole, _before()
    if _WHOLE.full or (number % _SOME == 0 if all_of_it is None else all_of_it):
        kinds = _WHOLE.parser.accounting.lines_by_kind
        assert kinds == _CUT.parser.accounting.lines_by_kind, _before()
        assert sum(kinds.values()) == whole[0], _before()
        assert _WHOLE.held() == _CUT.held(), _before()
    _LAST.append(data)


def log(data: bytes, *, all_of_it: bool | None = None) -> None:
    """Hold the parser to the plain parser; every so often, or if told, in pieces, and to its twin and Arrow too."""
    number = zlib.crc32(data)
    rows, kinds = _WHOLE_OF_FEW.read([data])
    assert sum(kinds.values()) == _lines(data), _before()
    plain, plain_kinds = plain_parser.read(data)
    assert kinds == plain_kinds, _before()
    assert _ordered(rows) == _ordered(plain), _before()
    pieces = _pieces(data, _size(data))
    if number % _SOME == 0 if all_of_it is None else all_of_it:
        assert _CUT_OF_FEW.read(pieces) == (rows, kinds), _before()
        at = number % (len(data) + 1)
        first, state = _CUT_OF_FEW.taken(data[:at])
        last, resumed = _WHOLE_OF_FEW.read([data[at:]], json.loads(json.dumps(state)))
        assert (first + last, resumed) == (rows, kinds), _before()
    if number % _EVERY == 0 if all_of_it is None else all_of_it:
        assert _Reader(_FEW, _twin()).read(pieces) == (rows, kinds), _before()
        assert _batched(pieces) == (rows, kinds), _before()
    _LAST.append(data)


_LAST: deque[bytes] = deque(maxlen=8)


def _before() -> str:
    # A parser keeps what names it read last: that must not matter.
    return f"if the parser has read these before: {[*_LAST]}"


class _Reader:
    # A parser that reads log after log.
    def __init__(self, rows: int, parser_of: Callable[..., Parser] = Parser) -> None:
        self.parser = parser_of(rows=rows)
        self.full = False
        self.lines = 0
        self._fresh = self.parser.state()
        self._scanner = self.parser._scanner  # noqa: SLF001
        self._given: list[parser.Rows] = []

    def read_on(self, pieces: list[bytes]) -> tuple[int, ...]:
        """Read one more log, up to its last newline, and return the counts up to now."""
        scanner = self._scanner
        scanner.seen_header = scanner.after_piece = False
        for piece in pieces:
            self._given += self.parser.scan(piece)
        while not scanner.finish():
            self._given += filter(None, [self.parser.rest()])
        self.full = len(self._given) > 0 or scanner.rows > _FULL
        return (
            *(scanner.lines, scanner.other, scanner.continuation, scanner.comment, scanner.blank, scanner.malformed),
            *(scanner.unstitchable, scanner.kill, scanner.half, scanner.losses, scanner.microseconds, scanner.ticks),
            *(scanner.rows, scanner.letters, len(scanner.names), scanner.calls.repeated, len(self._given)),
        )

    def held(self) -> list[tuple[list[str], list[bytes]]]:
        """Return what the rows since the last time say."""
        given = [*self._given, *filter(None, [self.parser.rest()])]
        self._given = []
        return [(rows._names, [*map(bytes, rows._columns.values())]) for rows in given]  # noqa: SLF001

    def read(self, pieces: list[bytes], state: dict[str, Any] | None = None) -> tuple[Rows, dict[str, int]]:
        """Return the rows of a log, which goes on from a state, and how many lines became what."""
        self.parser.resume(self._fresh if state is None else state)
        found: Rows = []
        for piece in pieces:
            for rows in self.parser.scan(piece):
                found += _told(rows)
        for rows in self.parser.end():
            found += _told(rows)
        return found, self.parser.accounting.lines_by_kind

    def taken(self, data: bytes) -> tuple[Rows, dict[str, Any]]:
        """Return the rows of a log's beginning, and the state in which it ends."""
        self.parser.resume(self._fresh)
        rows = [*self.parser.scan(data), *filter(None, [self.parser.rest()])]
        state = self.parser.state()
        for _ in self.parser.end():  # so that nothing is pending when the next log is read
            pass
        return [row for some in rows for row in _told(some)], state


_WHOLE, _CUT = _Reader(_MANY), _Reader(_MANY)
_WHOLE_OF_FEW, _CUT_OF_FEW = _Reader(_FEW), _Reader(_FEW)


def _size(data: bytes) -> int:
    # Of a piece. Now and then small ones, of which there are many.
    number = zlib.crc32(data)
    return number % _PIECE + 1 if number % _SOME == 1 else len(data) // 4 + number % _PIECE + 1


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _lines(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def _ordered(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (row["line"], row["event"], row.get("cpu", -1), row.get("tid", -1)))


@lru_cache
def _twin() -> type[Parser]:
    return twins.interpreted("sigtrace.trace.parser").Parser  # type: ignore[no-any-return]


def _batched(pieces: list[bytes]) -> tuple[Rows, dict[str, int]]:
    parser = Parser(rows=_FEW)
    batches = [*(batch for piece in pieces for batch in parser.feed(piece)), *parser.finish()]
    found = [row for batch in batches for row in batch.to_pylist()]
    known = [{name: value for name, value in row.items() if value is not None} for row in found]
    return known, parser.accounting.lines_by_kind


# What rows say, by the scanner's own columns: to have Arrow make a batch of them takes longer than all else.


def _told(rows: parser.Rows) -> Rows:
    names, columns, n = rows._names, rows._columns, rows._rows  # noqa: SLF001
    lines = columns["line"]
    shapes = columns["shape"]
    found: Rows = []
    for i in range(n):
        event, numbers, named, told = _of_shape(shapes[i])
        row = {"event": event, "line": lines[i]}
        for column, held in numbers:
            row[column] = columns[held][i]
        for column, held in named:
            row[column] = names[columns[held][i]]
        for column, held, values in told:
            row[column] = values[columns[held][i]]
        found.append(row)
    return found


_Held = tuple[tuple[str, str], ...]


@lru_cache(maxsize=256)
def _of_shape(shape: int) -> tuple[str, _Held, _Held, tuple[tuple[str, str, dict[int, Any]], ...]]:
    # The event, and what fills which column.
    event, form = ROWS[shape >> 2]
    unknown = {"user"} | ({"pid"} if shape & 1 else set()) | ({"comm"} if shape & 2 else set())
    filled = [(column, _HELD_IN.get(column, column)) for column in form.split() if column not in unknown]
    values: dict[str, dict[int, Any]] = {
        "handler": dict(enumerate(HANDLERS)),
        "grp": {0: False, 1: True},
        "group_dead": {0: False, 1: True},
    }
    return (
        event,
        tuple((column, held) for column, held in filled if column not in _NAMES and column not in values),
        tuple((column, held) for column, held in filled if column in _NAMES),
        tuple((column, held, values[column]) for column, held in filled if column in values),
    )
