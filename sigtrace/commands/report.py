"""Report: print what sessions say, or the deaths as a table, or write an HTML page or a trace of Perfetto's."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.commands.streams import interrupting, tell
from sigtrace.output import text
from sigtrace.output.progress import Progress
from sigtrace.output.summary import summary
from sigtrace.output.terminal import count, escaped, write_warnings
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.commands.flight.asked import Asked

_PROCESSES = 8  # each takes up to 150 MB


def run(asked: Asked, form: str | None, html: str | None, perfetto: str | None, *, asked_within_us: int) -> None:
    """Print a report as text, or as `json` or `markdown`; or write a page to `html`, or a trace to `perfetto`.

    As `csv` or `parquet` the deaths are printed: what `sigtrace.who` answers of all, without those who only exited. As
    `opentelemetry` they are sent.
    """
    opened = Database(*asked.sessions, asked_within_us=asked_within_us, since=asked.first)
    with opened as database, interrupting(database.interrupt):
        database.within(asked.since, asked.until)
        # A page follows the processes once more, for their lives.
        with Progress("following processes", database.work() * (1 if html is None else 2)) as progress:
            database.fed = progress.advance
            if html is not None:
                finish = _write_page(database, html)
            elif perfetto is not None:
                finish = _write_trace(database, perfetto)
            elif form == "opentelemetry":
                finish = _send(database)
            elif form in ("csv", "parquet"):
                finish = _print_table(database, form)
            else:
                finish = partial(_print, summary(database, timeline=form is not None, processes=_processes()), form)
        finish()


def _print_table(database: Database, form: str) -> Callable[[], None]:
    from sigtrace.commands import table
    from sigtrace.questions.who import who
    from sigtrace.questions.witnesses.joining import join
    from sigtrace.store.trust import damage

    join(database)
    answers = who(database, exits=False)

    def finish() -> None:
        write_warnings(damage.texts(database.abouts, database.left_out))
        table.write_answers(answers, form)

    return finish


def _print(answer: dict[str, Any], form: str | None) -> None:
    if form == "json":
        text.write_json(answer)
    elif form == "markdown":
        from sigtrace.output.markdown import markdown

        print(markdown(answer), end="")
    else:
        text.write_text(answer)


def _processes() -> int:
    return min(_PROCESSES, os.cpu_count() or 1)


def _send(database: Database) -> Callable[[], None]:
    import logging

    from sigtrace.output.export import opentelemetry
    from sigtrace.questions.witnesses.joining import join

    join(database)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what fails is said once
    return partial(tell, f"{count(opentelemetry.send(database), 'log record was', 'log records were')} sent.")


def _write_page(database: Database, name: str) -> Callable[[], None]:
    from sigtrace.output.html import deaths, page
    from sigtrace.output.html.lifelines.chart import MOST
    from sigtrace.output.html.lifelines.lives import lives

    answer = summary(database, processes=_processes(), most_deaths=deaths.MOST)
    page.write(answer, lives(database, answer["deaths"][:MOST]), Path(name))
    return partial(tell, f"{escaped(name)}: open it in any browser, or send it; it needs no network.")


def _write_trace(database: Database, name: str) -> Callable[[], None]:
    from sigtrace.output.export import perfetto

    perfetto.write(database, Path(name))
    return partial(
        tell, f"{escaped(name)}: open it at https://ui.perfetto.dev: the page reads it, and sends it nowhere."
    )
