"""Snapshot: what /proc knew when a recording began, as rows of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.facts.schema import PLAIN, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def batch(
    processes: Sequence[dict[str, Any]], cgroups: Mapping[str, int], log: str, utc_offset_us: int | None
) -> pa.RecordBatch:
    """Return what ran and which control groups there were as rows of the events `process`, `thread` and `cgroup`.

    `processes` is of `sigtrace.capture.proc.snapshot`, `cgroups` of `sigtrace.capture.cgroup.existing`. Of a process
    `ts` is when it started, `target` its parent, and `filename` its executable; `line` is 0, for no line says it.
    """
    shared = {"line": 0, "log": log}
    rows = [{**_process(one, utc_offset_us), **shared} for one in processes]
    rows += [
        {"event": "thread", "tid": tid, "pid": one["pid"], "comm": comm, **shared}
        for one in processes
        for tid, comm in one["threads"].items()
    ]
    rows += [{"event": "cgroup", "cgroup": path, "cgroup_id": number, **shared} for path, number in cgroups.items()]
    plain = pa.RecordBatch.from_pylist(rows, schema=PLAIN)
    # The event's codes are 8 bits wide, and arrow encodes in 32 only.
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(plain.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _process(one: dict[str, Any], utc_offset_us: int | None) -> dict[str, Any]:
    same = ("pid", "comm", "uid", "user", "command", "cgroup", "cgroup_id", "pidns", "ns_pid")
    return {
        "ts": one["start_us"],
        "time": None if utc_offset_us is None else one["start_us"] + utc_offset_us,
        "event": "process",
        "tid": one["pid"],
        "target": one["ppid"],
        "filename": one["executable"],
        **{name: one[name] for name in same},
    }
