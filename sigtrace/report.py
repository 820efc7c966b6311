"""Report: the answers about sessions as sentences and tables, or as JSON.

`python -m sigtrace.report SESSION...` is `sigtrace report SESSION...`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sigtrace import analyze, tally, terminal, who
from sigtrace.clock import Clock
from sigtrace.database import Database
from sigtrace.sections import cell, numeric, sections
from sigtrace.signals import ERRORS, error_name, signal_name, source_name, target_name

if TYPE_CHECKING:
    import duckdb

    from sigtrace.sections import Section
    from sigtrace.session import Session

_TOP = 10
_MOST = 1_000
_STEPS = 200


def summary(source: Session | Database, *, timeline: bool = True) -> dict[str, Any]:
    """Return what sessions say of their calls and deaths, as JSON can hold it.

    Keys: session; verdicts (how many deaths of each); deaths (a list of the objects of `sigtrace.who.who`, each with a
    `sentence`, and with the rows that it rests on as `evidence`); calls, failed, probes; found (of the probes); seconds
    (null for a clock of bare ticks, and for several logs); senders, targets, signals, failures, probed, storms,
    escalations, matrix, losses (each a list of objects, the most first); timeline (`step_us`, and `rows`: none
    without); halves, lost; unknown (a sentence, or null where nothing was lost); accounting. Each list has at most 1,000 objects,
    and `counts` says by its key how many there are.
    """
    if not isinstance(source, Database):
        with Database(source) as database:
            return summary(database, timeline=timeline)
    counts: dict[str, int] = {}
    return {
        "session": source.name,
        **_of_deaths(source, counts),
        **_of_calls(source, counts),
        "storms": _most(source, counts, "storms", source.storms(), "calls DESC"),
        "escalations": [
            {**row, "asked": signal_name(row["asked_sig"])}
            for row in _most(source, counts, "escalations", source.escalations(), "grace_us")
        ],
        "timeline": _timeline(source) if timeline else {"step_us": 1, "rows": []},
        "halves": source.accounting.lines_by_kind.get("half", 0),
        "lost": source.accounting.lost,
        "losses": _most(source, counts, "losses", analyze.losses(source.events), "log, cpu"),
        "unknown": unknown(source),
        "accounting": source.accounting.to_dict(),
        "counts": counts,
    }


def _of_deaths(database: Database, counts: dict[str, int]) -> dict[str, Any]:
    deaths = who.named(_most(database, counts, "deaths", database.tell(), "time, ts"))
    evidence = database.cited(deaths)
    verdicts = {row["verdict"]: row["n"] for row in database.rows("SELECT verdict, count(*) AS n FROM told GROUP BY 1")}
    if exited := database.exited():
        verdicts["exited"] = exited
    by = "CASE WHEN killer_pid IS NOT NULL THEN coalesce(killer_comm, '?') END AS killer, source, victim_comm, sig"
    matrix = database.connection.sql(f"SELECT {by}, count(*) AS deaths FROM told GROUP BY ALL")
    return {
        "verdicts": verdicts,
        "deaths": [
            {**death, "sentence": who.death_sentence(death, database), "evidence": rows}
            for death, rows in zip(deaths, evidence, strict=True)
        ],
        "matrix": [
            {
                "killer": source_name(row["source"]) if row["killer"] is None else row["killer"],
                "victim": row["victim_comm"] or "?",
                "signal": None if row["sig"] is None else signal_name(row["sig"]),
                "deaths": row["deaths"],
            }
            for row in _most(database, counts, "matrix", matrix, "deaths DESC")
        ],
    }


def _of_calls(database: Database, counts: dict[str, int]) -> dict[str, Any]:
    calls = database.tally()
    (total,) = tally.totals(calls).to_arrow_table().to_pylist()
    timed = total["calls"] and database.accounting.ts_unit == "us" and len(database.logs) == 1
    by = {
        "senders": tally.by_sender(calls),
        "targets": tally.by_target(calls),
        "signals": tally.by_signal(calls),
        "failures": tally.failures(calls),
        "probed": tally.probed(calls),
    }
    rows = {key: _most(database, counts, key, found, "calls DESC") for key, found in by.items()}
    return {
        "calls": total["calls"],
        "failed": total["failed"],
        "probes": total["probes"],
        "found": database.rows("SELECT coalesce(sum(found), 0)::BIGINT AS found FROM found_probed")[0]["found"],
        "seconds": (total["last_ts"] - total["first_ts"]) / 1e6 if timed else None,
        **{key: [_explained(row) for row in found] for key, found in rows.items()},
    }


def _explained(row: dict[str, Any]) -> dict[str, Any]:
    said = dict(row)
    if "target" in row:
        said["means"] = target_name(row["target"])
    if "sig" in row:
        said |= {"signal": signal_name(row["sig"]), "log": None}
    if "ret" in row:
        said |= {"error": error_name(row["ret"]), "meaning": ERRORS.get(-row["ret"], ("", "see errno(3)"))[1]}
    return said


def _most(
    database: Database, counts: dict[str, int], key: str, found: duckdb.DuckDBPyRelation, order: str
) -> list[dict[str, Any]]:
    kept = f"found_{key}"
    database.keep(kept, found)
    counts[key] = database.rows(f"SELECT count(*) AS n FROM {kept}")[0]["n"]
    # Ties in the order of the other values, so that two runs say the same.
    names = ", ".join(f'"{name}"' for name in found.columns)
    return database.rows(f"FROM {kept} ORDER BY {order}, {names} LIMIT {_MOST}")


def _timeline(database: Database) -> dict[str, Any]:
    events = database.events
    if len(database.logs) > 1:
        # Clocks of several logs have nothing in common but UTC.
        columns = "* REPLACE (epoch_us(time) AS ts, NULL::VARCHAR AS log)"
        events = database.connection.sql(f"SELECT {columns} FROM events WHERE time IS NOT NULL")
    shown = events.filter("event IN ('kill', 'signal_generate', 'sched_process_exit')")
    span = shown.aggregate("min(ts) AS first, max(ts) AS last").to_arrow_table().to_pylist()[0]
    if span["first"] is None:
        return {"step_us": 1, "rows": []}
    step = (span["last"] - span["first"]) // _STEPS + 1
    rows = analyze.timeline(shown, step).order("ts").to_arrow_table().to_pylist()
    return {"step_us": step, "rows": rows}


def unknown(source: Session | Database) -> str | None:
    """Return in a sentence what losses leave unknown, or None where every line is there."""
    account = source.accounting
    halves = account.lines_by_kind.get("half", 0)
    parts = []
    if account.lossy:
        where = sorted({*account.lost_by_cpu, *account.losses_of_unknown_size})
        many = "an unknown number of" if account.losses_of_unknown_size else f"{account.lost:,}"
        parts.append(f"{many} events were lost on CPU {', '.join(map(str, where))}, so calls made there are missing")
    if source.lost_by_kernel_count > account.lost:
        parts.append(
            f"the kernel counted {source.lost_by_kernel_count - account.lost:,} lost events that no line tells of"
        )
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
    clock = Clock(answer)
    for section in sections(answer):
        if section.key not in _NOT_AS_TEXT and section.rows:
            print()
            _write_section(section, clock, answer["counts"][section.key])


_NOT_AS_TEXT = ("accounting",)


def _write_section(section: Section, clock: Clock, n: int) -> None:
    more = f" Here the first {_TOP} of {n:,}; --json has more." if n > _TOP else ""
    said = "".join(text for _, text in section.sentence)
    # A time of each is too wide for a terminal, and --json has them.
    columns = {key: head for key, head in section.columns.items() if not key.endswith("_ts")}
    rows = [[cell(key, row, clock)[0] for key in columns] for row in section.rows[:_TOP]]
    right = [numeric(key) for key in columns]
    terminal.table(f"{section.title}: {said}{more}", list(columns.values()), rows, right)


def _tell_deaths(answer: dict[str, Any]) -> None:
    if not answer["verdicts"]:
        return
    verdicts = answer["verdicts"]
    said = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(verdicts.items()))
    print()
    terminal.sentence(f"{terminal.count(sum(verdicts.values()), 'process', 'processes')} ended: {said}.")
    for death in answer["deaths"][:_TOP]:
        terminal.sentence("- " + death["sentence"])
    if (more := answer["counts"]["deaths"] - _TOP) > 0:
        terminal.sentence(f"- and {more:,} more: `sigtrace who {answer['session']}` tells all.")


def _headline(answer: dict[str, Any]) -> str:
    name = terminal.escaped(answer["session"])
    account = answer["accounting"]
    if not answer["calls"]:
        others = terminal.count(account["lines_by_kind"].get("other", 0), "line")
        return f"{name}: no whole call in {terminal.count(account['lines'], 'line')}; {others} are of other programs."
    took = "" if answer["seconds"] is None else f" in {answer['seconds']:,.3f} s"
    senders = terminal.count(answer["counts"]["senders"], "sender")
    return (
        f"{name}: {terminal.count(answer['calls'], 'call')}{took} by {senders}; "
        f"{answer['failed']:,} failed, {answer['probes']:,} only asked (signal 0)."
    )


if __name__ == "__main__":
    from sigtrace.cli import main

    sys.exit(main(["report", *sys.argv[1:]]))
