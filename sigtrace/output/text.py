"""Text: a report as sentences and tables for a terminal, and any answer as JSON."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.output import terminal
from sigtrace.output.clock import Clock
from sigtrace.output.sections import cell, headline, held, numeric, telling

if TYPE_CHECKING:
    from sigtrace.output.sections import Section

_TOP = 10


def write_json(answer: object) -> None:
    """Print an answer as JSON on stdout; times are text as ISO 8601 has them, in UTC."""
    json.dump(answer, sys.stdout, indent=2, default=_iso)
    print()


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def write_text(answer: dict[str, Any]) -> None:
    """Print what `summary` returned as sentences and tables."""
    clock = Clock(answer)
    terminal.sentence(f"{terminal.escaped(answer['session'])}: {headline(answer)}")
    terminal.sentence(f"Unknown: {answer['unknown']}" if answer["unknown"] else "Nothing was lost.")
    _tell_deaths(answer, clock)
    for section in telling(answer):
        if section.key not in _NOT_AS_TEXT:
            print()
            _write_section(section, clock, told=bool(answer["deaths"]))
    terminal.hint(_next(answer))


_NOT_AS_TEXT = ("accounting",)


def _write_section(section: Section, clock: Clock, *, told: bool) -> None:
    said = f"{section.title}: {''.join(text for _, text in section.sentence)}"
    if section.each_once and (told or section.n > _TOP):
        terminal.title(said)
        return
    more = f" Here the first {_TOP} of {section.n:,}; --json has {held(section)}." if section.n > _TOP else ""
    # A time of each is too wide for a terminal, and --json has them.
    columns = {key: head for key, head in section.columns.items() if not key.endswith("_ts")}
    rows = [[cell(key, row, clock)[0] for key in columns] for row in section.rows[:_TOP]]
    right = [numeric(key) for key in columns]
    terminal.table(said + more, list(columns.values()), rows, right)


def _tell_deaths(answer: dict[str, Any], clock: Clock) -> None:
    n = answer["counts"]["deaths"]
    if not n:
        return
    print()
    more = f" Here the first {_TOP}; `sigtrace who` tells all." if n > _TOP else ""
    terminal.title(f"Deaths: {n:,}{clock.ordered}.{'' if clock.day else ' ' + clock.note()}{more}")
    for death in answer["deaths"][:_TOP]:
        terminal.sentence("- " + death["sentence"], indent="  ")


def _next(answer: dict[str, Any]) -> str:
    if not answer["calls"] and not answer["verdicts"]:
        return "Now record one: sudo sigtrace record -o s.parquet"
    name = answer["session"]
    if not (Path(name).exists() or any(c in name for c in "*?[")):
        return "Now see all of it: the same command with --html report.html"
    deaths = sorted(answer["deaths"], key=lambda death: death["verdict"] != "killed")
    asked = [death["victim_pid"] for death in deaths] or [row["target"] for row in answer["targets"]]
    whom = next((f" {pid}" for pid in asked if pid > 0), "")
    return f"Now ask about one: sigtrace who {shlex.quote(name)}{whom}"
