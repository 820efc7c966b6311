"""Page: a report as one HTML file that loads nothing: deaths with their evidence, pictures, tables to sort and search.

Without JavaScript all of it can be read; what sorts and searches is then not shown. A Content-Security-Policy allows
the page its own style and script and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from math import log1p
from typing import TYPE_CHECKING, Any

from sigtrace import __version__
from sigtrace.errors import Error
from sigtrace.output.clock import Clock, utc_time
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
    sections,
    told,
)
from sigtrace.output.terminal import count, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Row = dict[str, Any]

_MOST_ROWS = 1_000  # a browser on a phone draws so many at once
_MOST_NAMES = 40  # a matrix of more has names that nobody reads
_LONG_NAME = 30
_HEATS = 5
_LANE_HEIGHT = 30
_LEAST_STEPS = 24  # a bar is no wider than a 24th of the picture
_VERDICTS = ("killed", "oom", "fault", "self", "unknown")
_LANES = ("calls", "failed", "probes", "signals", "exits")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def page(answer: Row) -> str:
    """Return what `sigtrace.report.summary` answered as the text of one HTML file.

    Names out of the log are text in it, whatever they are. A table shows its first 1,000 rows and says how many more
    there are.
    """
    clock = Clock(answer)
    parts = {section.key: section for section in sections(answer)}
    matrix = parts.pop("matrix", None)
    body = [
        ("deaths", "Deaths", _deaths(answer, clock)),
        ("matrix", "Who killed whom", _matrix(matrix) if matrix else ""),
        ("timeline", "Timeline", _timeline(answer, clock)),
        *((part.key, part.title, _section(part, clock)) for part in parts.values()),
    ]
    shown = [(key, title, html) for key, title, html in body if html]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in shown)
    main = "".join(f'<section id="{key}"><h2>{title}</h2>{html}</section>' for key, title, html in shown)
    style, script = (
        files("sigtrace.output.html").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    name = _text(answer["session"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no">
<meta name="referrer" content="no-referrer">
<title>{escape(escaped(answer["session"]))}: who killed whom</title>
<style>{style}</style>
</head>
<body>
<header>
<p class="brand">sigtrace report</p>
<h1>{name}</h1>
<p class="lede">{escape(headline(answer))}</p>
{_unknown(answer)}
<p class="note">{escape(clock.note())}{_absent(answer)}</p>
</header>
<div class="bar"><form role="search" hidden><input type="search" id="search" autocomplete="off" spellcheck="false"
placeholder="Search deaths and tables" aria-label="Search deaths and tables"><output for="search"></output></form>
<nav aria-label="Sections">{links}</nav></div>
<main>{main}</main>
<footer>Made by sigtrace {__version__}. This page loads nothing and sends nothing.</footer>
<script>{script}</script>
</body>
</html>
"""


def write(answer: Row, path: Path) -> None:
    """Write the page of an answer to a file. Raises `Error` where it cannot be written."""
    try:
        path.write_text(page(answer), encoding="utf-8")
    except OSError as error:
        raise Error(f"{path}: {error.strerror}: give a path in a folder that can be written") from error


def _policy(style: str, script: str) -> str:
    style_hash, script_hash = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script)
    )
    return f"default-src 'none'; style-src {style_hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'"


def _text(name: str) -> str:
    # Letters that run from right to left would reorder what stands beside them.
    return "".join(
        f"<bdi>{escape(run)}</bdi>" if right_to_left else escape(run) for right_to_left, run in _runs(escaped(name))
    )


def _runs(text: str) -> Iterable[tuple[bool, str]]:
    start = 0
    flags = [unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text]
    for i in range(1, len(text) + 1):
        if i == len(text) or flags[i] != flags[start]:
            yield flags[start], text[start:i]
            start = i


def _sentence(pieces: Pieces) -> str:
    return "".join(_name(text) if name else _text(text) for name, text in pieces)


def _name(text: str) -> str:
    # A name stays on its line, if it is not one of escapes, wider than a phone.
    return f'<b class="name{" long" if len(text) > _LONG_NAME else ""}">{_text(text)}</b>'


