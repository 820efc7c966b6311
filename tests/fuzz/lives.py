"""Lives: any bytes as rows of processes, in any order, which the process tracker follows and the judge tells of."""

from __future__ import annotations

import zlib
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import twins

from sigtrace.causes import endings, feed, victims
from sigtrace.causes.judging.verdict import Judge
from sigtrace.causes.tracking.rows import HANDLERS, KINDS, NAMES, NO_TIME, NONE, NUMBERS, OTHER, Chunk
from sigtrace.facts.events import EVENTS
from sigtrace.facts.schema import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sigtrace.causes.tracking.process import Process
    from sigtrace.causes.tracking.rows import Follower

    Told = tuple[list[dict[str, Any]], list[dict[str, Any]]]

_EVERY = 64
_ROW = 12
_NULL = 0xF8
_VERDICTS = {"killed", "asked", "self", "fault", "oom", "exited", "unknown"}
_ENDING = set(endings.SCHEMA.names) - {"log"}
_SIGNALS = (0, 1, 2, 6, 9, 9, 11, 15, 15, 17, 34, 64)
_VALUES: dict[str, Callable[[int], Any]] = {
    **dict.fromkeys(PLAIN.names, lambda byte: byte % 8),
    **dict.fromkeys(("comm", "target_comm", "filename", "user", "command", "log"), lambda byte: "abc"[byte % 3]),
    "cgroup": lambda byte: ("/", "/docker/" + 64 * "a", "/system.slice/a.service")[byte % 3],
    "sig": lambda byte: _SIGNALS[byte % len(_SIGNALS)],
    "target": lambda byte: byte % 11 - 2,
    "code": lambda byte: (0, -6, 128, 1, -2, 2)[byte % 6],
    "ret": lambda byte: (0, -3)[byte % 2],
    "handler": lambda byte: HANDLERS[byte % 3],
    "grp": lambda byte: byte % 2 == 1,
    "group_dead": lambda byte: byte % 2 == 1,
    "res": lambda byte: byte % 5,
    "time": lambda byte: byte,
}


def rows(data: bytes, *, all_of_it: bool | None = None) -> None:
    """Have the tracker follow any rows, and the judge tell of each ending; every so often, or if told, in all ways."""
    told = _followed(_Columns(data))
    number = zlib.crc32(data)
    if number % _EVERY == 0 if all_of_it is None else all_of_it:
        table = pa.Table.from_pylist([_row(row, line) for row, line in _cut(data)], PLAIN)
        assert [_followed(of_log) for _, of_log in feed.tables(table)] == ([told] if len(table) else [])
        assert _followed(_Columns(data, number % 7 + 1)) == told
        assert _followed(_Columns(data), _twin()) == told


def _followed(rows: Any, tracked: ModuleType = endings) -> Told:
    ended: list[dict[str, Any]] = []
    hit: list[dict[str, Any]] = []
    seen: set[tuple[int, int]] = set()
    judge = Judge(witnessed=True)

    def tell(process: Process, lost: bool) -> None:  # noqa: FBT001
        ending = judge.ending(process, lost)
        assert ending["verdict"] in _VERDICTS
        assert ending.keys() == _ENDING
        assert (process.pid, id(process)) not in seen
        seen.add((process.pid, id(process)))
        ended.append(ending)
        kept.append(process)

    kept: list[Process] = []  # so that no other one has its id
    tracked.track(rows, tell, settled=lambda signal: hit.append(victims.victim(signal)))
    return ended, hit


@lru_cache
def _twin() -> ModuleType:
    return twins.interpreted("sigtrace.causes.endings")


class _Columns:
    # Rows as sigtrace.causes.feed.Table has them, made without Arrow: that takes longer than all else.
    missing = ()

    def __init__(self, data: bytes, piece: int = 1 << 30) -> None:
        found = [(*_of_row(row[0], row[1]), row, line) for row, line in _cut(data)]
        self._pieces = [found[at : at + piece] for at in range(0, len(found), piece)]
        events = {EVENTS[row[0] % len(EVENTS)].name for _, _, row, _ in found}
        self.lossy = "lost" in events
        self.exits_told = feed.exits_told(events)

    def feed(self, follower: Follower) -> None:
        """Have a follower follow all rows, piece by piece."""
        for piece in self._pieces:
            follower.follow(_chunk(piece), 1 << 62)


