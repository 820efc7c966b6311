"""Markdown: a report to paste into a ticket: what happened, who died of what, the lines that say so, tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sigtrace.output.clock import Clock
from sigtrace.output.sections import (
    Section,
    absent,
    after_deaths,
    cell,
    headline,
    json_holds,
    numeric,
)
from sigtrace.output.sentence import Piece, death_pieces, process
from sigtrace.output.sentence.details import details, facts
from sigtrace.output.terminal import count, escaped

if TYPE_CHECKING:
    Row = dict[str, Any]

_MOST_DEATHS = 20
_MOST_ROWS = 10
_NAMES = frozenset({"comm", "killer", "asker", "victim", "log", "kind"})


def markdown(answer: Row) -> str:
    """Return what `sigtrace.report.summary` answered as Markdown, as GitHub and others read it.

    Names out of the log stand in code, in which nothing is markup, a link or a mention. A list ends after 20 deaths, a
    table after 10 rows, and says how many more there are; a table whose sentence says it all is left out.
    """
    clock = Clock(answer)
    blocks = [
        f"**{_code(answer['session'])}**: {_plain(headline(answer))}",
        f"**Unknown:** {_plain(answer['unknown'])}" if answer["unknown"] else "Nothing was lost.",
        *_deaths(answer, clock),
        *(
            block
            for section in after_deaths(answer)
            for block in _section(section, clock, deaths=bool(answer["deaths"]))
        ),
        _plain(" ".join(filter(None, (clock.note(), absent(answer))))),
    ]
    return "\n\n".join(blocks) + "\n"


def _code(name: str) -> str:
    shown = escaped(name) or "?"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    # A space at each end is taken as the fence's own.
    room = " " if shown[0] in " `" or shown[-1] in " `" else ""
    return f"{fence}{room}{shown}{room}{fence}"


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>&~$|#@])", r"\\\1", escaped(text))


def _rendered(pieces: list[Piece]) -> str:
    return "".join(_code(piece.text) if piece.is_name else _plain(piece.text) for piece in pieces)


def _more(n: int, most: int, instead: str) -> str:
    return f" The first {most} of {n:,} are shown; {instead}." if n > most else ""


def _deaths(answer: Row, clock: Clock) -> list[str]:
    deaths = answer["deaths"]
    n = answer["counts"]["deaths"]
    if not deaths:
        return []
    how_many = f"{count(n, 'process', 'processes')}{clock.ordered}, each with the lines of the log that say so."
    items = [_death(death, clock) for death in deaths[:_MOST_DEATHS]]
    return ["### Deaths", how_many + _more(n, _MOST_DEATHS, "`sigtrace who` prints all"), *items]


def _death(death: Row, clock: Clock) -> str:
    log = f" ({_code(death['log'])})" if clock.several and death["log"] is not None else ""
    when = clock.time_text(death["log"], death["ts"])
    known = [f"{label}: {value}" for label, value in details(death)]
    sentence = _rendered(death_pieces(death, clock.unit))
    # No line can end the block: none begins with a name.
    lines = "\n  ".join((*known, *(_evidence(row, clock, death["log"]) for row in death["evidence"])))
    return f"- **{death['verdict']}** {when}{log} {sentence}\n\n  ```\n  {lines}\n  ```"


def _evidence(row: Row, clock: Clock, log: str | None) -> str:
    who = process(row.get("comm"), row.get("pid")).text if "pid" in row else ""
    values = " ".join(f"{key}={value}" for key, value in facts(row))
    when = "" if row.get("ts") is None else clock.time_text(log, row["ts"])
    return " ".join(filter(None, (f"line {row['line']}:", when, who, row["event"], values)))


def _section(section: Section, clock: Clock, *, deaths: bool) -> list[str]:
    if section.each_once and (deaths or section.n > _MOST_ROWS):
        return [f"### {section.title}", _rendered(section.sentence)]
    heads = [f"| {' | '.join(section.columns.values())} |", f"|{'|'.join(_rule(key) for key in section.columns)}|"]
    rows = [f"| {' | '.join(_cell(key, row, clock) for key in section.columns)} |" for row in section.rows[:_MOST_ROWS]]
    over = _rendered(section.sentence) + _more(section.n, _MOST_ROWS, f"`--json` has {json_holds(section)}")
    return [f"### {section.title}", over, "\n".join(heads + rows)]


def _rule(key: str) -> str:
    return " ---: " if numeric(key) else " --- "


def _cell(key: str, row: Row, clock: Clock) -> str:
    text, _ = cell(key, row, clock)
    # In a table a bar ends a cell, in code as well.
    return _code(text).replace("|", r"\|") if key in _NAMES and text else _plain(text)
