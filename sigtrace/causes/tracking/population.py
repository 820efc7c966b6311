# cython: language_level=3, annotation_typing=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Population: the processes that are known, by the numbers that rows call them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.causes.tracking.process import UNKNOWN, Process
from sigtrace.causes.tracking.rows import NONE, Chunk, Follower

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Signal

_GENERATE = 4  # its place in sigtrace.causes.tracking.rows.KINDS
_ZOMBIES = 4096  # of the latest dead: what names their pid means them, until it is given away again
_CGROUPS = 1 << 16  # paths that are kept by their ids

_FREE = -(1 << 31)
_GOLDEN = 2654435769  # 2**32 by the golden ratio, which spreads neighbours (Knuth, 6.4)
_BITS = (1 << 32) - 1
_LEAST = 1 << 12
_MOST = 1 << 24  # twice as many as the kernel has pids


class Pids:
    """Processes by their pids, with open addressing: whoever is looked for stands at its place, or a little behind.

    A table of its own: Python's would make an object of each number that is looked up, a tenth of the tracker's time.
    """

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

    def placed(self) -> tuple[int, list[tuple[int, Process]]]:
        """Return how many places there are, and who stands where."""
        return self._size, [(i, process) for i, process in enumerate(self._processes) if process is not None]

    def place(self, size: int, placed: list[tuple[int, Process]]) -> None:
        """Have all stand where they stood when `placed` was asked: who comes first there is judged first."""
        if not _LEAST <= size <= _MOST or size & (size - 1) or 2 * len(placed) > size + 2:
            raise ValueError(f"{len(placed)} processes do not stand on {size} places")
        self._size = self._count = 0
        self._grow(size)
        for i, process in placed:
            if not 0 <= i < size or self._keys[i] != _FREE:
                raise ValueError(f"two processes stand on place {i}")
            self._keys[i] = process.pid
            self._processes[i] = process
            self._count += 1

    def _own(self, pid: int) -> int:
        spread = (pid * _GOLDEN) & _BITS  # in C it has 32 bits anyway
        return spread >> self._shift

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


