"""Summary: all that sessions answer, as one object that JSON can hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from sigtrace.causes.ledgers.kept import SpoiltError
from sigtrace.facts.rules import ASKING, KILL, STORM_CALLS
from sigtrace.facts.signals import ERRORS, error_name, signal_name, target_name
from sigtrace.output.sentence import sentence, source_text, unknown
from sigtrace.questions import calls as call_questions
from sigtrace.questions import counts as call_counts
from sigtrace.questions import deaths as death_counts
from sigtrace.questions import losses
from sigtrace.questions.database import Database
from sigtrace.questions.sql.lock import quoted
from sigtrace.questions.witnesses.joining import join

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    import duckdb

    from sigtrace.questions.deaths import Pair as Killing
    from sigtrace.questions.witnesses.pairs import End, Pair
    from sigtrace.store.session import Session

_MOST = 1_000
_STEPS = 200


def summary(
    source: Session | Database, *, timeline: bool = True, processes: int = 1, most_deaths: int = _MOST
) -> dict[str, Any]:
    """Return what sessions say of their calls and deaths, as JSON can hold it.

    Keys: session; logs (of each its name, and a moment by its clock as `ts` and in UTC as `time`); verdicts (how many
    deaths of each); exits_that_failed (how many exited with a status other than 0 though nobody asked them); deaths (a
    list of the objects of `sigtrace.who`, each with a `sentence`, and with the rows that it rests on as `evidence`);
    witnesses (which two logs are of one moment, and how many calls both saw, which are counted once, or one alone in
    the time of both; and how many deaths), disagreements (what they say differently of a call), verdicts_apart (of a
    death);
    calls, failed, probes; found (of the probes); seconds (null for a clock of bare ticks, and for several logs);
    senders, targets, signals, failures, probed, storms, escalations, matrix, askers, losses (each a list of objects,
    the most first); timeline (`step_us`, and `rows`: none without); halves, lost; unknown (in sentences, or null if
    nothing was lost and all events were on); accounting. Each list has at most 1,000 objects, that of deaths
    `most_deaths`, and `counts` says by its key how many there are. If there is much to read, so many `processes` share
    the work; they are spawned, so a script that wants more than one needs `if __name__ == "__main__"`.
    """
    if not isinstance(source, Database):
        with Database(source) as database:
            return summary(database, timeline=timeline, processes=processes, most_deaths=most_deaths)
    if timeline or not source.told:
        source.look()  # what is damaged is not to be found while two threads ask
    joined = join(source)
    while True:
        try:
            return _summary(source, joined, processes, most_deaths, timeline=timeline)
        except SpoiltError as error:
            source.spoil(error)
            source.look()


def _summary(
    source: Database, joined: list[Pair], processes: int, most_deaths: int, *, timeline: bool
) -> dict[str, Any]:
    counts: dict[str, int] = {}
    witnesses = _witnesses(joined, counts)
    told = source.told
    if told:
        source.calls.counted()  # to read many small files, two threads would wait for each other
    # The tracker follows the deaths, while DuckDB counts.
    with ThreadPoolExecutor(1) as thread, death_counts.Stop() as stop, stop:
        # Stopped twice: where DuckDB was interrupted, the signal's handler may raise as the first time begins.
        of_deaths = thread.submit(_of_deaths, source, counts, most_deaths, processes, stop)
        of_calls = _of_calls(source, counts)
        if told:
            wait([of_deaths])  # what follows may look at the files, and what is damaged is not to be found meanwhile
        of_both = _of_both(source, counts, of_calls, timeline=timeline)
        counted = {"logs": _logs(source, counts, joined), **of_calls, **of_both}
        answer = {"session": source.name, **of_deaths.result(), **witnesses, **counted}
        # Two runs say the same, whichever of the two was done first.
        return {**answer, "counts": {key: counts[key] for key in answer if key in counts}}


def _witnesses(joined: list[Pair], counts: dict[str, int]) -> dict[str, Any]:
    differ = [(pair, *found) for pair in joined for found in pair.disagreements]
    apart = [(pair, *found) for pair in joined for found in pair.verdicts_apart]
    counts |= {"witnesses": len(joined), "disagreements": len(differ), "verdicts_apart": len(apart)}
    return {
        "witnesses": [
            {
                "log": pair.log,
                "of_log": pair.of_log,
                "both": len(pair.both),
                "only": pair.only,
                "of_only": pair.of_only,
                "disagree": len(pair.disagreements),
                "deaths": len(pair.deaths),
                "deaths_apart": len(pair.verdicts_apart),
            }
            for pair in joined[:_MOST]
        ],
        "disagreements": [
            {
                "log": pair.log,
                "line": one.line,
                "of_log": pair.of_log,
                "of_line": other.line,
                "pid": pid,
                "target": target,
                "sig": sig,
                "signal": signal_name(sig),
                "comm": one.comm,
                "of_comm": other.comm,
                "ret": one.ret,
                "of_ret": other.ret,
            }
            for pair, (pid, target, sig), one, other in differ[:_MOST]
        ],
        "verdicts_apart": [
            {"pid": pid, "log": pair.log, **_end(one), "of_log": pair.of_log, **_end(other, "of_")}
            for pair, pid, one, other in apart[:_MOST]
        ],
    }


def _end(one: End, who: str = "") -> dict[str, Any]:
    signal = None if one.sig is None else signal_name(one.sig)
    said = {"line": one.line, "verdict": one.verdict, "signal": signal, "killer_pid": one.killer_pid}
    return {f"{who}{key}": value for key, value in said.items()}


def _of_both(database: Database, counts: dict[str, int], of_calls: dict[str, Any], *, timeline: bool) -> dict[str, Any]:
    # What the numbers rule out is not looked for: to ask DuckDB in vain takes longer than all else of a small session.
    many = of_calls["calls"] >= STORM_CALLS
    sent = {row["sig"] for row in of_calls["signals"]}
    killed = KILL in sent and not sent.isdisjoint(ASKING)
    escalations = _most(database, counts, "escalations", ["grace_us"], database.calls.escalations if killed else None)
    names = _target_names(database, escalations)
    lost = partial(losses.losses, database.frame) if database.accounting.lossy else None
    return {
        "storms": _most(database, counts, "storms", ["calls DESC"], database.calls.storms if many else None),
        "escalations": [{**_explained(row, names), "asked": signal_name(row["asked_sig"])} for row in escalations],
        "timeline": _timeline(database) if timeline else {"step_us": 1, "rows": []},
        "halves": database.accounting.lines_by_kind.get("half", 0),
        "lost": database.accounting.lost,
        "losses": _most(database, counts, "losses", ["log", "cpu"], lost),
        "unknown": unknown(database),
        "accounting": database.accounting.to_dict(),
    }


def _of_deaths(
    database: Database, counts: dict[str, int], most: int, processes: int, stop: death_counts.Stop
) -> dict[str, Any]:
    deaths = death_counts.counted(database, most, processes, stop)
    counts["deaths"] = deaths.verdicts.total() - deaths.verdicts["exited"]
    counts["matrix"], counts["askers"] = len(deaths.matrix), len(deaths.askers)
    return {
        "verdicts": {verdict: n for verdict, n in sorted(deaths.verdicts.items()) if n},
        "exits_that_failed": deaths.failed,
        "deaths": [{**death, "sentence": sentence(death, database)} for death in deaths.first],
        "matrix": _pairs(deaths.matrix),
        "askers": [
            {"asker": pair["killer"], "victim": pair["victim"], "signal": pair["signal"], "asks": pair["deaths"]}
            for pair in _pairs(deaths.askers)
        ],
    }


def _pairs(counted: Counter[Killing]) -> list[dict[str, Any]]:
    # Ties in the order of the names, so that two runs say the same.
    most = sorted(counted.items(), key=lambda entry: (-entry[1], *map(str, entry[0])))[:_MOST]
    return [
        {
            "killer": source_text(source) if killer is None else killer,
            "victim": victim or "?",
            "signal": None if sig is None else signal_name(sig),
            "deaths": n,
        }
        for (killer, source, victim, sig), n in most
    ]


def _of_calls(database: Database, counts: dict[str, int]) -> dict[str, Any]:
    calls = database.calls.counted()
    (total,) = _rows(call_counts.totals(calls))
    timed = total["calls"] and database.accounting.ts_unit in {"us", "utc"} and len(database.logs) == 1
    by = {
        "senders": (call_counts.by_sender, total["calls"]),
        "targets": (call_counts.by_target, total["calls"]),
        "signals": (call_counts.by_signal, total["calls"]),
        "failures": (call_counts.failures, total["failed"]),
        "probed": (call_counts.probed, total["probes"]),
    }
    rows = {
        key: _most(database, counts, key, ["calls DESC"], partial(question, calls) if n else None)
        for key, (question, n) in by.items()
    }
    found = _rows(call_counts.found(calls))[0]["found"] if total["probes"] else 0
    names = _target_names(database, rows["targets"])
    return {
        "calls": total["calls"],
        "failed": total["failed"],
        "probes": total["probes"],
        "found": found,
        "seconds": (total["last_ts"] - total["first_ts"]) / 1e6 if timed else None,
        **{key: [_explained(row, names) for row in of_key] for key, of_key in rows.items()},
    }


def _logs(database: Database, counts: dict[str, int], joined: list[Pair]) -> list[dict[str, Any]]:
    counts["logs"] = len(database.logs)
    found = {row["log"]: row for row in _rows(call_counts.began(database.calls.counted()))}
    if not found and counts["logs"] == 1:
        found = {row["log"]: row for row in _rows(call_questions.dated(database.frame))}
    for pair in joined:  # whose calls may all be counted for the other log
        _, _, call = pair.both[0]
        found.setdefault(pair.of_log, {"log": pair.of_log, "ts": call.ts, "time": death_counts.time(call.utc)})
    return [found.get(log, {"log": log, "ts": None, "time": None}) for log in database.logs[:_MOST]]


def _target_names(database: Database, rows: list[dict[str, Any]]) -> dict[tuple[str | None, int], str]:
    if not rows or "signal_generate" not in database.accounting.lines_by_kind:
        return {}
    targets = sorted({row["target"] for row in rows})
    named = _rows(database.calls.named(targets))
    return {(row["log"], row["target"]): row["comm"] for row in named}


def _explained(row: dict[str, Any], names: dict[tuple[str | None, int], str]) -> dict[str, Any]:
    explained = dict(row)
    if "target" in row:
        comm = names.get((row["log"], row["target"]))
        explained["means"] = target_name(row["target"]) if comm is None else f"{comm} ({row['target']})"
    if "sig" in row:
        explained["signal"] = signal_name(row["sig"])
    if row.get("ret") is not None:
        explained |= {"error": error_name(row["ret"]), "meaning": ERRORS.get(-row["ret"], ("", "see errno(3)"))[1]}
    return explained


def _but_signals_told_twice(database: Database) -> str:
    # Of two logs of one moment, the signals that the one shows are among those of the other.
    showing = [
        pair for pair in database.joined or () if "signal_generate" in database.about_of(pair.log)["lines_by_kind"]
    ]
    logs = ", ".join(quoted(pair.of_log) for pair in showing if pair.of_log is not None)
    return f" AND NOT (event = 'signal_generate' AND log IN ({logs}))" if logs else ""


def _most(
    database: Database, counts: dict[str, int], key: str, order: list[str], question: Callable[[], Any] | None
) -> list[dict[str, Any]]:
    found = None if question is None else question()
    if found is None:
        counts[key] = 0
        return []
    # Ties in the order of the other values, so that two runs say the same.
    if isinstance(found, pa.Table):
        by: list[tuple[str, Literal["ascending", "descending"]]] = [
            (one.removesuffix(" DESC"), "descending" if one.endswith(" DESC") else "ascending") for one in order
        ]
        by += [(name, "ascending") for name in found.column_names if name not in dict(by)]
        counts[key] = len(found)
        return _rows(found.sort_by(by).slice(0, _MOST))
    kept = database.keep(f"found_{key}", _narrowed(found))
    names = [*order, *(f'"{name}"' for name in found.columns)]
    rows = _rows(kept.order(", ".join(names)).limit(_MOST))
    counts[key] = len(rows) if len(rows) < _MOST else len(kept)
    return rows


def _rows(found: duckdb.DuckDBPyRelation | pa.Table) -> list[dict[str, Any]]:
    table = found if isinstance(found, pa.Table) else found.to_arrow_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _narrowed(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    # A sum of DuckDB is 128 bits wide, which comes as a decimal, and JSON has none.
    columns = zip(found.columns, map(str, found.types), strict=True)
    return found.project(", ".join(f'"{name}"{"::BIGINT" * (kind == "HUGEINT")} AS "{name}"' for name, kind in columns))


def _timeline(database: Database) -> dict[str, Any]:
    events = database.events
    if len(database.logs) > 1:
        # Clocks of several logs have nothing in common but UTC.
        columns = "* REPLACE (epoch_us(time) AS ts, NULL::VARCHAR AS log)"
        events = database.sql(f"SELECT {columns} FROM events WHERE time IS NOT NULL{_but_signals_told_twice(database)}")
    shown = events.filter("event IN ('kill', 'signal_generate', 'sched_process_exit')")
    span = shown.aggregate("min(ts) AS first, max(ts) AS last").to_arrow_table().to_pylist()[0]
    if span["first"] is None:
        return {"step_us": 1, "rows": []}
    step = (span["last"] - span["first"]) // _STEPS + 1
    rows = _narrowed(call_questions.timeline(shown, step)).order("ts").to_arrow_table().to_pylist()
    return {"step_us": step, "rows": rows}
