"""Lives: the rows of a session, followed process by process from birth to death.

A process is a pid and a start, never a pid alone: pids are reused. Threads are known by their tid, and belong to the
process that the header's tgid names.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from sigtrace.facts.signals import DEADLY

if TYPE_CHECKING:
    from collections.abc import Iterable


class Row(NamedTuple):
    """A row of a session, with the columns that lives are followed by.

    A type is that of the value in the events that fill it, and is optional where one of those may leave it null.
    """

    event: str
    ts: int
    time: int | None  # microseconds since 1970
    cpu: int
    tid: int
    pid: int | None
    comm: str | None
    sig: int
    target: int
    target_comm: str | None
    filename: str
    code: int
    grp: bool
    res: int
    handler: str
    group_dead: bool | None
    cgroup: str | None
    line: int
    log: str | None


# res, TRACE_SIGNAL_* in include/trace/events/signal.h: 0 and 4 are queued, 4 without its information.
_REFUSED = {1: "ignored", 2: "already pending", 3: "queue full"}


@dataclass(eq=False, slots=True)
class Sending:
    """A signal on its way to one process: the kernel's signal_generate, and the call that made it, where one did."""

    row: Row
    sender: Process
    victim: Process
    sig: int
    in_exit: bool
    fate: str
    call: Row | None = None

    @property
    def came_through(self) -> bool:
        """Whether it was queued: neither ignored, nor pending already, nor dropped since its process was dying."""
        return self.row.res not in _REFUSED

    @property
    def to_group(self) -> bool:
        """Whether its call named a group: 0, -1 or -pgid."""
        # A call's first line alone has no target, and its second alone no signal.
        return self.call is not None and self.call.target is not None and self.call.target <= 0


@dataclass(eq=False, slots=True)
class Process:
    """A process as far as the session has seen it."""

    pid: int
    start: int | None = None  # in ts; None where its birth was not seen
    comm: str | None = None
    command: str | None = None
    cgroup: str | None = None
    parent: Process | None = None
    sendings: list[Sending] = field(default_factory=list)
    pending: dict[int, list[Sending]] = field(default_factory=dict)
    fatal: Row | None = None
    quiet_exit: int = -1  # the line of the last thread that exited without the delivery of a fatal signal
    oom: Row | None = None
    exit: Row | None = None  # of its last thread

    def sent_itself(self, sig: int) -> bool:
        """Tell whether it has generated a signal to itself."""
        return any(sending.sig == sig and sending.sender is self for sending in self.sendings)

    def ancestors(self) -> list[Process]:
        """Return the process itself, its parent, and so on up."""
        line: dict[Process, None] = {}
        process: Process | None = self
        while process is not None and process not in line:
            line[process] = None
            process = process.parent
        return list(line)


@dataclass(slots=True)
class _Loss:
    # A time in which a CPU lost events: from its last row before to its first one after.
    first_ts: float
    last_ts: float = inf


