"""Memory: what a process tracker knows between two rows, as values of JSON, so that another one can go on from there.

It has the processes that live and the latest dead, so it is as large as these, however many rows there were.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from sigtrace.causes.tracking.process import Image, Process, Signal
from sigtrace.causes.tracking.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sigtrace.causes.tracking.tracker import Tracker

    Known = dict[str, Any]
    _T = TypeVar("_T")

ROW = (
    "line", "ts", "time", "kind", "cpu", "tid", "pid", "sig", "target", "ret", "code", "status", "small", "flag",
    "comm", "target_comm",
)  # fmt: skip
"""The fields of a row."""

PLAIN = {
    Process: (
        "pid", "depth", "start", "quiet_exit", "comm", "filename", "command", "cgroup", "user", "oom_figures",
        "ns_pid", "status", "headed", "named_by_file", "acted", "judged", "ran", "leaving", "dead", "silent",
    ),
    Signal: ("sig", "thread", "in_exit", "routine", "settled", "hits_sender", "ended", "told", "fate"),
}  # fmt: skip
"""The fields of a process and of a signal that are values of JSON."""

SETS = ("took_fatal", "exited", "exiting")
"""Those of a process that are sets of threads."""

ROWS = {Process: ("fatal", "oom", "left", "died"), Signal: ("row", "call", "taken")}
"""Those that are rows."""

PROCESSES = {Process: ("parent", "oom_asker"), Signal: ("sender", "victim")}
"""Those that are processes. A process has signals, too: `signals`, and `ended_by`."""

COUNTS = ("exited", "failed", "_line", "_died")
"""The numbers of a tracker."""


_LONGEST_LINE = 10_000  # of parents: /proc shows fewer


def of(tracker: Tracker) -> Known:
    """Return what a tracker without gaps knows."""
    graph = _Graph()
    size, placed = tracker._known.placed()
    known = {
        **{name: getattr(tracker, name) for name in COUNTS},
        "pids": [size, [[place, graph.process(one)] for place, one in placed]],
        "zombies": [[n, graph.process(one)] for n, one in enumerate(tracker._zombies) if one is not None],
        "threads": list(tracker._pid_of.items()),
        "were_there": sorted(tracker._were_there),
        "cgroups": list(tracker._cgroups.items()),
        "parents_to_come": [[pid, list(map(graph.process, some))] for pid, some in tracker._parents_to_come.items()],
        "unsettled": [[tid, list(map(graph.signal, some))] for tid, some in tracker._unsettled.items()],
        "waiting": list(map(graph.process, tracker._waiting)),
    }
    return {**known, **graph.told()}


def pending(tracker: Tracker) -> int:
    """Return how many endings a tracker would tell, if its log ended now."""
    living = (process for process in tracker._known.all() if not process.dead)
    unseen = (one for one in living if one.fatal is not None and one.fatal_signal(one.fatal) is not None)
    return len(tracker._waiting) + len(list(unseen))


def recall(tracker: Tracker, known: Known) -> None:
    """Have a new tracker know what another one knew. Raises what Python does for values that no tracker has."""
    for number in range(len(PROCESSES[Process])):
        _refuse_long_lines([of_processes[number] for _, _, of_processes, *_ in known["processes"]])
    rows = [_row(values) for values in known["rows"]]
    processes = [_blank() for _ in known["processes"]]
    signals = [Signal.__new__(Signal) for _ in known["signals"]]
    for signal, values in zip(signals, known["signals"], strict=True):
        _fill(signal, values, rows, processes)
    for process, values in zip(processes, known["processes"], strict=True):
        *shared, sets, images, own, ended_by = values
        _fill(process, shared, rows, processes)
        for name, threads in zip(SETS, sets, strict=True):
            setattr(process, name, None if threads is None else set(threads))
        process.images = None if images is None else [Image(*one) for one in images]
        process.signals = None if own is None else [signals[n] for n in own]
        process.ended_by = None if ended_by is None else signals[ended_by]
    for name in COUNTS:
        setattr(tracker, name, known[name])
    if not 0 <= known["_died"] < len(tracker._zombies):
        raise ValueError(f"nobody died on place {known['_died']}")
    size, placed = known["pids"]
    tracker._known.place(size, [(place, processes[n]) for place, n in placed])
    for place, n in known["zombies"]:
        tracker._zombies[place] = processes[n]
    tracker._pid_of = dict(known["threads"])
    tracker._were_there = set(known["were_there"])
    tracker._cgroups = dict(known["cgroups"])
    tracker._parents_to_come = {pid: [processes[n] for n in some] for pid, some in known["parents_to_come"]}
    tracker._unsettled = {tid: [signals[n] for n in some] for tid, some in known["unsettled"]}
    tracker._waiting = deque(processes[n] for n in known["waiting"])


class _Graph:
    """Processes, signals and rows by numbers, in the order in which they are asked for: they refer to each other."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._processes: list[Process] = []
        self._signals: list[Signal] = []
        self._rows: list[Row] = []

    def process(self, one: Process | None) -> int | None:
        return self._number(one, self._processes)

    def signal(self, one: Signal | None) -> int | None:
        return self._number(one, self._signals)

    def told(self) -> Known:
        processes: list[list[Any]] = []
        signals: list[list[Any]] = []
        while len(processes) < len(self._processes) or len(signals) < len(self._signals):
            processes += [self._told_process(one) for one in self._processes[len(processes) :]]
            signals += [self._told(one, Signal) for one in self._signals[len(signals) :]]
        rows = [[getattr(row, name) for name in ROW] for row in self._rows]
        return {"processes": processes, "signals": signals, "rows": rows}

    def _told_process(self, one: Process) -> list[Any]:
        threads = (getattr(one, name) for name in SETS)
        sets = [None if some is None else sorted(some) for some in threads]
        signals = None if one.signals is None else list(map(self.signal, one.signals))
        return [*self._told(one, Process), sets, one.images, signals, self.signal(one.ended_by)]

    def _told(self, one: Process | Signal, kind: type[Process | Signal]) -> list[Any]:
        return [
            [getattr(one, name) for name in PLAIN[kind]],
            [self._number(getattr(one, name), self._rows) for name in ROWS[kind]],
            [self.process(getattr(one, name)) for name in PROCESSES[kind]],
        ]

    def _number(self, one: _T | None, among: list[_T]) -> int | None:
        if one is None:
            return None
        number = self._numbers.setdefault(id(one), len(among))
        if number == len(among):
            among.append(one)
        return number


