"""Ticket: a report as Markdown for a ticket: what happened, who died of what, the lines that say so, tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sigtrace.output.clock import Clock
from sigtrace.output.sections import (
    Pieces,
    Section,
    absent,
    cell,
    facts,
    headline,
    held,
    numeric,
    process,
    telling,
    told,
)
from sigtrace.output.terminal import count, escaped

if TYPE_CHECKING:
    Row = dict[str, Any]

_MOST_DEATHS = 20
_MOST_ROWS = 10
_NAMES = frozenset({"comm", "killer", "victim", "log", "kind"})


def markdown(answer: Row) -> str:
    """Return what `sigtrace.report.summary` answered as Markdown, GitHub's and what its like read.

    Names out of the log stand in code, where nothing in them is markup, a link or a mention. A list ends after 20
    deaths, a table after 10 rows, and says how many more there are; one whose sentence says it all is left out.
    """
    clock = Clock(answer)
    blocks = [
        f"**{_code(answer['session'])}**: {_plain(headline(answer))}",
        f"**Unknown:** {_plain(answer['unknown'])}" if answer["unknown"] else "Nothing was lost.",
        *_deaths(answer, clock),
        *(block for section in telling(answer) for block in _section(section, clock, told=bool(answer["deaths"]))),
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


def _sentence(pieces: Pieces) -> str:
    return "".join(_code(text) if name else _plain(text) for name, text in pieces)


def _more(n: int, noun: str, most: int, held: str) -> str:
    if n <= most:
        return ""
    return f" Here are the first {most}; {count(n - most, f'{noun} more', f'{noun}s more')}: {held}."


def _deaths(answer: Row, clock: Clock) -> list[str]:
    deaths = answer["deaths"]
    n = answer["counts"]["deaths"]
    if not deaths:
        return []
    said = f"{count(n, 'process', 'processes')}{clock.ordered}, and under each the lines of the log."
    items = [_death(death, clock) for death in deaths[:_MOST_DEATHS]]
    return ["### Deaths", said + _more(n, "death", _MOST_DEATHS, "`sigtrace who` tells all"), *items]


def _death(death: Row, clock: Clock) -> str:
    log = f" ({_code(death['log'])})" if clock.several and death["log"] is not None else ""
    when = clock.told(death["log"], death["ts"])
    command = [] if death["command"] is None else [f"command: {escaped(death['command'])}"]
    # No line can end the block: none begins with a name.
    lines = "\n  ".join((*command, *(_evidence(row, clock, death["log"]) for row in death["evidence"])))
    return f"- **{death['verdict']}** {when}{log} {_sentence(told(death))}\n\n  ```\n  {lines}\n  ```"


def _evidence(row: Row, clock: Clock, log: str | None) -> str:
    who = process(row.get("comm"), row.get("pid")) if "pid" in row else ""
    said = " ".join(f"{key}={value}" for key, value in facts(row))
    when = "" if row.get("ts") is None else clock.told(log, row["ts"])
    return " ".join(filter(None, (f"line {row['line']}:", when, who, row["event"], said)))


def _section(section: Section, clock: Clock, *, told: bool) -> list[str]:
    if section.each_once and (told or section.n > _MOST_ROWS):
        return [f"### {section.title}", _sentence(section.sentence)]
    heads = [f"| {' | '.join(section.columns.values())} |", f"|{'|'.join(_rule(key) for key in section.columns)}|"]
    rows = [f"| {' | '.join(_cell(key, row, clock) for key in section.columns)} |" for row in section.rows[:_MOST_ROWS]]
    said = _sentence(section.sentence) + _more(section.n, "row", _MOST_ROWS, f"`--json` has {held(section)}")
    return [f"### {section.title}", said, "\n".join(heads + rows)]


def _rule(key: str) -> str:
    return " ---: " if numeric(key) else " --- "


def _cell(key: str, row: Row, clock: Clock) -> str:
    text, _ = cell(key, row, clock)
    # In a table a bar ends a cell, in code as well.
    return _code(text).replace("|", r"\|") if key in _NAMES and text else _plain(text)
