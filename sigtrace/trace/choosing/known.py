"""Known: who a selection knows, and the rows of them that it holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HELD, NOTED, OF_UNIT, CHOSEN = range(4)
"""Whether the rows of a process are held back or kept, and if kept, why."""

_GENERATIONS = 64  # behind a process: it may begin its next life as its own child, for ever
_SIGNALS = 64  # rows of signals that are held back of a process: the latest
_SAVED = ("pid", "depth", "state", "start", "signals")


class Row:
    """A row that is held back: its place in the batch that is looked at, or what it says."""

    __slots__ = ("__weakref__", "kept", "place", "told")

    def __init__(self, place: int, told: dict[str, Any] | None = None) -> None:
        self.place = place
        self.told = told
        self.kept = False


class Known:
    """A process, or a thread of which no row has said yet whose it is.

    `rows` are held back, and with them `senders`: who sent it the signals that are among the rows.
    """

    __slots__ = ("depth", "parent", "pid", "rows", "senders", "signals", "start", "state")

    def __init__(self, pid: int, parent: Known | None, state: int) -> None:
        self.pid = pid
        self.depth: int = 0 if parent is None or parent.depth >= _GENERATIONS else parent.depth + 1
        self.parent = parent if self.depth else None
        self.state = state
        self.start: int | None = None
        self.rows: dict[str, Row] = {}
        self.senders: dict[int, Known] = {}
        self.signals = 0

    def importance(self) -> int:
        """Return its state, or of one that may be a thread of its parent what matters of that."""
        # Of a child that has done nothing yet nobody knows.
        if self.state or self.parent is None or self.rows.keys() - {"sched_process_fork"}:
            return self.state
        return min(self.parent.state, NOTED)

    def suffers(self, row: Row, sender: Known | None = None) -> None:
        """Hold the row of a signal back, which may turn out to have ended it."""
        self.signals += 1
        slot = self.signals % _SIGNALS
        self.rows[f"signal {slot}"] = row
        self.senders.pop(slot, None)
        if sender is not None and sender is not self and sender.depth < _GENERATIONS:
            self.senders[slot] = sender
            self.depth = max(self.depth, sender.depth + 1)


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
            waiting += [*one.senders.values(), *([] if one.parent is None else [one.parent])]
    rows = {id(row): row for one in found for row in one.rows.values() if not row.kept}
    at = {row: place for place, row in enumerate(rows)}
    processes = [
        {
            **{name: getattr(one, name) for name in _SAVED},
            "parent": None if one.parent is None else places[id(one.parent)],
            "rows": {what: at[id(row)] for what, row in one.rows.items() if not row.kept},
            "senders": {slot: places[id(sender)] for slot, sender in one.senders.items()},
        }
        for one in found
    ]
    return {"rows": [row.told for row in rows.values()], "processes": processes}, places


def restored(state: Mapping[str, Any]) -> Sequence[Known]:
    """Return those who were `saved`, by way of JSON, at their places. Raises what comes of a value that is none."""
    rows = [Row(-1, dict(told)) for told in state["rows"]]
    found = [Known(0, None, HELD) for _ in state["processes"]]
    for one, told in zip(found, state["processes"], strict=True):
        for name in _SAVED:
            setattr(one, name, told[name])
        one.parent = None if told["parent"] is None else found[told["parent"]]
        one.rows = {what: rows[at] for what, at in told["rows"].items()}
        one.senders = {int(slot): found[at] for slot, at in told["senders"].items()}
    return found
