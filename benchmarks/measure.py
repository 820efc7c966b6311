"""Measure whole processes: their time, their memory, and how they compare in the same round.

This module and its callers import nothing big: on Linux a child's peak memory begins with its parent's at the
fork, so the driver's own size is the least that can be measured.
"""

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MB = 1_000_000


@dataclass(frozen=True)
class Usage:
    """What one run of a process took: seconds by the clock, seconds of CPU, bytes of memory at the peak."""

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Command:
    """A process to measure, how often, and the file it writes, if any."""

    argv: Sequence[str | Path]
    runs: int
    out: Path | None = None

    def run(self) -> Usage:
        """Run it once, to its end; a failure ends the benchmark with what the process said."""
        if self.out is not None:
            self.out.unlink(missing_ok=True)
        # Not /dev/null: grep that writes there stops at the first match.
        with tempfile.TemporaryFile() as said:
            start = time.perf_counter()
            child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                said.seek(0)
                words = said.read().decode(errors="replace").strip()
                sys.exit(f"{' '.join(map(str, self.argv))}: exit {child.returncode}: {words}")
        return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


class Rounds:
    """Runs of several commands, interleaved A B C A B C, so that a busy minute falls on all of them."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._runs: dict[str, list[Usage]] = {name: [] for name in commands}
        for turn in range(max(command.runs for command in commands.values())):
            for name, command in commands.items():
                if turn < command.runs:
                    self._runs[name].append(command.run())

    def wall(self, name: str) -> float:
        """Return the median of a command's seconds by the clock."""
        return statistics.median(usage.wall for usage in self._runs[name])

    def cpu(self, name: str) -> float:
        """Return the median of a command's seconds of CPU, user and system."""
        return statistics.median(usage.cpu for usage in self._runs[name])

    def peak(self, name: str) -> int:
        """Return the largest peak of a command's memory, in bytes."""
        return max(usage.peak for usage in self._runs[name])

    def ratio(self, name: str, other: str) -> float:
        """Return the median of one command's time by another's of the same round."""
        pairs = zip(self._runs[name], self._runs[other], strict=False)
        return statistics.median(a.wall / b.wall for a, b in pairs)

    def difference(self, name: str, other: str) -> float:
        """Return the median of one command's time less another's of the same round, in seconds."""
        pairs = zip(self._runs[name], self._runs[other], strict=False)
        return statistics.median(a.wall - b.wall for a, b in pairs)


def floor() -> int:
    """Return this process's own peak of memory in bytes, under which none can be measured."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def machine() -> str:
    """Name the machine and the versions that were measured, in a few lines of text."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    grep = subprocess.run(["grep", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    peers = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "pandas", "polars"))
    return (
        f"machine  {model}, {os.cpu_count()} cores, {memory / 1e9:.0f} GB\n"
        f"kernel   {platform.system()} {platform.release()}\n"
        f"python   {platform.python_version()}, {peers}\n"
        f"grep     {grep.splitlines()[0]}"
    )
