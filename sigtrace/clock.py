"""Clock: how the times of a report are told: UTC where it is known, else the trace clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

_LISTS = ("deaths", "storms", "escalations", "failures", "probed", "senders", "targets", "signals", "losses")


class Clock:
    """How the times of an answer are told: UTC where it is known, else seconds or ticks of the trace clock.

    `several`: whether the answer has more than one log. `day`: the UTC day that all is of, or None.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        """Take the answer of `sigtrace.report.summary`."""
        self.several = len({row["log"] for key in _LISTS for row in answer[key]} - {None}) > 1
        self._seconds = answer["accounting"]["ts_unit"] == "us"
        steps = [] if self.several else [{**row, "log": None} for row in answer["timeline"]["rows"]]
        dated = (*answer["deaths"], *steps)
        rows = [(row, utc) for row in dated if (utc := utc_time(row["time"])) is not None]
        self._starts = {self._of(row["log"]): utc - timedelta(microseconds=row["ts"]) for row, utc in rows}
        days = {utc.date() for _, utc in rows}
        self.day = days.pop().isoformat() if len(days) == 1 and len(rows) == len(dated) else None

    def _of(self, log: str | None) -> str | None:
        return log if self.several else None

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
        """Return how long something took: `76 µs`, `3.9 ms`, `1.5 s`; of a clock of bare ticks `76 ticks`."""
        if not self._seconds:
            return f"{us:,} ticks"
        if us < 1_000:
            return f"{us} µs"
        return f"{us / 1e3:.1f} ms" if us < 1_000_000 else f"{us / 1e6:,.1f} s"

    def note(self) -> str:
        """Return in a sentence which clock it is."""
        if self.day is not None:
            return f"Times are UTC, of {self.day}."
        if self._starts:
            return "Times with a Z are UTC; others are of the trace clock, in seconds."
        return f"Times are {'seconds' if self._seconds else 'bare ticks'} of the trace clock: the log names no day."


def utc_time(value: datetime | str | None) -> datetime | None:
    """Return a row's `time`, which is text in an answer that was JSON, or None where it is unknown."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
