"""Axis: a timeline's ticks: in UTC, and in the zone of this machine below, if the rows know the time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sigtrace.output.html.lifelines.ticks import step, text
from sigtrace.questions.deaths import EPOCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 8  # two lines of text fit beside each other
_DAY = 86_400_000_000


def label(axes: Axes, first: int, last: int, offset_us: int | None, color: str) -> None:
    """Label the axis of time, which is in seconds since `first`; the rest is as of `Moments`."""
    if offset_us is None:
        axes.set_xlabel("seconds since the first", color=color)
        return
    begin, end = first + offset_us, last + offset_us
    apart = step(begin, end, _MOST)
    days = begin // _DAY != end // _DAY
    at = range(-(-begin // apart) * apart, end + 1, apart)
    zone = _zone(begin)
    axes.set_xticks(
        [(moment - begin) / 1e6 for moment in at], [_label(moment, apart, days=days, local=bool(zone)) for moment in at]
    )
    day = "" if days else f", {EPOCH + timedelta(microseconds=begin):%Y-%m-%d}"
    axes.set_xlabel(f"UTC{day}" + (f"; below: {zone}" if zone else ""), color=color)


def _label(moment: int, apart: int, *, days: bool, local: bool) -> str:
    said = text(moment, apart, utc=True, days=days, unit="us")
    if not local:
        return said
    here = moment + _ahead_us(moment)
    another_day = days or here // _DAY != moment // _DAY
    # Midnight in UTC is another time of day here.
    return f"{said}\n{text(here, min(apart, _DAY // 2), utc=True, days=another_day, unit='us')}"


def _local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment // 1_000_000, UTC).astimezone()


def _ahead_us(moment: int) -> int:
    return (_local(moment).utcoffset() or timedelta()) // timedelta(microseconds=1)


def _zone(moment: int) -> str:
    # Empty if this machine is in UTC.
    return (_local(moment).tzname() or "the time here") if _ahead_us(moment) else ""
