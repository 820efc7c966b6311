"""Report: print what sessions say, or the deaths as a table, or write an HTML page or a trace of Perfetto's."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.commands import table
from sigtrace.commands.streams import interrupting, tell
from sigtrace.output import text
from sigtrace.output.progress import Progress
from sigtrace.output.summary import summary
from sigtrace.output.terminal import count, escaped, write_warnings
from sigtrace.questions.database import Database
from sigtrace.questions.who import who
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from sigtrace.commands.flight.asked import Asked

_PROCESSES = 8  # each takes up to 150 MB


def run(asked: Asked, form: str | None, html: str | None, perfetto: str | None, *, asked_within_us: int) -> None:
    """Print a report as text, or as `json` or `markdown`; or write a page to `html`, or a trace to `perfetto`.

    As `csv` or `parquet` the deaths are printed: what `sigtrace.who` answers of all, without those who only exited. As
    `opentelemetry` they are sent.
    """
    as_text = form is None and html is None
    opened = Database(*asked.sessions, asked_within_us=asked_within_us, since=asked.first)
    with opened as database, interrupting(database.interrupt):
        database.within(asked.since, asked.until)
        if perfetto is not None:
            _write_trace(database, perfetto)
            return
        if form == "opentelemetry":
            _send(database)
            return
        if form in ("csv", "parquet"):
            answers = who(database, exits=False)
            write_warnings(damage.texts(database.abouts, database.left_out))
            table.write_answers(answers, form)
            return
        with Progress("following processes", database.work()) as progress:
            database.fed = progress.advance
            answer = summary(database, timeline=not as_text, processes=min(_PROCESSES, os.cpu_count() or 1))
    if html is not None:
        from sigtrace.output.html import page

        page.write(answer, Path(html))
        tell(f"{escaped(html)}: open it in any browser, or send it; it needs no network.")
    elif form == "json":
        text.write_json(answer)
    elif form == "markdown":
        from sigtrace.output.markdown import markdown

        print(markdown(answer), end="")
    else:
        text.write_text(answer)


def _send(database: Database) -> None:
    from sigtrace.output.export import opentelemetry

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what fails is said once
    tell(f"{count(opentelemetry.send(database), 'log record was', 'log records were')} sent.")


def _write_trace(database: Database, name: str) -> None:
    from sigtrace.output.export import perfetto

    perfetto.write(database, Path(name))
    tell(f"{escaped(name)}: open it at https://ui.perfetto.dev: the page reads it, and sends it nowhere.")
