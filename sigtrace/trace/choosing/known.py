"""Known: who a selection knows, and the rows of them that it holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import TICKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HELD, NOTED, OF_UNIT, CHOSEN = range(4)
"""Whether the rows of a process are held back or kept, and if kept, why."""

_GENERATIONS = 64  # of ancestors at least: a process may begin its next life as its own child, for ever
_SIGNALS = 64  # as the process tracker keeps them
_HIT = 1024  # by one call: kill(-1) hits all
_RAN = 32  # rows of files that it executed before: the latest, of as many as the process tracker keeps
_GONE = 192  # rows of threads that have ended: the latest
_SAVED = ("pid", "depth", "state", "start", "ran", "over", "headed", "successor", "count")
_INHERITED = ("exec", "args", "cgroup_attach_task")
_OF_A_BIRTH = {"sched_process_fork", "inherited"}
_OF_A_THREAD = ("sched_process_fork", "told", "fatal", "sys_enter_exit")


class Row:
    """A row that is held back: its place in the batch that is looked at, or what it says."""

    __slots__ = ("__weakref__", "kept", "place", "told")

    def __init__(self, place: int, told: dict[str, Any] | None = None) -> None:
        self.place = place
        self.told = told
        self.kept = False


class Signal:
    """A signal that is held back: its row, its call's row, the sender, and what it is one of many of, if it is."""

    __slots__ = ("call", "routine", "row", "sender")

    def __init__(self, row: Row, sender: Known | None, *, routine: int | None = None) -> None:
        self.row = row
        self.routine = routine
        self.call: Row | None = None
        self.sender = sender


class Known:
    """A process, or a thread of which no row has said yet whose it is.

    `ran` tells whether it is a process, and `over` whether it has ended. `told` are its threads of which a row says so,
    and `headed` is what headers called its process while they had that of who had the number before. A `successor` has
    the number of one of whom rows were kept.
    """

    __slots__ = (*_SAVED, "_rows", "parent", "signals", "told")

    def __init__(self, pid: int, parent: Known | None, state: int) -> None:
        self.pid = pid
        self.state = state
        self.start: int | None = None
        self.ran = self.over = self.successor = False
        self.headed: int | None = None
        self.count = self.depth = 0
        self.parent: Known | None = None
        self.told: set[int] = set()
        self.signals: list[Signal] = []
        self._rows: dict[str, dict[int, Row]] = {}
        if parent is not None:
            self.descend(parent)
            self._inherit(parent)

    def descend(self, parent: Known) -> None:
        """Take a parent. Of a long line of ancestors the oldest are forgotten."""
        self.parent = parent
        self.depth = parent.depth + 1
        if self.depth % _GENERATIONS == 0:
            oldest: Known | None = self
            for _ in range(_GENERATIONS):
                oldest = None if oldest is None else oldest.parent
            if oldest is not None:
                oldest.parent = None

    def _inherit(self, parent: Known) -> None:
        # A child is what its parent was when it forked, and not what the parent becomes.
        inherited = parent._rows.get("inherited", {})
        for n, what in enumerate(_INHERITED):
            row = parent._rows.get(what, {}).get(0) or inherited.get(n)
            if row is not None:
                self.hold("inherited", row, n)

    def importance(self) -> int:
        """Return its state, or of one that may be a thread of its parent what matters of that."""
        # Of a child that has done nothing yet nobody knows.
        if self.state or self.parent is None or self.ran or self._rows.keys() - _OF_A_BIRTH:
            return self.state
        return min(self.parent.state, NOTED)

    def hold(self, what: str, row: Row, tid: int = 0) -> None:
        """Hold a row back instead of the one of its kind before it; of some kinds each thread has one."""
        self._rows.setdefault(what, {})[tid] = row

    def hold_first(self, what: str, row: Row, tid: int = 0) -> None:
        """Hold a row back, if none of its kind is."""
        self._rows.setdefault(what, {}).setdefault(tid, row)

    def hold_many(self, what: str, rows: Iterable[Row], most: int = _SIGNALS) -> None:
        """Hold rows back beside those of their kind, of which the latest stay."""
        table = self._rows.setdefault(what, {})
        for row in rows:
            self.count += 1
            table[self.count] = row
            if len(table) > most:
                del table[next(iter(table))]

    def suffer(self, signal: Signal) -> None:
        """Hold a signal back that may have ended it; of too many forget a routine one, or else the first."""
        self.signals.append(signal)
        if len(self.signals) > _SIGNALS:
            del self.signals[self._spare()]

    def _spare(self) -> int:
        times: dict[int, int] = {}
        spare: dict[int, int] = {}
        first = -1
        for n, one in enumerate(self.signals):
            if one.routine is not None:
                if one.routine in spare:
                    return spare[one.routine]
                times[one.routine] = times.get(one.routine, 0) + 1
                if times[one.routine] > TICKS:
                    spare[one.routine] = n
            elif first < 0:
                first = n
        return 0 if 2 * len(times) * TICKS > _SIGNALS else max(first, 0)

    def execute(self) -> None:
        """Forget what was before it executed a file, but what it ran: its other threads, and who called exit."""
        self.hold_many("ran", [row for what in ("exec", "args") for row in self._rows.pop(what, {}).values()], _RAN)
        for what in ("sys_enter_exit_group", "sys_enter_exit", "gone", "fatal", "first fatal"):
            self._rows.pop(what, None)

    def lose(self, tid: int, row: Row) -> None:
        """Hold the end of a thread back, which was not the last, and what else is to be known of it."""
        kinds = {what: self._rows.get(what, {}).pop(tid, None) for what in _OF_A_THREAD}
        known = (kinds["fatal"], kinds["sys_enter_exit"], row)
        self.hold_many("gone", [one for one in known if one is not None], _GONE)

    def absorb(self, thread: Known) -> None:
        """Take over what was held back of a thread of its own."""
        thread._rows.pop("inherited", None)
        for what, table in thread._rows.items():
            for key, row in table.items():
                if what in _OF_A_THREAD:
                    self.hold(what, row, thread.pid if key == 0 else key)
                else:
                    self.hold_many(what, [row])
        for signal in thread.signals:
            self.suffer(signal)

    def forget_senders(self) -> None:
        """Forget who signalled it: each of them was signalled by others, and so on."""
        for signal in self.signals:
            signal.sender = None

    def released(self) -> tuple[list[Row], list[Known]]:
        """Hold nothing back any more: return the rows, and who must be known to understand them."""
        rows = [row for table in self._rows.values() for row in table.values()]
        rows += [row for signal in self.signals for row in (signal.row, signal.call) if row is not None]
        senders = [signal.sender for signal in self.signals if signal.sender is not None]
        self._rows, self.signals = {}, []
        return rows, senders if self.parent is None else [self.parent, *senders]

    def others(self) -> Iterator[Known]:
        """Yield whom it refers to."""
        if self.parent is not None:
            yield self.parent
        yield from (signal.sender for signal in self.signals if signal.sender is not None)

    def saved(self, places: Mapping[int, int], at: _Rows) -> dict[str, Any]:
        """Return it as JSON can hold it: others by the places of their identities."""
        return {
            **{name: getattr(self, name) for name in _SAVED},
            "parent": None if self.parent is None else places[id(self.parent)],
            "told": list(self.told),
            "rows": {what: {key: at(row) for key, row in table.items()} for what, table in self._rows.items()},
            "signals": [
                [at(one.row), one.call and at(one.call), one.sender and places[id(one.sender)], one.routine]
                for one in self.signals
            ],
        }

    def restore(self, told: Mapping[str, Any], found: Sequence[Known], rows: Sequence[Row]) -> None:
        """Be what was saved."""
        for name in _SAVED:
            setattr(self, name, told[name])
        self.parent = None if told["parent"] is None else found[told["parent"]]
        self.told = set(told["told"])
        self._rows = {what: {int(key): rows[at] for key, at in table.items()} for what, table in told["rows"].items()}
        for row, call, sender, routine in told["signals"]:
            signal = Signal(rows[row], None if sender is None else found[sender], routine=routine)
            signal.call = None if call is None else rows[call]
            self.signals.append(signal)


