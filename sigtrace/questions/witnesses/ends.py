"""Ends: a death that two logs of one moment tell is one death, told by the one that knows more of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sigtrace.causes.tracking.rows import NO_TIME
from sigtrace.facts.rules import NO_TS
from sigtrace.questions.witnesses.pairs import End

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process
    from sigtrace.questions.database import Database
    from sigtrace.questions.witnesses.pairs import Pair

    Ends = Mapping[int, list[End]]
    Told = tuple[str | None, int]  # by a log, in a line

_MOST_ENDS = 1_000_000  # each is an object of Python's


class _TooManyError(Exception):
    pass


def join(database: Database, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with the deaths that both logs tell, and have the database pass over one of the two.

    Of more than a million deaths, none are joined.
    """
    try:
        ends = _ends(database, {log for pair in pairs for log in (pair.log, pair.of_log)})
    except _TooManyError:
        return list(pairs)
    found = [pair._replace(deaths=_both(pair, ends[pair.log], ends[pair.of_log])) for pair in pairs]
    database.passed_deaths = _passed(found)
    return found


def _ends(database: Database, logs: set[str | None]) -> dict[str | None, dict[int, list[End]]]:
    found: dict[str | None, dict[int, list[End]]] = {log: defaultdict(list) for log in logs}
    n = 0

    def ended(log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        nonlocal n
        died = process.died
        if died is None or died.ts == NO_TS:
            return
        n += 1
        if n > _MOST_ENDS:
            raise _TooManyError
        brief = judge.brief(process, lost)
        utc = None if died.time == NO_TIME else died.time
        end = End(died.line, died.ts, utc, brief.verdict, brief.sig, brief.killer_pid)
        found[log][process.pid].append(end)

    database.follow(ended, among=logs)
    return found


def _both(pair: Pair, ends: Ends, of_ends: Ends) -> list[tuple[int, End, End]]:
    both = [
        (pid, one, other)
        for pid in ends.keys() & of_ends.keys()
        for one, other in pair.clocks.together(sorted(ends[pid], key=_when), sorted(of_ends[pid], key=_when))
    ]
    return sorted(both, key=lambda found: _when(found[1]))


def _when(end: End) -> tuple[int, int]:
    return end.ts, end.line


def _passed(pairs: Sequence[Pair]) -> set[Told]:
    # Of several that tell one death, the first that knows how it came about stays.
    stays: dict[Told, Told] = {}
    known: dict[Told, bool] = {}
    for pair in pairs:
        for _, one, other in pair.deaths:
            told, of_told = (pair.log, one.line), (pair.of_log, other.line)
            known[told], known[of_told] = one.verdict != "unknown", other.verdict != "unknown"
            first, second = _last(stays, told), _last(stays, of_told)
            if first != second:
                better, other_one = (second, first) if known[second] and not known[first] else (first, second)
                stays[other_one] = better
    return set(stays)


def _last(stays: Mapping[Told, Told], told: Told) -> Told:
    while told in stays:
        told = stays[told]
    return told
