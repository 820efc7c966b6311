"""Snapshot: what /proc knew when a recording began, as rows of the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sigtrace.trace.batch import of_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


class Rows:
    """Rows that no line of a log says, `line` lines after its begin."""

    def __init__(self, log: str, line: int, utc_offset_us: int | None) -> None:
        self._shared = {"line": line, "log": log}
        self._utc_offset_us = utc_offset_us

    def batch(
        self,
        processes: Sequence[dict[str, Any]],
        cgroups: Mapping[str, int],
        unrecorded: tuple[datetime, datetime] | None = None,
    ) -> pa.RecordBatch:
        """Return what ran and which control groups there were as rows of `process`, `thread`, `cgroup` and `gap`.

        `processes` is of `sigtrace.capture.proc.snapshot`, `cgroups` of `sigtrace.capture.cgroup.existing`. Of a
        process `ts` is when it started, `target` its parent, and `filename` its executable. `unrecorded` is the time,
        from and to, in which nobody recorded: of that row `ts` is its end, and `lost` its microseconds.
        """
        rows = [self._process(one) for one in processes]
        rows += [
            {"event": "thread", "tid": tid, "pid": one["pid"], "comm": comm}
            for one in processes
            for tid, comm in one["threads"].items()
        ]
        rows += [{"event": "cgroup", "cgroup": path, "cgroup_id": number} for path, number in cgroups.items()]
        if unrecorded is not None:
            rows.append(self._gap(*unrecorded))
        return of_rows([{**row, **self._shared} for row in rows])

    def _process(self, one: dict[str, Any]) -> dict[str, Any]:
        same = ("pid", "comm", "uid", "user", "command", "cgroup", "cgroup_id", "pidns", "ns_pid")
        return {
            "ts": one["start_us"],
            "time": self._utc(one["start_us"]),
            "event": "process",
            "tid": one["pid"],
            "target": one["ppid"],
            "filename": one["executable"],
            **{name: one[name] for name in same},
        }

    def _gap(self, begin: datetime, end: datetime) -> dict[str, Any]:
        now = (end - _EPOCH) // _MICROSECOND
        offset = self._utc_offset_us
        lost = max((end - begin) // _MICROSECOND, 0)
        return {"event": "gap", "ts": None if offset is None else now - offset, "time": now, "lost": lost}

    def _utc(self, ts: int) -> int | None:
        return None if self._utc_offset_us is None else ts + self._utc_offset_us
