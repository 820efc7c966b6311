"""Clock: how a report tells which log and when: UTC where it is known, else the trace clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# As a recording for a place that many hosts share names its log.
_STARTED = re.compile(r"(.+)@(\d{4}-\d\d-\d\d)(T\d\d:\d\d)(:\d\d)(\.\d+)Z", re.DOTALL)

_MINUTES_US = 120_000_000


class Clock:
    """How the times of an answer are told: UTC where it is known, else seconds or ticks of the trace clock.

    `several`: whether the answer is of more than one log. `day`: the UTC day that all is of, or None. `ordered`: how
    deaths are, `, in the order of time`, or nothing where the clocks of several logs do not compare.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        """Take the answer of `sigtrace.report.summary`."""
        self.several = answer["counts"]["logs"] > 1
        self._seconds = answer["accounting"]["ts_unit"] == "us"
        told = (*answer["logs"], *answer["deaths"])
        dated = [(row, utc) for row in told if (utc := utc_time(row["time"])) is not None]
        self._starts = {self._of(row["log"]): utc - timedelta(microseconds=row["ts"]) for row, utc in dated}
        self._all = {self._of(row["log"]) for row in told} <= self._starts.keys()
        self.ordered = ", in the order of time" if self._all or not self.several else ""
        # A step begins before the first of its events, the time of which it has.
        steps = [utc for row in answer["timeline"]["rows"] if (utc := utc_time(row["time"])) is not None]
        days = {utc.date() for utc in (*steps, *(utc for _, utc in dated))}
        self.day = days.pop().isoformat() if len(days) == 1 and self._all else None
        names = [row["log"] for row in answer["logs"]]
        self._short = _shortened(names) if len(names) == answer["counts"]["logs"] else {}

    def _of(self, log: str | None) -> str | None:
        return log if self.several else None

    def short(self, log: str) -> str:
        """Return a log's name without what all logs' names have, and no more of its time than tells it from others."""
        return self._short.get(log, log)

    def utc(self, log: str | None, ts: int) -> datetime | None:
        """Return a log's `ts` as the time of day, or None where the log does not say how its clock relates to it."""
        start = self._starts.get(self._of(log))
        return None if start is None else start + timedelta(microseconds=ts)

    def told(self, log: str | None, ts: int) -> str:
        """Return a log's `ts` as `2026-11-22 14:02:47.086528Z`, as seconds or, of a clock of bare ticks, as it is."""
        if (utc := self.utc(log, ts)) is not None:
            return f"{utc:%Y-%m-%d %H:%M:%S.%f}Z"
        return f"{ts / 1e6:.6f}" if self._seconds else str(ts)

    def span(self, us: int) -> str:
        """Return how long something took: `76 µs`, `3.9 ms`, `1.5 s`, `7.2 min`; of bare ticks `76 ticks`."""
        if not self._seconds:
            return f"{us:,} ticks"
        if us < 1_000:
            return f"{us} µs"
        if us < 1_000_000:
            return f"{us / 1e3:.1f} ms"
        return f"{us / 1e6:.1f} s" if us < _MINUTES_US else f"{us / 60e6:,.1f} min"

    def note(self) -> str:
        """Return in a sentence which clock it is."""
        if self.day is not None:
            return f"Times are UTC, of {self.day}."
        if self._starts and self._all:
            return "Times are UTC."
        if self._starts:
            return "Times with a Z are UTC; others are of the trace clock, in seconds."
        no_day = "the logs name no day" if self.several else "the log names no day"
        return f"Times are {'seconds' if self._seconds else 'bare ticks'} of the trace clock: {no_day}."


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


def utc_time(value: datetime | str | None) -> datetime | None:
    """Return a row's `time`, which is text in an answer that was JSON, or None where it is unknown."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
