"""Text: a report as sentences and tables for a terminal, and any answer as JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.output import terminal
from sigtrace.output.clock import Clock, iso_text
from sigtrace.output.sections import after_deaths, cell, headline, json_holds, numeric
from sigtrace.output.sentence import plain

if TYPE_CHECKING:
    from sigtrace.output.sections import Section

_TOP = 10


def write_json(answer: object) -> None:
    """Print an answer as JSON on stdout; times are text as ISO 8601 has them, in UTC."""
    print(json_text(answer, indent=2))


def json_text(answer: object, indent: int | None = None) -> str:
    """Return an answer as JSON in which every character prints: what does not, a DEL too, is an escape of JSON."""
    return json.dumps(answer, indent=indent, default=iso_text).replace("\x7f", "\\u007f")


def write_text(answer: dict[str, Any]) -> None:
    """Print what `summary` returned as sentences and tables."""
    clock = Clock(answer)
    terminal.write_sentence(f"{terminal.escaped(answer['session'])}: {headline(answer)}")
    terminal.write_sentence(f"Unknown: {answer['unknown']}" if answer["unknown"] else "Nothing was lost.")
    _write_deaths(answer, clock)
    for section in after_deaths(answer):
        if section.key not in _NOT_AS_TEXT:
            print()
            _write_section(section, clock, deaths=bool(answer["deaths"]))
    terminal.write_hint(_next(answer))


_NOT_AS_TEXT = ("accounting",)


def _write_section(section: Section, clock: Clock, *, deaths: bool) -> None:
    over = f"{section.title}: {plain(section.sentence)}"
    if section.each_once and (deaths or section.n > _TOP):
        terminal.write_title(over)
        return
    more = (
        f" The first {_TOP} of {section.n:,} are shown; --json has {json_holds(section)}." if section.n > _TOP else ""
    )
    # Times of day are too wide for a terminal; --json has them.
    columns = {key: head for key, head in section.columns.items() if not key.endswith("_ts")}
    rows = [[cell(key, row, clock)[0] for key in columns] for row in section.rows[:_TOP]]
    right = [numeric(key) for key in columns]
    terminal.write_table(over + more, list(columns.values()), rows, right)


def _write_deaths(answer: dict[str, Any], clock: Clock) -> None:
    n = answer["counts"]["deaths"]
    if not n:
        return
    print()
    more = f" The first {_TOP} are shown; `sigtrace who` prints all." if n > _TOP else ""
    terminal.write_title(f"Deaths: {n:,}{clock.ordered}.{'' if clock.one_day else ' ' + clock.note()}{more}")
    for death in answer["deaths"][:_TOP]:
        terminal.write_sentence("- " + death["sentence"], indent="  ")


def _next(answer: dict[str, Any]) -> str:
    if not answer["calls"] and not answer["verdicts"]:
        return "Now record one: sudo sigtrace record -o s.parquet"
    name = answer["session"]
    if not (Path(name).exists() or any(c in name for c in "*?[")):
        return "Now see all of it: the same command with --html report.html"
    deaths = sorted(answer["deaths"], key=lambda death: death["verdict"] != "killed")
    asked = [death["victim_pid"] for death in deaths] or [row["target"] for row in answer["targets"]]
    whom = next((f" {pid}" for pid in asked if pid > 0), "")
    return f"Now ask about one: sigtrace who {terminal.escaped(shlex.quote(name))}{whom}"
