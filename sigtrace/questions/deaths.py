"""Deaths: what sessions tell of who ended, in all: how many by verdict, by killer and victim, and the first of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sigtrace.causes.tracking.rows import NO_TIME
from sigtrace.facts.signals import signal_name
from sigtrace.questions.choice.lines import in_time

if TYPE_CHECKING:
    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process
    from sigtrace.questions.database import Database

    Death = dict[str, Any]
    Pair = tuple[str | None, str | None, str | None, int | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(us: int | None) -> datetime | None:
    """Return microseconds since 1970 as a time in UTC; they may be more than a float holds."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def told(death: Death) -> Death:
    """Return a death of `sigtrace.causes.judging` as an answer has it: its `time` in UTC, its `signal` by name."""
    signal = None if death["sig"] is None else signal_name(death["sig"])
    return {**death, "time": time(death["time"]), "signal": signal}


class Deaths:
    """The deaths of a database.

    `verdicts` counts them all, those by exiting too, and `failed` how many exited with a status other than 0 though
    nobody asked them. Of the others, `matrix` counts how often by `killer_comm`, `source`, `victim_comm` and `sig`, and
    `askers` the same of those who were asked to end. `first` are the first `most` in the order of time: objects with
    the columns of `sigtrace.analyze.deaths`, `signal` by name, and as `evidence` the rows that each rests on.
    """

    def __init__(self, database: Database, most: int) -> None:
        self.verdicts: Counter[str] = Counter()
        self.failed = 0
        self.matrix: Counter[Pair] = Counter()
        self.askers: Counter[Pair] = Counter()
        self._most = most
        self._kept: list[tuple[tuple[Any, ...], Death]] = []
        self._last: tuple[Any, ...] | None = None
        exited, failed = database.follow(self._ended, all_endings=False)
        if exited:
            self.verdicts["exited"] += exited
        self.failed += failed
        self._sort()
        self.first = [death for _, death in self._kept]

    def _ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        died = process.died
        if died is None:
            return
        brief = judge.brief(process, lost)
        self.verdicts[brief.verdict] += 1
        if brief.verdict == "exited":
            self.failed += process.status > 0
            return
        pairs = self.askers if brief.verdict == "asked" else self.matrix
        pairs[brief.killer_comm, brief.source, process.name(), brief.sig] += 1
        when = {"log": log, "time": None if died.time == NO_TIME else died.time, "ts": died.ts}
        key = in_time({**when, "victim_pid": process.pid})
        if self._last is not None and key > self._last:
            return
        rows = [_fact({**row, "time": time(row.get("time"))}) for row in judge.evidence(process, lost)]
        self._kept.append((key, {"log": log, **told(judge.ending(process, lost)), "evidence": rows}))
        if len(self._kept) > 2 * self._most:
            self._sort()

    def _sort(self) -> None:
        self._kept = sorted(self._kept, key=lambda kept: kept[0])[: self._most]
        if len(self._kept) == self._most:
            self._last = self._kept[-1][0]


def _fact(row: dict[str, Any]) -> dict[str, Any]:
    said = {column: value for column, value in row.items() if value is not None}
    return said | ({"signal": signal_name(said["sig"])} if "sig" in said else {})
