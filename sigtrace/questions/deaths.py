"""Deaths: what sessions tell of who ended, in all: how many by verdict, by killer and victim, and the first of them."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self, cast

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.causes import endings
from sigtrace.causes.feed import Parts
from sigtrace.causes.ledgers import kept
from sigtrace.causes.tracking.rows import NO_TIME
from sigtrace.errors import Error
from sigtrace.facts.rules import NO_TS
from sigtrace.facts.signals import signal_name
from sigtrace.questions.choice.lines import in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

    from sigtrace.causes.endings import Logged
    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process
    from sigtrace.questions.choice.period import Period
    from sigtrace.questions.database import Database

    Death = dict[str, Any]
    Share = list[tuple[str | None, Parts]]
    Key = tuple[Any, ...]
    Pair = tuple[str | None, str | None, str | None, int | None]

_PIECE = 1 << 12
_SHARE_BYTES = 16 << 20  # some 1.2 million rows, a third of a second
_WORTH_A_PROCESS = 8  # shares: to start one takes as long as one of them

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(us: int | None) -> datetime | None:
    """Return microseconds since 1970 as a time in UTC; they may be more than a float holds."""
    return None if us is None else EPOCH + timedelta(microseconds=us)


def microseconds(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def answered(death: Death) -> Death:
    """Return a death of `sigtrace.causes.judging` as an answer has it: its `time` in UTC, its `signal` by name."""
    name = None if death["sig"] is None else signal_name(death["sig"])
    return {**death, "time": time(death["time"]), "signal": name}


class Stop:
    """Has counting stop early, in other threads and processes: a context manager, for who may leave by an exception."""

    def __init__(self) -> None:
        self.event = Event()
        self._lock = Lock()
        self._ends: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.event.set()
            for end in self._ends:
                end.close()

    def line(self) -> Connection:
        """Return a connection on which nothing is sent, and that ends when this is to stop, or this process is gone."""
        from multiprocessing import Pipe

        line, end = Pipe(duplex=False)
        with self._lock:
            self._ends.append(end)
            if self.event.is_set():
                end.close()
        return line


class Deaths:
    """Who ended, counted log by log.

    `verdicts` counts all deaths, those by exiting too, and `failed` how many exited with a status other than 0 though
    nobody asked them. Of the others, `matrix` counts how often by `killer_comm`, `source`, `victim_comm` and `sig`, and
    `askers` the same of those who were asked to end. `first` are the first `most` in the order of time: objects with
    the columns of `sigtrace.analyze.deaths`, `signal` by name, and as `evidence` the rows that each rests on. Of those
    that come behind `last` in that order, none is kept. With a `period`, all this is of those who ended in it. Those
    that are `passed`, by log and line, are not counted.
    """

    def __init__(
        self,
        most: int,
        last: Key | None = None,
        period: Period | None = None,
        passed: Collection[tuple[str | None, int]] = (),
    ) -> None:
        self.verdicts: Counter[str] = Counter()
        self.failed = 0
        self.matrix: Counter[Pair] = Counter()
        self.askers: Counter[Pair] = Counter()
        self.last = last
        self.most = most
        self.period = period
        self.passed = passed
        self._kept: list[tuple[Key, Death]] = []

    @property
    def first(self) -> list[Death]:
        """The first deaths."""
        return [death for _, death in sorted(self._kept, key=_key)[: self.most]]

    def follow(self, logged: Iterable[Logged], asked_within_us: int, stop: Event | None = None) -> Self:
        """Count the deaths of logs. Raises `StoppedError` once `stop` is set."""
        ended = self._ended if self.period is None else self.period.only(self._ended)
        for log, rows in logged:
            exited, failed = endings.follow(
                log,
                rows,
                ended,
                all_endings=self.period is not None or bool(self.passed),
                asked_within_us=asked_within_us,
                stop=stop,
            )
            if exited:
                self.verdicts["exited"] += exited
            self.failed += failed
        return self

    def read(self, sessions: Sequence[kept.Endings]) -> Self:
        """Count the deaths of sessions out of their ledgers. Raises `SpoiltError` if one of these is damaged."""
        for one in sessions:
            self.verdicts.update(one.verdicts)
            self.failed += one.failed
            for verdict, killer, source, victim, sig, n in one.pairs():
                (self.askers if verdict == "asked" else self.matrix)[killer, source, victim, sig] += n
        begins = [(first, number, book) for number, one in enumerate(sessions) for book, first in one.begins()]
        times: list[int] = []  # of the first
        briefs = []
        for first, number, book in sorted(begins, key=lambda one: (one[0] is None, *one)):
            if len(times) == self.most and (first is None or not times or first > times[-1]):
                break  # all of the rest come later
            brief = sessions[number].brief(book)
            more = (time for time in brief["time"].cast(pa.int64()).to_pylist() if time is not None)
            times = sorted(chain(times, more))[: self.most]
            same = {"log": sessions[number].log or "", "session": number, "ledger": book}
            for name, value in same.items():
                brief = brief.append_column(name, cast("Any", pa).repeat(value, len(brief)))
            briefs.append((number, book, brief))
        if briefs:
            # Ties in the order in which they were decided.
            told = [brief for *_, brief in sorted(briefs, key=lambda one: one[:2])]
            self._keep_first(sessions, pa.concat_tables(told))
        return self

    def _keep_first(self, sessions: Sequence[kept.Endings], told: pa.Table) -> None:
        # In the order of `in_time`: a time that is not known comes last.
        number = told.schema.get_field_index("victim_pid")
        pids: Any = pc.fill_null(told["victim_pid"], pa.scalar(0, pa.int64()))
        told = told.set_column(number, "victim_pid", pids)
        timed = told.filter(pc.is_valid(told["ts"]))
        order = pc.sort_indices(timed, [(name, "ascending") for name in ("time", "ts", "log", "victim_pid")])
        # Where the order is that of the lines, which are read with the rest, it is too early to leave out any.
        first = pa.concat_tables([timed.take(order[: self.most]), told.filter(pc.is_null(told["ts"]))])
        chosen: dict[tuple[int, int], list[int]] = {}
        for row in first.select(["session", "ledger", "row"]).to_pylist():
            chosen.setdefault((row["session"], row["ledger"]), []).append(row["row"])
        for (session, book), rows in sorted(chosen.items()):
            self._kept += ((in_time(row), _death(row)) for row in sessions[session].rows(book, rows))
        self._sort()

    def add(self, other: Deaths) -> None:
        """Count those that were counted elsewhere."""
        self.verdicts += other.verdicts
        self.failed += other.failed
        self.matrix += other.matrix
        self.askers += other.askers
        self._kept += other._kept
        self._sort()

    def _ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        died = process.died
        if died is None or (log, died.line) in self.passed:
            return
        brief = judge.brief(process, lost)
        self.verdicts[brief.verdict] += 1
        if brief.verdict == "exited":
            self.failed += process.status > 0
            return
        pairs = self.askers if brief.verdict == "asked" else self.matrix
        pairs[brief.killer_comm, brief.source, process.name(), brief.sig] += 1
        when = {"time": None if died.time == NO_TIME else died.time, "ts": None if died.ts == NO_TS else died.ts}
        key = in_time({"log": log, **when, "victim_pid": process.pid, "lines": [died.line]})
        if self.last is not None and key > self.last:
            return
        rows = [_fact(row) for row in judge.evidence(process, lost)]
        self._kept.append((key, {"log": log, **answered(judge.ending(process, lost)), "evidence": rows}))
        if len(self._kept) > 2 * self.most:
            self._sort()

    def _sort(self) -> None:
        self._kept = sorted(self._kept, key=_key)[: self.most]
        if len(self._kept) == self.most:
            self.last = self._kept[-1][0]


def counted(database: Database, most: int, processes: int = 1, stop: Stop | None = None) -> Deaths:
    """Return the deaths of a database, and keep the first `most`; if it is large, so many `processes` count.

    Raises `StoppedError` once it is to `stop`, and `SpoiltError` if a ledger is damaged.
    """
    if stop is None:
        with Stop() as never:
            return counted(database, most, processes, never)
    within_us = database.asked_within_us
    known = database.endings()
    written = [one for _, one in known if one is not None]
    rest = [log for logs, one in known if one is None for log in logs]
    found = Deaths(most, period=database.period, passed=database.passed_deaths)
    if written:
        found.read(written)
    if not rest:
        return found
    logged = database.logged(rest)
    if processes == 1:
        return found.follow(logged, within_us, stop.event)
    shares = list(_shares(logged, lambda log: found.follow([log], within_us, stop.event)))
    if len(shares) < _WORTH_A_PROCESS:
        return found.follow(chain(*shares), within_us, stop.event)
    for _, rows in chain(*shares):
        rows.fed = None  # another process follows them
    of_each = 0 if database.fed is None else database.work() // len(shares)
    for n in _add_shares(found, shares, within_us, processes, stop):
        if database.fed is not None:
            database.fed(of_each * n)
    return found


def _shares(logged: Iterable[Logged], follow: Callable[[Logged], object]) -> Iterator[Share]:
    # What is in no file is followed here.
    share: Share = []
    room = _SHARE_BYTES
    for log, rows in logged:
        if not isinstance(rows, Parts):
            follow((log, rows))
            continue
        share.append((log, rows))
        room -= rows.size()
        if room <= 0:
            yield share
            share, room = [], _SHARE_BYTES
    if share:
        yield share


def insert_all(database: Database, insert: Callable[[pa.Table], object]) -> None:
    """Give all endings to `insert`, as tables of `sigtrace.causes.endings.SCHEMA`, out of ledgers or followed.

    Raises `SpoiltError` if a ledger is damaged.
    """
    found: list[Death] = []

    def flush() -> None:
        insert(endings.table(iter(found), endings.SCHEMA))
        found.clear()

    def ended(log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        found.append({"log": log, **judge.ending(process, lost)})
        if len(found) == _PIECE:
            flush()

    for logs, one in database.endings():
        if one is None:
            database.follow(ended, among=logs)
            continue
        flush()
        for rows in one.tables():
            insert(rows.select(endings.SCHEMA.names))
    flush()


def _add_shares(found: Deaths, shares: Sequence[Share], within_us: int, processes: int, stop: Stop) -> Iterator[int]:
    # Yields how many shares were counted since it did so before.
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    waiting = iter(shares)
    # Not forked: DuckDB has threads by then.
    line = stop.line()
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _help, (line,))

    def begin(n: int) -> set[Future[Deaths]]:
        return {
            pool.submit(_of_share, share, within_us, found.most, found.last, found.period, found.passed)
            for share in islice(waiting, n)
        }

    try:
        running = begin(processes + 1)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                found.add(one.result())
            yield len(done)
            running |= begin(len(done))
    except BrokenProcessPool as error:
        if stop.event.is_set():
            raise endings.StoppedError from error
        raise Error("a process that helped to count the deaths was killed: is there too little memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)
        line.close()


def _help(line: Connection) -> None:
    # In a process that helps. ^C is for the other one to take; and if that stops, or is gone, so is this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # It follows processes, which the tracker lets go of: to look for garbage among them takes a fifth of its time.
    gc.disable()

    def watch() -> None:
        line.poll(None)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _of_share(share: Share, within_us: int, *counting: Any) -> Deaths:  # noqa: ANN401 -- as `Deaths` takes them
    return Deaths(*counting).follow(share, within_us)


def _key(kept: tuple[Key, Death]) -> Key:
    return kept[0]


def _death(row: dict[str, Any]) -> Death:
    return {**answered(kept.ending(row)), "evidence": [_fact(one) for one in kept.evidence(row)]}


def _fact(row: dict[str, Any]) -> dict[str, Any]:
    dated = {**row, "time": time(row.get("time"))}
    filled = {column: value for column, value in dated.items() if value is not None}
    return filled | ({"signal": signal_name(filled["sig"])} if "sig" in filled else {})
