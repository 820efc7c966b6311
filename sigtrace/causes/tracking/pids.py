# cython: language_level=3, annotation_typing=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Pids: the processes that are known by their pids.

A hash table of its own: Python's would make an object of each number that is looked up, a tenth of the tracker's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Process

_FREE = -(1 << 31)
_GOLDEN = 2654435769  # 2**32 by the golden ratio, which spreads neighbours (Knuth, 6.4)
_LEAST = 1 << 12


class Pids:
    """Processes by their pids, with open addressing: whoever is looked for stands at its place, or a little behind."""

    def __init__(self) -> None:
        self._size = 0
        self._count = 0
        self._keys = memoryview(bytearray()).cast("i")
        self._processes: list[Process | None] = []
        self._grow(_LEAST)

    def get(self, pid: int) -> Process | None:
        """Return the process that is known by a pid."""
        return self._processes[self._place(pid)]

    def put(self, pid: int, process: Process) -> None:
        """Know a process by a pid, instead of the one before."""
        if 2 * self._count > self._size:
            self._grow(2 * self._size)
        i = self._place(pid)
        if self._keys[i] == _FREE:
            self._keys[i] = pid
            self._count += 1
        self._processes[i] = process

    def remove(self, pid: int) -> None:
        """Know nobody by a pid."""
        i = self._place(pid)
        if self._keys[i] == _FREE:
            return
        self._count -= 1
        # What stands behind moves up, as far as its own place lets it (Knuth, 6.4, algorithm R).
        k = i
        while True:
            k = (k + 1) & (self._size - 1)
            if self._keys[k] == _FREE:
                break
            own = self._own(self._keys[k])
            if (k - own) & (self._size - 1) >= (k - i) & (self._size - 1):
                self._keys[i] = self._keys[k]
                self._processes[i] = self._processes[k]
                i = k
        self._keys[i] = _FREE
        self._processes[i] = None

    def all(self) -> list[Process]:
        """Return all processes."""
        return [process for process in self._processes if process is not None]

    def _own(self, pid: int) -> int:
        return ((pid * _GOLDEN) & 0xFFFFFFFF) >> self._shift

    def _place(self, pid: int) -> int:
        i = self._own(pid)
        while self._keys[i] != _FREE and self._keys[i] != pid:
            i = (i + 1) & (self._size - 1)
        return i

    def _grow(self, size: int) -> None:
        keys, processes, before = self._keys, self._processes, self._size
        self._size = size
        self._shift = 32 - (size.bit_length() - 1)
        self._keys = memoryview(bytearray(4 * size)).cast("i")
        for i in range(size):
            self._keys[i] = _FREE
        self._processes = [None] * size
        for k in range(before):
            if keys[k] != _FREE:
                i = self._place(keys[k])
                self._keys[i] = keys[k]
                self._processes[i] = processes[k]
