# cython: language_level=3, annotation_typing=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Tracker: the rows of a log, followed process by process from birth to death.

A stream: rows go in, in the order of their lines, and endings and signals come out as soon as they are certain. Memory
goes by the processes that live, and not by the rows that passed. As the scanner it is one source: where a C compiler is
at hand, Cython compiles it with the types of tracker.pxd, and where none is, it runs as it stands here.

A process is a pid and a start, never a pid alone: pids are reused. Threads are known by their tid, and belong to the
process that the header's tgid names.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from sigtrace.causes.tracking.population import Population, name_of
from sigtrace.causes.tracking.process import PENDING, TAKEN, UNKNOWN, Process, Signal
from sigtrace.causes.tracking.rows import NONE, Chunk, Row
from sigtrace.facts.rules import JUST_BEFORE_US, ends_process
from sigtrace.facts.signals import DEADLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.causes.gaps import Gaps

# Their places in sigtrace.causes.tracking.rows.KINDS.
_PROCESS = 0
_LOST = 1
_KILL = 2
_KILL_HALF = 3
_GENERATE = 4
_DELIVER = 5
_FORK = 6
_EXEC = 7
_EXIT = 8
_OOM = 9
_EXIT_GROUP = 10
_EXIT_THREAD = 11
_EXEC_SAFE = 12
_ARGS = 13
_ATTACH = 14
_MKDIR = 15
_CGROUP = 16
_THREAD = 17

_TICKS_US = 1_000_000  # /proc counts in ticks, mostly of 10 ms


