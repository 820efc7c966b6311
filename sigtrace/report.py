"""Report: the answers about a session as sentences and tables, or as JSON. `python -m sigtrace.report FILE`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from sigtrace import analyze, terminal, who
from sigtrace.signals import ERRORS, error_name, signal_name, target_name

if TYPE_CHECKING:
    from sigtrace.session import Session

_TOP = 10


def summary(session: Session) -> dict[str, Any]:
    """Return what a session says of its calls, as JSON can hold it.

    Keys: session; verdicts (how many deaths of each); deaths (a list of the objects of `sigtrace.who.who`, each with
    a `sentence`); calls, failed, probes; seconds (null for a clock of bare ticks); senders, targets, signals, failures,
    probed (each a list of objects, most calls first); halves, lost, losses; unknown (a sentence, or null where nothing
    was lost); accounting.
    """
    events = session.table
    total = analyze.totals(events).to_pylist()[0]
    account = session.accounting
    span = (total["last_ts"] - total["first_ts"]) / 1e6 if total["calls"] and account.ts_unit == "us" else None
    dead = who.deaths(session)
    return {
        "session": session.name,
        "verdicts": dict(Counter(death["verdict"] for death in dead)),
        "deaths": [{**death, "sentence": who.death_sentence(death, session)} for death in dead],
        "calls": total["calls"],
        "failed": total["failed"] or 0,
        "probes": total["probes"] or 0,
        "seconds": span,
        "senders": _most(analyze.by_sender(events).to_pylist()),
        "targets": _most(
            [{**row, "means": target_name(row["target"])} for row in analyze.by_target(events).to_pylist()]
        ),
        "signals": _most([{**row, "signal": signal_name(row["sig"])} for row in analyze.by_signal(events).to_pylist()]),
        "failures": _most([_explained(row) for row in analyze.failures(events).to_pylist()]),
        "probed": _most([{**row, "means": target_name(row["target"])} for row in analyze.probes(events).to_pylist()]),
        "halves": account.lines_by_kind.get("half", 0),
        "lost": account.lost,
        "losses": sorted(analyze.losses(events).to_pylist(), key=lambda row: row["cpu"]),
        "unknown": unknown(session),
        "accounting": account.to_dict(),
    }


def unknown(session: Session) -> str | None:
    """Return in a sentence what losses leave unknown, or None where every line is there."""
    account = session.accounting
    halves = account.lines_by_kind.get("half", 0)
    parts = []
    if account.lossy:
        where = sorted({*account.lost_by_cpu, *account.losses_of_unknown_size})
        many = "an unknown number of" if account.losses_of_unknown_size else f"{account.lost:,}"
        parts.append(f"{many} events were lost on CPU {', '.join(map(str, where))}, so calls made there are missing")
    counted = sum(session.about.get("lost_by_kernel_count", {}).values())
    if counted > account.lost:
        parts.append(f"the kernel counted {counted - account.lost:,} lost events that no line tells of")
    if halves:
        parts.append(
            f"of {terminal.count(halves, 'call')} only one line is there, so the signal or the target is not known"
        )
    if (malformed := account.lines_by_kind.get("malformed", 0)) or account.layouts:
        unread = malformed + account.lines_by_kind.get("unstitchable", 0)
        parts.append(f"{unread:,} lines could not be read")
    if not parts:
        return None
    return "; ".join(parts) + ". That nobody else sent a signal cannot be said from this log."


def write_json(answer: object) -> None:
    """Print an answer as JSON on stdout."""
    json.dump(answer, sys.stdout, indent=2, default=str)
    print()


def write_text(answer: dict[str, Any]) -> None:
    """Print what `summary` returned as sentences and tables."""
    terminal.sentence(_headline(answer))
    terminal.sentence(f"Unknown: {answer['unknown']}" if answer["unknown"] else "Nothing was lost.")
    _tell_deaths(answer)
    if not answer["calls"]:
        return
    for key, title, columns in _TABLES:
        if rows := answer[key]:
            more = f"; here the first {_TOP}, --json has all" if len(rows) > _TOP else ""
            shown = [[row[name] for name in columns.values()] for row in rows[:_TOP]]
            print()
            terminal.table(f"{title}: {len(rows):,}{more}", list(columns), shown)


# key of the answer, title, and by the head of each column the key that it shows
_TABLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "signals",
        "Different signals",
        {"calls": "calls", "signal": "signal", "failed": "failed", "senders": "senders", "targets": "targets"},
    ),
    (
        "senders",
        "Senders",
        {"calls": "calls", "pid": "pid", "name": "comm", "failed": "failed", "probes": "probes", "targets": "targets"},
    ),
    (
        "targets",
        "Targets, as the senders named them",
        {"calls": "calls", "target": "means", "failed": "failed", "probes": "probes", "senders": "senders"},
    ),
    (
        "failures",
        "Who failed, and why",
        {"calls": "calls", "pid": "pid", "name": "comm", "error": "error", "which means": "meaning"},
    ),
    (
        "probed",
        "Who asked whether a process exists (signal 0)",
        {"calls": "calls", "found it": "found", "pid": "pid", "name": "comm", "target": "means"},
    ),
    ("losses", "CPUs that lost events", {"cpu": "cpu", "times": "losses", "events": "lost"}),
)


def _tell_deaths(answer: dict[str, Any]) -> None:
    if not answer["deaths"]:
        return
    said = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(answer["verdicts"].items()))
    print()
    terminal.sentence(f"{terminal.count(len(answer['deaths']), 'process', 'processes')} ended: {said}.")
    told = [death for death in answer["deaths"] if death["verdict"] != "exited"]
    for death in told[:_TOP]:
        terminal.sentence("- " + death["sentence"])
    if len(told) > _TOP:
        terminal.sentence(f"- and {len(told) - _TOP:,} more: `sigtrace who {answer['session']}` tells all.")


def _headline(answer: dict[str, Any]) -> str:
    name = terminal.escaped(answer["session"])
    account = answer["accounting"]
    if not answer["calls"]:
        others = terminal.count(account["lines_by_kind"].get("other", 0), "line")
        return f"{name}: no whole call in {terminal.count(account['lines'], 'line')}; {others} are of other programs."
    took = "" if answer["seconds"] is None else f" in {answer['seconds']:,.3f} s"
    senders = terminal.count(len(answer["senders"]), "sender")
    return (
        f"{name}: {terminal.count(answer['calls'], 'call')}{took} by {senders}; "
        f"{answer['failed']:,} failed, {answer['probes']:,} only asked (signal 0)."
    )


def _explained(row: dict[str, Any]) -> dict[str, Any]:
    meaning = ERRORS.get(-row["ret"], ("", "see errno(3)"))[1]
    return {**row, "error": error_name(row["ret"]), "meaning": meaning}


def _most(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Ties in the order of the other values, so that two runs print the same.
    return sorted(rows, key=lambda row: (-row["calls"], *map(str, row.values())))


if __name__ == "__main__":
    from sigtrace.cli import main

    sys.exit(main(["report", *sys.argv[1:]]))
