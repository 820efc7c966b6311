"""Watch: a line a call, as it happens."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigtrace.parse import Parser
from sigtrace.probe import BUFFER_MB, Probe
from sigtrace.record import Run, record
from sigtrace.signals import error_name, signal_name, target_name
from sigtrace.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE = "{:<12} {:>7} {:<16} {:<12} {:>7} {}"
_HEADER = _LINE.format("TIME", "PID", "COMM", "SIGNAL", "TARGET", "RESULT")


@dataclass(frozen=True)
class Wanted:
    """Which calls to show, as killsnoop's switches say: by sender, by target, by signals, the failed ones only."""

    sender: int | None = None
    target: int | None = None
    signals: frozenset[int] = frozenset()
    failed: bool = False

    def __contains__(self, call: object) -> bool:
        return (
            isinstance(call, dict)
            and (self.sender is None or call["pid"] == self.sender)
            and (self.target is None or call["target"] == self.target)
            and (not self.signals or call["sig"] in self.signals)
            and (not self.failed or call["ret"] < 0)
        )


class Watcher:
    """Make lines for a terminal out of trace_pipe's bytes, fed in any pieces."""

    def __init__(self, wanted: Wanted, utc_offset_us: int | None) -> None:
        self._wanted = wanted
        self._parser = Parser(utc_offset_us=utc_offset_us)

    def lines(self, chunk: bytes) -> Iterator[str]:
        """Feed the next bytes, and yield a line for each call that they complete, and for each loss."""
        yield from self._shown(self._parser.feed(chunk))
        if (batch := self._parser.take()) is not None:
            yield from self._shown([batch])

    def _shown(self, batches: Any) -> Iterator[str]:  # noqa: ANN401  (an iterable of record batches)
        for batch in batches:
            for row in batch.to_pylist():
                if row["event"] == "lost":
                    many = "events" if row["lost"] is None else f"{row['lost']:,} events"
                    yield f"CPU {row['cpu']} lost {many}: calls are missing here"
                elif row["event"] == "kill" and row in self._wanted:
                    yield _line(row)


def _line(row: dict[str, Any]) -> str:
    when = f"{row['time'].astimezone():%H:%M:%S.%f}"[:12] if row["time"] else f"{row['ts'] / 1e6:.6f}"
    target = str(row["target"]) if row["target"] > 0 else target_name(row["target"])
    names = escaped(row["comm"]), signal_name(row["sig"])
    return _LINE.format(when, row["pid"], *names, target, error_name(row["ret"]))


def watch(
    wanted: Wanted,
    output: Path | None = None,
    *,
    duration: float | None = None,
    buffer_mb: int = BUFFER_MB,
    evidence: bool = True,
) -> None:
    """Print a line a call on stdout, for `duration` seconds or until SIGINT or SIGTERM; record all at `output`.

    Raises `ProbeError` where something that watching needs is missing.
    """
    watcher: Watcher | None = None

    def show(probe: Probe, chunk: bytes) -> None:
        nonlocal watcher
        try:
            if watcher is None:
                watcher = Watcher(wanted, probe.utc_offset_us)
                print(_HEADER)
            for line in watcher.lines(chunk):
                print(line)
            sys.stdout.flush()
        except BrokenPipeError:
            probe.stop()  # nobody watches any more; what is recorded ends well

    if output is not None:
        record(output, duration=duration, buffer_mb=buffer_mb, evidence=evidence, seen=show)
        return
    with Run((), duration) as run, Probe(buffer_mb=buffer_mb, evidence=False) as probe:
        run.stop = probe.stop
        run.begin()
        for chunk in probe:
            show(probe, chunk)
