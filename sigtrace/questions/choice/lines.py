"""Lines: answers as they are told: each, or many alike as one with a count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.facts.rules import NO_TS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Object = dict[str, Any]

FEW = 10
"""So many answers are told each; of more, those that are alike are one line."""


class Alike(NamedTuple):
    """Answers that are alike: how many, the first of them, and the `ts` and `time` of the last."""

    n: int
    first: Object
    last_ts: int
    last_time: int | None


class Lines:
    """Answers, each with a key that those alike share.

    If each is asked for, all are made; else no more than the first few of those alike, for to make one takes long.
    """

    def __init__(self, *, each: bool) -> None:
        self.n = 0
        self._each = each
        self._groups: dict[Hashable, _Group] = {}

    def add(self, key: Hashable, ts: int, time: int | None, make: Callable[[], Object]) -> None:
        """Add an answer; those of a key come in the order of time."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        self.n += 1
        group.n += 1
        group.last = ts, time
        if self._each or group.n <= FEW:
            group.made.append(make())

    def answers(self) -> list[Object | Alike]:
        """Return the answers in the order of time."""
        if self._each or self.n <= FEW:
            return [*sorted((one for group in self._groups.values() for one in group.made), key=in_time)]
        groups = sorted(self._groups.values(), key=lambda group: in_time(group.made[0]))
        return [one.made[0] if one.n == 1 else Alike(one.n, one.made[0], *one.last) for one in groups]


class _Group:
    def __init__(self) -> None:
        self.n = 0
        self.made: list[Object] = []
        self.last: tuple[int, int | None] = (0, None)


def in_time(one: Object) -> tuple[Any, ...]:
    """Return what answers are sorted by: time, and without it the clock of their log."""
    # In a table without times, the order is that of its lines.
    timed = one["ts"] is not None
    within = one["victim_pid"] or 0 if timed else one["lines"][-1]
    return one["time"] is None, one["time"] or 0, one["ts"] if timed else NO_TS, one["log"] or "", within
