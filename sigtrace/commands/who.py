"""Who: print who ended a process, or sent it what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.output import text
from sigtrace.output.sentence import sentence
from sigtrace.output.summary import unknown
from sigtrace.output.terminal import count, escaped, write_sentence
from sigtrace.questions.database import Database
from sigtrace.questions.who import who

if TYPE_CHECKING:
    Row = dict[str, Any]


def run(session: str, asked: str, *, json: bool) -> None:
    """Print what `sigtrace.who` answers: as JSON, or a sentence for each object and what losses leave unknown."""
    with Database(session) as database:
        answer = who(database, asked, exits=json)
        if json:
            text.write_json(answer)
            return
        _write_answer(database, asked, answer)
        if unknown_sentence := unknown(database):
            write_sentence(f"Unknown: {unknown_sentence}")


def _write_answer(database: Database, asked: str, answer: list[Row]) -> None:
    exited = database.exited() if asked == "all" else 0
    shown = [one for one in answer if asked != "all" or one["verdict"] != "exited"]
    for one in shown:
        write_sentence(sentence(one, database))
    if exited:
        more = "more " if shown else ""
        write_sentence(f"{count(exited, f'{more}process', f'{more}processes')} exited.")
    elif not answer:
        whom = "anybody" if asked == "all" else escaped(asked)
        nobody = f"Nobody sent {whom} a signal in this log."
        write_sentence(f"It is unknown who sent {whom} a signal." if unknown(database) else nobody)