class Population(Follower):
    """The processes of a log, and who they are; threads are known by their tid, and belong to a process.

    `lossy`: whether rows may be missing. `pid` is one whose processes are kept, as `processes`.
    """

    def __init__(self, *, lossy: bool, pid: int) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self._lossy = lossy
        self._kept_pid = pid
        self._known = Pids()
        self._zombies: list[Process | None] = [None] * _ZOMBIES
        self._died = 0
        self._pid_of: dict[int, int] = {}
        self._were_there: set[int] = set()  # threads whose process /proc named when the recording began
        self._cgroups: dict[int, str] = {}

    def _living(self, tid: int, pid: int, kind: int) -> Process:  # noqa: C901 -- one branch a way to know it
        # The process in whose context a row happened: it lives, and what its pid did before is over.
        if pid < 0:
            pid = self._pid_of.get(tid, tid)
        elif tid != pid:
            of = self._pid_of.get(tid, -1)
            if of != pid:
                known = self._known.get(tid)
                if of >= 0 and not self._lossy and tid in self._were_there:
                    pid = of  # the header is of who had the tid before
                elif known is None or _may_be_a_thread_of(known, pid, kind):
                    if known is not None:
                        self._was_a_thread(tid, pid)
                    self._pid_of[tid] = pid
                else:
                    known.headed = pid
                    pid = tid
        elif self._lossy and self._pid_of:
            self._is_no_thread(tid)  # its end as one may have been lost
        process = self._known.get(pid)
        if process is None and tid == pid and not self._lossy and tid in self._were_there:
            pid = self._pid_of.get(tid, tid)  # likewise
            process = self._known.get(pid)
        if process is None:
            return self._new(pid, UNKNOWN, None)
        if process.dead and kind != _GENERATE:
            # The dead send signals on their way out, and do nothing else: its pid's next life began unseen.
            return self._new(pid, UNKNOWN, None)
        return process

    def _new(self, pid: int, start: int, parent: Process | None) -> Process:
        process = Process.__new__(Process)
        process.begin(pid, start, parent)
        self._known.put(pid, process)
        if pid == self._kept_pid:
            self.processes.append(process)
        return process

    def _was_a_thread(self, tid: int, pid: int) -> None:
        # A fork makes a process or a thread; which, its own rows say first.
        thread = self._known.get(tid)
        if thread is None or thread.dead:
            return
        self._known.remove(tid)
        if thread in self.processes:
            self.processes.remove(thread)
        if thread.signals is not None or thread.status != NONE:
            process = self._known.get(pid)
            if process is None:
                process = self._new(pid, UNKNOWN, None)
            if thread.status != NONE and not process.leaving:
                process.status = thread.status
                process.leaving = thread.leaving
                if thread.exiting is not None:
                    process.exiting = thread.exiting
            for signal in thread.signals or ():
                signal.victim = process
                self._keep(process, signal)
            if process.signals is not None:
                process.signals.sort(key=_line_of)  # which came last decides

    def _owner_of_last(self, thread: Process) -> Process:
        # Of one that ends as a process would, by its header: the kernel notes whose thread it is at a switch after a
        # line, and may not have yet. If its parent's first thread is gone and others live, and no other child of the
        # parent's does, it is the last of these.
        process = thread.parent
        if self._lossy or thread.ran or process is None or process.dead or process.exited is None:
            return thread
        if process.pid not in process.exited or process.pid in self._pid_of.values():
            return thread
        for other in self._known.all():
            if other.parent is process and other is not thread and not other.dead:
                return thread
        self._was_a_thread(thread.pid, process.pid)
        if process.fatal is None and thread.fatal is not None:
            process.fatal, process.took_fatal = thread.fatal, thread.took_fatal
        return process

    def _keep(self, victim: Process, signal: Signal) -> None:
        victim.keep(signal)

    def _is_no_thread(self, tid: int) -> None:
        self._pid_of.pop(tid, None)
        self._were_there.discard(tid)

    def _hit(self, target: int) -> Process:
        # Until its pid is given away again, what names it means the dead.
        pid = self._pid_of.get(target, target)
        process = self._known.get(pid)
        return self._new(pid, UNKNOWN, None) if process is None else process

    def _buried(self, process: Process) -> None:
        process.dead = True
        oldest = self._zombies[self._died]
        if oldest is not None:
            if oldest.judged:
                oldest.signals = None  # else whoever is named by it would be kept, and so on
            if self._known.get(oldest.pid) is oldest:
                self._known.remove(oldest.pid)
        self._zombies[self._died] = process
        self._died = (self._died + 1) % _ZOMBIES

    # Who they are

    def _described(self, chunk: Chunk, i: int, process: Process) -> None:
        user = name_of(chunk.users, chunk.user[i])
        if user is None and chunk.uid[i] != NONE:
            user = str(chunk.uid[i])
        process.user = user
        if chunk.command[i] >= 0:
            process.command = chunk.commands[chunk.command[i]]
        # The root of the v2 hierarchy says nothing on a host whose control groups are in another one.
        cgroup = self._cgroups.get(chunk.cgroup_id[i])
        if cgroup is not None and cgroup != "/":
            process.cgroup = cgroup

    def _moved(self, chunk: Chunk, i: int) -> None:
        cgroup = name_of(chunk.cgroups, chunk.cgroup[i])
        if cgroup is not None and chunk.target[i] != NONE:
            self._hit(chunk.target[i]).cgroup = cgroup

    def _know_cgroup(self, chunk: Chunk, i: int) -> None:
        path = name_of(chunk.cgroups, chunk.cgroup[i])
        if path is not None:
            self._cgroups[chunk.cgroup_id[i]] = path
            if len(self._cgroups) > _CGROUPS:
                del self._cgroups[next(iter(self._cgroups))]


def name_of(names: list[str], code: int) -> str | None:
    """Return the name that a code stands for, None for a null."""
    return None if code < 0 else names[code]


def _line_of(signal: Signal) -> int:
    return int(signal.row.line)


def _may_be_a_thread_of(known: Process, pid: int, kind: int) -> bool:
    # The kernel notes the process of a tid at a switch after a line; till then a header has that of its last life.
    if known.dead:
        return kind != _GENERATE or known.headed != pid  # the dead send signals on their way out
    return not known.ran and (known.parent is None or known.parent.pid == pid)
