"""Who: print who ended a process, or sent it what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.output import text
from sigtrace.output.sentence import told
from sigtrace.output.summary import unknown
from sigtrace.output.terminal import count, escaped, sentence
from sigtrace.questions.database import Database
from sigtrace.questions.who import who

if TYPE_CHECKING:
    from sigtrace.store.session import Session


def run(session: str, asked: str, *, json: bool) -> None:
    """Print what `sigtrace.questions.who.who` answers."""
    with Database(session) as database:
        answer = who(database, asked, exits=json)
        if json:
            text.write_json(answer)
        else:
            tell(database, asked, answer, unknown(database))


def tell(source: Session | Database, asked: str, answer: list[dict[str, Any]], unknown: str | None) -> None:
    """Print what `who` returned, a sentence each, and what losses leave unknown."""
    if not isinstance(source, Database):
        with Database(source) as database:
            tell(database, asked, answer, unknown)
        return
    exited = source.exited() if asked == "all" else 0
    if not answer and not exited:
        whom = "anybody" if asked == "all" else escaped(asked)
        sentence(f"Who sent {whom} a signal is unknown." if unknown else f"Nobody sent {whom} a signal in this log.")
    for one in answer if asked != "all" else [one for one in answer if one["verdict"] != "exited"]:
        sentence(told(one, source))
    if exited:
        more = "more " if any(one["verdict"] != "exited" for one in answer) else ""
        sentence(f"{count(exited, 'process', 'processes')} {more}ended by exiting.")
    if unknown:
        sentence(f"Unknown: {unknown}")
