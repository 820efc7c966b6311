"""Period: the time that a question is about, from one moment to another, in each log by its own clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sigtrace.errors import Error
from sigtrace.facts.events import SNAPSHOT
from sigtrace.questions.deaths import EPOCH
from sigtrace.questions.sql.lock import quoted

if TYPE_CHECKING:
    from sigtrace.causes.endings import Ended
    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process
    from sigtrace.questions.database import Database

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RELATIVE = re.compile(r"-(\d+(?:\.\d+)?)([smhd])")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_OF_DAY = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?")
_FORMS = "give 2026-11-22T14:02:47 or 14:02:47 in UTC, seconds of the trace clock, or -15m before the end"
NO_LINES = (*SNAPSHOT, "lost")
"""The events that have no moment of their own."""
_FIRST, _LAST = -(1 << 62), 1 << 62


class Period:
    """From `since` to `until`, both included; None is open.

    Each is a time in UTC (`2026-11-22T14:02:47`, or `14:02:47` of the day on which the recording began), seconds of
    the trace clock, or `-15m`: that long before the end of the record (s, m, h, d). Raises `Error` if it is none of
    these, or if a log does not know UTC.
    """

    def __init__(self, database: Database, since: str | None = None, until: str | None = None) -> None:
        self.open = since is None and until is None
        self._bounds: dict[str | None, tuple[int, int]] = {}
        if not self.open:
            ends = _Ends(database)
            for log, about in database.about_by_log.items():
                first = _FIRST if since is None else _ts(since, log, about, ends)
                last = _LAST if until is None else _ts(until, log, about, ends)
                self._bounds[log] = first, last

    def holds(self, log: str | None, ts: int) -> bool:
        """Tell whether a log's `ts` is in it."""
        if self.open:
            return True
        first, last = self._bounds.get(log) or next(iter(self._bounds.values()))
        return first <= ts <= last

    def only(self, ended: Ended) -> Ended:
        """Return `ended` of `sigtrace.causes.endings.follow`, called for those who ended in the period."""

        def called(log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
            if process.died is not None and self.holds(log, process.died.ts):
                ended(log, judge, process, lost)

        return called

    def sql(self) -> str:
        """Return it as a condition in SQL."""
        if self.open:
            return "true"
        if len(self._bounds) == 1:
            ((first, last),) = self._bounds.values()
            return f"ts BETWEEN {first} AND {last}"
        return " OR ".join(
            f"(log IS NOT DISTINCT FROM {'NULL' if log is None else quoted(log)} AND ts BETWEEN {first} AND {last})"
            for log, (first, last) in self._bounds.items()
        )


class _Ends:
    """The last moment of each log by its own clock, looked for when it is asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ends: dict[str | None, int] = {}

    def of(self, log: str | None) -> int:
        # The clocks of logs compare in UTC only.
        if not self._ends:
            rows = self._database.rows(
                f"SELECT log, max(ts) AS ts FROM events WHERE event NOT IN {NO_LINES} GROUP BY log"
            )
            self._ends = {row["log"]: row["ts"] for row in rows}
        abouts = self._database.about_by_log
        offset = abouts[log].get("utc_offset_us")
        if len(abouts) == 1:
            return max(self._ends.values(), default=0)
        if offset is None:
            return self._ends.get(log, 0)
        known = [(ts, abouts[one].get("utc_offset_us")) for one, ts in self._ends.items()]
        return int(max((ts + own for ts, own in known if own is not None), default=offset) - offset)


def _ts(text: str, log: str | None, about: dict[str, Any], ends: _Ends) -> int:
    if about.get("ts_unit") == "none":
        raise Error(f"{text}: {'this log' if log is None else log} has no times: the tool prints them with -t")
    before_end = ago(text)
    if before_end is not None:
        return ends.of(log) - before_end // timedelta(microseconds=1)
    if about.get("ts_unit") == "day" and _OF_DAY.fullmatch(text):
        hours, minutes, *seconds = text.split(":")
        return round((int(hours) * 3600 + int(minutes) * 60 + float(*seconds)) * 1e6)
    if _SECONDS.fullmatch(text):
        return round(float(text) * 1e6) if about.get("ts_unit", "us") in {"us", "day", "utc"} else round(float(text))
    offset = about.get("utc_offset_us")
    moment = _moment(text, about)
    if offset is None:
        named = "this log" if log is None else log
        if about.get("ts_unit") == "day":
            raise Error(f"{text}: {named} does not say which day it was: give a time of day such as 14:02:47, or -15m")
        raise Error(f"{text}: {named} does not say what time of day it was: give seconds of the trace clock, or -15m")
    return round((moment - EPOCH) / timedelta(microseconds=1)) - int(offset)


def ago(text: str) -> timedelta | None:
    """Return how long before the end `-15m` is; None if the text is no such time."""
    found = _RELATIVE.fullmatch(text)
    return None if found is None else timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def _moment(text: str, about: dict[str, Any]) -> datetime:
    try:
        if _OF_DAY.fullmatch(text):
            began = datetime.fromisoformat(about["started"]) if "started" in about else EPOCH
            hour, rest = text.split(":", 1)
            text = f"{began.astimezone(UTC):%Y-%m-%d}T{int(hour):02}:{rest}"
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Error(f"{text}: no time that is known here: {_FORMS}") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
