"""Chart: lives as bars by parentage, signals as arrows from sender to victim, and gaps shaded, as SVG.

It is a picture without JavaScript. With it one can zoom, move, hover, and unfold the ancestors: chart.js does that, and
has the same numbers (`_ROW` and those below it).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from sigtrace.output.html.lifelines.ticks import STEPS, ticks
from sigtrace.output.sentence import death_pieces, plain
from sigtrace.output.terminal import count, escaped, listed

if TYPE_CHECKING:
    from sigtrace.output.clock import Clock
    from sigtrace.output.html.lifelines.gaps import Gap
    from sigtrace.output.html.lifelines.lives import Life, Lives, Sent

    Row = dict[str, Any]

MOST = 100
"""So many deaths are drawn: a picture of more has bars that nobody reads."""

_ROW, _BAR, _THICK, _INDENT, _DEEPEST = 30, 17, 8, 10, 8
_TICKS = 3  # on a phone there is room for so many
_LEAST_SPAN = 1_000
# Shapes that differ also to whoever does not tell the colours apart.
GLYPHS = {
    "killed": "M-5-5L5 5M-5 5L5-5",
    "asked": "M-5-4H5L0 5Z",
    "oom": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "fault": "M0-6L6 0L0 6L-6 0Z",
    "self": "M-6 0H6M0-6V6",
    "unknown": "M0-5A5 5 0 1 0 .01-5Z",
}
_FATES = {
    "fatal": "it ended of it",
    "handled": "handled",
    "ignored": "ignored",
    "already pending": "the same was pending already",
    "queue full": "its queue was full",
}


class _Chart:
    def __init__(self, lives: Lives, deaths: list[Row], clock: Clock, *, linked: bool) -> None:
        self._lives, self._deaths, self._clock, self._linked = lives, deaths, clock, linked
        shown = [place for place, life in enumerate(lives.lives) if not life.folded]
        self._rows = {place: n for n, place in enumerate(shown)}
        moments = [sent.at for sent in lives.signals]
        moments += [life.end for life in lives.lives if life.death is not None and life.end is not None]
        first, last = min(moments), max(moments)
        pad = max((last - first) // 12, _LEAST_SPAN // 2)
        self._first, self._last = first - pad, last + pad
        begins = [self._ends(life)[0] for life in lives.lives]
        self._least, self._most = (
            min(self._first, *begins),
            max(self._last, *(last for _, last in lives.spans.values())),
        )

    def drawn(self) -> str:
        """Return the whole picture."""
        high = _ROW * len(self._rows)
        marks = ticks(self._first, self._last, _TICKS, utc=self._lives.utc, unit=self._clock.unit)
        names = "".join(
            f'<text x="{(x := self._x(at)):.3f}%" y="12" text-anchor="{_anchor(x)}">{escape(name)}</text>'
            for at, name in marks
        )
        grid = "".join(f'<line x1="{self._x(at):.3f}%" x2="{self._x(at):.3f}%" y2="100%"/>' for at, _ in marks)
        bands = "".join(
            f'<rect class="band" y="{_ROW * max(row, 0)}" width="100%" height="{_ROW}"{_hidden(row)}/>'
            for row in map(self._row, range(len(self._lives.lives)))
        )
        kind = "utc" if self._lives.utc else self._clock.unit
        return (
            f'<div class="lives" role="group" tabindex="0" aria-label="Life-lines" data-first="{self._first}" '
            f'data-last="{self._last}" data-least="{self._least}" data-most="{self._most}" data-kind="{kind}" '
            f'data-steps="{" ".join(map(str, STEPS))}">'
            f'<svg class="axis" width="100%" height="18" aria-hidden="true">{names}</svg>'
            f'<svg class="plot" width="100%" height="{high}" role="group" aria-label="{self._described()}">'
            f'<g class="bands" aria-hidden="true">{bands}</g><g class="gaps">{self._gaps()}</g>'
            f'<g class="grid" aria-hidden="true">{grid}</g>'
            f'<g class="signals">{"".join(map(self._sent, self._lives.signals))}</g>'
            f"{''.join(self._life(place) for place in range(len(self._lives.lives)))}</svg></div>"
        )

    def _described(self) -> str:
        return f"{count(len(self._rows), 'process', 'processes')} and {count(len(self._lives.signals), 'signal')}"

    def _x(self, at: int) -> float:
        # Far outside is as good as just outside, and no browser loses its precision.
        return max(-50.0, min(150.0, 100 * (at - self._first) / (self._last - self._first)))

    def _row(self, place: int) -> int:
        return self._rows.get(place, -1)

    def _time(self, at: int) -> str:
        return self._clock.moment_text(at, utc=self._lives.utc)

    def _above(self, place: int) -> list[int]:
        # The ancestors of a life that are shown, nearest first.
        above, parent = [], self._lives.lives[place].parent
        while parent is not None:
            if parent in self._rows:
                above.append(parent)
            parent = self._lives.lives[parent].parent
        return above

    def _life(self, place: int) -> str:
        life, row, above = self._lives.lives[place], self._row(place), self._above(place)
        death = None if life.death is None else self._deaths[life.death]
        verdict = "" if death is None else death["verdict"]
        x, end = map(self._x, self._ends(life))
        fork = mark = ""
        if life.start is not None and life.parent is not None:
            up = _ROW * (self._row(above[0]) - row) + _BAR + _THICK if above else 0
            fork = f'<line class="fork" x1="{x:.3f}%" x2="{x:.3f}%" y1="{up}" y2="{_BAR}"{"" if above else " hidden"}/>'
        if life.end is not None:
            glyph = GLYPHS.get(verdict, f"M0-{_THICK}V{_THICK}")
            mark = f'<svg class="mark" x="{end:.3f}%" y="{_BAR + _THICK // 2}"><path d="{glyph}"/></svg>'
        told = escape(self._told(life, death))
        named = f"{life.name} of {self._clock.short_name(life.log)}" if self._clock.several and life.log else life.name
        inner = (
            f"<title>{told}</title>{fork}"
            f'<rect class="run" x="{x:.3f}%" width="{max(end - x, 0):.3f}%" y="{_BAR}" height="{_THICK}"/>{mark}'
            f'<text x="{6 + _INDENT * min(len(above), _DEEPEST)}" y="12">{escape(escaped(named))}</text>'
        )
        inner = (
            f'<a href="#death-{life.death}" tabindex="-1">{inner}</a>'
            if death is not None and self._linked
            else f'<g role="img" tabindex="-1" aria-label="{told}">{inner}</g>'
        )
        first, last = self._ends(life)
        data = "" if life.parent is None else f' data-parent="{life.parent}"'
        data += " data-folded" if life.folded else ""
        return (
            f'<g class="life {verdict}" transform="translate(0 {_ROW * max(row, 0)})" data-from="{first}" '
            f'data-to="{last}"{data}{_hidden(row)}>{inner}</g>'
        )

    def _ends(self, life: Life) -> tuple[int, int]:
        # Whoever was there before the log, or after it, is drawn as long as the log.
        first, last = self._lives.spans[life.log]
        return (first if life.start is None else life.start), (last if life.end is None else life.end)

    def _told(self, life: Life, death: Row | None) -> str:
        born = None if life.start is None else f"born {self._time(life.start)}"
        if death is not None:
            when = self._time(life.end or 0)
            return f"{when} {plain(death_pieces(death, self._clock.unit))}{f' It was {born}.' if born else ''}"
        ended = "its end is not in the log" if life.end is None else f"ended {self._time(life.end)}"
        return f"{escaped(life.name)}: {born or 'its birth is not in the log'}, {ended}."

    def _sent(self, sent: Sent) -> str:
        by, to = self._row(sent.by), self._row(sent.to)
        names = [self._lives.lives[place].name for place in (sent.by, sent.to)]
        fate = _FATES.get(sent.fate, "what became of it is not known")
        when = self._time(sent.at)
        told = escape(f"{when} {escaped(names[0])} sent {sent.signal} to {escaped(names[1])}: {fate}.")
        begin = _ROW * by + _BAR + _THICK // 2
        tip = _ROW * to + (_BAR - 1 if to > by else _BAR + _THICK + 1)
        back = tip - 7 if to > by else tip + 7
        return (
            f'<svg class="sent{" decides" if sent.decides else ""}" x="{self._x(sent.at):.3f}%" role="img" '
            f'tabindex="-1" aria-label="{told}" data-at="{sent.at}" data-by="{sent.by}" data-to="{sent.to}">'
            f'<title>{told}</title><line class="near" y1="{begin}" y2="{back}"/><line y1="{begin}" y2="{back}"/>'
            f'<circle cy="{begin}" r="3"/><path d="M-4.5 {back}H4.5L0 {tip}Z"/></svg>'
        )

    def _gaps(self) -> str:
        of_log: dict[str | None, list[int]] = {}
        for place, life in enumerate(self._lives.lives):
            of_log.setdefault(life.log, []).append(place)
        return "".join(self._gap(one, of_log[one.log]) for one in self._lives.gaps if one.log in of_log)

    def _gap(self, one: Gap, places: list[int]) -> str:
        rows = [self._rows[place] for place in places if place in self._rows]
        first, last = (None if at is None else self._time(at) for at in (one.first, one.last))
        when = " ".join((f"from {first}" if first else "until", f"to {last}" if first and last else last or "on"))
        told = escape(f"{when}: {one.why}. Lives and signals may be missing.")
        x = 0 if one.first is None else self._x(one.first)
        end = 100 if one.last is None else self._x(one.last)
        data = "".join(f' data-{key}="{at}"' for key, at in (("from", one.first), ("to", one.last)) if at is not None)
        return (
            f'<rect class="gap" role="img" tabindex="-1" aria-label="{told}" x="{x:.3f}%" '
            f'width="{max(end - x, 0):.3f}%" y="{_ROW * min(rows)}" height="{_ROW * len(rows)}" '
            f'data-lives="{places[0]} {places[-1]}"{data}><title>{told}</title></rect>'
        )


def chart(lives: Lives | None, deaths: list[Row], n_deaths: int, clock: Clock, *, linked: bool = True) -> str:
    """Return the life-lines of the first `deaths` of `n_deaths`; if `linked`, a death leads to its place in the list.

    Nothing if none of them can be drawn.
    """
    if lives is None or not any(life.death is not None for life in lives.lives):
        return ""
    ancestors = sum(life.folded for life in lives.lives)
    over = "A bar is a process, below its parent. An arrow is a signal; if no verdict rests on it, it is dashed."
    if lives.gaps:
        over += " Where events are missing, it is shaded."
    left_out = [
        count(n, noun)
        for n, noun in ((n_deaths - len(deaths), "death"), (lives.unsent, "signal"), (lives.forebears, "ancestor"))
        if n > 0
    ]
    more = (
        f" {listed(left_out, 'and')} more are not drawn; <code>--perfetto</code> writes all deaths." if left_out else ""
    )
    verdicts = {death["verdict"] for death in deaths}
    legend = "".join(
        f'<span class="{verdict}"><svg width="14" height="14" aria-hidden="true"><svg class="mark" x="7" y="7">'
        f'<path d="{glyph}"/></svg></svg>{verdict}</span>'
        for verdict, glyph in GLYPHS.items()
        if verdict in verdicts
    )
    unfold = f"Show {count(ancestors, 'ancestor')}"
    buttons = "".join(
        f'<button type="button" data-do="{do}">{label}</button>'
        for do, label in (("in", "Zoom in"), ("out", "Zoom out"), ("back", "Earlier"), ("on", "Later"), ("fit", "Fit"))
    )
    if ancestors:
        buttons += f'<button type="button" data-do="unfold" aria-pressed="false">{unfold}</button>'
    return (
        f'<p>{over}<span class="more">{more}</span></p><div class="lifelines">'
        f'<div class="tools" hidden>{buttons}<span class="keys">or Ctrl and the wheel, drag, + - 0 and the arrow keys'
        f'</span></div><p class="legend">{legend}<span class="zone">{_zone(lives, clock)}</span></p>'
        f"{_Chart(lives, deaths, clock, linked=linked).drawn()}"
        '<div class="tip" aria-hidden="true" hidden></div></div>'
    )


def _zone(lives: Lives, clock: Clock) -> str:
    if lives.utc:
        return "UTC"
    return "seconds of the trace clock" if clock.unit == "us" else "ticks of the trace clock"


def _anchor(x: float) -> str:
    return "start" if x < 15 else "end" if x > 85 else "middle"


def _hidden(row: int) -> str:
    return " hidden" if row < 0 else ""