class Tracker(Population):
    """Follow the rows of one log: `follow` or `follow_all` of them, then `end`.

    `ended` is called with each process that ended, and whether events were lost that bear on it. Without `all_endings`
    it is not called for those who just exited, without a signal and without a loss: `exited` counts them, and `failed`
    those of them whose status was not 0. `settled` is called with each signal once it is known what became of it.
    `gaps` are the log's. They are known beforehand; with `live` they are found as the rows come, and endings wait for
    `settle`. `exits_told`: whether the log would show a call to exit, so that whoever ended without one did not exit.
    `pid` is one whose processes are kept, as `processes`.
    """

    def __init__(
        self,
        ended: Callable[[Process, bool], Any],
        gaps: Gaps | None = None,
        *,
        settled: Callable[[Signal], Any] | None = None,
        all_endings: bool = True,
        live: bool = False,
        exits_told: bool = False,
        pid: int = -1,
    ) -> None:
        super().__init__(lossy=gaps is not None, pid=pid)
        self.exited = 0
        self.failed = 0
        self._ended = ended
        self._settled = settled
        self._gaps = gaps
        self._all_endings = all_endings
        self._live = live
        self._exits_told = exits_told
        self._parents_to_come: dict[int, list[Process]] = {}
        self._unsettled: dict[int, list[Signal]] = {}
        self._waiting: deque[Process] = deque()
        self._line = 0

    def settle(self) -> None:
        """Judge the endings that wait: all rows of the time up to now have been seen."""
        self._judge(True)

    def end(self) -> None:
        """End the log: what waits is judged, and of those to whom a fatal signal was delivered the exit never came."""
        for tid in list(self._unsettled):
            self._did_another(tid)
        for process in self._known.all():
            if not process.dead and process.fatal is not None:
                self._died_unseen(process)
        self._judge(True)
        for process in self._known.all():
            for signal in process.signals or ():
                self._tell(signal, True)
            process.signals = None  # by which processes refer to each other

    # Rows

    def step(self, chunk: Chunk, i: int) -> None:  # noqa: C901, PLR0912  (one branch an event)
        """Follow a row."""
        kind = chunk.kind[i]
        if kind > _THREAD:
            return  # a newer sigtrace wrote it, and the answer says so
        if self._live and self._gaps is not None:
            self._gaps.step(chunk, i)
        if kind == _LOST or (kind == _KILL and chunk.sig[i] == 0):
            return  # signal 0 only asks whether a process is there
        if kind in (_MKDIR, _CGROUP):
            self._know_cgroup(chunk, i)
            return
        tid = chunk.tid[i]
        if kind == _THREAD:
            # A header does not name the process of a thread that was there before, until it is switched once.
            self._pid_of[tid] = chunk.pid[i]
            self._were_there.add(tid)
            return
        if kind != _PROCESS:
            self._line = chunk.line[i]
            if self._unsettled and kind not in (_GENERATE, _KILL, _KILL_HALF):
                self._did_another(tid)
        process = self._living(tid, chunk.pid[i], kind)
        if kind == _FORK:
            self._forked(chunk, i, process)
        elif kind == _EXIT:
            self._exited(chunk, i, process)
        elif kind in (_EXEC, _EXEC_SAFE):
            self._executed(chunk, i, process)
        elif kind == _GENERATE:
            self._generated(chunk, i, process)
        elif kind == _DELIVER:
            self._delivered(chunk, i, process)
        elif kind in (_KILL, _KILL_HALF):
            self._called(chunk, i, process)
        elif kind == _EXIT_GROUP:
            self._left(chunk, i, process, True)
        elif kind == _EXIT_THREAD:
            self._left(chunk, i, process, False)
        elif kind == _ARGS:
            self._described(chunk, i, process)
        elif kind == _ATTACH:
            self._moved(chunk, i)
        elif kind == _PROCESS:
            self._ran(chunk, i, process)
        else:
            self._chosen(chunk, i, process)
        if self._waiting:
            self._judge(False)

    def _ran(self, chunk: Chunk, i: int, process: Process) -> None:
        if process.start != UNKNOWN:
            # The log goes on in another segment, which says again who runs: ahead of rows that are not read yet.
            if not self._lossy or -_TICKS_US < process.start - chunk.ts[i] < _TICKS_US:
                return
            process = self._new(process.pid, UNKNOWN, None)  # its end, and the next one's begin, were lost
        process.start = chunk.ts[i]
        process.ran = process.acted = True
        process.named_by_file = False
        process.comm = name_of(chunk.comms, chunk.comm[i])
        process.filename = name_of(chunk.filenames, chunk.filename[i])
        process.command = name_of(chunk.commands, chunk.command[i])
        process.cgroup = name_of(chunk.cgroups, chunk.cgroup[i])
        process.user = name_of(chunk.users, chunk.user[i])
        process.ns_pid = chunk.ns_pid[i]
        # No line says them, and so they have no order.
        target = chunk.target[i]
        process.parent = self._known.get(target)
        if process.parent is None:
            self._parents_to_come.setdefault(target, []).append(process)
        else:
            process.parent.acted = True
        for child in self._parents_to_come.pop(process.pid, ()):
            child.parent = process

    def _called(self, chunk: Chunk, i: int, process: Process) -> None:
        code = chunk.comm[i]
        if code >= 0 and chunk.tid[i] == process.pid:
            process.comm = chunk.comms[code]
            process.named_by_file = False
        if not self._unsettled:
            return
        sig = chunk.sig[i]
        signals = self._unsettled.pop(chunk.tid[i], None)
        if signals is not None:
            row = chunk.row(i)
            made = [signal for signal in signals if sig in (NONE, signal.sig)]
            hits_sender = False
            for signal in made:
                signal.call = row
                hits_sender = hits_sender or signal.sender is signal.victim
            for signal in made:
                signal.hits_sender = hits_sender
            for signal in signals:
                signal.settled = True
                self._tell(signal, False)

    def _did_another(self, tid: int) -> None:
        # A call prints its lines when it returns: whoever did something else since made none.
        signals = self._unsettled.pop(tid, None)
        if signals is not None:
            for signal in signals:
                signal.settled = True
                self._tell(signal, False)

    def _generated(self, chunk: Chunk, i: int, sender: Process) -> None:
        row = chunk.row(i)
        victim = self._hit(row.target)
        if victim.pid == row.target:
            victim.comm = row.target_comm
            victim.named_by_file = False
        sender.acted = True
        in_exit = sender.dead or (sender.exited is not None and row.tid in sender.exited)
        signal = Signal(row, sender, victim, in_exit=in_exit)
        if victim.signals is not None and row.small == 0 and signal.is_queued_once():
            self._was_taken(victim, signal)
        self._keep(victim, signal)
        if not signal.settled:
            self._unsettled.setdefault(row.tid, []).append(signal)
        self._tell(signal, False)

    def _was_taken(self, victim: Process, anew: Signal) -> None:
        # A standard signal is queued once. So if it is queued anew, the one before was taken in between, and without a
        # delivery: by sigwait(2) or from a signalfd.
        for signal in victim.signals or ():
            if signal.sig == anew.sig and signal.thread == anew.thread and signal.fate == PENDING:
                signal.fate = TAKEN
                self._tell(signal, False)

    def _keep(self, victim: Process, signal: Signal) -> None:
        forgotten = victim.keep(signal)
        if forgotten is not None and forgotten.fate == PENDING:
            forgotten.fate = "delivered"
            self._tell(forgotten, True)

    def _delivered(self, chunk: Chunk, i: int, process: Process) -> None:
        sig = chunk.sig[i]
        handler = chunk.small[i]
        fate = "handled" if handler == 2 else "ignored"
        if handler == 0:
            fate = "fatal" if sig in DEADLY else "delivered"
        signal = process.next_of(sig, chunk.tid[i])
        if signal is not None:
            signal.fate = fate
            signal.taken = chunk.row(i)
            self._tell(signal, False)
        if fate == "fatal":
            if process.fatal is None:
                process.fatal = chunk.row(i)
            if process.took_fatal is None:
                process.took_fatal = set()
            process.took_fatal.add(chunk.tid[i])
        elif process.fatal is not None:
            process.outlive(chunk.tid[i])

    def _forked(self, chunk: Chunk, i: int, parent: Process) -> None:
        child = chunk.target[i]
        name = name_of(chunk.target_comms, chunk.target_comm[i])
        if chunk.tid[i] == parent.pid:
            parent.comm = name  # a child is born with the name of the thread that forks it (dup_task_struct)
            parent.named_by_file = False
        if self._pid_of:
            self._is_no_thread(child)
        if parent.exited is not None:
            parent.exited.discard(child)
        before = self._known.get(child)
        if before is not None and not before.dead and before.fatal is not None:
            self._died_unseen(before)
        process = self._new(child, chunk.ts[i], parent)
        process.comm = name
        process.inherit(parent)

    def _executed(self, chunk: Chunk, i: int, process: Process) -> None:
        old = chunk.target[i]
        if old != process.pid:
            if self._pid_of:
                self._is_no_thread(old)
            process.renumber(old)
        process.execute(chunk.line[i], name_of(chunk.filenames, chunk.filename[i]))

    def _chosen(self, chunk: Chunk, i: int, asker: Process) -> None:
        victim = self._hit(chunk.target[i])
        victim.oom = chunk.row(i)
        victim.oom_asker = asker
        victim.oom_figures = name_of(chunk.commands, chunk.command[i])

    def _left(self, chunk: Chunk, i: int, process: Process, whole: bool) -> None:  # noqa: FBT001
        # The first exit_group(2) decides. If there is none, it is the last exit(2) of a thread; before Linux 5.17,
        # that of the thread that the process is named by.
        if not whole:
            if process.exiting is None:
                process.exiting = set()
            process.exiting.add(chunk.tid[i])
        if not process.leaving:
            process.status = chunk.status[i]
            process.leaving = whole
            if process.signals is not None:
                process.left = chunk.row(i)

    def _exited(self, chunk: Chunk, i: int, process: Process) -> None:
        tid = chunk.tid[i]
        if chunk.flag[i] == 1 and process.parent is not None and process.parent.exited is not None:
            process = self._owner_of_last(process)
        if tid == process.pid:
            process.comm = name_of(chunk.comms, chunk.comm[i])
            process.named_by_file = False
        elif self._pid_of:
            self._is_no_thread(tid)
        if process.took_fatal is None or tid not in process.took_fatal:
            process.quiet_exit = chunk.line[i]
        called = process.leaving or (process.exiting is not None and tid in process.exiting)
        if process.exiting is not None:
            process.exiting.discard(tid)
        dead = chunk.flag[i]
        if dead == 0 or (dead == 2 and not ends_process(None, tid, process.pid)):
            if process.exited is None:
                process.exited = set()
            process.exited.add(tid)
            return
        self._buried(process)
        process.silent = self._exits_told and not called and not process.is_kernels()
        if self._gaps is None and self._just_exited(process):
            self._count_exit(process)
        else:
            died = chunk.row(i)
            process.died = died
            process.ended_by = process.fatal_signal(died)
            self._waiting.append(process)

    # Endings

    def _just_exited(self, process: Process) -> bool:
        # Whether there is nothing to judge.
        return not self._all_endings and process.signals is None and process.fatal is None and not process.silent

    def _count_exit(self, process: Process) -> None:
        self.exited += 1
        if process.status > 0:
            self.failed += 1

    def _died_unseen(self, process: Process) -> None:
        # A fatal signal was delivered to it, and its exit is not in the rows.
        process.dead = True
        died = process.fatal
        signal = None if died is None else process.fatal_signal(died)
        if died is not None and signal is not None:
            process.died = died
            process.ended_by = signal
            self._waiting.append(process)

    def _judge(self, everything: bool) -> None:  # noqa: FBT001  (as C has it)
        while self._waiting:
            process = self._waiting[0]
            signal = process.ended_by
            if not everything and (self._live or not process.is_settled(self._line)):
                return
            self._waiting.popleft()
            lost = process.died is not None and self._lost(process.died, signal)
            if not lost and self._just_exited(process):
                self._count_exit(process)
            else:
                self._ended(process, lost)
            process.judged = True
            if signal is not None:
                signal.ended = True
            if self._settled is not None and process.signals is not None:
                for one in process.signals:
                    self._tell(one, True)

    def _lost(self, died: Row, signal: Signal | None) -> bool:
        if self._gaps is None:
            return False
        first = died.ts - JUST_BEFORE_US
        if signal is not None:
            # All that it rests on is there; a loss can only have hidden more of the story.
            first = min(first, signal.row.ts)
        return self._gaps.between(first, died.ts)

    # Signals

    def _tell(self, signal: Signal, over: bool) -> None:  # noqa: FBT001
        # `over`: no row will say more of what became of it.
        if self._settled is not None and not signal.told and (over or (signal.settled and signal.fate != PENDING)):
            signal.told = True
            self._settled(signal)
