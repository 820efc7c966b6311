"""Clock: how times, durations and the names of logs are written, everywhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sigtrace.facts.rules import NO_TS
from sigtrace.facts.witness import TIMED_BY_DAY
from sigtrace.output.terminal import count, escaped
from sigtrace.questions.deaths import EPOCH, microseconds
from sigtrace.store.flight.gap import WHY

if TYPE_CHECKING:
    from collections.abc import Iterator

# As a recording for a place that many hosts share names its log.
_STARTED = re.compile(r"(.+)@(\d{4}-\d\d-\d\d)(T\d\d:\d\d)(:\d\d)(\.\d+)Z", re.DOTALL)

_US = ("us", "utc")  # units of microseconds
_SECONDS_US = 999_950  # what rounds to 1,000.0 ms is 1.0 s
_MINUTES_US = 120_000_000


def time_text(ts: int | None, time: datetime | str | None, unit: str) -> str:
    """Return a row's time: in UTC if `time` is known, else `ts` in seconds or, with another `unit` than us, as it is.

    The forms are `2026-11-22 14:02:47.086528Z`, `830.669592`, `3145728`, and of a day that nobody named `14:02:47` or
    `00:02:47+1d`; without a time, `(no time)`. `unit` is that of `Accounting.ts_unit`.
    """
    utc = utc_time(time)
    if utc is not None:
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}Z"
    if ts is None or ts == NO_TS:
        return "(no time)"
    if unit == "day":
        return _day_text(ts)
    return f"{ts / 1e6:.6f}" if unit in _US else str(ts)


def _day_text(ts: int) -> str:
    days, us = divmod(ts, 86_400_000_000)
    second, us = divmod(us, 1_000_000)
    text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" + (f".{us:06}" if us else "")
    return text + (f"+{days}d" if days else "")


def time_of_day_text(time_us: int) -> str:
    """Return a moment, in microseconds since 1970, as this machine's time of day: `14:02:47.086`."""
    return f"{_second_text(time_us // 1_000_000)}.{time_us // 1_000 % 1_000:03}"


@lru_cache(maxsize=16)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second):%H:%M:%S}"  # noqa: DTZ006  (local time is what is shown)


