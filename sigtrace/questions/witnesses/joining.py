"""Joining: a call or a death that two logs of one moment saw is one, with two witnesses."""

from __future__ import annotations

from datetime import datetime
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.facts.witness import missing
from sigtrace.questions.witnesses import ends
from sigtrace.questions.witnesses.pairs import Call, Pair, Witness, pairs, witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.questions.database import Database

_MOST_LOGS = 8
_MOST_CALLS = 1_000_000  # each is an object of Python's
_CALLS = """
SELECT log, line, ts, epoch_us(time) AS utc, coalesce(pid, tid) AS pid, comm, target, sig, ret FROM kills
WHERE ts IS NOT NULL AND target IS NOT NULL
ORDER BY log, ts, line
"""
_MADE_BY_ONE_MACHINE = ("boot_id", "host")


def join(database: Database) -> list[Pair]:
    """Return which logs are of one moment, and have the database pass over what an earlier one has already.

    First comes the log that shows more. Of more than eight logs, or a million calls, none are joined.
    """
    if database.joined is None:
        database.joined = _joined(database)
    return database.joined


def _joined(database: Database) -> list[Pair]:
    if not 1 < len(database.logs) <= _MOST_LOGS:
        return []
    if not any(_may_be(database, *logs) for logs in combinations(database.logs, 2)):
        return []
    if database.rows("SELECT count(*) AS n FROM kills")[0]["n"] > _MOST_CALLS:
        return []
    order = sorted(database.logs, key=lambda log: _shows(database.about_of(log)))
    seen = {one.log: one for one in _witnesses(database)}
    found = pairs([seen[log] for log in order if log in seen], lambda *logs: _may_be(database, *logs))
    twins = {(pair.of_log, other.line) for pair in found for _, _, other in pair.both}
    if not twins:
        return found
    found = ends.join(database, found)
    logs, lines = zip(*sorted(twins | set(database.passed_deaths), key=str), strict=True)
    columns = {"log": pa.array([log or "" for log in logs]), "line": pa.array(lines, pa.int64())}
    database.pass_over(pa.table(columns))
    return found


def _shows(about: dict[str, Any]) -> tuple[int, int]:
    # The less, the more a log shows.
    return len(missing(about)), -len(about["lines_by_kind"])


def _witnesses(database: Database) -> Iterator[Witness]:
    for log, rows in groupby(database.rows(_CALLS), key=lambda row: row["log"]):
        yield witness(log, (_call(row) for row in rows))


def _call(row: dict[str, Any]) -> tuple[tuple[int | None, int, int], Call]:
    key = row["pid"], row["target"], row["sig"]
    return key, Call(row["line"], row["ts"], row["utc"], row["comm"], row["ret"])


def _may_be(database: Database, log: str | None, other: str | None) -> bool:
    about, of_other = database.about_of(log), database.about_of(other)
    same = all(about[key] == of_other[key] for key in _MADE_BY_ONE_MACHINE if key in about and key in of_other)
    return same and not _is_before(about, of_other) and not _is_before(of_other, about)


def _is_before(about: dict[str, Any], later: dict[str, Any]) -> bool:
    # Both by the clock of one machine, unless that was set back while one of them was recorded.
    times: list[Any] = [one.get(key) for one in (about, later) for key in ("started", "ended")]
    if None in times or "host" not in about or about["host"] != later.get("host"):
        return False
    begin, end, later_begin, later_end = map(datetime.fromisoformat, times)
    return begin <= end < later_begin <= later_end
