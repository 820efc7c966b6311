# cython: language_level=3, annotation_typing=False
"""Process: a process as far as a session has seen it, and the signals that were sent to it.

A process is a pid and a start, never a pid alone: pids are reused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sigtrace.causes.tracking.rows import NONE
from sigtrace.facts.rules import REFUSED
from sigtrace.facts.signals import DEADLY, TICKS, is_explained_later, is_routine

if TYPE_CHECKING:
    from sigtrace.causes.tracking.rows import Row

UNKNOWN = -(1 << 63)
"""The start of a process whose birth was not seen."""

NOBODY = 0
"""No thread: its number is no process's."""

_CALLED_WITHIN = 1 << 14  # lines: a call returns sooner after it has sent a signal
_KTHREADD = 2  # the parent of the kernel's own threads

_GENERATIONS = 128  # of dead ancestors that a living process keeps: one that forks and exits anew for weeks has no end
_IMAGES = 16  # that a process keeps, and one for all before: a script may execute itself for ever
_SIGNALS = 64  # that a process keeps: one that handles a signal a second has no end of them either

_REAL_TIME = 32  # the first of the signals that are queued as often as they come
_LAST_LINE = (1 << 63) - 1

PENDING = "pending"
TAKEN = "waited for"

_KILL = 9


class Image(NamedTuple):
    """What a process is until it executes another file."""

    until: int
    """The line that says it executed another one."""
    comm: str | None
    filename: str | None
    command: str | None
    user: str | None


class Signal:
    """A signal on its way to one process: its signal_generate, and the call that made it, if one did.

    `fate` is `pending` as long as no row says what became of it.
    """

    def __init__(self, row: Row, sender: Process, victim: Process, *, in_exit: bool) -> None:
        self.row = row
        self.sig = row.sig
        self.thread = row.target if row.flag == 0 else NONE  # that alone can take it
        self.sender = sender
        self.victim = victim
        self.in_exit = in_exit
        self.routine = sender is victim or is_routine(row.sig, row.code)
        self.fate = REFUSED.get(row.small, PENDING)
        self.call: Row | None = None
        self.taken: Row | None = None  # its signal_deliver
        self.settled = not is_explained_later(row.sig, row.code)  # whether it is settled who made it
        self.hits_sender = False  # whether its call hit its sender too
        self.ended = False  # whether its process ended of it
        self.told = False

    def came_through(self) -> bool:
        """Tell whether it was queued: neither ignored, nor pending already, nor dropped since its process was dying."""
        return self.row.small not in REFUSED

    def may_go(self) -> bool:
        """Tell whether its process has taken it, if more of its number came after it."""
        return self.fate != "fatal" and not (self.fate == PENDING and self.is_queued_once())

    def is_queued_once(self) -> bool:
        """Tell whether it is a standard signal, of which one alone can be pending."""
        return self.sig < _REAL_TIME

    def is_settled(self, line: int) -> bool:
        """Tell whether it is settled who made it, by a line."""
        return self.settled or line - self.row.line > _CALLED_WITHIN

    def target(self) -> int | None:
        """Return whom its call named, in the caller's pid namespace; None if no line says it."""
        if self.call is None or self.call.target == NONE:
            return None
        return int(self.call.target)

    def to_group(self) -> bool:
        """Tell whether its call named a group: 0, -1 or -pgid."""
        target = self.target()
        return target is not None and target <= 0