def iso_text(time: datetime) -> str:
    """Return a time as JSON has it: ISO 8601, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def duration_text(us: int, unit: str) -> str:
    """Return how long something took: `76 µs`, `3.9 ms`, `1.5 s`, `7.2 min`; on a clock of ticks `76 ticks`.

    By times of day it is told in seconds alone: most tools print no more.
    """
    if unit == "day":
        return f"about {round(us / 1e6)} s"
    if unit not in _US:
        return count(us, "tick") if unit == "ticks" else f"{us:,} µs or ticks"
    if us < 1_000:
        return f"{us} µs"
    if us < _SECONDS_US:
        return f"{us / 1e3:.1f} ms"
    return f"{us / 1e6:.1f} s" if us < _MINUTES_US else f"{us / 60e6:,.1f} min"


def gap_text(gap: dict[str, str]) -> str:
    """Return from when to when nothing was recorded, and why: `gap` is of `sigtrace.store.flight.gap.of`."""
    begin, end = (datetime.fromisoformat(gap[name]).astimezone(UTC) for name in ("since", "until"))
    until = f"{end:%H:%M:%S}Z" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M:%S}Z"
    lasted = duration_text(max((end - begin) // timedelta(microseconds=1), 0), "us")
    return f"from {begin:%Y-%m-%d %H:%M:%S}Z to {until} ({lasted}: {WHY.get(gap['why'], escaped(gap['why']))})"


def utc_time(value: datetime | str | None) -> datetime | None:
    """Return a row's `time`, which is text in an answer that was JSON, or None if it is unknown."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class Clock:
    """How an answer's logs and times are written.

    `unit`: that of its timestamps, as `Accounting.ts_unit`. `several`: whether the answer is of more than one log.
    `ordered`: `, in the order of time` if the deaths are, or nothing if the clocks of several logs do not compare.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        """Take the answer of `sigtrace.report.summary`."""
        self.unit: str = answer["accounting"]["ts_unit"]
        tools = answer["accounting"].get("tools", ())
        self._of_day = [tool for tool in tools if tool in TIMED_BY_DAY] if self.unit in _US else []
        self.several = answer["counts"]["logs"] > 1
        rows = (*answer["logs"], *answer["deaths"])
        dated = [(row, utc) for row in rows if (utc := utc_time(row["time"])) is not None]
        self._starts = {self._of(row["log"]): utc - timedelta(microseconds=row["ts"]) for row, utc in dated}
        self._all = {self._of(row["log"]) for row in rows} <= self._starts.keys()
        self.ordered = ", in the order of time" if self._all or not self.several else ""
        # A step begins before the first of its events, the time of which it has.
        steps = [utc for row in answer["timeline"]["rows"] if (utc := utc_time(row["time"])) is not None]
        days = {utc.date() for utc in (*steps, *(utc for _, utc in dated))}
        self._day = days.pop() if len(days) == 1 and self._all else None
        names = [row["log"] for row in answer["logs"]]
        self._short = _shortened(names) if len(names) == answer["counts"]["logs"] else {}

    def _of(self, log: str | None) -> str | None:
        return log if self.several else None

    def short_name(self, log: str) -> str:
        """Return a log's name without what all logs' names have, and no more of its time than tells it from others."""
        return self._short.get(log, log)

    def utc(self, log: str | None, ts: int | None) -> datetime | None:
        """Return a log's `ts` as the time of day, or None if the log does not say how its clock relates to it."""
        start = self._starts.get(self._of(log))
        return None if start is None or ts is None else start + timedelta(microseconds=ts)

    def time_text(self, log: str | None, ts: int | None, *, short: bool = False) -> str:
        """Return a log's `ts` as `time_text` does; a `short` one lacks the day and the Z if all are of one UTC day."""
        return self._text(ts, self.utc(log, ts), short=short)

    def step_text(self, at: int) -> str:
        """Return a moment of the timeline, short: of several logs these are microseconds of UTC, else a `ts`."""
        return self.moment_text(at, utc=True) if self.several else self.time_text(None, at, short=True)

    def step_us(self, at: int) -> int | None:
        """Return a moment of the timeline in microseconds of UTC, or None if the log does not say what they are."""
        utc = None if self.several else self.utc(None, at)
        return at if self.several else None if utc is None else microseconds(utc)

    def moment_text(self, at: int, *, utc: bool) -> str:
        """Return a moment, short: if `utc`, these are microseconds of UTC, else a `ts` without a time of day."""
        return self._text(at, EPOCH + timedelta(microseconds=at) if utc else None, short=True)

    def _text(self, ts: int | None, utc: datetime | None, *, short: bool) -> str:
        if short and utc is not None and utc.date() == self._day:
            return f"{utc:%H:%M:%S.%f}"
        return time_text(ts, utc, self.unit)

    def duration_text(self, us: int) -> str:
        """Return how long something took, as `duration_text` does."""
        return duration_text(us, self.unit)

    @property
    def one_day(self) -> bool:
        """Whether all times are known in UTC and are of one day."""
        return self._day is not None

    def note(self) -> str:
        """Return in a sentence which clock it is."""
        if self._day is not None:
            return f"All times are UTC, on {self._day.isoformat()}."
        if self._starts and self._all:
            return "All times are UTC."
        if self._starts:
            return "Times that end in Z are UTC; the others are seconds of the trace clock."
        if self.unit == "none":
            return "The tool printed no times."
        if self.unit == "day":
            return "Times are the time of day where the tool ran; it does not name the day or the time zone."
        unit = "seconds" if self.unit in _US else "ticks"
        no_day = "the logs do not name" if self.several else "the log does not name"
        midnight = f", and of {' and '.join(self._of_day)} since midnight" if self._of_day else ""
        return f"Times are {unit} of the trace clock{midnight}, because {no_day} the day."


def _shortened(names: list[str]) -> dict[str, str]:
    for shorter in _shorter(names):
        if len(set(shorter)) == len(names):
            return dict(zip(names, shorter, strict=True))
    return {}


def _shorter(names: list[str]) -> Iterator[list[str]]:
    if len(names) < 2:
        return
    started = [found for name in names if (found := _STARTED.fullmatch(name))]
    if len(started) == len(names):
        yield [found.expand(r"\1@\2") for found in started]
        yield [found.expand(r"\1@\2\3Z") for found in started]
        yield [found.expand(r"\1@\2\3\4Z") for found in started]
    else:
        folders = [name.split("/")[:-1] for name in names]
        same = 0
        for of_all in zip(*folders, strict=False):
            if len(set(of_all)) > 1:
                break
            same += 1
        yield ["/".join(name.split("/")[same:]) for name in names]
