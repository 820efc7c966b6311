"""Notebook: what a session is, and who died in it, as a notebook shows it."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import signal_name, source_name
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
    """Return a session as HTML: rows, calls, deaths by verdict, losses, host and clock where known, the first deaths.

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
    told = [row for row in ordered if row["verdict"] != "exited"]
    items = [f"<li>{_when(row, unit)} {_sentence(row)}</li>" for row in told[:_MOST_DEATHS]]
    if (more := len(told) - _MOST_DEATHS) > 0:
        items.append(f"<li>and {more:,} more: <code>sigtrace.analyze.deaths(session.table)</code></li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _when(death: dict[str, Any], unit: str) -> str:
    if death["time"] is not None:
        return f"{death['time']:%Y-%m-%d %H:%M:%S.%f}Z"
    return f"{death['ts'] / 1e6:.6f}" if unit == "us" else str(death["ts"])


def _sentence(death: dict[str, Any]) -> str:
    victim = _process(death["victim_comm"], death["victim_pid"])
    signal = "an unknown signal" if death["sig"] is None else signal_name(death["sig"])
    if death["verdict"] == "unknown":
        return f"{victim} ended, and why is unknown"
    if death["verdict"] == "self":
        return f"{victim} ended itself with {signal}"
    if death["killer_pid"] is None:
        return f"{victim} was ended by {_text(source_name(death['source']))} with {signal}"
    return f"{victim} was killed by {_process(death['killer_comm'], death['killer_pid'])} with {signal}"


def _process(comm: str | None, pid: int) -> str:
    return f"<b>{_text(comm or '?')}</b> ({pid})"


def _text(value: object) -> str:
    return escape(escaped(str(value)))


def _lost(accounting: Accounting, by_kernel_count: int) -> str:
    if not accounting.lossy and not by_kernel_count:
        return "nothing"
    more = " and an unknown number more" if accounting.losses_of_unknown_size else ""
    lost = count(max(accounting.lost, by_kernel_count), "event")
    return f"{lost}{more}: what is not here is unknown, not nobody"


Session.drawn = html
