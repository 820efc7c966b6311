"""`python -m torture.soak [SECONDS [RATE]]`: record RATE calls a second for so long, and say what stays flat.

The default is an hour at 20,000 calls a second.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from torture.load import FIRST, compiled, running

_LOOKS = 60
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FLAT = 1.25  # by which memory may be larger in the second half than in the first
_ROOM = 20 << 20


class Look(NamedTuple):
    """One look at the recorder: its memory in bytes, its file handles, and how many calls it had not read yet."""

    memory: int
    handles: int
    behind: int


def soak(seconds: int, rate: int, folder: Path) -> list[str]:
    """Record the load for that long, print what was seen, and return what is wrong."""
    load = compiled(folder)
    if load is None:
        return ["nothing here compiles C: install a compiler"]
    path = folder / "s.parquet"
    looks: list[Look] = []
    command = [sys.executable, "-m", "sigtrace", "record", "-o", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as recorder:
        while recorder.poll() is None and not list(path.glob(".part-*")):
            time.sleep(0.05)
        with running(load, rate, seconds) as process:
            while process.poll() is None and recorder.poll() is None:
                time.sleep(max(seconds / _LOOKS, 0.5))
                if recorder.poll() is None:
                    looks.append(_look(recorder.pid))
            made = int(process.communicate()[0] or 0)
        recorder.send_signal(signal.SIGTERM)  # a shell has what it starts in the background ignore SIGINT
        _, said = recorder.communicate()
    return _judged(looks, made, path, process.pid, said, recorder.returncode)


def _look(pid: int) -> Look:
    try:
        memory = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return Look(0, 0, 0)
    behind = 0
    for stats in Path("/sys/kernel/tracing/instances").glob(f"sigtrace-{pid}-*/per_cpu/cpu*/stats"):
        counts = dict(line.split(": ") for line in stats.read_text().splitlines() if ": " in line)
        behind += int(counts["entries"])
    return Look(memory, handles, behind // 2)  # a call is two events


def _judged(looks: list[Look], made: int, path: Path, pid: int, said: str, code: int | None) -> list[str]:
    wrong = [] if code == 0 else [f"the recorder ended with {code}: {said}"]
    seen = np.zeros(made, dtype=np.uint8)
    parts = sorted(path.glob("part-*.parquet"))
    for part in parts:  # part by part: an hour does not fit in memory
        calls = pq.read_table(
            part, columns=["event", "pid", "target", "sig"], filters=[("event", "=", "kill"), ("pid", "=", pid)]
        )
        numbers = np.asarray(calls["target"].to_pandas(), dtype=np.int64) - FIRST
        signals = np.asarray(calls["sig"].to_pandas(), dtype=np.int64)
        if mispaired := int((signals != (7 * numbers + 3) % 65).sum()):
            wrong.append(f"{part.name}: {mispaired} calls have the signal of another")
        np.add.at(seen, numbers, 1)
    if twice := int((seen > 1).sum()):
        wrong.append(f"{twice} calls come twice")
    lost = int((seen == 0).sum())
    if lost and "nothing was lost" in said:
        wrong.append(f"{lost} calls are missing, and it is not said")
    print(f"{made:,} calls in {len(parts)} parts, {lost:,} missing. The recorder said: {said.splitlines()[0]}")
    first, second = looks[len(looks) // 8 : len(looks) // 2], looks[len(looks) // 2 :]
    for name in Look._fields:
        earlier, later = ([getattr(look, name) for look in half] for half in (first, second))
        print(f"{name}: {min(earlier):,} to {max(earlier):,} at first, {min(later):,} to {max(later):,} later.")
        if name == "memory" and max(later) > max(earlier) * _FLAT + _ROOM:
            wrong.append("memory grows")
        # A look may fall on the moment in which one part is finished and the next is begun: what leaks, stays.
        if name == "handles" and min(later) > min(earlier):
            wrong.append("file handles grow")
    return wrong


def main() -> int:
    """Return 0 if all is right."""
    seconds = int(sys.argv[1]) if sys.argv[1:] else 3600
    rate = int(sys.argv[2]) if sys.argv[2:] else 20_000
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        wrong = soak(seconds, rate, Path(folder))
    for complaint in wrong:
        print(f"WRONG: {complaint}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