def _unknown(answer: Row) -> str:
    if not answer["unknown"]:
        return '<p class="known">Nothing was lost.</p>'
    return f'<p class="doubt"><strong>Unknown:</strong> {_text(answer["unknown"])}</p>'


def _absent(answer: Row) -> str:
    said = absent(answer)
    return "" if said is None else " " + escape(said)


def _more(n: int, noun: str, instead: str) -> str:
    if n <= _MOST_ROWS:
        return ""
    more = count(n - _MOST_ROWS, f"{noun} more is", f"{noun}s more are")
    return (
        f' <span class="more">Here are the first {_MOST_ROWS:,}; {more} not on this page and not in its search: '
        f"<code>sigtrace {instead}</code> has all.</span>"
    )


def _deaths(answer: Row, clock: Clock) -> str:
    deaths = answer["deaths"]
    n = answer["counts"]["deaths"]
    exited = answer["verdicts"].get("exited", 0)
    if not deaths and not exited:
        return ""
    more = f"{count(exited, 'process', 'processes')} more ended by exiting." if exited else ""
    if not deaths:
        return f"<p>None but by exiting: {count(exited, 'process', 'processes')}.</p>"
    items = "".join(_death(i, death, clock) for i, death in enumerate(deaths[:_MOST_ROWS]))
    how = "Open one for the lines of the log that it rests on."
    return (
        f'<p>{count(n, "process", "processes")}{clock.ordered}. <span class="screen">{how}</span> '
        f'{more}{_more(n, "death", "who")}</p><div class="deaths">{items}</div>'
    )


def _death(i: int, death: Row, clock: Clock) -> str:
    about = {"command": death["command"], "cgroup": death["cgroup"], "log": death["log"] if clock.several else None}
    said = "".join(f"<dt>{key}</dt><dd>{_text(value)}</dd>" for key, value in about.items() if value is not None)
    verdict = death["verdict"]
    return (
        f'<details class="death {verdict}"><summary><span class="verdict">{verdict}</span>'
        f'<span class="told">{_sentence(told(death))}</span>'
        f'<span class="when">{_when(clock.told(death["log"], death["ts"]), clock)}{_log(death, clock)}</span>'
        "</summary>"
        f'<div class="evidence" id="death-{i}">{said and f"<dl>{said}</dl>"}'
        f"{_evidence(death, clock)}</div></details>"
    )


def _log(death: Row, clock: Clock) -> str:
    return f'<span class="log"{_full(death["log"], clock)}</span>' if clock.several else ""


def _full(log: str, clock: Clock) -> str:
    # The end of a tag, and the name that is shown; the pointer tells the whole one.
    return f' title="{escape(escaped(log))}">{_text(clock.short(log))}'


def _when(time: str, clock: Clock) -> str:
    short = time.removeprefix(f"{clock.day} ") if clock.day else time
    return short.removesuffix("Z") if short != time else time


def _evidence(death: Row, clock: Clock) -> str:
    rows = "".join(
        f'<tr><td class="n">{row["line"]}</td><td class="n">{_when(clock.told(death["log"], row["ts"]), clock)}</td>'
        f'<td class="n">{row.get("cpu", "")}</td><td>{_text(row["event"])}</td><td>{_who(row)}</td>'
        f"<td>{_facts(row)}</td></tr>"
        for row in death["evidence"]
    )
    heads = "".join(f'<th scope="col" class="n">{head}</th>' for head in ("line", "time", "CPU"))
    heads += "".join(f'<th scope="col">{head}</th>' for head in ("event", "in the context of", "what it says"))
    return f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _who(row: Row) -> str:
    if "pid" not in row and "tid" not in row:
        return ""
    thread = f", thread {row['tid']}" if row.get("tid") not in (None, row.get("pid")) else ""
    return f"{_name(process(row.get('comm'), row.get('pid')))}{thread}"


def _facts(row: Row) -> str:
    return " ".join(f'<span class="fact"><i>{key}</i> {_text(value)}</span>' for key, value in facts(row))


