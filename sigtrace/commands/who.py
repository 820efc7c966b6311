"""Who: print who ended a process, or sent it what."""

from __future__ import annotations

from typing import Any

from sigtrace.output import text
from sigtrace.output.sentence import told
from sigtrace.output.summary import unknown
from sigtrace.output.terminal import count, escaped, sentence
from sigtrace.questions.database import Database
from sigtrace.questions.who import ask


def run(session: str, asked: str, *, json: bool) -> None:
    """Print what `sigtrace.questions.who.who` answers."""
    with Database(session) as database:
        answer, exited = ask(database, asked, exits=json)
        if json:
            text.write_json(answer)
        else:
            _print(database, asked, answer, exited)


def _print(database: Database, asked: str, answer: list[dict[str, Any]], exited: int) -> None:
    doubt = unknown(database)
    if not answer and not exited:
        whom = "anybody" if asked == "all" else escaped(asked)
        sentence(f"Who sent {whom} a signal is unknown." if doubt else f"Nobody sent {whom} a signal in this log.")
    for one in answer:
        sentence(told(one, database))
    if exited:
        more = "more " if answer else ""
        sentence(f"{count(exited, 'process', 'processes')} {more}ended by exiting.")
    if doubt:
        sentence(f"Unknown: {doubt}")
