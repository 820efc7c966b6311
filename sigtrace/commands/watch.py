"""Watch: a line a call, or a sentence an ending, as it happens."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.capture import cgroup, proc, rights, users
from sigtrace.capture.probe import BUFFER_MB, Probe
from sigtrace.causes import feed
from sigtrace.causes.gaps import Gaps
from sigtrace.causes.judging.verdict import Judge
from sigtrace.causes.tracking.tracker import Tracker
from sigtrace.commands.record import Run, record
from sigtrace.facts.signals import error_name, signal_name, target_name
from sigtrace.output.clock import time_of_day_text, time_text
from sigtrace.output.sentence import death_pieces, plain
from sigtrace.output.terminal import escaped
from sigtrace.output.text import json_text
from sigtrace.questions.deaths import answered
from sigtrace.store import snapshot
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from sigtrace.causes.tracking.process import Process

_LINE = "{:<12} {:>7} {:<16} {:<12} {:>7} {}"
_COLUMNS = ["event", "ts", "cpu", "pid", "comm", "sig", "target", "ret", "lost"]
_CALLS, _LOST = ("kill",), pa.scalar("lost")
_SIGNALS = (*_CALLS, "signal_generate")
_JSON_COLUMNS = ["event", "time", *_COLUMNS[1:], "target_comm", "code", "grp", "res"]
_LAST_LINE = 1 << 62
_SETTLED_SECONDS = 0.5
_HEADER = _LINE.format("TIME", "PID", "COMM", "SIGNAL", "TARGET", "RESULT")


@dataclass(frozen=True)
class Wanted:
    """Which calls to show, as killsnoop's switches say: by sender, by target, by signals, the failed ones only."""

    sender: int | None = None
    target: int | None = None
    signals: frozenset[int] = frozenset()
    failed: bool = False

    def ending(self, victim: int, killer: int | None, sig: int | None) -> bool:
        """Tell whether an ending is to be shown; the sender and the signal are those that brought it about."""
        return (
            self.sender in (None, killer)
            and self.target in (None, victim)
            and (not self.signals or sig in self.signals)
        )

    def among(self, batch: pa.RecordBatch, events: Sequence[str] = _CALLS) -> pa.RecordBatch:
        """Return the rows of a batch that are to be shown: of these events, and what was lost."""
        event = batch.column("event").cast(pa.string())
        shown = pc.is_in(event, pa.array(events))
        if self.sender is not None:
            shown = pc.and_(shown, pc.equal(batch.column("pid"), pa.scalar(self.sender)))
        if self.target is not None:
            shown = pc.and_(shown, pc.equal(batch.column("target"), pa.scalar(self.target)))
        if self.signals:
            shown = pc.and_(shown, pc.is_in(batch.column("sig"), pa.array(self.signals, pa.int32())))
        if self.failed:
            shown = pc.and_(shown, pc.less(batch.column("ret"), pa.scalar(0)))
        return batch.filter(pc.or_kleene(shown, pc.equal(event, _LOST)))


