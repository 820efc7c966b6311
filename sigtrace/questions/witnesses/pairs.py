"""Pairs: calls that two logs of one moment saw both."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_SECOND = 1_000_000
_APART_US = 100_000  # clocks of one machine that drift, and two places in the kernel
_LEAST = 0.5  # of the calls in the time of both that the log with fewer has: what is less is chance

Key = tuple[int | None, int, int]
"""Who called, for whom, with which signal."""


class Call(NamedTuple):
    """A call as a log has it; `utc`, `comm` and `ret` are null if the log does not say them."""

    line: int
    ts: int
    utc: int | None
    comm: str | None
    ret: int | None


@dataclass(frozen=True)
class Witness:
    """What one log saw: each key's calls in the order of their times."""

    log: str | None
    calls: Mapping[Key, Sequence[Call]]

    def __iter__(self) -> Iterator[Call]:
        return chain.from_iterable(self.calls.values())

    @cached_property
    def knows_utc(self) -> bool:
        """Whether each call has its time in UTC."""
        return all(call.utc is not None for call in self)

    @cached_property
    def has_whole_seconds(self) -> bool:
        """Whether its times are rounded to seconds."""
        return all(call.ts % _SECOND == 0 for call in self)


class Pair(NamedTuple):
    """Two logs of one moment: what both saw, and what one of them alone saw in the time of both."""

    log: str | None
    of_log: str | None
    both: list[tuple[Key, Call, Call]]
    only: int
    of_only: int

    @property
    def disagreements(self) -> list[tuple[Key, Call, Call]]:
        """The calls of which both say a result or a name of the caller, and not the same."""
        return [(key, one, other) for key, one, other in self.both if _differ(one, other)]


def _differ(one: Call, other: Call) -> bool:
    said = ((one.comm, other.comm), (one.ret, other.ret))
    return any(None not in both and both[0] != both[1] for both in said)


def witness(log: str | None, rows: Iterable[tuple[Key, Call]]) -> Witness:
    """Return what a log saw, whose calls may come in any order."""
    calls: dict[Key, list[Call]] = defaultdict(list)
    for key, call in rows:
        calls[key].append(call)
    return Witness(log, {key: sorted(of_key, key=lambda call: (call.ts, call.line)) for key, of_key in calls.items()})


def pairs(seen: Iterable[Witness], may_be: Callable[[str | None, str | None], bool]) -> list[Pair]:
    """Return which logs are of one moment, and what they saw, of those two that `may_be`.

    Two logs are of one moment if at least half of the calls that the one with fewer has in the time of both are in the
    other too: by the same process, for the same target, with the same signal, at the same time. If both know UTC, that
    is the time; else their clocks are as far apart as at the calls of which each has just one.
    """
    told = [one for one in seen if one.calls]
    found = (_pair(one, other) for one, other in combinations(told, 2) if may_be(one.log, other.log))
    return [pair for pair in found if pair is not None]


def _pair(one: Witness, other: Witness) -> Pair | None:
    utc = one.knows_utc and other.knows_utc
    offset = 0 if utc else _offset(one, other)
    if offset is None:
        return None
    slack = _SECOND if utc or one.has_whole_seconds or other.has_whole_seconds else _APART_US

    def at(call: Call) -> int:
        return call.utc if utc and call.utc is not None else call.ts

    def of(call: Call) -> int:
        return at(call) - offset

    both = [
        (key, first, second)
        for key in one.calls.keys() & other.calls.keys()
        for first, second in _together(one.calls[key], other.calls[key], at, of, slack)
    ]
    times, of_times = sorted(map(at, one)), sorted(map(of, other))
    begin, end = max(times[0], of_times[0]) - slack, min(times[-1], of_times[-1]) + slack
    n, of_n = (sum(begin <= time <= end for time in some) for some in (times, of_times))
    if not both or len(both) < _LEAST * min(n, of_n):
        return None
    both.sort(key=lambda found: (found[1].ts, found[1].line))
    return Pair(one.log, other.log, both, max(n - len(both), 0), max(of_n - len(both), 0))


def _offset(one: Witness, other: Witness) -> int | None:
    apart = [
        other.calls[key][0].ts - calls[0].ts
        for key, calls in one.calls.items()
        if len(calls) == 1 == len(other.calls.get(key, ()))
    ]
    return median_low(apart) if apart else None


def _together(
    calls: Sequence[Call], others: Sequence[Call], at: Callable[[Call], int], of: Callable[[Call], int], slack: int
) -> Iterator[tuple[Call, Call]]:
    # Of calls alike, the earliest goes with the earliest.
    i = j = 0
    while i < len(calls) and j < len(others):
        apart = of(others[j]) - at(calls[i])
        if abs(apart) <= slack:
            yield calls[i], others[j]
        i += apart >= -slack
        j += apart <= slack
