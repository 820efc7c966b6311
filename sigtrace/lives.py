"""Lives: the rows of a session, followed process by process from birth to death.

A process is a pid and a start, never a pid alone: pids are reused. Threads are known by their tid, and belong to the
process that the header's tgid names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sigtrace.signals import DEADLY

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = Mapping[str, Any]
"""A row of a session, by column."""

# res, TRACE_SIGNAL_* in include/trace/events/signal.h: 0 and 4 are queued, 4 without its information.
_REFUSED = {1: "ignored", 2: "already pending", 3: "queue full"}


@dataclass
class Sending:
    """A signal on its way to one process: the kernel's signal_generate, and the call that made it, where one did."""

    row: Row
    sender: Process
    victim: Process
    call: Row | None = None
    in_exit: bool = False
    fate: str = field(init=False)

    def __post_init__(self) -> None:
        self.fate = _REFUSED.get(self.row["res"], "pending")

    @property
    def came_through(self) -> bool:
        """Whether it was queued: neither ignored, nor pending already, nor dropped since its process was dying."""
        return self.row["res"] not in _REFUSED

    @property
    def to_group(self) -> bool:
        """Whether its call named a group: 0, -1 or -pgid."""
        return self.call is not None and self.call["target"] is not None and self.call["target"] <= 0

    @property
    def sig(self) -> int:
        """The signal's number."""
        return int(self.row["sig"])


@dataclass(eq=False)
class Process:
    """A process as far as the session has seen it."""

    pid: int
    born: Row | None = None
    comm: str | None = None
    command: str | None = None
    cgroup: str | None = None
    parent: Process | None = None
    sendings: list[Sending] = field(default_factory=list)
    fatal: Row | None = None
    delivered: set[int] = field(default_factory=set)
    quiet_exits: list[Row] = field(default_factory=list)
    oom: Row | None = None

    def sent_itself(self, sig: int) -> bool:
        """Tell whether it has generated a signal to itself."""
        return any(sending.sig == sig and sending.sender is self for sending in self.sendings)

    def ancestors(self) -> list[Process]:
        """Return the process itself, its parent, and so on up."""
        line: list[Process] = []
        process: Process | None = self
        while process is not None and process not in line:
            line.append(process)
            process = process.parent
        return line


@dataclass
class Loss:
    """A time in which a CPU lost events: from its last row before to its first one after, in ts."""

    cpu: int
    line: int
    first_ts: int | None
    last_ts: int | None = None

    def bears_on(self, first_ts: int, last_ts: int) -> bool:
        """Tell whether anything between two times may have been lost."""
        return (self.first_ts is None or self.first_ts <= last_ts) and (
            self.last_ts is None or self.last_ts >= first_ts
        )


