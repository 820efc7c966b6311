"""Moments: what a timeline shows, whoever draws it: calls counted by moment, deaths, and the lanes that both are in."""

from __future__ import annotations

from collections import Counter
from math import log1p
from typing import TYPE_CHECKING, Any, NamedTuple

import narwhals as nw

from sigtrace import analyze
from sigtrace.facts.signals import LAST_SIGNAL, signal_name
from sigtrace.questions.deaths import microseconds

if TYPE_CHECKING:
    from datetime import datetime

    Row = dict[str, Any]

_COLUMNS = 500  # a column is no wider than a mark
_TALLEST = 0.42  # of the distance between two lanes


class Calls(NamedTuple):
    """The calls of a moment with one signal, that failed or did not; `at` is its middle, in microseconds.

    `tall` is how long their bar is, in lanes: negative, which is up, unless they failed.
    """

    signal: str
    failed: bool
    at: float
    calls: int
    tall: float


class Moments:
    """The calls of a frame by moments, its deaths, and the lanes, by name.

    `first` and `last` are the times between which all lies, by the trace clock; None if there is nothing. `offset_us`
    is what to add to have microseconds of UTC, None if the rows do not say it, or are of several logs.
    """

    def __init__(self, frame: Any) -> None:  # noqa: ANN401  (a frame of any engine)
        self.deaths = rows(analyze.deaths(frame))
        calls = nw.from_native(analyze.calls(frame))
        ts, time = nw.col("ts"), nw.col("time")
        ends = {"first": ts.min(), "last": ts.max(), "first_time": time.min(), "last_time": time.max()}
        (span,) = rows(calls.select(**ends, n=ts.count(), dated=time.count()))
        dead = [int(death["ts"]) for death in self.deaths]
        times = [*dead, *(int(span[name]) for name in ("first", "last") if span[name] is not None)]
        self.first = min(times, default=None)
        self.last = max(times, default=None)
        logs = {row["log"] for row in rows(calls.select("log").unique())} | {death["log"] for death in self.deaths}
        self.offset_us = self._offset(span) if len(logs) == 1 else None
        self.calls = [] if self.first is None or self.last is None else _calls(calls, self.first, self.last)
        self.lanes = _lanes(self.deaths, self.calls)

    def _offset(self, span: Row) -> int | None:
        dated: list[tuple[int, datetime | None]] = [(death["ts"], death["time"]) for death in self.deaths]
        if span["n"]:
            whole = span["n"] == span["dated"]
            dated += [(span[name], span[f"{name}_time"] if whole else None) for name in ("first", "last")]
        found = {None if time is None else microseconds(time) - int(ts) for ts, time in dated}
        return found.pop() if len(found) == 1 else None


def rows(frame: Any) -> list[Row]:  # noqa: ANN401
    """Return the rows of a frame of any engine, as objects."""
    kept = nw.from_native(frame, pass_through=True)
    table = kept.collect("pyarrow").to_native() if isinstance(kept, nw.LazyFrame) else kept.to_arrow()
    found: list[Row] = table.to_pylist()
    return found


def signal_of(sig: float | None) -> str:
    """Return the name of a signal, which may be unknown."""
    return "unknown signal" if sig is None else signal_name(int(sig))


def lane(death: Row) -> str:
    """Return in which lane a death is."""
    return "exited" if death["verdict"] == "exited" else signal_of(death["sig"])


def _calls(calls: Any, first: int, last: int) -> list[Calls]:  # noqa: ANN401
    wide = last - first + 1
    # A call can name any number: those of no signal share a lane.
    placed = calls.with_columns(
        sig=nw.when(nw.col("sig").is_between(0, LAST_SIGNAL)).then(nw.col("sig")),
        failed=(nw.col("ret") < 0).cast(nw.Int64),
        moment=((nw.col("ts") - first) * _COLUMNS // wide).cast(nw.Int64),
    )
    counted = rows(placed.group_by("sig", "failed", "moment").agg(nw.len().alias("calls")))
    most = max((log1p(row["calls"]) for row in counted), default=1.0)
    return [
        Calls(
            "not a signal" if row["sig"] is None else signal_of(row["sig"]),
            bool(row["failed"]),
            first + (row["moment"] + 0.5) * wide / _COLUMNS,
            row["calls"],
            _TALLEST * log1p(row["calls"]) / most * (1 if row["failed"] else -1),
        )
        for row in counted
    ]


def _lanes(deaths: list[Row], calls: list[Calls]) -> dict[str, int]:
    sent = Counter({one.signal: 0 for one in calls})
    sent.update(lane(death) for death in deaths if death["verdict"] != "exited")
    names = sorted(sent, key=lambda name: (-sent[name], name))
    if any(death["verdict"] == "exited" for death in deaths):
        names.append("exited")
    return {name: at for at, name in enumerate(names)}
