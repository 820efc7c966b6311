"""Endings: of each process that ended, who or what ended it, and how that is known."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from sigtrace.causes import feed
from sigtrace.causes.gaps import Gaps
from sigtrace.causes.judging.verdict import Judge
from sigtrace.causes.tracking.rows import Follower
from sigtrace.causes.tracking.tracker import Tracker
from sigtrace.facts.rules import ASKED_WITHIN_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.causes.tracking.rows import Chunk

    Ended = Callable[[str | None, Judge, Process, bool], Any]
    Logged = tuple[str | None, feed.Table | feed.Parts]
    Settled = Callable[[str | None, Signal], Any]

_TYPES: dict[str, pa.DataType] = {
    "log": pa.string(),
    "victim_pid": pa.int64(),
    "victim_start": pa.int64(),
    "victim_comm": pa.string(),
    "command": pa.string(),
    "cgroup": pa.string(),
    "parent_pid": pa.int64(),
    "parent_comm": pa.string(),
    "ts": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "sig": pa.int64(),
    "verdict": pa.string(),
    "source": pa.string(),
    "killer_pid": pa.int64(),
    "killer_comm": pa.string(),
    "actor_pid": pa.int64(),
    "actor_comm": pa.string(),
    "ancestors": pa.list_(pa.string()),
    "group": pa.bool_(),
    "delay_us": pa.int64(),
    "earlier_sig": pa.int64(),
    "earlier_fate": pa.string(),
    "grace_us": pa.int64(),
    "lost": pa.bool_(),
    "lines": pa.list_(pa.int64()),
    "exit_status": pa.int64(),
    "how": pa.string(),
    "reraised": pa.bool_(),
    "first_pid": pa.int64(),
    "first_comm": pa.string(),
    "first_sig": pa.int64(),
    "hops": pa.list_(pa.string()),
    "victim_user": pa.string(),
    "victim_unit": pa.string(),
    "victim_runtime": pa.string(),
    "victim_container": pa.string(),
    "victim_pod": pa.string(),
    "victim_executable": pa.string(),
    "killer_thread": pa.string(),
    "killer_command": pa.string(),
    "killer_user": pa.string(),
    "killer_unit": pa.string(),
    "killer_runtime": pa.string(),
    "killer_container": pa.string(),
    "killer_pod": pa.string(),
    "killer_executable": pa.string(),
    "ns_pid": pa.int64(),
    "oom_asker": pa.string(),
    "oom_cgroup": pa.string(),
    "oom_figures": pa.string(),
}
SCHEMA = pa.schema(_TYPES)
"""The columns of an ending; `sigtrace.analyze.deaths` says what each is."""

_PIECE = 1 << 12


def endings(events: pa.Table, asked_within_us: int = ASKED_WITHIN_US) -> pa.Table:
    """Return an ending of `SCHEMA` for each process that ended in a session's events."""
    rows = (row for log, rows in feed.tables(events) for row in of_log(log, rows, asked_within_us))
    return table(rows, SCHEMA)


def of_log(
    log: str | None, rows: feed.Table | feed.Parts, asked_within_us: int = ASKED_WITHIN_US
) -> list[dict[str, Any]]:
    """Return the endings of one log, as objects."""
    found: list[dict[str, Any]] = []
    judge = Judge(witnessed=rows.witnessed, asked_within_us=asked_within_us, signals=rows.signals)

    def ended(process: Process, lost: bool) -> None:  # noqa: FBT001
        found.append({"log": log, **judge.ending(process, lost)})

    track(rows, ended)
    return found


class StoppedError(Exception):
    """Following was stopped before its end."""


class Exits(NamedTuple):
    """How many processes exited, and how many of them with a status other than 0, as far as statuses are known."""

    exited: int
    failed: int


def follow(
    log: str | None,
    rows: feed.Table | feed.Parts,
    ended: Ended,
    settled: Settled | None = None,
    *,
    all_endings: bool,
    asked_within_us: int,
    stop: Event | None = None,
) -> Exits:
    """Have the process tracker follow a log; return how many processes exited and were not worth a call.

    `ended` and `settled` are called as by `sigtrace.causes.tracking.tracker.Tracker`, with the log first. Without
    `all_endings`, `ended` is not called for those who just exited, if their log would show it otherwise. Raises
    `StoppedError` once `stop` is set.
    """
    judge = Judge(witnessed=rows.witnessed, asked_within_us=asked_within_us, signals=rows.signals)
    tracker = track(
        rows,
        lambda process, lost: ended(log, judge, process, lost),
        settled=None if settled is None else lambda signal: settled(log, signal),
        all_endings=all_endings or not rows.witnessed,  # without a witness, nobody is known to have just exited
        stop=stop,
    )
    return Exits(tracker.exited, tracker.failed)


def track(
    rows: feed.Table | feed.Parts,
    ended: Callable[[Process, bool], Any],
    *,
    stop: Event | None = None,
    **options: Any,  # noqa: ANN401  (the tracker's own)
) -> Tracker:
    """Follow all rows of a log; `ended` and the options are those of `sigtrace.causes.tracking.tracker.Tracker`.

    Raises `StoppedError` once `stop` is set.
    """
    gaps = None
    if rows.lossy or rows.missing:
        # A loss is noticed after the time that it is of, so they are looked for beforehand.
        gaps = Gaps(rows.missing)
        rows.feed(gaps if stop is None else _Until(stop, gaps))
    tracker = Tracker(ended, gaps, exits_told=rows.exits_told, **options)
    rows.feed(tracker if stop is None else _Until(stop, tracker))
    tracker.end()
    return tracker


class _Until(Follower):
    # Follows as another one does, until it is to stop.
    def __init__(self, stop: Event, follower: Follower) -> None:
        super().__init__()
        self._stop = stop
        self._follower = follower

    def follow(self, chunk: Chunk, before: int) -> None:
        self._look()
        self._follower.follow(chunk, before)

    def follow_all(self, chunks: list[Chunk], before: int) -> None:
        self._look()
        self._follower.follow_all(chunks, before)

    def _look(self) -> None:
        if self._stop.is_set():
            raise StoppedError


def table(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table, made piece by piece as they come: as objects of Python they are large."""
    pieces = []
    while piece := list(islice(rows, _PIECE)):
        pieces.append(pa.RecordBatch.from_pylist(piece, schema=schema))
    return pa.Table.from_batches(pieces, schema)
