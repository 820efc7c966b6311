"""Watch: a line a call, as it happens."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.capture.probe import BUFFER_MB, Probe
from sigtrace.commands.record import Run, record
from sigtrace.facts.signals import error_name, signal_name, target_name
from sigtrace.output.terminal import escaped
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE = "{:<12} {:>7} {:<16} {:<12} {:>7} {}"
_COLUMNS = ["event", "ts", "cpu", "pid", "comm", "sig", "target", "ret", "lost"]
_KILL, _LOST = pa.scalar("kill"), pa.scalar("lost")
_HEADER = _LINE.format("TIME", "PID", "COMM", "SIGNAL", "TARGET", "RESULT")


@dataclass(frozen=True)
class Wanted:
    """Which calls to show, as killsnoop's switches say: by sender, by target, by signals, the failed ones only."""

    sender: int | None = None
    target: int | None = None
    signals: frozenset[int] = frozenset()
    failed: bool = False

    def among(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows of a batch that are to be shown: these calls, and what was lost."""
        event = batch.column("event").cast(pa.string())
        shown = pc.equal(event, _KILL)
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

    header = _HEADER
    evidence = False

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def lines(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Yield the lines for the next batch."""
        chosen = self._wanted.among(batch)
        own = os.getpid()  # by which it tries that calls come through: see sigtrace.capture.guard
        times = chosen.column("time").cast(pa.int64()).to_pylist()  # datetimes take longer than all the rest
        for row, time_us in zip(chosen.select(_COLUMNS).to_pylist(), times, strict=True):
            if row["event"] == "lost":
                many = "events" if row["lost"] is None else f"{row['lost']:,} events"
                yield f"CPU {row['cpu']} lost {many}: calls are missing here"
            elif not row["pid"] == row["target"] == own:
                yield _line(row, time_us)


class Stream:
    """Trace_pipe's bytes, fed in any pieces, as record batches that wait for nothing."""

    def __init__(self, utc_offset_us: int | None) -> None:
        self._parser = Parser(utc_offset_us=utc_offset_us)

    def batches(self, chunk: bytes) -> Iterator[pa.RecordBatch]:
        """Feed the next bytes, and yield all rows that they complete."""
        yield from self._parser.feed(chunk)
        if (batch := self._parser.take()) is not None:
            yield batch


def _line(row: dict[str, Any], time_us: int | None) -> str:
    if time_us is None:
        when = f"{row['ts'] / 1e6:.6f}"
    else:
        when = f"{_clock(time_us // 1_000_000)}.{time_us // 1000 % 1000:03}"
    target = str(row["target"]) if row["target"] > 0 else target_name(row["target"])
    return _LINE.format(when, row["pid"], escaped(row["comm"]), signal_name(row["sig"]), target, error_name(row["ret"]))


@lru_cache(maxsize=16)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def watch(
    view: Calls,
    output: Path | None = None,
    *,
    duration: float | None = None,
    buffer_mb: int = BUFFER_MB,
    evidence: bool = True,
    arguments: bool = True,
) -> None:
    """Print the lines of a `view` on stdout, for `duration` seconds or until SIGINT or SIGTERM; record all at `output`.

    `evidence` and `arguments` are as of `sigtrace.commands.record.record`. Raises `ProbeError` if something that
    watching needs is missing.
    """
    stream: Stream | None = None

    def show(probe: Probe, chunk: bytes) -> None:
        nonlocal stream
        try:
            if stream is None:
                stream = Stream(probe.utc_offset_us)
                print(view.header)
            for batch in stream.batches(chunk):
                for line in view.lines(batch):
                    print(line)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nobody watches any more. What is recorded ends well, and Python must not complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            probe.stop()

    if output is not None:
        record(output, duration=duration, buffer_mb=buffer_mb, evidence=evidence, arguments=arguments, seen=show)
        return
    with (
        Run((), duration) as run,
        Probe(buffer_mb=buffer_mb, evidence=view.evidence, arguments=arguments) as probe,
    ):
        run.stop = probe.stop
        run.begin()
        for chunk in probe:
            show(probe, chunk)
