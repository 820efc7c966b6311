"""Matrix: who killed whom, as an HTML table of killers by victims."""

from __future__ import annotations

from collections import Counter
from html import escape
from math import log1p
from typing import TYPE_CHECKING, Any

from sigtrace.output.html.markup import rendered, text
from sigtrace.output.sections import json_holds
from sigtrace.output.terminal import count, escaped

if TYPE_CHECKING:
    from sigtrace.output.sections import Section

    Row = dict[str, Any]

_MOST_NAMES = 40  # a matrix of more has names that nobody reads
_HEATS = 5


def matrix(section: Section) -> str:
    """Return the matrix of a report's section of that name."""
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
    heads = "".join(f'<th scope="col"><span>{text(victim)}</span></th>' for victim in victims)
    rows = "".join(
        f'<tr><th scope="row">{text(killer)}</th>'
        + "".join(_pair(killer, victim, cells.get((killer, victim)), most) for victim in victims)
        + "</tr>"
        for killer in killers
    )
    more = ""
    if hidden or others:
        names = " and ".join(count(n, noun) for n, noun in ((hidden, "killer"), (others, "victim")) if n)
        hint = f"{names} with fewer deaths are left out; <code>--json</code> has {json_holds(section)}."
        more = f' <span class="more">{hint}</span>'
    return (
        f"<p>{rendered(section.sentence)}{more}</p>"
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
    by_signal = ", ".join(f"{signal} {n:,}" for signal, n in signals.most_common())
    title = escape(f"{escaped(killer)} ended {escaped(victim)}: {by_signal}")
    short = "<br>".join(escape(f"{signal.removeprefix('SIG')} {n:,}") for signal, n in signals.most_common())
    if len(signals) == 1:
        short = escape(next(iter(signals)).removeprefix("SIG"))
    return f'<td class="heat-{heat}" title="{title}"><b>{signals.total():,}</b><small>{short}</small></td>'