class Call:
    """What a thread has sent, and the row of its call is to come: whether a signal was kept, and those held back."""

    def __init__(self) -> None:
        self.kept = False
        self.held: list[tuple[Known, Signal]] = []

    def hit(self, victim: Known, signal: Signal) -> None:
        """Note a signal that is held back. Of many, as by pidfd_send_signal, which has no row, the latest count."""
        self.held.append((victim, signal))
        del self.held[:-_HIT]

    def still_held(self) -> list[tuple[Known, Signal]]:
        """Return the signals that are held back yet, each with its victim."""
        return [(victim, signal) for victim, signal in self.held if signal in victim.signals]


class _Rows:
    # Rows that are saved, each once: several processes may share one.
    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self.told: list[dict[str, Any] | None] = []

    def __call__(self, row: Row) -> int:
        place = self._places.setdefault(id(row), len(self.told))
        if place == len(self.told):
            self.told.append(None if row.kept else row.told)
        return place


def saved(known: Iterable[Known]) -> tuple[dict[str, Any], dict[int, int]]:
    """Return these, and whoever they refer to, as JSON can hold them; and the place of each, by its identity."""
    places: dict[int, int] = {}
    found: list[Known] = []
    waiting = list(known)
    while waiting:
        one = waiting.pop()
        if id(one) not in places:
            places[id(one)] = len(found)
            found.append(one)
            waiting += one.others()
    rows = _Rows()
    processes = [one.saved(places, rows) for one in found]
    return {"rows": rows.told, "processes": processes}, places


def restored(state: Mapping[str, Any]) -> Sequence[Known]:
    """Return those who were `saved`, by way of JSON, at their places. Raises what comes of a value that is none."""
    rows = [Row(-1, None if told is None else dict(told)) for told in state["rows"]]
    for row in rows:
        row.kept = row.told is None
    found = [Known(0, None, HELD) for _ in state["processes"]]
    for one, told in zip(found, state["processes"], strict=True):
        one.restore(told, found, rows)
    return found
