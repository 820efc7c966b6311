"""Showing: what a session is, as the short table that a notebook shows of it."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from sigtrace import analyze
from sigtrace.terminal import escaped

if TYPE_CHECKING:
    import pyarrow as pa

    from sigtrace.accounting import Accounting


def html(name: str, table: pa.Table, accounting: Accounting, about: dict[str, Any]) -> str:
    """Return a session's fields as an HTML table: rows, calls, deaths by verdict, lost; host and clock where known."""
    verdicts = Counter(analyze.deaths(table)["verdict"].to_pylist())
    deaths = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(verdicts.items()))
    facts = {
        "session": name,
        "rows": f"{table.num_rows:,}",
        "calls": f"{analyze.calls(table).num_rows:,}",
        "deaths": deaths or "none in these rows",
        "lost": _lost(accounting),
        "host": about.get("host"),
        "clock": about.get("clock"),
    }
    rows = "".join(
        f"<tr><th>{fact}</th><td>{escape(escaped(str(value)))}</td></tr>"
        for fact, value in facts.items()
        if value is not None
    )
    return f'<table style="text-align: left">{rows}</table>'


def _lost(accounting: Accounting) -> str:
    if not accounting.lossy:
        return "nothing"
    more = " and an unknown number more" if accounting.losses_of_unknown_size else ""
    return f"{accounting.lost:,} events{more}: what is not here is unknown, not nobody"