def _matrix(section: Section) -> str:
    killers, hidden = _names(section.rows, "killer", {})
    # Victims of one killer stand together.
    of = {row["victim"]: killers.index(row["killer"]) for row in section.rows if row["killer"] in killers}
    victims, others = _names(section.rows, "victim", of)
    cells: dict[tuple[str, str], Counter[str]] = {}
    for row in section.rows:
        if row["killer"] in killers and row["victim"] in victims:
            signals = cells.setdefault((row["killer"], row["victim"]), Counter())
            signals[row["signal"] or "unknown"] += row["deaths"]
    most = max(signals.total() for signals in cells.values())
    heads = "".join(f'<th scope="col"><span>{_text(victim)}</span></th>' for victim in victims)
    rows = "".join(
        f'<tr><th scope="row">{_text(killer)}</th>'
        + "".join(_pair(killer, victim, cells.get((killer, victim)), most) for victim in victims)
        + "</tr>"
        for killer in killers
    )
    more = ""
    if hidden or others:
        names = " and ".join(count(n, noun) for n, noun in ((hidden, "killer"), (others, "victim")) if n)
        more = f' <span class="more">{names} of fewer deaths not drawn; <code>--json</code> has {held(section)}.</span>'
    return (
        f"<p>{_sentence(section.sentence)}{more}</p>"
        '<div class="wide" tabindex="0"><table class="matrix"><thead><tr><td>killer ↓ victim →</td>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _names(rows: list[Row], key: str, first: dict[str, int]) -> tuple[list[str], int]:
    # Those of most deaths, and how many others there are.
    ranked: Counter[str] = Counter()
    for row in rows:
        ranked[row[key]] += row["deaths"]
    names = sorted(ranked, key=lambda name: (-ranked[name], name))
    return sorted(names[:_MOST_NAMES], key=lambda name: first.get(name, 0)), len(names[_MOST_NAMES:])


def _pair(killer: str, victim: str, signals: Counter[str] | None, most: int) -> str:
    if signals is None:
        return "<td></td>"
    heat = 1 + int((_HEATS - 1) * log1p(signals.total() - 1) / log1p(most - 1)) if most > 1 else 1
    said = ", ".join(f"{signal} {n:,}" for signal, n in signals.most_common())
    title = escape(f"{escaped(killer)} ended {escaped(victim)}: {said}")
    short = "<br>".join(escape(f"{signal.removeprefix('SIG')} {n:,}") for signal, n in signals.most_common())
    if len(signals) == 1:
        short = escape(next(iter(signals)).removeprefix("SIG"))
    return f'<td class="heat-{heat}" title="{title}"><b>{signals.total():,}</b><small>{short}</small></td>'


@dataclass(frozen=True)
class _Axis:
    """Where a moment stands in the picture, in percent of its width; `wide`: how many microseconds a step has."""

    clock: Clock
    first: int
    last: int
    wide: int

    def left(self, place: int) -> float:
        return 100 * (place - self.first) / (self.last - self.first)

    @property
    def step(self) -> float:
        return 100 * self.wide / (self.last - self.first)


def _timeline(answer: Row, clock: Clock) -> str:
    wide = answer["timeline"]["step_us"]
    steps = [(row, row["ts"]) for row in answer["timeline"]["rows"]]
    dead = [(i, death, _place(death, clock)) for i, death in enumerate(answer["deaths"][:_MOST_ROWS])]
    placed = [(i, death, at) for i, death, at in dead if at is not None]
    if not steps:
        happened = clock.several and (answer["calls"] or answer["verdicts"])
        return "<p>These logs name no time of day, so they cannot stand side by side.</p>" if happened else ""
    first = min(at for *_, at in (*steps, *placed))
    last = max(first + _LEAST_STEPS * wide, *(at + wide for *_, at in (*steps, *placed)))
    axis = _Axis(clock, first, last, wide)
    marks = "".join(_marks(verdict, placed, axis) for verdict in _VERDICTS)
    bars = "".join(_bars(lane, steps, axis) for lane in _LANES)
    ticks = "".join(f"<span>{_when(_tick(at, clock), clock)}</span>" for at in (first, (first + last) // 2, last))
    said = f"A bar is what happened in {clock.span(wide)}, its height by logarithm"
    said += "; a mark is a death, and leads to it." if placed else "."
    if answer["counts"]["deaths"] > _MOST_ROWS:
        said += f" Here are those of the first {_MOST_ROWS:,} deaths."
    if missing := len(dead) - len(placed):
        said += f" {count(missing, 'death')} without a time of day cannot stand here."
    return f'<p>{said}</p><div class="timeline">{marks}{bars}<div class="ticks"><i></i><div>{ticks}</div></div></div>'


def _place(death: Row, clock: Clock) -> int | None:
    # Among many logs the trace clocks do not compare: the time of day does, and the steps are of it.
    if not clock.several:
        ts: int = death["ts"]
        return ts
    utc = utc_time(death["time"])
    return None if utc is None else round(utc.timestamp() * 1e6)


def _tick(at: int, clock: Clock) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M:%S.%f}Z" if clock.several else clock.told(None, at)


def _lane(label: str, n: int, said: str, height: int, drawn: str) -> str:
    return (
        f'<div class="lane"><span>{label} <b>{n:,}</b></span>'
        f'<svg role="img" aria-label="{escape(said)}" width="100%" height="{height}">{drawn}</svg></div>'
    )


def _marks(verdict: str, placed: list[tuple[int, Row, int]], axis: _Axis) -> str:
    dead = [(i, death, at) for i, death, at in placed if death["verdict"] == verdict]
    if not dead:
        return ""
    marks = "".join(
        f'<a href="#death-{i}" tabindex="-1"><circle cx="{axis.left(at):.2f}%" cy="9" r="5" class="{verdict}"><title>'
        f"{_when(axis.clock.told(death['log'], death['ts']), axis.clock)} "
        f"{escape(''.join(text for _, text in told(death)))}</title></circle></a>"
        for i, death, at in dead
    )
    return _lane(verdict, len(dead), f"{count(len(dead), 'death')}, {verdict}; the list of deaths has each", 18, marks)


def _bars(lane: str, steps: list[tuple[Row, int]], axis: _Axis) -> str:
    filled = [(row[lane], at) for row, at in steps if row[lane]]
    if not filled:
        return ""
    most = max(n for n, _ in filled)
    total = sum(n for n, _ in filled)
    drawn = []
    for n, at in filled:
        tall = max(3, round((_LANE_HEIGHT - 2) * log1p(n) / log1p(most)))
        drawn.append(
            f'<rect class="{lane}" x="{axis.left(at):.2f}%" width="{axis.step:.2f}%" y="{_LANE_HEIGHT - tall}" '
            f'height="{tall}"><title>{_when(_tick(at, axis.clock), axis.clock)}: {n:,} {lane}</title></rect>'
        )
    said = f"{total:,} {lane} in {count(len(filled), 'step')} of time, at most {most:,} in one"
    return _lane(lane, total, said, _LANE_HEIGHT, "".join(drawn))


def _section(section: Section, clock: Clock) -> str:
    heads = "".join(
        f'<th scope="col" class="n">{head}</th>' if numeric(key) else f'<th scope="col">{head}</th>'
        for key, head in section.columns.items()
    )
    rows = "".join(
        f"<tr>{''.join(_cell(key, row, clock) for key in section.columns)}</tr>" for row in section.rows[:_MOST_ROWS]
    )
    return (
        f"<p>{_sentence(section.sentence)}{_more(section.n, 'row', 'query')}</p>"
        f'<div class="wide" tabindex="0"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(key: str, row: Row, clock: Clock) -> str:
    if key == "log":
        return f"<td{_full(row[key], clock)}</td>"
    text, number = cell(key, row, clock)
    if key == "comm":
        return f'<td class="name">{_text(text)}</td>'
    if not numeric(key):
        return f"<td>{_text(text)}</td>"
    shown = escape(_when(text, clock))
    if number is None or shown == str(number):
        return f'<td class="n">{shown}</td>'
    return f'<td class="n"><data value="{number}">{shown}</data></td>'
