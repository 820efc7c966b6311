"""Who: print who ended a process, or sent it what."""

from __future__ import annotations

from typing import Any

from sigtrace.output import text
from sigtrace.output.sentence import sentence
from sigtrace.output.summary import unknown
from sigtrace.output.terminal import count, escaped, write_sentence
from sigtrace.questions.database import Database
from sigtrace.questions.who import ask


def run(session: str, asked: str, *, json: bool) -> None:
    """Print what `sigtrace.who` answers: as JSON, or a sentence for each object and what losses leave unknown."""
    with Database(session) as database:
        answer, exited = ask(database, asked, exits=json)
        if json:
            text.write_json(answer)
            return
        unknown_sentence = unknown(database)
        _write_answer(database, answer, exited)
        if not answer and not exited:
            whom = "anybody" if asked == "all" else escaped(asked)
            nobody = f"Nobody sent {whom} a signal in this log."
            write_sentence(f"It is unknown who sent {whom} a signal." if unknown_sentence else nobody)
        if unknown_sentence:
            write_sentence(f"Unknown: {unknown_sentence}")


def _write_answer(database: Database, answer: list[dict[str, Any]], exited: int) -> None:
    for one in answer:
        write_sentence(sentence(one, database))
    if exited:
        more = "more " if answer else ""
        write_sentence(f"{count(exited, f'{more}process', f'{more}processes')} exited.")
