"""Snapshot: what /proc knew when a recording began, as rows of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.facts.schema import PLAIN, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence


def batch(snapshot: Sequence[dict[str, Any]], log: str, utc_offset_us: int | None) -> pa.RecordBatch:
    """Return what `sigtrace.capture.proc.snapshot` found as rows of the event `process`.

    `ts` is when it started, `target` its parent, and `filename` its command line; `line` is 0, for no line says it.
    """
    rows = [
        {
            "ts": one["start_us"],
            "time": None if utc_offset_us is None else one["start_us"] + utc_offset_us,
            "event": "process",
            "tid": one["pid"],
            "pid": one["pid"],
            "comm": one["comm"],
            "target": one["ppid"],
            "filename": one["command"],
            "cgroup": one["cgroup"],
            "pidns": one["pidns"],
            "line": 0,
            "log": log,
        }
        for one in snapshot
    ]
    plain = pa.RecordBatch.from_pylist(rows, schema=PLAIN)
    # The event's codes are 8 bits wide, and arrow encodes in 32 only.
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(plain.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
