"""Notebook: what a session is, and who died in it, as a notebook shows it."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from sigtrace.output.clock import time_text
from sigtrace.output.sentence import Piece, death_pieces
from sigtrace.output.terminal import count, escaped
from sigtrace.store.session import Session, read

if TYPE_CHECKING:
    import pyarrow as pa

    from sigtrace.trace.accounting import Accounting


__all__ = ["Session", "html", "read"]

_MOST_DEATHS = 5
# A notebook's own style puts what is in a table to the right.
_LEFT = "<style>table.sigtrace th, table.sigtrace td { text-align: left }</style>"


def html(session: Session) -> str:
    """Return a session as HTML: rows, calls, deaths by verdict, losses, host and clock if known, the first deaths.

    Its colours are the notebook's own, light or dark.
    """
    from sigtrace import analyze

    table, accounting, about = session.table, session.accounting, session.about
    deaths = analyze.deaths(table)
    verdicts = Counter(deaths["verdict"].to_pylist())
    facts = {
        "session": session.name,
        "rows": f"{table.num_rows:,}",
        "calls": f"{analyze.calls(table).num_rows:,}",
        "deaths": ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(verdicts.items())) or "none in these rows",
        "lost": _lost(accounting, sum(about.get("lost_by_kernel_count", {}).values())),
        "host": about.get("host"),
        "clock": about.get("clock"),
    }
    rows = "".join(
        f"<tr><th>{fact}</th><td>{_text(value)}</td></tr>" for fact, value in facts.items() if value is not None
    )
    return f'{_LEFT}<table class="sigtrace">{rows}</table>{_deaths(deaths, accounting.ts_unit)}'


def _deaths(deaths: pa.Table, unit: str) -> str:
    ordered = deaths.sort_by([("time", "ascending"), ("ts", "ascending")]).to_pylist()
    shown = [row for row in ordered if row["verdict"] != "exited"]
    items = [
        f"<li>{time_text(row['ts'], row['time'], unit)} {_rendered(death_pieces(row, unit, brief=True))}</li>"
        for row in shown[:_MOST_DEATHS]
    ]
    if (more := len(shown) - _MOST_DEATHS) > 0:
        items.append(f"<li>and {more:,} more: <code>sigtrace.analyze.deaths(session.table)</code></li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _rendered(pieces: list[Piece]) -> str:
    return "".join(f"<b>{_text(piece.text)}</b>" if piece.is_name else _text(piece.text) for piece in pieces)


def _text(value: object) -> str:
    return escape(escaped(str(value)))


def _lost(accounting: Accounting, by_kernel_count: int) -> str:
    if not accounting.lossy and not by_kernel_count:
        return "nothing"
    more = " and an unknown number more" if accounting.losses_of_unknown_size else ""
    lost = count(max(accounting.lost, by_kernel_count), "event")
    return f"{lost}{more}: calls and deaths may be missing"


def _answer(session: Session, query: str) -> pa.Table:
    from sigtrace.questions.database import Database

    with Database(session) as database:
        return database.answer(query)


Session.drawn = html
Session.asked = _answer
