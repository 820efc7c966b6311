"""Timeline: calls, signals and deaths over time, as lanes of SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import log1p
from typing import TYPE_CHECKING, Any

from sigtrace.output.clock import utc_time
from sigtrace.output.sentence import death_pieces, plain
from sigtrace.output.terminal import count

if TYPE_CHECKING:
    from sigtrace.output.clock import Clock

    Row = dict[str, Any]

_LANE_HEIGHT = 30
_LEAST_STEPS = 24  # a bar is no wider than a 24th of the picture
_VERDICTS = ("killed", "asked", "oom", "fault", "self", "unknown")
_LANES = ("calls", "failed", "probes", "signals", "exits")


@dataclass(frozen=True)
class _Axis:
    """Where a moment stands in the picture, in percent of its width; `wide`: how many microseconds a step has."""

    clock: Clock
    first: int
    last: int
    wide: int

    def left(self, place: int) -> float:
        return 100 * (place - self.first) / (self.last - self.first)

    @property
    def step(self) -> float:
        return 100 * self.wide / (self.last - self.first)


def timeline(answer: Row, clock: Clock, most: int) -> str:
    """Return what happened when: a lane for each verdict, with the first `most` deaths, and for each kind of event."""
    wide = answer["timeline"]["step_us"]
    steps = [(row, row["ts"]) for row in answer["timeline"]["rows"]]
    dead = [(i, death, _place(death, clock)) for i, death in enumerate(answer["deaths"][:most])]
    placed = [(i, death, at) for i, death, at in dead if at is not None]
    if not steps:
        happened = clock.several and (answer["calls"] or answer["verdicts"])
        return "<p>These logs do not name the time of day, so they have no common timeline.</p>" if happened else ""
    first = min(at for *_, at in (*steps, *placed))
    last = max(first + _LEAST_STEPS * wide, *(at + wide for *_, at in (*steps, *placed)))
    axis = _Axis(clock, first, last, wide)
    marks = "".join(_marks(verdict, placed, axis) for verdict in _VERDICTS)
    bars = "".join(_bars(lane, steps, axis) for lane in _LANES)
    ticks = "".join(_tick(at, clock) for at in (first, (first + last) // 2, last))
    over = f"A bar counts what happened in {clock.duration_text(wide)}, on a logarithmic scale"
    over += "; a mark is a death: click it to see its lines." if placed else "."
    if answer["counts"]["deaths"] > most:
        over += f" Only the first {most:,} deaths are marked."
    if missing := len(dead) - len(placed):
        over += f" {count(missing, 'death is', 'deaths are')} not marked, because the time of day is unknown."
    return f'<p>{over}</p><div class="timeline">{marks}{bars}<div class="ticks"><i></i><div>{ticks}</div></div></div>'


def _tick(at: int, clock: Clock) -> str:
    # The script adds the same moment in the zone of whoever reads.
    us = clock.step_us(at)
    data = "" if us is None else f' data-us="{us}"'
    return f"<span{data}>{clock.step_text(at)}</span>"


def _place(death: Row, clock: Clock) -> int | None:
    # Among many logs the trace clocks do not compare: the time of day does, and the steps are of it.
    if not clock.several:
        ts: int = death["ts"]
        return ts
    utc = utc_time(death["time"])
    return None if utc is None else round(utc.timestamp() * 1e6)


def _lane(label: str, n: int, described: str, height: int, drawn: str, *, role: str = "img") -> str:
    return (
        f'<div class="lane"><span>{label} <b>{n:,}</b></span>'
        f'<svg role="{role}" aria-label="{escape(described)}" width="100%" height="{height}">{drawn}</svg></div>'
    )


def _marks(verdict: str, placed: list[tuple[int, Row, int]], axis: _Axis) -> str:
    dead = [(i, death, at) for i, death, at in placed if death["verdict"] == verdict]
    if not dead:
        return ""
    marks = "".join(
        f'<a href="#death-{i}" tabindex="-1"><circle cx="{axis.left(at):.2f}%" cy="9" r="5" class="{verdict}"><title>'
        f"{axis.clock.time_text(death['log'], death['ts'], short=True)} "
        f"{escape(plain(death_pieces(death, axis.clock.unit)))}</title></circle></a>"
        for i, death, at in dead
    )
    described = f"{count(len(dead), 'death')}, {verdict}; the list of deaths has each"
    return _lane(verdict, len(dead), described, 18, marks, role="group")


def _bars(lane: str, steps: list[tuple[Row, int]], axis: _Axis) -> str:
    filled = [(row[lane], at) for row, at in steps if row[lane]]
    if not filled:
        return ""
    most = max(n for n, _ in filled)
    total = sum(n for n, _ in filled)
    drawn = []
    for n, at in filled:
        tall = max(3, round((_LANE_HEIGHT - 2) * log1p(n) / log1p(most)))
        drawn.append(
            f'<rect class="{lane}" x="{axis.left(at):.2f}%" width="{axis.step:.2f}%" y="{_LANE_HEIGHT - tall}" '
            f'height="{tall}"><title>{axis.clock.step_text(at)}: {n:,} {lane}</title></rect>'
        )
    described = f"{total:,} {lane} in {count(len(filled), 'step')} of time, at most {most:,} in one"
    return _lane(lane, total, described, _LANE_HEIGHT, "".join(drawn))
