# cython: language_level=3, annotation_typing=False
"""Gaps: the times of which rows are missing: a CPU lost events, from its last row before to its first one after.

Or a part of the session could not be read: then those of all CPUs are missing.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import TYPE_CHECKING

from sigtrace.causes.tracking.rows import Follower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigtrace.causes.tracking.rows import Chunk

# Their places in sigtrace.causes.tracking.rows.KINDS.
_PROCESS = 0
_LOST = 1
_CGROUP = 16
_THREAD = 17


class Gaps(Follower):
    """The gaps of a log; `missing` are the lines after which a part of it is missing.

    A loss is noticed after the time that it is of, so an ending is judged when all rows up to then have been seen.
    """

    def __init__(self, missing: Sequence[int] = ()) -> None:
        super().__init__()
        self._missing = sorted(set(missing))
        self._last = -inf
        self._last_ts: dict[int, float] = {}
        self._open: dict[int, list[list[float]]] = {}
        self._found: list[list[float]] = []
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._merged = not missing

    def step(self, chunk: Chunk, i: int) -> None:
        """Look at a row."""
        kind, cpu = chunk.kind[i], chunk.cpu[i]
        if kind == _LOST:
            gap = [self._last_ts.get(cpu, -inf), inf]
            self._found.append(gap)
            self._open.setdefault(cpu, []).append(gap)
            self._merged = False
        elif kind not in (_PROCESS, _CGROUP, _THREAD):
            while self._missing and chunk.line[i] > self._missing[0]:
                self._found.append([self._last, chunk.ts[i]])
                del self._missing[0]
                self._merged = False
            self._last = max(self._last, chunk.ts[i])
            if self._open:
                for gap in self._open.pop(cpu, ()):
                    gap[1] = chunk.ts[i]
                    self._merged = False
            self._last_ts[cpu] = chunk.ts[i]

    def between(self, first_ts: int, last_ts: int) -> bool:
        """Tell whether anything between two times may have been lost."""
        if not self._merged:
            self._merge()
        before = bisect_right(self._starts, last_ts)
        return before > 0 and self._ends[before - 1] >= first_ts

    def _merge(self) -> None:
        # Those that overlap are made one: a session may have as many losses as endings.
        self._starts, self._ends = [], []
        self._merged = True
        after_all = [[self._last, inf]] if self._missing else []
        for first, last in sorted(self._found + after_all):
            if self._ends and first <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], last)
            else:
                self._starts.append(first)
                self._ends.append(last)
