"""Report: print what sessions say, or write it as an HTML page or a trace of Perfetto's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.commands.streams import interrupting, tell
from sigtrace.output import text
from sigtrace.output.summary import summary
from sigtrace.output.terminal import escaped
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    from sigtrace.commands.flight.asked import Asked

_PROCESSES = 8  # each takes up to 150 MB


def run(asked: Asked, form: str | None, html: str | None, perfetto: str | None, *, asked_within_us: int) -> None:
    """Print a report as text, or as `json` or `markdown`; or write a page to `html`, or a trace to `perfetto`."""
    as_text = form is None
    opened = Database(*asked.sessions, asked_within_us=asked_within_us, since=asked.first)
    with opened as database, interrupting(database.interrupt):
        database.within(asked.since, asked.until)
        if perfetto is not None:
            _write_trace(database, perfetto)
            return
        processes = min(_PROCESSES, os.cpu_count() or 1)
        if html is not None:
            _write_page(database, html, processes)
            return
        answer = summary(database, timeline=not as_text, processes=processes)
    if form == "json":
        text.write_json(answer)
    elif form == "markdown":
        from sigtrace.output.markdown import markdown

        print(markdown(answer), end="")
    else:
        text.write_text(answer)


def _write_page(database: Database, name: str, processes: int) -> None:
    from sigtrace.output.html import deaths, page
    from sigtrace.output.html.lifelines.chart import MOST
    from sigtrace.output.html.lifelines.lives import lives

    answer = summary(database, processes=processes, most_deaths=deaths.MOST)
    page.write(answer, lives(database, answer["deaths"][:MOST]), Path(name))
    tell(f"{escaped(name)}: open it in any browser, or send it; it needs no network.")


def _write_trace(database: Database, name: str) -> None:
    from sigtrace.output import perfetto

    perfetto.write(database, Path(name))
    tell(f"{escaped(name)}: open it at https://ui.perfetto.dev: the page reads it, and sends it nowhere.")
