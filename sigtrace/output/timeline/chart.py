"""Chart: the timeline as a specification of Vega-Lite, made by altair, that whoever shows it can zoom and point at."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import altair as alt

from sigtrace.output.clock import time_text
from sigtrace.output.html.lifelines.ticks import STEPS
from sigtrace.output.sentence import death_pieces, plain
from sigtrace.output.timeline.moments import lane
from sigtrace.questions.deaths import EPOCH, microseconds

if TYPE_CHECKING:
    from datetime import datetime

    from sigtrace.output.timeline.moments import Calls, Moments

    Row = dict[str, Any]

_WIDE, _LANE, _PADDING = 760, 44, 12  # pixels
_TICKS = "sequence(ceil(domain('x')[0] / step) * step, domain('x')[1], step)"
_SHAPES = {
    "killed": "cross",
    "asked": "triangle-down",
    "self": "square",
    "fault": "diamond",
    "oom": "triangle-up",
    "unknown": "triangle-right",
    "exited": "circle",
}
# JupyterLab has Vega-Lite of its own, and knows this name of it. altair 6 gives its output another one.
_MIME = "application/vnd.vegalite.v5+json"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


class Timeline(alt.LayerChart):
    """A chart that JupyterLab draws by itself: altair's own output has the browser load scripts from the network."""

    def _repr_mimebundle_(self, *_: object, **__: object) -> dict[str, Any]:
        return {_MIME: {**self.to_dict(), "$schema": _SCHEMA}, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return "<Timeline: JupyterLab draws it; elsewhere, save('timeline.html') writes a page>"


def timeline(shown: Moments, title: list[str]) -> Timeline:
    """Return the timeline of these moments: `sigtrace.output.plot.interactive` says what is in it."""
    colors = _colors()
    lanes = alt.Scale(domain=[len(shown.lanes) - 0.4, -0.6])
    place = {"x": _x(shown), "y": alt.Y("lane:Q", title=None, scale=lanes, axis=_lanes(shown))}
    chart: Timeline = (
        Timeline(layer=[_calls(shown, colors, place), _deaths(shown, colors, place)])
        .resolve_scale(color="independent", shape="independent")
        .add_params(alt.param(name="step", expr=_step()))
        .configure_legend(orient="bottom", symbolStrokeWidth=3)
        .properties(
            width=_WIDE,
            height=_LANE * max(len(shown.lanes), 1),
            padding={"left": 5, "top": 5, "bottom": 5, "right": 40},
            title=alt.Title(title[0], subtitle=title[1:], anchor="start", fontWeight="normal", subtitleFontSize=13),
            background="white",  # on a page of any colour
        )
    )
    return chart


def _calls(shown: Moments, colors: dict[str, str], place: dict[str, Any]) -> alt.Chart:
    bars = [_bar(one, shown) for one in shown.calls]
    found = {"calls": colors["bar"], "failed calls": colors["failed"]}
    kinds = [kind for kind in found if any(bar["kind"] == kind for bar in bars)]
    scale = alt.Scale(domain=kinds, range=[found[kind] for kind in kinds])
    tooltip: list[str | alt.Tooltip] = ["when:N", alt.Tooltip("calls:Q", format=","), "signal:N", "kind:N"]
    marks: alt.Chart = alt.Chart(alt.InlineData(values=bars)).mark_rule(strokeWidth=1.6, clip=True)
    color = alt.Color("kind:N", title="", scale=scale)
    chart: alt.Chart = marks.encode(**place, y2="end:Q", color=color, tooltip=tooltip)
    return chart


def _deaths(shown: Moments, colors: dict[str, str], place: dict[str, Any]) -> alt.Chart:
    dead = [_mark(death, shown) for death in shown.deaths]
    verdicts = [verdict for verdict in _SHAPES if any(mark["verdict"] == verdict for mark in dead)]
    color = alt.Scale(domain=verdicts, range=[colors.get(verdict, colors["bar"]) for verdict in verdicts])
    shape = alt.Scale(domain=verdicts, range=[_SHAPES[verdict] for verdict in verdicts])
    marks = alt.Chart(alt.InlineData(values=dead)).mark_point(filled=True, size=90, opacity=0.9, clip=True)
    chart: alt.Chart = marks.encode(
        **place,
        color=alt.Color("verdict:N", title="", scale=color),
        shape=alt.Shape("verdict:N", title="", scale=shape),
        tooltip=["when:N", "what:N", "lines:N"],
    ).add_params(alt.selection_interval(bind="scales", encodings=["x"], name="zoom"))
    return chart


def _x(shown: Moments) -> alt.X:
    # A scale of time would not do: of the ticks in one second, Vega draws the last.
    axis = alt.Axis(grid=False)
    title = "seconds since the first"
    if shown.offset_us is not None:
        title = f"UTC, {_midnight(shown):%Y-%m-%d}; a second line is the time here"
        axis = alt.Axis(
            grid=False, titlePadding=18, values=alt.ExprRef(_TICKS), labelExpr=_labels(shown), labelOverlap=False
        )
    return alt.X("at:Q", title=title, axis=axis, scale=alt.Scale(zero=False, nice=False, padding=_PADDING))


def _step() -> str:
    # The spans between ticks that read well, in seconds: the first that leaves six at most.
    wide = "(domain('x')[1] - domain('x')[0]) / 6"
    return "".join(f"{wide} <= {one / 1e6:g} ? {one / 1e6:g} : " for one in STEPS) + f"{STEPS[-1] / 1e6:g}"


def _labels(shown: Moments) -> str:
    # Above in UTC, below where it is shown, if that is another.
    us = "round(datum.value * 1e6)"
    ms = f"({_midnight(shown).timestamp() * 1e3:.0f} + floor({us} / 1e3))"
    digits = "ceil(-log(step) / LN10 - 1e-9)"
    fraction = f"(step < 1 ? '.' + substring(format(({us} % 1e6 + 1e6) % 1e6, '06d'), 0, {digits}) : '')"
    day = "(floor(domain('x')[0] / 86400) != floor(domain('x')[1] / 86400) ? '%m-%d ' : '')"
    form = f"{day} + (step < 60 ? '%H:%M:%S' : '%H:%M')"
    utc, here = (f"{name}({ms}, {form}) + {fraction}" for name in ("utcFormat", "timeFormat"))
    return f"timezoneoffset({ms}) == 0 ? {utc} : [{utc}, {here}]"


def _midnight(shown: Moments) -> datetime:
    moment = EPOCH + timedelta(microseconds=(shown.first or 0) + (shown.offset_us or 0))
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _lanes(shown: Moments) -> alt.Axis:
    names = json.dumps(list(shown.lanes))
    return alt.Axis(values=list(range(len(shown.lanes))), labelExpr=f"{names}[datum.value]", domain=False, ticks=False)


def _at(ts: float, shown: Moments) -> float:
    # Seconds since midnight in UTC, or since the first.
    begin = shown.first or 0
    if shown.offset_us is not None:
        begin = microseconds(_midnight(shown)) - shown.offset_us
    return (ts - begin) / 1e6


def _bar(one: Calls, shown: Moments) -> Row:
    at = shown.lanes[one.signal]
    return {
        "at": _at(one.at, shown),
        "lane": at,
        "end": at + one.tall,
        "signal": one.signal,
        "kind": "failed calls" if one.failed else "calls",
        "calls": one.calls,
        "when": f"about {_when(round(one.at), shown.offset_us)}",
    }


def _mark(death: Row, shown: Moments) -> Row:
    return {
        "at": _at(death["ts"], shown),
        "lane": shown.lanes[lane(death)],
        "verdict": death["verdict"],
        "what": plain(death_pieces(death, "us")),
        "lines": ", ".join(map(str, death["lines"])),
        "when": _when(death["ts"], shown.offset_us),
    }


def _when(ts: int, offset_us: int | None) -> str:
    return time_text(ts, None if offset_us is None else EPOCH + timedelta(microseconds=ts + offset_us), "us")


def _colors() -> dict[str, str]:
    # Of the report's page, on white: they differ also to those who do not tell some colours apart.
    css = files("sigtrace.output.html").joinpath("colors.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--(\w+): (#\w+);", css.partition("@media")[0]))
