"""Ends: a death that two logs of one moment tell is one death, told by the one that knows more of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sigtrace.causes.tracking.rows import NO_TIME, NONE
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
        status = None if process.status == NONE else process.status
        end = End(died.line, died.ts, utc, brief.verdict, brief.sig, brief.killer_pid, status)
        found[log][process.pid].append(end)

    fed, database.fed = database.fed, None  # they are followed again
    try:
        database.follow(ended, among=logs)
    finally:
        database.fed = fed
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
    # Of several that tell one death, that one stays that knows how it came about, or with which status.
    groups: dict[Told, dict[str | None, Told]] = {}  # the deaths that are one, of each log one at most
    known: dict[Told, tuple[bool, bool]] = {}
    for pair in pairs:
        for _, *ends in pair.deaths:
            two = [(log, end.line) for log, end in zip((pair.log, pair.of_log), ends, strict=True)]
            for told, end in zip(two, ends, strict=True):
                known[told] = end.verdict != "unknown", end.status is not None
            first, second = (groups.setdefault(told, {told[0]: told}) for told in two)
            if first.keys().isdisjoint(second):
                first |= second
                groups.update(dict.fromkeys(second.values(), first))
    stay = {max(group.values(), key=lambda told: known[told]) for group in groups.values()}
    return groups.keys() - stay