class Lives:
    """Follow rows in the order of their lines. `dead` are who ended, each with its last row."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.dead: list[tuple[Process, Row]] = []
        self.losses: list[Loss] = []
        self.sendings: list[Sending] = []
        self._alive: dict[int, Process] = {}
        self._zombies: dict[int, Process] = {}
        self._pid_of: dict[int, int] = {}
        self._uncalled: dict[int, list[Sending]] = {}
        self._last_ts: dict[int, int] = {}
        self._open_losses: dict[int, list[Loss]] = {}
        self._in_exit: set[int] = set()
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
            if row["event"] == "lost":
                self._lost(row)
                continue
            self._tick(row)
            if (step := steps.get(row["event"])) is not None:
                step(row)

    @property
    def dying(self) -> list[tuple[Process, Row]]:
        """Those to whom a fatal signal was delivered, and whose exit is not in the rows."""
        return [(process, process.fatal) for process in self._alive.values() if process.fatal is not None]

    def all_of(self, pid: int) -> list[Process]:
        """Return the processes that had a pid, the dead ones first, in the order of their deaths."""
        dead = [process for process, _ in self.dead if process.pid == pid]
        return dead + ([self._alive[pid]] if pid in self._alive else [])

    def _tick(self, row: Row) -> None:
        if row["event"] != "process":
            for loss in self._open_losses.pop(row["cpu"], ()):
                loss.last_ts = row["ts"]
            self._last_ts[row["cpu"]] = row["ts"]
        if row["pid"] is not None:
            if row["tid"] != row["pid"]:
                self._was_a_thread(row)
            self._pid_of[row["tid"]] = row["pid"]
            self._of(row)  # it lives: what its pid did before is over

    def _hit(self, row: Row) -> Process:
        target: int = row["target"]
        return self._process(self._pid_of.get(target, target))

    def _was_a_thread(self, row: Row) -> None:
        # A fork makes a process or a thread; which, its own rows say first.
        thread = self._alive.pop(row["tid"], None)
        if thread is not None:
            self._process(row["pid"]).sendings += thread.sendings

    def _lost(self, row: Row) -> None:
        loss = Loss(row["cpu"], row["line"], self._last_ts.get(row["cpu"]))
        self.losses.append(loss)
        self._open_losses.setdefault(row["cpu"], []).append(loss)

    def _process(self, pid: int) -> Process:
        if pid in self._alive:
            return self._alive[pid]
        # Until its pid is given away again, what names it means the dead.
        if pid in self._zombies:
            return self._zombies[pid]
        self._alive[pid] = Process(pid)
        return self._alive[pid]

    def _of(self, row: Row) -> Process:
        tid: int = row["tid"]
        pid: int = row["pid"] if row["pid"] is not None else self._pid_of.get(tid, tid)
        if pid in self._zombies and row["event"] != "signal_generate":
            # The dead send signals on their way out, and do nothing else: its pid's next life began unseen.
            del self._zombies[pid]
        return self._process(pid)

    def _known(self, row: Row) -> None:
        process = self._process(row["pid"])
        process.born, process.comm, process.command = row, row["comm"], row["filename"]
        process.cgroup = row["cgroup"]
        if row["target"] in self._alive:
            process.parent = self._alive[row["target"]]

    def _called(self, row: Row) -> None:
        process = self._of(row)
        if row["tid"] == process.pid and row["comm"] is not None:
            process.comm = row["comm"]
        for sending in self._uncalled.pop(row["tid"], ()):
            if row["sig"] is None or sending.sig == row["sig"]:
                sending.call = row

    def _generated(self, row: Row) -> None:
        sender = self._of(row)
        victim = self._hit(row)
        if victim.pid == row["target"]:
            victim.comm = row["target_comm"]
        sending = Sending(row, sender, victim, in_exit=row["tid"] in self._in_exit)
        victim.sendings.append(sending)
        self.sendings.append(sending)
        if row["code"] <= 0:
            self._uncalled.setdefault(row["tid"], []).append(sending)

    def _delivered(self, row: Row) -> None:
        process = self._of(row)
        fate: str = row["handler"]
        if fate == "default":
            fate = "fatal" if row["sig"] in DEADLY else "delivered"
        for sending in process.sendings:
            if sending.fate == "pending" and sending.sig == row["sig"]:
                sending.fate = fate
                break
        if fate == "fatal":
            process.fatal = process.fatal or row
            process.delivered.add(row["tid"])

    def _forked(self, row: Row) -> None:
        parent = self._of(row)
        parent.comm = parent.comm or row["comm"]
        self._pid_of.pop(row["target"], None)
        self._in_exit.discard(row["target"])
        self._zombies.pop(row["target"], None)
        self._alive[row["target"]] = Process(
            row["target"], row, row["target_comm"], parent.command, parent.cgroup, parent
        )

    def _executed(self, row: Row) -> None:
        process = self._of(row)
        process.command = row["filename"]
        process.comm = row["filename"].rsplit("/", 1)[-1][:15]
        # exec ends the other threads by a SIGKILL of its own (de_thread): nobody was killed.
        process.fatal = None
        process.delivered.clear()
        process.quiet_exits.clear()

    def _exited(self, row: Row) -> None:
        self._in_exit.add(row["tid"])
        process = self._of(row)
        if row["tid"] == process.pid:
            process.comm = row["comm"]
        if row["tid"] not in process.delivered:
            process.quiet_exits.append(row)
        self._pid_of.pop(row["tid"], None)
        if row["group_dead"] or (row["group_dead"] is None and row["tid"] == process.pid):
            self.dead.append((process, row))
            self._zombies[process.pid] = self._alive.pop(process.pid)

    def _chosen(self, row: Row) -> None:
        self._hit(row).oom = row
