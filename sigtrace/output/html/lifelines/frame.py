"""Frame: the life-lines by themselves, for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from sigtrace.output.clock import Clock
from sigtrace.output.html.document import document
from sigtrace.output.html.lifelines.chart import MOST, chart
from sigtrace.output.html.lifelines.lives import lives
from sigtrace.output.summary import summary
from sigtrace.output.terminal import count

if TYPE_CHECKING:
    from sigtrace.questions.database import Database

_STYLES = ("colors.css", "lifelines/chart.css", "lifelines/frame.css")
_SCRIPTS = ("lifelines/chart.js",)
_ROW, _TALLEST, _AROUND = 30, 480, 190  # pixels; what is around are sentence, buttons and legend


class Lifelines:
    """A picture of lives that a notebook shows, in a frame of its own: neither can disturb the other."""

    def __init__(self, database: Database) -> None:
        answer = summary(database, timeline=False)
        deaths = answer["deaths"][:MOST]
        found = lives(database, deaths)
        self._name = database.name
        self._n = 0 if found is None else len(found.lives)
        self._chart = chart(found, deaths, answer["counts"]["deaths"], Clock(answer), linked=False)

    def __repr__(self) -> str:
        return f"<Lifelines of {self._name!r}: {count(self._n, 'process', 'processes')}>"

    def _repr_html_(self) -> str:
        if not self._chart:
            return "<p>There is nothing to draw in these rows.</p>"
        page = document(f"{self._name}: life-lines", f"<main>{self._chart}</main>", _STYLES, _SCRIPTS)
        high = min(_ROW * self._n, _TALLEST) + _AROUND
        return (
            f'<iframe srcdoc="{escape(page)}" title="Life-lines" sandbox="allow-scripts" width="100%" height="{high}" '
            'style="border: 0"></iframe>'
        )