def _refuse_long_lines(above: Sequence[int | None]) -> None:
    # Compiled, whoever is let go of lets go of who is above, and so on, on the stack of C.
    depths: dict[int | None, int] = {None: 0}
    for first in range(len(above)):
        line: dict[int, None] = {}
        one: int | None = first
        while one is not None and one not in depths and one not in line:
            line[one] = None
            one = above[one]
        depth = depths.get(one, 0)  # a log can say that one is above itself: nobody lets go of that
        for below in reversed(line):
            depth += 1
            depths[below] = depth
        if depth > _LONGEST_LINE:
            raise ValueError(f"{depth} processes are above one another")


def _blank() -> Process:
    process = Process.__new__(Process)
    process.begin(0, 0, None)
    return process


def _row(values: Sequence[Any]) -> Row:
    row = Row.__new__(Row)
    for name, value in zip(ROW, values, strict=True):
        setattr(row, name, value)
    return row


def _fill(one: Process | Signal, told: Iterable[Any], rows: Sequence[Row], processes: Sequence[Process]) -> None:
    plain, of_rows, of_processes = told
    kind = type(one)
    for name, value in zip(PLAIN[kind], plain, strict=True):
        setattr(one, name, value)
    for name, number in zip(ROWS[kind], of_rows, strict=True):
        setattr(one, name, None if number is None else rows[number])
    for name, number in zip(PROCESSES[kind], of_processes, strict=True):
        setattr(one, name, None if number is None else processes[number])
    if isinstance(one, Signal) and None in (one.row, one.sender, one.victim):
        raise ValueError("a signal has no row, no sender or no victim")  # compiled, nothing looks for it again
