"""Plot: pictures of a session for a notebook: a function from a frame to a matplotlib Figure, or to what one can zoom.

A `sigtrace.Session` goes in, or a frame with its columns of pandas, pyarrow, polars, DuckDB or PySpark, as into
`sigtrace.analyze`. The figures have no background of their own, so they read on a light page and on a dark one; they
grow with what is in them, and every name stands whole. matplotlib comes with `pip install 'sigtrace[notebook]'`; if it
is not installed, the functions raise `sigtrace.errors.Error`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sigtrace import analyze
from sigtrace.errors import Error
from sigtrace.facts.rules import EXITS
from sigtrace.facts.signals import signal_name
from sigtrace.output.sentence import source_text
from sigtrace.output.terminal import count, escaped
from sigtrace.output.timeline import axis
from sigtrace.output.timeline.moments import Moments, lane, rows, signal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sigtrace.output.html.lifelines.frame import Lifelines
    from sigtrace.output.timeline.chart import Timeline
    from sigtrace.questions.database import Database
    from sigtrace.store.session import Session

    Death = dict[str, Any]

# 4.5 : 1 on white and on black alike (WCAG's least for text).
_INK = "#767676"
# Cells carry white text, on any page.
_COLD, _HOT = "#696b82", "#b5103c"

_SIGNAL_COLORS = {1: "#2f8fc4", 2: "#2a9d6f", 6: "#9467d6", 9: "#d4325c", 11: "#a8761f", 15: "#d9701c"}
_VERDICT_MARKS = {
    "killed": ("X", "#d4325c"),
    "asked": ("v", "#d9701c"),
    "self": ("P", "#9467d6"),
    "fault": ("D", "#a8761f"),
    "oom": ("s", "#2f8fc4"),
    "unknown": ("*", _INK),
    "exited": ("o", "#2a9d6f"),
}
_NOTHING = "There is nothing to draw in these rows."
_TITLE_INCHES = 7
_TOP = 40  # a picture of more has names that nobody reads


def lives(source: Session | Database) -> Lifelines:
    """Return the life-lines: processes as bars below their parents, signals as arrows, and gaps shaded.

    They are those of the report's page: one can zoom, move and hover, and unfold the ancestors. The first 100 deaths
    are drawn. The ticks are in UTC and in the zone of whoever reads. It takes a `sigtrace.Session`, or a
    `sigtrace.Database` of several, and needs no matplotlib. Raises `Error` if a session cannot be read.
    """
    from sigtrace.output.html.lifelines.frame import Lifelines
    from sigtrace.questions.database import Database

    if isinstance(source, Database):
        return Lifelines(source)
    with Database(source) as database:
        return Lifelines(database)


def matrix(frame: Any) -> Figure:  # noqa: ANN401  (a frame of any engine)
    """Return who killed whom as a heat map: a row a killer, a column a victim, by name, and in a cell how many.

    The deaths are those of `sigtrace.analyze.deaths` but `exited`, which the title counts. A process that killed itself
    is its own killer; if no process sent the signal, the row names what did. Of more than 40 killers or victims, the
    rest are one row or column, `others`. Raises `Error` without matplotlib.
    """
    found = _deaths(frame)
    edges = _edges(found)
    killers = _places(killer for killer, _, _ in edges)
    victims = _places(victim for _, victim, _ in edges)
    cells: Counter[tuple[int, int]] = Counter()
    for (killer, victim, _), n in edges.items():
        cells[killers[killer], victims[victim]] += n
    figure, axes = _figure(3 + 0.5 * len(victims) + _width(killers), 1.6 + 0.4 * len(killers) + _width(victims))
    _entitle(figure, "Who killed whom", found, frame)
    if not edges:
        return _empty(figure, axes)
    _draw_cells(axes, cells, len(killers), len(victims))
    axes.set_yticks(range(len(killers)), [_label(name) for name in killers])
    axes.set_xticks(range(len(victims)), [_label(name) for name in victims], rotation=90)
    axes.set_ylabel("killer", color=_INK)
    axes.set_xlabel("victim", color=_INK)
    return figure


def timeline(frame: Any) -> Figure:  # noqa: ANN401
    """Return the calls and the deaths over time, a lane a signal.

    A bar is a moment's calls, the taller the more (by logarithm), below the lane if they failed. A mark is a death, by
    verdict, in the lane of the signal that ended the process; `exited` has a lane of its own, and so has a death of
    which the signal is unknown. A moment is 1/500 of the time. Numbers that are no signal's share a lane. The ticks are
    in UTC, and below in this machine's zone if that is another; of rows without a `time`, and of several logs, they are
    seconds since the first, and for a clock of bare ticks (`Accounting.ts_unit`) a second is a million ticks. Raises
    `Error` without matplotlib.
    """
    shown = Moments(frame)
    figure, axes = _figure(10, 1.5)
    _entitle(figure, "Signals over time", shown.deaths, frame)
    if shown.first is None or shown.last is None:
        return _empty(figure, axes)
    figure.set_size_inches(10, 1.8 + 0.45 * len(shown.lanes))
    _draw_calls(axes, shown, shown.first)
    _draw_deaths(axes, shown, shown.first)
    axes.set_yticks(range(len(shown.lanes)), list(shown.lanes))
    axes.set_ylim(len(shown.lanes) - 0.4, -0.6)
    axis.label(axes, shown.first, shown.last, shown.offset_us, _INK)
    axes.grid(axis="y", color=_INK, alpha=0.25)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=7, frameon=False, labelcolor=_INK)
    return figure


def interactive(frame: Any) -> Timeline:  # noqa: ANN401
    """Return the timeline as a chart of altair: one can zoom, move, and point at a mark to read what happened.

    It shows what `timeline` does. A wheel zooms, to a microsecond, and a double click shows all again. The ticks are in
    UTC, and below in the zone of whoever reads. JupyterLab draws it by itself, without a network; `save` writes it as
    HTML or JSON. altair comes with `pip install 'sigtrace[interactive]'`. Raises `Error` without it.
    """
    try:
        from sigtrace.output.timeline import chart
    except ModuleNotFoundError as error:
        raise Error(f"an interactive picture needs {error.name}: pip install 'sigtrace[interactive]'") from None
    shown = Moments(frame)
    lines = _title("Signals over time", shown.deaths, frame)
    return chart.timeline(shown, lines if shown.lanes else [*lines, _NOTHING])


def graph(frame: Any) -> Figure:  # noqa: ANN401
    """Return the killers on the left, their victims on the right, and between them what signals, and how often.

    The deaths, names and `others` are those of `matrix`; the wider an edge, the more deaths (by logarithm). Raises
    `Error` without matplotlib.
    """
    found = _deaths(frame)
    edges = _edges(found)
    victims = _places(victim for _, victim, _ in edges)
    slots = sorted(edges, key=lambda edge: victims[edge[1]])
    names = [name for killer, victim, _ in slots for name in (killer, victim)]
    figure, axes = _figure(6 + 2 * _width(names), 1.2 + 0.42 * len(slots))
    _entitle(figure, "Killers and their victims", found, frame)
    if not slots:
        return _empty(figure, axes)
    starts, ends = _ends(slots, 0), _ends(slots, 1)
    for row, (killer, victim, signal) in enumerate(slots):
        _draw_edge(axes, (starts[killer], row, ends[victim]), signal, edges[killer, victim, signal])
    axes.set_xlim(0, 1)
    axes.set_ylim(len(slots) - 0.3, -0.8)
    axes.set_xticks([])
    axes.set_yticks(list(starts.values()), [_label(name) for name in starts])
    right = axes.twinx()
    right.set_ylim(axes.get_ylim())
    right.set_yticks(list(ends.values()), [_label(name) for name in ends])
    for side in (axes, right):
        side.tick_params(colors=_INK, length=0)
        side.spines[:].set_visible(False)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    try:
        import matplotlib as mpl
        import matplotlib.pyplot as plt
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise Error(f"drawing needs {error.name}: pip install 'sigtrace[notebook]'") from None
    # With its backend loaded, a notebook knows how to show a Figure.
    plt.switch_backend(mpl.get_backend())
    # Not pyplot's own figure: a notebook would show it twice, and a script keep it for ever.
    figure = Figure(figsize=(max(width, _TITLE_INCHES), height), dpi=96, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.tick_params(colors=_INK)
    axes.spines[:].set_color(_INK)
    return figure, axes


def _empty(figure: Figure, axes: Axes) -> Figure:
    axes.set_axis_off()
    axes.text(0, 0.5, _NOTHING, color=_INK, va="center", transform=axes.transAxes)
    figure.set_size_inches(8, 1.2)
    return figure


def _entitle(figure: Figure, what: str, deaths: list[Death], frame: Any) -> None:  # noqa: ANN401
    lines = _title(what, deaths, frame)
    figure.suptitle("\n".join(lines), x=0.02, ha="left", color=_INK, fontsize="medium")


def _title(what: str, deaths: list[Death], frame: Any) -> list[str]:  # noqa: ANN401
    exited = sum(death["verdict"] in EXITS for death in deaths)
    lines = [f"{what}: {count(len(deaths) - exited, 'death')}, {exited:,} more processes exited"]
    if not deaths:
        lines = [f"{what}: these rows do not say whether any process ended"]
    if losses := rows(analyze.losses(frame)):
        lost = sum(int(row["lost"] or 0) for row in losses)
        lines.append(f"at least {lost:,} events were lost: calls and deaths may be missing")
    return lines


def _deaths(frame: Any) -> list[Death]:  # noqa: ANN401
    return rows(analyze.deaths(frame))


def _killer(death: Death) -> str:
    if death["killer_pid"] is None:
        return source_text(death["source"])
    return death["killer_comm"] or "?"


def _victim(death: Death) -> str:
    return death["victim_comm"] or "?"


def _edges(deaths: list[Death]) -> dict[tuple[str, str, str], int]:
    # By killer, victim and signal; the killer of most first, so that what belongs together stands together.
    dead = [(_killer(d), _victim(d), signal_of(d["sig"])) for d in deaths if d["verdict"] not in EXITS]
    killer_of = _most(killer for killer, _, _ in dead)
    victim_of = _most(victim for _, victim, _ in dead)
    found = Counter((killer_of(killer), victim_of(victim), signal) for killer, victim, signal in dead)
    weight = Counter(killer for killer, _, _ in found.elements())
    return dict(sorted(found.items(), key=lambda edge: (-weight[edge[0][0]], edge[0][0], -edge[1], edge[0])))


def _most(names: Iterable[str]) -> Callable[[str], str]:
    # From a name to the one that it stands under.
    ranked = [name for name, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))]
    if len(ranked) <= _TOP:
        return lambda name: name
    kept = set(ranked[:_TOP])
    others = f"{len(ranked) - _TOP:,} others, together"
    return lambda name: name if name in kept else others


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _label(name: str) -> str:
    # matplotlib takes what is between dollars for mathematics, and draws a box where a font has no glyph.
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    drawn = (c if font.get_char_index(ord(c)) else c.encode("unicode_escape").decode() for c in escaped(name))
    return "".join(drawn).replace("$", r"\$")


def _width(names: Iterable[str]) -> float:
    return 0.09 * max((len(_label(name)) for name in names), default=0)


def _draw_cells(axes: Axes, cells: Counter[tuple[int, int]], rows: int, columns: int) -> None:
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    heat = LinearSegmentedColormap.from_list("deaths", [_COLD, _HOT])
    values = [[cells[row, column] or float("nan") for column in range(columns)] for row in range(rows)]
    axes.imshow(values, cmap=heat, norm=Normalize(0, max(cells.values())), aspect="auto", interpolation="none")
    for (row, column), n in cells.items():
        if n:
            axes.text(column, row, f"{n:,}", color="white", ha="center", va="center")
    axes.set_xticks([column - 0.5 for column in range(columns + 1)], minor=True)
    axes.set_yticks([row - 0.5 for row in range(rows + 1)], minor=True)
    axes.grid(which="minor", color=_INK, alpha=0.4)
    axes.tick_params(which="minor", length=0)


def _draw_calls(axes: Axes, shown: Moments, first: int) -> None:
    for failed, label, color in ((False, "calls", _INK), (True, "failed calls", "#a8761f")):
        bars = [one for one in shown.calls if one.failed == failed]
        if bars:
            at = [shown.lanes[one.signal] for one in bars]
            ends = [lane + one.tall for lane, one in zip(at, bars, strict=True)]
            when = [(one.at - first) / 1e6 for one in bars]
            axes.vlines(when, at, ends, color=color, linewidth=1.6, label=label)


def _draw_deaths(axes: Axes, shown: Moments, first: int) -> None:
    for verdict, (mark, color) in _VERDICT_MARKS.items():
        dead = [death for death in shown.deaths if death["verdict"] == verdict]
        if dead:
            when = [(death["ts"] - first) / 1e6 for death in dead]
            at = [shown.lanes[lane(death)] for death in dead]
            axes.scatter(when, at, s=46, marker=mark, color=color, linewidths=0, label=verdict, zorder=3, alpha=0.9)


def _ends(slots: list[tuple[str, str, str]], side: int) -> dict[str, float]:
    # Where the names of a side stand: amid their edges, a row apart at least.
    rows: dict[str, list[int]] = {}
    for row, edge in enumerate(slots):
        rows.setdefault(edge[side], []).append(row)
    middles = sorted((sum(at) / len(at), name) for name, at in rows.items())
    ends: dict[str, float] = {}
    for middle, name in middles:
        ends[name] = max(middle, *(end + 1 for end in ends.values())) if ends else middle
    return ends


def _draw_edge(axes: Axes, at: tuple[float, float, float], signal: str, n: int) -> None:
    from math import log1p

    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    start, row, end = at
    color = _SIGNAL_COLORS.get(_number(signal), _INK)
    bent = [(0, start), (0.25, start), (0.25, row), (0.5, row), (0.85, row), (0.92, row), (0.92, end), (1, end)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
    axes.add_patch(PathPatch(Path(bent, codes), fill=False, edgecolor=color, linewidth=1 + log1p(n)))
    axes.text(0.675, row - 0.12, f"{signal}, {n:,}", color=_INK, ha="center", va="bottom", fontsize="small")


def _number(signal: str) -> int:
    return next((sig for sig in _SIGNAL_COLORS if signal_name(sig) == signal), 0)
