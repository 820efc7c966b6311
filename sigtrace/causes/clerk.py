"""Clerk: follows the segments of a log from its beginning, and writes the endings of each into its ledger."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from sigtrace.capture import rights
from sigtrace.causes import feed
from sigtrace.causes.endings import SCHEMA
from sigtrace.causes.judging.identity import identity
from sigtrace.causes.judging.verdict import Judge, columns
from sigtrace.causes.tracking.process import UNKNOWN, Process
from sigtrace.causes.tracking.rows import NO_TIME, NONE
from sigtrace.causes.tracking.tracker import Tracker
from sigtrace.errors import SessionError
from sigtrace.store.disk.sealed import Sealed
from sigtrace.store.flight import counts, ledger
from sigtrace.store.flight.home import MODE, is_held, status
from sigtrace.store.flight.segments import find as find_segments
from sigtrace.store.flight.segments import joined
from sigtrace.store.folder import Folder
from sigtrace.store.sessions import Damaged, Found, find, looked_at
from sigtrace.store.trust import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_MOST_BYTES = 256 << 20  # of parts: some 20 million rows, ten seconds
_LEAST_URGENT = 19
_TOLD_ROWS = 1 << 13
_EXITS_ROWS = 1 << 13  # to find one, a row group is read


def write(segments: Sequence[Found], *, final: bool) -> bool:
    """Write the ledgers of the segments of one log, from its first on, that have none that holds.

    `final`: whether the log has ended, so that its last endings are decided. Returns whether they were written. They
    are not if events were lost, or if anything is missing or damaged: what that bears on is known afterwards only.
    """
    (whole,) = joined(segments)
    if not can_be_told(whole) or (abouts := _abouts(segments, whole, final=final)) is None:
        return False
    if all(_is_written(one, about) for one, about in zip(segments, abouts, strict=True)):
        return False
    with tempfile.TemporaryDirectory(prefix="sigtrace-") as scratch:
        looked = [looked_at(one, Path(scratch)) for one in segments]
    if any(isinstance(one, Damaged) or "damaged" in one.about for one in looked):
        return False
    known = feed.told(whole)
    clerk = _Clerk(Judge(witnessed=known["witnessed"], signals=known["signals"]))
    tracker = Tracker(clerk.ended, None, all_endings=True, exits_told=known["exits_told"])
    for one, about in zip(segments, abouts, strict=True):
        last = one is segments[-1]
        with nullcontext() if _is_written(one, about) else _Book(one, about) as clerk.book:
            feed.Parts(one.files, lossy=False, witnessed=True).feed(tracker)
            if last:
                clerk.end(tracker, told=final)
            if clerk.book is not None:
                clerk.book.close(clerk.pending if last else None)
    return True


def can_be_told(whole: Found) -> bool:
    """Tell whether the endings of a log can be decided as its rows come: from its beginning, and nothing is missing."""
    return (
        whole.rows is None
        and whole.about.get("segment", 0) == 0
        and len(whole.logs) == 1
        and "damaged" not in whole.about
        and not feed.lossy(whole)
    )


def due(home: Path, scratch: Path) -> Iterator[tuple[list[Found], bool]]:
    """Yield of each log in a flight recorder's folder the segments that have ended, and whether all of it has.

    Logs of which a segment is damaged are left out, and so are those that are too large to be followed each hour.
    """
    current = status(home).get("log") if is_held(home) else None
    logs: dict[str, list[Path]] = {}
    for one in find_segments(home):
        if "lines" in one.about and one.about.get("log") is not None:
            logs.setdefault(one.about["log"], []).append(one.path)
    for log, paths in logs.items():
        found = [one for path in paths for one in find(path, scratch)]
        whole = [one for one in found if isinstance(one, Found)]
        size = sum(Path(file).stat().st_size for one in whole for file in one.files)
        if len(whole) == len(found) and size <= _MOST_BYTES:
            yield sorted(whole, key=lambda one: one.about.get("segment", 0)), log != current


def main(home: str) -> None:
    """Write what ledgers are due in a flight recorder's folder, when nothing else is to be done on the machine."""
    rights.drop()
    os.nice(_LEAST_URGENT)
    with tempfile.TemporaryDirectory(prefix="sigtrace-") as scratch:
        for segments, final in due(Path(home), Path(scratch)):
            try:
                write(segments, final=final)
            # A segment has expired, the disk is full, or a part holds what no recorder wrote: they can be found.
            except (OSError, LookupError, ValueError, SessionError, pa.ArrowException) as error:
                print(f"sigtrace: endings are not written: {error}", file=sys.stderr)


class _Clerk:
    """Takes endings from a tracker, and puts them into the book that is open."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.book: _Book | None = None
        self.pending = 0
        self._ending = False

    def end(self, tracker: Tracker, *, told: bool) -> None:
        book = self.book
        self._ending = True
        if not told:
            self.book = None
        tracker.end()
        self.book = book

    def ended(self, process: Process, lost: bool) -> None:  # noqa: FBT001
        self.pending += self._ending
        if self.book is not None:
            self.book.add(self._judge, process, lost)


class _Book:
    """A ledger that is being written: rows go in, and `close` makes it whole."""

    def __init__(self, session: Found, about: dict[str, Any]) -> None:
        path = ledger.place(Path(session.path))
        if path is None:
            raise SessionError(f"{session.path}: its endings have no place: it is in no folder of a host and a date")
        self._path, self._session = path, Path(session.path)
        self._files = session.files
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
        if not self._session.exists():  # it has expired meanwhile
            ledger.remove(self._session)

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

    def close(self, pending: int | None) -> None:
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
            None if parent is None else parent.name(),
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


def _abouts(segments: Sequence[Found], whole: Found, *, final: bool) -> list[dict[str, Any]] | None:
    # What the ledger of each says of itself beforehand; None if a part was never sealed.
    found: list[dict[str, Any]] = []
    before = ""
    for one in segments:
        seals = ledger.seals(Folder(Path(one.path)))
        if seals is None:
            return None
        before = ledger.history(before, seals)
        said = {"log": one.about.get("log"), **({"segment": one.about["segment"]} if "segment" in one.about else {})}
        last = one is segments[-1]
        found.append({**said, "history": before, "seals": seals, **feed.told(whole), "final": last and final})
    return found


def _is_written(one: Found, about: dict[str, Any]) -> bool:
    same = ("history", "witnessed", "exits_told", "final")
    return any([book.about[name] for name in same] == [about[name] for name in same] for book in one.ledgers)