class Calls:
    """What watch shows of a stream of record batches: a line for each call that is `wanted`, and for each loss.

    `header` is printed first; `evidence` tells whether it needs more than the calls.
    """

    header: str | None = _HEADER
    evidence = False

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def begin(self, _: Probe, *, arguments: bool) -> None:
        """Begin with what is known before the first batch: nothing."""

    def settled(self) -> Iterator[str]:
        """Yield the lines that waited until all was read: none."""
        yield from ()

    def lines(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Yield the lines for the next batch."""
        chosen = self._wanted.among(batch)
        times = chosen.column("time").cast(pa.int64()).to_pylist()  # datetimes take longer than all the rest
        for row, time_us in zip(chosen.select(_COLUMNS).to_pylist(), times, strict=True):
            if row["event"] == "lost":
                yield _loss(row, "calls")
            elif not _is_own(row):
                yield _line(row, time_us)


class Signals(Calls):
    """What watch shows as JSON: an object for each call that is `wanted`, for each signal, and for each loss.

    A signal is one whatever sent it: a call, also one that is none of the three, or the kernel. The objects have the
    columns of a session that are filled, and the signal by name.
    """

    header = None
    evidence = True

    def lines(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Yield the lines for the next batch."""
        for row in self._wanted.among(batch, _SIGNALS).select(_JSON_COLUMNS).to_pylist():
            if not _is_own(row):
                named = {} if row["sig"] is None else {"signal": signal_name(row["sig"])}
                failed = {"error": error_name(row["ret"])} if row["ret"] else {}
                filled = {name: value for name, value in row.items() if value is not None}
                yield json_text(filled | named | failed)


class Endings:
    """What watch shows of a stream of record batches: a sentence for each ending that is `wanted`, and for each loss.

    Or, as JSON, an object, as those of `sigtrace who --json`. An ending is told when all that happened up to it has
    been read. Whoever only exited is passed over, and so is who ended for an unknown reason, unless it was without a
    call to exit.
    """

    evidence = True

    def __init__(self, wanted: Wanted, *, as_json: bool = False) -> None:
        self.header = None if as_json else f"{'TIME':<12} ENDING"
        self._wanted = wanted
        self._as_json = as_json
        self._judge = Judge()
        self._said: list[str] = []
        self._tracker = Tracker(self._ended, Gaps(), live=True)

    def begin(self, probe: Probe, *, arguments: bool) -> None:
        """Begin with the processes that run, so that they and their children have names and ancestors."""
        self.know({event.rsplit(":", 1)[-1] for event in probe.events})
        cgroups = cgroup.existing()
        known = proc.snapshot(cgroups, arguments=arguments) if probe.clock == "boot" else []
        if known or cgroups:
            self._follow(snapshot.Rows("", 0, probe.utc_offset_us).batch(known, cgroups))

    def catch_up(self, events: Collection[str], before: feed.Parts, batches: Iterable[pa.RecordBatch]) -> None:
        """Begin with the rows of a recording up to now, whose endings are not told: `before`, and then `batches`."""
        self.know(events)
        self._judge = Judge(signals=before.signals)
        before.feed(self._tracker)
        for batch in batches:
            self._follow(batch)
        self._tracker.settle()
        self._said.clear()

    def know(self, events: Collection[str]) -> None:
        """Begin with the events that are on."""
        told = feed.exits_told(events, events)
        self._tracker = Tracker(self._ended, Gaps(), live=True, exits_told=told)

    def lines(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Follow the next batch, and yield the losses in it."""
        self._follow(batch)
        lost = batch.filter(pc.equal(batch.column("event").cast(pa.string()), _LOST))
        for row in lost.select(["cpu", "lost"]).to_pylist():
            yield json_text({"event": "lost", **row}) if self._as_json else _loss(row, "endings")

    def settled(self) -> Iterator[str]:
        """Yield the sentences of those who ended before all that was read."""
        self._tracker.settle()
        yield from self._said
        self._said.clear()

    def _follow(self, batch: pa.RecordBatch) -> None:
        order = pc.sort_indices(batch.column("line"))  # of a call, it is that of the first of its two lines
        batch = batch.take(order)
        self._tracker.follow(feed.chunk(batch), _LAST_LINE)

    def _ended(self, process: Process, lost: bool) -> None:  # noqa: FBT001
        brief = self._judge.brief(process, lost)
        told = brief.verdict not in {"exited", "unknown"} or process.silent
        if not told or not self._wanted.ending(process.pid, brief.killer_pid, brief.sig):
            return
        death = self._judge.ending(process, lost)
        said = plain(death_pieces(death, "us"))
        if self._as_json:
            self._said.append(json_text({"event": "ending", **answered(death), "sentence": said}))
            return
        at = time_text(death["ts"], None, "us") if death["time"] is None else time_of_day_text(death["time"])
        self._said.append(f"{at} {said}")


class Stream:
    """Trace_pipe's bytes, fed in any pieces, as record batches that wait for nothing."""

    def __init__(self, utc_offset_us: int | None) -> None:
        self._parser = Parser(utc_offset_us=utc_offset_us, user_of=users.name)

    def batches(self, chunk: bytes) -> Iterator[pa.RecordBatch]:
        """Feed the next bytes, and yield all rows that they complete."""
        yield from self._parser.feed(chunk)
        if (batch := self._parser.take()) is not None:
            yield batch


def _is_own(row: dict[str, Any]) -> bool:
    # By which it tries that calls come through: see sigtrace.capture.guard.
    return bool(row["pid"] == row["target"] == os.getpid())


def _loss(row: dict[str, Any], what: str) -> str:
    many = "events" if row["lost"] is None else f"{row['lost']:,} events"
    return f"CPU {row['cpu']} lost {many}: {what} are missing here"


def _line(row: dict[str, Any], time_us: int | None) -> str:
    when = time_text(row["ts"], None, "us") if time_us is None else time_of_day_text(time_us)
    target = str(row["target"]) if row["target"] > 0 else target_name(row["target"])
    return _LINE.format(when, row["pid"], escaped(row["comm"]), signal_name(row["sig"]), target, error_name(row["ret"]))


class Shown:
    """The lines of a view on stdout."""

    def __init__(self, view: Calls | Endings) -> None:
        self._view = view
        self._settled = 0.0

    def begin(self) -> None:
        """Print the header, if there is one."""
        if self._view.header is not None:
            print(self._view.header, flush=True)

    def show(self, batches: Iterable[pa.RecordBatch], stop: Callable[[], object], *, all_read: bool) -> None:
        """Print the lines of batches, after which `all_read` says that all there was has been read.

        `stop` is called if nobody reads the lines any more.
        """
        try:
            for batch in batches:
                for line in self._view.lines(batch):
                    print(line)
            # On a host where there is always more to read, it is as good as all after a while.
            if all_read or time.monotonic() - self._settled > _SETTLED_SECONDS:
                self._settled = time.monotonic()
                for line in self._view.settled():
                    print(line)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nobody watches any more. What is recorded ends well, and Python must not complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop()


class _Probed:
    # A view of a probe's stream.
    def __init__(self, view: Calls | Endings, *, arguments: bool) -> None:
        self._view = view
        self._shown = Shown(view)
        self._arguments = arguments
        self._stream: Stream | None = None

    def begin(self, probe: Probe) -> Stream:
        # Before the first chunk, if that is not to do it.
        self._view.begin(probe, arguments=self._arguments)
        self._shown.begin()
        self._stream = Stream(probe.utc_offset_us)
        return self._stream

    def show(self, probe: Probe, chunk: bytes) -> None:
        stream = self._stream or self.begin(probe)
        self._shown.show(stream.batches(chunk), probe.stop, all_read=not chunk)


def watch(
    view: Calls | Endings,
    output: Path | None = None,
    *,
    duration: float | None = None,
    buffer_mb: int = BUFFER_MB,
    evidence: bool = True,
    arguments: bool = True,
) -> None:
    """Print the lines of a `view` on stdout, for `duration` seconds or until SIGINT or SIGTERM; record all at `output`.

    `evidence` and `arguments` are as of `sigtrace.commands.record.record`; this thread gives away its rights once it
    watches. Raises `ProbeError` if something that watching needs is missing.
    """
    shown = _Probed(view, arguments=arguments)
    if output is not None:
        record(
            output,
            duration=duration,
            buffer_mb=buffer_mb,
            evidence=evidence,
            arguments=arguments,
            seen=shown.show,
            yielding=True,
        )
        return
    with (
        Run((), duration) as run,
        Probe(buffer_mb=buffer_mb, evidence=view.evidence and evidence, arguments=arguments) as probe,
    ):
        run.stop = probe.stop
        shown.begin(probe)
        rights.drop(probe.instance)
        run.begin()
        for chunk in probe:
            shown.show(probe, chunk)
        shown.show(probe, b"")
