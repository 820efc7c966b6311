"""`python -m tests.week [EVENTS [HOURS]]`: feed the flight recorder so many events in so many hours by its own clock.

The default is what an hour has at 20,000 events a second, told as a week: 72 million events in 168 hours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sigtrace.capture.proc import Seen, snapshot
from sigtrace.store import recorder
from sigtrace.store.flight import flight, segments
from sigtrace.store.flight.retention import Retention

_EVENTS = 20_000 * 3600
_HOURS = 168
_FIRST, _PIDS = 1000, 30_000
_CHUNK = 1 << 18  # as much as a read of trace_pipe gives when much is there
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROOM = 6 << 20  # by which memory may be larger in the second half than in the first: a journal's window is 4 MB
_KEPT = 128 << 20

_TIME = "[000] d..1. %(ts)d.%(us)06d: "
_LIFE = "".join(
    f"{who} {_TIME}{what}\n"
    for who, what in (
        ("boss-1 (1)", "sched_process_fork: comm=boss pid=1 child_comm=boss child_pid=%(pid)d"),
        ("worker-%(pid)d (%(pid)d)", "sched_process_exec: filename=/bin/worker pid=%(pid)d old_pid=%(pid)d"),
        ("killer-50 (50)", "signal_generate: sig=15 errno=0 code=0 comm=worker pid=%(pid)d grp=1 res=0"),
        ("killer-50 (50)", "bpf_trace_printk: PID 50 (killer) sent signal 15 "),
        ("killer-50 (50)", "bpf_trace_printk: to PID %(pid)d, ret = 0"),
        ("worker-%(pid)d (%(pid)d)", "signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0"),
        ("worker-%(pid)d (%(pid)d)", "sched_process_exit: comm=worker pid=%(pid)d prio=120 group_dead=true"),
    )
)
_EVENTS_A_LIFE = _LIFE.count("\n")
_COUNTED = "SELECT count(*) FILTER (event = 'kill'), count(*) FILTER (event = 'sched_process_exit') FROM events"


class _Simulated:
    """The clocks of the recorder: they go on when they are told to."""

    utc_offset_us: int | None = round(time.time()) // 86_400 * 86_400_000_000  # the hours of a day do not lead to two
    disturbed: list[str] = []  # noqa: RUF012 -- nothing disturbs it
    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp((self.utc_offset_us or 0) / 1e6 + self.seconds, UTC)

    def losses(self) -> dict[int, int]:
        return {}


class Look(NamedTuple):
    """One look at the recorder: its memory in bytes, its file handles, and the segments on disk."""

    memory: int
    handles: int
    segments: int


def week(events: int, hours: int, home: Path) -> list[str]:
    """Record so many events, print what was seen in each tenth, and return what is wrong."""
    simulated = _Simulated()
    for module in (flight, recorder):
        module.time = simulated  # type: ignore[attr-defined]
    processes = snapshot()
    lives = events // _EVENTS_A_LIFE
    step_us = hours * 3600 * 1_000_000 // lives
    looks: list[Look] = []
    about = {"clock": "boot", "events": ["signal:signal_generate", "sched:sched_process_exit"]}
    kept = Retention(timedelta(days=1000), _KEPT, 0.0)  # by size: the age of a file is of the true clock
    seen = Seen(processes, {})
    began = time.monotonic()
    with flight.Flight(home, about, simulated, kept=kept, look=lambda: seen, clock=simulated.now) as recording:
        chunk, size = [], 0
        for life in range(lives):
            us = 1_000_000_000 + life * step_us
            text = _LIFE % {"pid": _FIRST + life % _PIDS, "ts": us // 1_000_000, "us": us % 1_000_000}
            chunk.append(text)
            size += len(text)
            if size >= _CHUNK or life == lives - 1:
                simulated.seconds = us / 1e6
                _feed(recording, "".join(chunk).encode())
                chunk, size = [], 0
            if life * 10 // lives >= len(looks):
                looks.append(_look(home))
                print(f"after {life * 10 // lives * 10} %: {_text(looks[-1])}", flush=True)
        looks.append(_look(home))
        recording.finish({})
    took = time.monotonic() - began
    print(f"{lives * _EVENTS_A_LIFE:,} events in {took:.0f} s; at the end {_text(looks[-1])}")
    return _grown(looks) + _missing(home, lives)


def _feed(recording: flight.Flight, data: bytes) -> None:
    # As the probe reads: into the journal's own memory.
    room = recording.room()
    for at in range(0, len(data), len(room)):
        piece = data[at : at + len(room)]
        recording.room()[: len(piece)] = piece
        recording.feed(piece)


def _look(home: Path) -> Look:
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    return Look(memory, len(list(Path("/proc/self/fd").iterdir())), len(segments.find(home)))


def _text(look: Look) -> str:
    return f"{look.memory / 1e6:.1f} MB, {look.handles} file handles, {look.segments} segments"


def _grown(looks: list[Look]) -> list[str]:
    # The window comes and goes: the most of each half is compared.
    half = len(looks) // 2
    early, late = (Look(*map(max, *of_half)) for of_half in (looks[:half], looks[half:]))
    wrong = []
    if late.memory > early.memory + _ROOM:
        wrong.append(f"memory grew from {early.memory / 1e6:.1f} to {late.memory / 1e6:.1f} MB")
    if late.handles > early.handles:
        wrong.append(f"file handles grew from {early.handles} to {late.handles}")
    if "pyarrow" in sys.modules:
        wrong.append("the recorder imported pyarrow")
    return wrong


def _missing(home: Path, lives: int) -> list[str]:
    found = segments.find(home)
    spans = [(one.about.get("before", {"lines": 0})["lines"], one.about["lines"]) for one in found]
    wrong = [] if sum(spans[-1]) == lives * _EVENTS_A_LIFE else [f"the last line is {sum(spans[-1])}"]
    for one, other in pairwise(spans):
        if sum(one) != other[0]:
            wrong.append(f"lines are missing between {sum(one)} and {other[0]}")
    asked = [sys.executable, "-m", "sigtrace", "query", "--csv", str(home), _COUNTED]
    counted = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[-1]
    kept = sum(n for _, n in spans)
    print(f"{len(found)} segments are kept, of {kept:,} events; calls and ends in them: {counted}")
    expected = kept // _EVENTS_A_LIFE
    if any(abs(int(n) - expected) > 1 for n in counted.split(",")):  # the oldest may begin within a life
        wrong.append(f"there were to be {expected} calls and as many ends")
    return wrong


def main(events: int = _EVENTS, hours: int = _HOURS) -> int:
    """Return how many things are wrong."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = week(events, hours, Path(folder) / "home")
    for one in wrong:
        print(f"wrong: {one}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