class Process:
    """A process as far as the session has seen it."""

    def begin(self, pid: int, start: int, parent: Process | None) -> None:
        """Begin a life; whoever makes a process calls it first."""
        self.pid = pid
        self.start = start
        self.comm: str | None = None
        self.named_by_file = False  # its name is that of the file it executed, which is worked out when asked for
        self.filename: str | None = None
        self.command: str | None = None
        self.cgroup: str | None = None
        self.user: str | None = None
        self.ns_pid = NONE
        self.status = NONE  # of its exit_group(2), or of the last of its threads to exit
        self.acted = False  # whether it sent a signal, or may have a child: what it was then may be asked for
        self.parent = parent
        self.depth = 0
        if parent is not None:
            self.depth = parent.depth + 1
            parent.acted = True
        self.images: list[Image] | None = None  # that it was
        self.signals: list[Signal] | None = None
        self.fatal: Row | None = None
        self.took_fatal: set[int] | None = None
        self.exited: set[int] | None = None  # threads that have, while others live
        self.exiting: set[int] | None = None  # threads that have called exit(2), and have not exited
        self.headed = NONE  # a process that a header names instead of it
        self.quiet_exit = -1  # the line of the last thread that exited without the delivery of a fatal signal
        self.oom: Row | None = None
        self.oom_figures: str | None = None
        self.oom_asker: Process | None = None
        self.left: Row | None = None  # its exit_group(2), if a signal may have asked for it
        self.died: Row | None = None
        self.ended_by: Signal | None = None
        self.judged = False
        self.ran = False  # whether it ran when the recording began
        self.leaving = False  # whether it has called exit_group(2)
        self.dead = False
        self.silent = False  # whether it ended without a call to exit, though its log would show one
        if self.depth > _GENERATIONS:
            self._forget_the_oldest()

    def name(self) -> str | None:
        """Return its name, by the file that it executed if no row has said it since."""
        if self.named_by_file and self.filename is not None:
            self.comm = self.filename.rsplit("/", 1)[-1][:15]
            self.named_by_file = False
        return self.comm

    def execute(self, line: int, filename: str | None) -> None:
        """Execute a file."""
        if self.acted:
            if self.images is None:
                self.images = []
            self.images.append(Image(line, self.name(), self.filename, self.command, self.user))
            if len(self.images) > _IMAGES + 1:
                del self.images[0]
                self.images[0] = Image(self.images[0].until, None, None, None, None)  # and all before: forgotten
        self.filename = filename
        self.command = None
        self.named_by_file = True
        self._shed_threads()

    def _shed_threads(self) -> None:
        # exec ends the other threads by a SIGKILL of its own (de_thread): nobody was killed.
        self._survive()
        self.exited = None
        # And who called exit meanwhile ended as a thread alone.
        self.exiting = None
        self.leaving = False
        self.status = NONE
        self.left = None

    def outlive(self, tid: int) -> None:
        """Go on after a fatal signal was delivered, as a thread shows that handles another one."""
        self._survive()  # the init of a pid namespace is not ended by a default action (SIGNAL_UNKILLABLE)
        if self.exited is not None and tid in self.exited:
            self._shed_threads()  # the row of its exec was lost

    def _survive(self) -> None:
        self.fatal = None
        self.quiet_exit = -1
        self.took_fatal = None

    def image(self, line: int = _LAST_LINE) -> Image:
        """Return what it was at a line, by default at the last one that is known."""
        for image in self.images or ():
            if line < image.until:
                return image
        return Image(_LAST_LINE, self.name(), self.filename, self.command, self.user)

    def is_kernels(self) -> bool:
        """Tell whether it is a thread of the kernel's, or a child of one that has executed nothing."""
        process: Process | None = self
        for _ in range(_GENERATIONS):
            if process is None or process.filename is not None:
                return False
            if process.pid == _KTHREADD:
                return True
            if process.parent is None:
                # A recorder in a container does not see the kernel's threads that are there. Most that end are workers.
                return not process.ran and process.comm is not None and process.comm.startswith("kworker/")
            process = process.parent
        return False

    def sent_itself(self, sig: int) -> bool:
        """Tell whether it has generated a signal to itself."""
        for signal in self.signals or ():
            if signal.sig == sig and signal.sender is self:
                return True
        return False

    def next_of(self, sig: int, tid: int) -> Signal | None:
        """Return the pending signal that a thread takes if it takes one of this number."""
        # Its own before those that any thread may take (dequeue_signal).
        first: Signal | None = None
        for signal in self.signals or ():
            if signal.sig == sig and signal.fate == PENDING:
                if signal.thread == tid:
                    return signal
                if first is None and signal.thread == NONE:
                    first = signal
        return first

    def renumber(self, old: int) -> None:
        """Have a thread take the number of its process, with the signals that are for it alone."""
        for signal in self.signals or ():
            if signal.thread == old:
                signal.thread = self.pid
            elif signal.thread == self.pid:
                signal.thread = NOBODY  # the thread that had the number is gone

    def inherit(self, parent: Process) -> None:
        """Take from a parent what a child is born with."""
        self.filename = parent.filename
        self.command = parent.command
        self.cgroup = parent.cgroup
        self.user = parent.user

    def keep(self, signal: Signal) -> Signal | None:
        """Keep a signal; of too many forget a routine one, or else the first, and return it."""
        if self.signals is None:
            self.signals = [signal]
            return None
        self.signals.append(signal)
        if len(self.signals) <= _SIGNALS:
            return None
        # Go's runtime sends itself a hundred SIGURG a second. Of each number the first ones stay, and the last.
        times: dict[int, int] = {}
        spare: dict[int, int] = {}
        first = -1  # that is not routine
        for n, one in enumerate(self.signals):
            if one.routine:
                if one.sig in spare:
                    return self.signals.pop(spare[one.sig])
                times[one.sig] = times.get(one.sig, 0) + 1
                if times[one.sig] > TICKS and one.may_go():
                    spare[one.sig] = n
            elif first < 0:
                first = n
        return self.signals.pop(0 if 2 * len(times) * TICKS > _SIGNALS else max(first, 0))

    def fatal_signal(self, died: Row) -> Signal | None:
        """Return the signal that ended it, as far as the rows up to `died` show one."""
        if self.signals is None:
            return None
        fatal = self.fatal
        before = died.line if fatal is None else fatal.line
        queued = [
            signal
            for signal in self.signals
            if signal.row.line < before and signal.came_through() and signal.sig in DEADLY
        ]
        if fatal is None:
            # It was on its way out by itself when SIGKILL came, and takes that for its reason (do_group_exit).
            return _last([signal for signal in queued if signal.sig == _KILL])
        if fatal.sig != _KILL:
            # Delivered under its own number: the first of them, for the later ones found it pending.
            same = [signal for signal in queued if signal.sig == fatal.sig]
            return _first([signal for signal in same if signal.fate == "fatal"]) or _first(same)
        # A deadly signal that dumps no core is delivered as SIGKILL to every thread (complete_signal). What comes after
        # is dropped, so it is the last that was queued and not handled.
        last = _last([signal for signal in queued if signal.fate in (PENDING, "fatal")])
        if last is not None and last.sig != _KILL and self.quiet_exit > last.row.line:
            return None  # exit_group(2) ends the other threads by SIGKILL too; its caller then exits without a delivery
        return last

    def is_settled(self, line: int) -> bool:
        """Tell whether it is settled who ended it, or may have asked it to end, by a line."""
        if self.ended_by is not None:
            return self.ended_by.is_settled(line)
        for signal in self.signals or ():
            if not signal.is_settled(line):
                return False
        return True

    def ancestors(self) -> list[Process]:
        """Return the process itself, its parent, and so on up."""
        line: list[Process] = []
        process: Process | None = self
        while process is not None and process not in line:
            line.append(process)
            process = process.parent
        return line

    def _forget_the_oldest(self) -> None:
        process: Process = self
        for _ in range(_GENERATIONS // 2):
            if process.parent is not None:
                process = process.parent
        process.parent = None
        self.depth = _GENERATIONS // 2


def _last(signals: list[Signal]) -> Signal | None:
    return signals[-1] if signals else None


def _first(signals: list[Signal]) -> Signal | None:
    return signals[0] if signals else None
