"""Targets: what is asked of sigtrace for any bytes, as a log, as rows for the process tracker, or as damage.

A log is read as the plain parser reads it, however it is cut, and its account adds up. Rows, in whatever order, end no
process twice, and each answer can be told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import damaged_sessions
import plain_parser
import pyarrow as pa

from sigtrace.causes import endings, feed, victims
from sigtrace.causes.judging.verdict import Judge
from sigtrace.causes.tracking.rows import HANDLERS
from sigtrace.facts.events import EVENTS
from sigtrace.facts.schema import PLAIN
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.causes.tracking.process import Process
    from sigtrace.trace.accounting import Accounting

session = damaged_sessions.session

Rows = list[dict[str, Any]]


def log(data: bytes) -> None:
    """Hold the parser to all that is asked of it."""
    rows, kinds = _parsed(data)
    assert sum(kinds.values()) == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    size = len(data) % 61 + 1
    assert _parsed(data, size) == (rows, kinds)
    assert _resumed(data, size) == (rows, kinds)
    plain, plain_kinds = plain_parser.read(data)
    assert (ordered(rows), kinds) == (ordered(plain), plain_kinds)


def scan(data: bytes) -> None:
    """Hold the scanner to it that it reads the same however the bytes are cut: a hundred times as fast as `log`."""
    whole = _scanned(data, len(data) or 1)
    assert whole[0].lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert _scanned(data, len(data) % 61 + 1) == whole


def rows(data: bytes) -> None:
    """Have the process tracker follow any rows, and the judge tell of each ending."""
    table = pa.Table.from_pylist([_row(data[at : at + _ROW], at) for at in range(0, len(data) - _ROW + 1, _ROW)], PLAIN)
    lossy = "lost" in table["event"].to_pylist()
    for _, of_log in feed.tables(table):
        assert of_log.lossy == lossy
        ended: list[tuple[int, int]] = []
        hit: list[dict[str, Any]] = []

        def tell(process: Process, lost: bool, ended: list[tuple[int, int]] = ended) -> None:  # noqa: FBT001
            ending = Judge(witnessed=True).ending(process, lost)
            assert ending["verdict"] in _VERDICTS
            assert set(ending) | {"log"} == set(endings.SCHEMA.names)
            ended.append((process.pid, id(process)))

        endings.track(of_log, tell, settled=lambda signal, hit=hit: hit.append(victims.victim(signal)))
        assert len(ended) == len(set(ended))


def _row(data: bytes, line: int) -> dict[str, Any]:
    # Few pids, so that they meet, and a null now and then: bytes of 0xf8 and more.
    event = EVENTS[data[0] % len(EVENTS)]
    filled = set(event.forms[data[1] % len(event.forms)].split())
    values: dict[str, Any] = {}
    for number, column in enumerate(PLAIN.names):
        byte = data[2 + number % (_ROW - 2)] ^ (number * 37 & 0xFF)
        if column in filled and byte < _NULL:
            values[column] = _VALUES[column](byte)
    values |= {"ts": 1_000_000 + line * (data[1] % 16) * 1000, "tid": values.get("tid", data[2] % 8)}
    return {**values, "event": event.name, "line": line + 1}


_ROW = 12
_NULL = 0xF8
_VERDICTS = {"killed", "asked", "self", "fault", "oom", "exited", "unknown"}
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


def ordered(rows: Rows) -> Rows:
    """Return rows in the order of their lines."""
    return sorted(rows, key=lambda row: (row["line"], row["event"], repr(row)))


def _parsed(data: bytes, size: int = 1 << 30) -> tuple[Rows, dict[str, int]]:
    parser = Parser(rows=5)
    found: Rows = []
    for start in range(0, len(data), size):
        for batch in parser.feed(data[start : start + size]):
            found += batch.to_pylist()
    for batch in parser.finish():
        found += batch.to_pylist()
    return _known(found), parser.accounting.lines_by_kind


def _scanned(data: bytes, size: int) -> tuple[Accounting, list[tuple[list[str], bytes, bytes]]]:
    # What every row has, before pyarrow makes a batch of it.
    parser = Parser(rows=1 << 6)  # more than the longest input has
    found = [rows for at in range(0, len(data), size) for rows in parser.scan(data[at : at + size])]
    found += parser.end()
    return parser.accounting, [_every(rows._names, rows._columns, len(rows)) for rows in found]  # noqa: SLF001


def _every(names: list[str], columns: dict[str, memoryview], n: int) -> tuple[list[str], bytes, bytes]:
    return names, bytes(columns["shape"][:n]), bytes(columns["line"][:n])


def _resumed(data: bytes, size: int) -> tuple[Rows, dict[str, int]]:
    parser = Parser(rows=5)
    found: Rows = []
    at = min(size, len(data))
    for batch in parser.feed(data[:at]):
        found += batch.to_pylist()
    if (last := parser.take()) is not None:
        found += last.to_pylist()
    state = json.loads(json.dumps(parser.state()))
    parser = Parser(rows=5)
    parser.resume(state)
    for batch in [*parser.feed(data[at:]), *parser.finish()]:
        found += batch.to_pylist()
    return _known(found), parser.accounting.lines_by_kind


def _known(rows: Rows) -> Rows:
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