_Filled = tuple[tuple[int, int, int, tuple[int, ...]], ...]


def _chunk(rows: list[tuple[int, _Filled, bytes, int]]) -> Chunk:
    found = []
    for kind, filled, row, line in rows:
        values = [*_NOTHING]
        values[_KIND], values[_LINE], values[_TID], values[_TS] = kind, line + 1, row[2] % 8, _ts(row, line)
        for column, at, mask, told in filled:
            if (byte := row[at] ^ mask) < _NULL:
                values[column] = told[byte]
        found.append(values)
    columns = dict(zip(_COLUMNS, zip(*found, strict=True), strict=True))
    numbers = {name: memoryview(array(type_, columns[name])) for name, type_ in NUMBERS.items()}
    return Chunk(len(found), numbers, {name: memoryview(array("i", columns[name])) for name in NAMES}, _NAMED)


_COLUMNS = (*NUMBERS, *NAMES)
_NULLS = {"line": 0, "ts": 0, "cpu": 0, "tid": 0, "time": NO_TIME, "small": 255, "flag": 2, "pid": -1, "cgroup_id": -1}
_NOTHING = [{**dict.fromkeys(NUMBERS, NONE), **dict.fromkeys(NAMES, -1), **_NULLS}[name] for name in _COLUMNS]
_KIND, _LINE, _TID, _TS = (_COLUMNS.index(name) for name in ("kind", "line", "tid", "ts"))
_NAMED = {name: [_VALUES[name](code) for code in range(3)] for name in NAMES}
_HELD_IN = {"res": "small", "handler": "small", "grp": "flag", "group_dead": "flag"}


@lru_cache(maxsize=1 << 16)
def _of_row(first: int, second: int) -> tuple[int, _Filled]:
    # The kind of a row, and of each column that it fills: the byte that says it, and what each value of that is.
    event = EVENTS[first % len(EVENTS)]
    form = event.forms[second % len(event.forms)].split()
    filled = []
    for number, column in enumerate(PLAIN.names):
        held = _HELD_IN.get(column, column)
        if column in form and held in _COLUMNS and held != "ts":
            filled.append((_COLUMNS.index(held), 2 + number % (_ROW - 2), number * 37 & 0xFF, _stored(column)))
    return KINDS.index(event.name) if event.name in KINDS else OTHER, tuple(filled)


@lru_cache
def _stored(column: str) -> tuple[int, ...]:
    values = [_VALUES[column](byte) for byte in range(_NULL)]
    names = _NAMED[column] if column in NAMES else [*HANDLERS] if column == "handler" else None
    return tuple(int(value) if names is None else names.index(value) for value in values)


def _cut(data: bytes) -> list[tuple[bytes, int]]:
    return [(data[at : at + _ROW], at) for at in range(0, len(data) - _ROW + 1, _ROW)]


def _ts(row: bytes, line: int) -> int:
    return 1_000_000 + line * (row[1] % 16) * 1000


def _row(data: bytes, line: int) -> dict[str, Any]:
    # Few pids, so that they meet, and a null now and then: bytes of 0xf8 and more.
    event = EVENTS[data[0] % len(EVENTS)]
    filled = set(event.forms[data[1] % len(event.forms)].split())
    values: dict[str, Any] = {}
    for number, column in enumerate(PLAIN.names):
        byte = data[2 + number % (_ROW - 2)] ^ (number * 37 & 0xFF)
        if column in filled and byte < _NULL:
            values[column] = _VALUES[column](byte)
    values |= {"ts": _ts(data, line), "tid": values.get("tid", data[2] % 8)}
    return {**values, "event": event.name, "line": line + 1}