class Lives:
    """Follow rows in the order of their lines. `dead` are who ended, in the order of their deaths."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.dead: list[Process] = []
        self.sendings: list[Sending] = []
        self._alive: dict[int, Process] = {}
        self._zombies: dict[int, Process] = {}
        self._replaced: list[Process] = []
        self._pid_of: dict[int, int] = {}
        self._parents_to_come: dict[int, list[Process]] = {}
        self._uncalled: dict[int, list[Sending]] = {}
        self._losses: list[_Loss] = []
        self._open_losses: dict[int, list[_Loss]] = {}
        self._last_ts: dict[int, int] = {}
        self._in_exit: set[int] = set()
        self._took_fatal: dict[Process, set[int]] = {}
        steps = {
            "process": self._known,
            "kill": self._called,
            "kill_half": self._called,
            "signal_generate": self._generated,
            "signal_deliver": self._delivered,
            "sched_process_fork": self._forked,
            "sched_process_exec": self._executed,
            "sched_process_exit": self._exited,
            "mark_victim": self._chosen,
        }
        for row in rows:
            if row.event == "lost":
                self._lost(row)
            else:
                steps[row.event](row, self._living(row))

    @property
    def dying(self) -> list[Process]:
        """Those to whom a fatal signal was delivered, and whose exit is not in the rows."""
        return self._replaced + [process for process in self._alive.values() if process.fatal is not None]

    def all_of(self, pid: int) -> list[Process]:
        """Return the processes that had a pid, the dead ones first, in the order of their deaths."""
        ended = [process for process in self.dead + self._replaced if process.pid == pid]
        return ended + ([self._alive[pid]] if pid in self._alive else [])

    def lost_between(self, first_ts: int, last_ts: int) -> bool:
        """Tell whether anything between two times may have been lost."""
        starts, ends = self._lossy_times
        before = bisect_right(starts, last_ts)
        return before > 0 and ends[before - 1] >= first_ts

    @cached_property
    def _lossy_times(self) -> tuple[list[float], list[float]]:
        # Of all CPUs, and those that overlap made one: a session may have as many losses as deaths.
        starts: list[float] = []
        ends: list[float] = []
        for loss in sorted(self._losses, key=lambda loss: loss.first_ts):
            if ends and loss.first_ts <= ends[-1]:
                ends[-1] = max(ends[-1], loss.last_ts)
            else:
                starts.append(loss.first_ts)
                ends.append(loss.last_ts)
        return starts, ends

    def _living(self, row: Row) -> Process:
        """Return the process in whose context a row happened: it lives, and what its pid did before is over."""
        if row.event != "process":
            if self._open_losses:
                for loss in self._open_losses.pop(row.cpu, ()):
                    loss.last_ts = row.ts
            self._last_ts[row.cpu] = row.ts
        tid, pid = row.tid, row.pid
        if pid is None:
            pid = self._pid_of.get(tid, tid)
        else:
            if tid != pid and tid in self._alive:
                self._was_a_thread(tid, pid)
            self._pid_of[tid] = pid
        if pid in self._zombies and row.event != "signal_generate":
            # The dead send signals on their way out, and do nothing else: its pid's next life began unseen.
            del self._zombies[pid]
        return self._process(pid)

    def _was_a_thread(self, tid: int, pid: int) -> None:
        # A fork makes a process or a thread; which, its own rows say first.
        thread, process = self._alive.pop(tid), self._process(pid)
        process.sendings += thread.sendings
        for sig, pending in thread.pending.items():
            process.pending.setdefault(sig, []).extend(pending)

    def _process(self, pid: int) -> Process:
        # Until its pid is given away again, what names it means the dead.
        process = self._alive.get(pid) or self._zombies.get(pid)
        if process is None:
            process = self._alive[pid] = Process(pid)
        return process

    def _hit(self, row: Row) -> Process:
        return self._process(self._pid_of.get(row.target, row.target))

    def _lost(self, row: Row) -> None:
        loss = _Loss(self._last_ts.get(row.cpu, -inf))
        self._losses.append(loss)
        self._open_losses.setdefault(row.cpu, []).append(loss)

    def _known(self, row: Row, process: Process) -> None:
        process.start, process.comm, process.command, process.cgroup = row.ts, row.comm, row.filename, row.cgroup
        # No line says them, and so they have no order.
        parent = self._alive.get(row.target)
        if parent is None:
            self._parents_to_come.setdefault(row.target, []).append(process)
        process.parent = parent
        for child in self._parents_to_come.pop(process.pid, ()):
            child.parent = process

    def _called(self, row: Row, process: Process) -> None:
        if row.tid == process.pid and row.comm is not None:
            process.comm = row.comm
        for sending in self._uncalled.pop(row.tid, ()):
            if row.sig is None or sending.sig == row.sig:
                sending.call = row

    def _generated(self, row: Row, sender: Process) -> None:
        victim = self._hit(row)
        if victim.pid == row.target:
            victim.comm = row.target_comm
        sending = Sending(row, sender, victim, row.sig, row.tid in self._in_exit, _REFUSED.get(row.res, "pending"))
        victim.sendings.append(sending)
        self.sendings.append(sending)
        if sending.fate == "pending":
            victim.pending.setdefault(row.sig, []).append(sending)
        if row.code <= 0:
            self._uncalled.setdefault(row.tid, []).append(sending)

    def _delivered(self, row: Row, process: Process) -> None:
        fate = row.handler
        if fate == "default":
            fate = "fatal" if row.sig in DEADLY else "delivered"
        if pending := process.pending.get(row.sig):
            pending.pop(0).fate = fate
            if not pending:
                del process.pending[row.sig]
        if fate == "fatal":
            process.fatal = process.fatal or row
            self._took_fatal.setdefault(process, set()).add(row.tid)

    def _forked(self, row: Row, parent: Process) -> None:
        parent.comm = parent.comm or row.comm
        child = row.target
        self._pid_of.pop(child, None)
        self._in_exit.discard(child)
        self._zombies.pop(child, None)
        before = self._alive.get(child)
        if before is not None and before.fatal is not None:
            self._replaced.append(before)  # its exit was lost
        self._alive[child] = Process(child, row.ts, row.target_comm, parent.command, parent.cgroup, parent)

    def _executed(self, row: Row, process: Process) -> None:
        process.command = row.filename
        process.comm = row.filename.rsplit("/", 1)[-1][:15]
        # exec ends the other threads by a SIGKILL of its own (de_thread): nobody was killed.
        process.fatal = None
        process.quiet_exit = -1
        self._took_fatal.pop(process, None)

    def _exited(self, row: Row, process: Process) -> None:
        self._in_exit.add(row.tid)
        if row.tid == process.pid:
            process.comm = row.comm
        if row.tid not in self._took_fatal.get(process, ()):
            process.quiet_exit = row.line
        self._pid_of.pop(row.tid, None)
        if row.group_dead or (row.group_dead is None and row.tid == process.pid):
            process.exit = row
            self.dead.append(process)
            self._zombies[process.pid] = self._alive.pop(process.pid)

    def _chosen(self, row: Row, _: Process) -> None:
        self._hit(row).oom = row
