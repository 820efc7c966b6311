"""Ancestry: of a process, its parent, the parent's parent, and so on, as far as the session has seen them."""

from __future__ import annotations

import pyarrow as pa

from sigtrace.causes import feed
from sigtrace.causes.endings import table, track
from sigtrace.causes.tracking.rows import NO_TIME

_TYPES: dict[str, pa.DataType] = {
    "log": pa.string(),
    "of_start": pa.int64(),
    "generation": pa.int64(),
    "pid": pa.int64(),
    "start": pa.int64(),
    "comm": pa.string(),
    "command": pa.string(),
}
SCHEMA = pa.schema(_TYPES)
"""The columns of an ancestor; `sigtrace.analyze.ancestors` says what each is."""


def ancestors(events: pa.Table, pid: int) -> pa.Table:
    """Return an ancestor of `SCHEMA` for each generation of each process that had a pid."""
    rows = (
        {
            "log": log,
            "of_start": _start(process.start),
            "generation": generation,
            "pid": one.pid,
            "start": _start(one.start),
            "comm": one.name(),
            "command": one.command,
        }
        for log, rows in feed.tables(events)
        for process in track(rows, lambda *_: None, pid=pid).processes
        for generation, one in enumerate(process.ancestors())
    )
    return table(rows, SCHEMA)


def _start(ts: int) -> int | None:
    return None if ts == NO_TIME else ts
