"""Gaps: the times of logs in which events are missing, to be shaded."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sigtrace.output.terminal import escaped
from sigtrace.questions.choice.period import NO_LINES
from sigtrace.questions.deaths import microseconds
from sigtrace.questions.sql.lock import quoted
from sigtrace.store.flight import gap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.questions.database import Database

_MOST = 200  # of a log: of more, those that are nearest to each other are drawn as one
_LOST = "events were lost"
_SEVERAL = ", not all of the time"

# What a CPU lost is of the time between its last event before and its first one after.
_LOSSES = """
WITH seen AS (SELECT coalesce(log, '') AS of, cpu, line, ts FROM all_events WHERE event NOT IN {no_lines} AND {logs}),
    losses AS (SELECT coalesce(log, '') AS of, log, cpu, line FROM all_events WHERE event = 'lost' AND {logs}),
    begun AS (
        SELECT losses.*, seen.ts AS first FROM losses ASOF LEFT JOIN seen
        ON losses.of = seen.of AND losses.cpu = seen.cpu AND losses.line > seen.line
    )
SELECT begun.log, begun.first, seen.ts AS last FROM begun ASOF LEFT JOIN seen
ON begun.of = seen.of AND begun.cpu = seen.cpu AND begun.line < seen.line
"""
# What a part held that cannot be read is of the time between the lines around it.
_MISSING = """
SELECT max(ts) FILTER (line <= {line}) AS first, min(ts) FILTER (line > {line}) AS last
FROM all_events WHERE event NOT IN {no_lines} AND {logs}
"""


class Gap(NamedTuple):
    """A time in which events of a log are missing, and why; None if no event is before it, or behind."""

    log: str | None
    first: int | None
    last: int | None
    why: str


def gaps(database: Database, offsets: dict[str | None, int], *, utc: bool) -> list[Gap]:
    """Return the gaps of logs, in the order of time, with times to which the `offsets` of the logs are added."""
    found = []
    for log, offset in offsets.items():
        of_log = [*_unrecorded(database, log, utc=utc), *_unread(database, log, offset)]
        if database.about_of(log).get("lines_by_kind", {}).get("lost"):
            of_log += _lost(database, log, offset)
        found += _merged(of_log)
    return found


def _unrecorded(database: Database, log: str | None, *, utc: bool) -> Iterator[Gap]:
    between = gap.of(database.about_of(log)) if utc else None
    if between is not None:
        first, last = (microseconds(datetime.fromisoformat(between[name])) for name in ("since", "until"))
        yield Gap(log, first, last, f"nobody recorded: {gap.WHY.get(between['why'], escaped(between['why']))}")


def _unread(database: Database, log: str | None, offset: int) -> Iterator[Gap]:
    for left_out in database.about_of(log).get("damaged", ()):
        if left_out["after_line"] is not None:
            (row,) = database.rows(
                _MISSING.format(line=int(left_out["after_line"]), no_lines=NO_LINES, logs=_condition(database, log))
            )
            yield Gap(log, _moved(row["first"], offset), _moved(row["last"], offset), "a part could not be read")


def _lost(database: Database, log: str | None, offset: int) -> Iterator[Gap]:
    for row in database.rows(_LOSSES.format(no_lines=NO_LINES, logs=_condition(database, log))):
        yield Gap(log, _moved(row["first"], offset), _moved(row["last"], offset), _LOST)


def _condition(database: Database, log: str | None) -> str:
    return "true" if log is None or len(database.logs) == 1 else f"log = {quoted(log)}"


def _moved(ts: int | None, offset: int) -> int | None:
    return None if ts is None else ts + offset


def _merged(found: list[Gap]) -> list[Gap]:
    # Those that overlap are one; then those that are nearest to each other, until they are few enough.
    ordered = sorted(found, key=lambda one: -1 << 62 if one.first is None else one.first)
    apart: list[Gap] = []
    for one in ordered:
        if apart and _touch(apart[-1], one):
            apart[-1] = _joined(apart[-1], one)
        else:
            apart.append(one)
    nearest = sorted(range(1, len(apart)), key=lambda n: (apart[n].first or 0) - (apart[n - 1].last or 0))
    near = set(nearest[: max(len(apart) - _MOST, 0)])
    fewer: list[Gap] = []
    for n, one in enumerate(apart):
        if n in near:
            joined = _joined(fewer[-1], one)
            fewer[-1] = joined._replace(why=f"{joined.why.removesuffix(_SEVERAL)}{_SEVERAL}")
        else:
            fewer.append(one)
    return fewer


def _touch(before: Gap, after: Gap) -> bool:
    return before.last is None or after.first is None or after.first <= before.last


def _joined(before: Gap, after: Gap) -> Gap:
    last = None if before.last is None or after.last is None else max(before.last, after.last)
    why = before.why if after.why in before.why else f"{before.why}; {after.why}"
    return before._replace(last=last, why=why)
