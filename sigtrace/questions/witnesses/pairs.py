"""Pairs: calls and deaths that two logs of one moment saw both."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


_SECOND = 1_000_000
_APART_US = 100_000  # clocks of one machine that drift, and two places in the kernel
_LEAST = 0.5  # of the calls in the time of both that the log with fewer has: what is less is chance

_T = TypeVar("_T", bound="Timed")

Key = tuple[int | None, int, int]
"""Who called, for whom, with which signal."""


class Timed(Protocol):
    """What a log has a time of, in UTC too if it says that."""

    @property
    def ts(self) -> int: ...  # noqa: D102
    @property
    def utc(self) -> int | None: ...  # noqa: D102


class Call(NamedTuple):
    """A call as a log has it; `utc`, `comm` and `ret` are null if the log does not say them."""

    line: int
    ts: int
    utc: int | None
    comm: str | None
    ret: int | None


class End(NamedTuple):
    """The death of a process as a log tells it; `utc` is null if the log does not say it."""

    line: int
    ts: int
    utc: int | None
    verdict: str
    sig: int | None
    killer_pid: int | None
    status: int | None


class Clocks(NamedTuple):
    """How the times of two logs compare: in UTC, or by how much `later` the other's clock is, within some `slack`."""

    in_utc: bool
    later: int
    slack: int

    def apart(self, one: Timed, other: Timed) -> int:
        """Return how much later the other one was."""
        if self.in_utc and one.utc is not None and other.utc is not None:
            return other.utc - one.utc
        return other.ts - self.later - one.ts

    def together(self, some: Sequence[_T], others: Sequence[_T]) -> Iterator[tuple[_T, _T]]:
        """Yield which of two logs' times are the same. Of those alike, the earliest goes with the earliest."""
        i = j = 0
        while i < len(some) and j < len(others):
            apart = self.apart(some[i], others[j])
            if abs(apart) <= self.slack:
                yield some[i], others[j]
            i += apart >= -self.slack
            j += apart <= self.slack


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
    """Two logs of one moment: the calls that both saw, and how many one of them alone saw in the time of both.

    `deaths` are those that both tell, each with its pid.
    """

    log: str | None
    of_log: str | None
    both: list[tuple[Key, Call, Call]]
    only: int
    of_only: int
    clocks: Clocks
    deaths: Sequence[tuple[int, End, End]] = ()

    @property
    def disagreements(self) -> list[tuple[Key, Call, Call]]:
        """The calls of which both say a result or a name of the caller, and not the same."""
        return [(key, one, other) for key, one, other in self.both if _differ(one, other)]

    @property
    def verdicts_apart(self) -> list[tuple[int, End, End]]:
        """The deaths of which both know how they came about, and not the same."""
        return [(pid, one, other) for pid, one, other in self.deaths if _tell_apart(one, other)]


def _tell_apart(one: End, other: End) -> bool:
    if "unknown" in (one.verdict, other.verdict):
        return None not in (one.sig, other.sig) and one.sig != other.sig
    killers = one.killer_pid, other.killer_pid
    return (one.verdict, one.sig) != (other.verdict, other.sig) or (None not in killers and killers[0] != killers[1])


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
    clocks = Clocks(utc, offset, slack)
    both = [
        (key, first, second)
        for key in one.calls.keys() & other.calls.keys()
        for first, second in clocks.together(one.calls[key], other.calls[key])
    ]
    times = sorted(_at(call, in_utc=utc) for call in one)
    of_times = sorted(_at(call, in_utc=utc) - offset for call in other)
    begin, end = max(times[0], of_times[0]) - slack, min(times[-1], of_times[-1]) + slack
    n, of_n = (sum(begin <= time <= end for time in some) for some in (times, of_times))
    if not both or len(both) < _LEAST * min(n, of_n):
        return None
    both.sort(key=lambda found: (found[1].ts, found[1].line))
    return Pair(one.log, other.log, both, max(n - len(both), 0), max(of_n - len(both), 0), clocks)


def _at(call: Call, *, in_utc: bool) -> int:
    return call.utc if in_utc and call.utc is not None else call.ts


def _offset(one: Witness, other: Witness) -> int | None:
    apart = [
        other.calls[key][0].ts - calls[0].ts
        for key, calls in one.calls.items()
        if len(calls) == 1 == len(other.calls.get(key, ()))
    ]
    return median_low(apart) if apart else None
