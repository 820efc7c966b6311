"""Book: a ledger that is being written: endings go in, and the calls of their session are counted beside them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from sigtrace.causes.endings import SCHEMA
from sigtrace.causes.judging.identity import identity
from sigtrace.causes.judging.verdict import Judge, columns
from sigtrace.causes.tracking.process import UNKNOWN, Process
from sigtrace.causes.tracking.rows import NO_TIME, NONE
from sigtrace.store.disk.sealed import Sealed
from sigtrace.store.flight import counts, ledger
from sigtrace.store.flight.home import MODE
from sigtrace.store.trust import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENDING = ("log", *columns())
"""The columns of an ending in the order in which an answer has them."""

TABLE = pa.schema(
    [
        *((name, SCHEMA.field(name).type) for name in ENDING),
        ("status", pa.int64()),  # what it called exit with, whatever ended it
        ("evidence", pa.string()),  # the rows that it rests on, as JSON
        ("nth", pa.int64()),  # in the order in which they were decided
    ]
)
"""The columns of a ledger."""

PAIR = ("verdict", "killer_comm", "source", "victim_comm", "sig")
"""What a ledger counts those who did more than exit by."""

_MOST_PAIRS = 2_000  # of more, the names say little
_DELTAS = ("victim_pid", "victim_start", "ts", "time", "nth", "lines.list.element")
_HOW: dict[str, Any] = {
    "compression": "ZSTD",
    "use_dictionary": [name for name in TABLE.names if name not in (*_DELTAS, "lines")],
    "column_encoding": dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
    "write_statistics": ["verdict", "ts", "victim_pid"],
    "store_schema": False,
}
_TOLD_ROWS = 1 << 13
_EXITS_ROWS = 1 << 13  # to find one, a row group is read


class Book:
    """A ledger at a path, of a session that has `files`: endings go in, and `close` makes it whole.

    `about` is what is known of it beforehand, of what `sigtrace.store.flight.ledger.Ledger` says of itself. A context
    manager: without `close`, nothing is left of it.
    """

    def __init__(self, path: Path, about: dict[str, Any], files: Sequence[str]) -> None:
        self._path, self._files = path, files
        self._about = about
        self._verdicts: dict[str, int] = {}
        self._failed = self._n = 0
        self._pids: list[int] = []
        self._told: list[dict[str, Any]] = []
        self._exits: dict[str, list[Any]] = {name: [] for name in _OF_EXITS}
        self._groups: list[int] = []
        self._pairs: Counter[tuple[Any, ...]] = Counter()
        self._first: int | None = None

    def __enter__(self) -> Self:
        self._file = Sealed(self._path, ledger.temporary(self._path).name, TABLE, _HOW, MODE).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def add(self, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        """Add the ending of a process."""
        if process.died is None:
            return
        pids = self._pids or [process.pid, process.pid]
        self._pids = [min(pids[0], process.pid), max(pids[1], process.pid)]
        verdict = "exited"
        if judge.just_exited(process, lost):
            self._exit(process)
        else:
            verdict = self._tell(judge, process, lost)
        if verdict == "exited":
            self._failed += process.status > 0
        self._verdicts[verdict] = self._verdicts.get(verdict, 0) + 1
        self._n += 1

    def close(self, pending: int) -> None:
        """Make it whole, with the calls of its session counted; `pending` endings were open where that ended."""
        self._write_told()
        self._write_exits()
        path = ledger.calls(self._path)
        calls = counts.written(path, ledger.temporary(path).name, self._about["log"], self._files, MODE)
        pairs = json.dumps([[*pair, n] for pair, n in self._pairs.items()]) if len(self._pairs) <= _MOST_PAIRS else ""
        told = {
            "pids": self._pids or None,
            "verdicts": self._verdicts,
            "failed": self._failed,
            "told": self._groups,
            "pairs": checksum.text(pairs.encode()) if pairs else None,
            "first": self._first,
            "pending": pending,
            "calls": calls,
        }
        self._file.seal({ledger.PAIRS: pairs, ledger.KEY: ledger.sealed({**self._about, **told})})

    def _tell(self, judge: Judge, process: Process, lost: bool) -> str:  # noqa: FBT001
        ending = judge.ending(process, lost)
        exited = ending["verdict"] == "exited"
        if not exited:
            self._pairs[tuple(ending[name] for name in PAIR)] += 1
            if ending["time"] is not None:
                self._first = ending["time"] if self._first is None else min(self._first, ending["time"])
        self._told.append(
            {
                "log": self._about["log"],
                **ending,
                "status": None if process.status == NONE else process.status,
                "evidence": None if exited else json.dumps(judge.evidence(process, lost)),
                "nth": self._n,
            }
        )
        if len(self._told) == _TOLD_ROWS:
            self._write_told()
        return str(ending["verdict"])

    def _exit(self, process: Process) -> None:
        died, parent, known = process.died, process.parent, identity(process.cgroup)
        if died is None:
            return
        status = None if process.status == NONE else process.status
        row = (
            process.pid,
            None if process.start == UNKNOWN else process.start,
            process.name(),
            process.command or process.filename,
            process.cgroup,
            None if parent is None else parent.pid,
            None if parent is None else parent.image(died.line).comm,
            died.ts,
            None if died.time == NO_TIME else died.time,
            [died.line],
            status,
            status,
            process.user,
            *known,
            process.filename,
            None if process.ns_pid == NONE else process.ns_pid,
            self._n,
        )
        for column, value in zip(self._exits.values(), row, strict=True):
            column.append(value)
        if len(self._exits["ts"]) == _EXITS_ROWS:
            self._write_exits()

    def _write_told(self) -> None:
        if self._told:
            self._groups.append(self._file.groups)
            self._file.write(pa.Table.from_pylist(self._told, TABLE))
            self._told = []

    def _write_exits(self) -> None:
        n = len(self._exits["ts"])
        if n:
            same = {"log": self._about["log"], **_SAME}
            columns = [
                pa.array(self._exits[field.name], field.type)
                if field.name in self._exits
                else pa.array([same.get(field.name)] * n, field.type)
                for field in TABLE
            ]
            self._file.write(pa.Table.from_arrays(columns, schema=TABLE))
            self._exits = {name: [] for name in _OF_EXITS}


_OF_EXITS = (
    "victim_pid", "victim_start", "victim_comm", "command", "cgroup", "parent_pid", "parent_comm", "ts", "time",
    "lines", "exit_status", "status", "victim_user", "victim_unit", "victim_runtime", "victim_container", "victim_pod",
    "victim_executable", "ns_pid", "nth",
)  # fmt: skip
# What all have in common who just exited; the rest is null.
_SAME: dict[str, Any] = {
    "verdict": "exited",
    "group": False,
    "lost": False,
    "reraised": False,
    "ancestors": [],
    "hops": [],
}
