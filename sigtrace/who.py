"""Who: who ended a process, or sent it what, and how that is known; each answer in a sentence, or as an object."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sigtrace import analyze
from sigtrace.database import Database
from sigtrace.errors import SessionError
from sigtrace.signals import error_name, signal_name, target_name
from sigtrace.terminal import count, escaped, sentence

if TYPE_CHECKING:
    import duckdb

    from sigtrace.session import Session

_SOURCES = {
    "terminal": "from its terminal",
    "timer": "from a timer of its own",
    "parent": "when its parent ended",
    "kernel": "from the kernel",
    "oom": "from the OOM killer",
    "fault": "for a fault of its own",
}


def who(source: Session | Database, asked: str = "all", *, exits: bool = True) -> list[dict[str, Any]]:
    """Return how `asked` ended: a pid, a name, or `all`; in the order of time.

    Where the session has the kernel's events, an object is a death, with the columns of `sigtrace.analyze.deaths` and
    `signal` by name; of one that did not end, a signal that it got, with `verdict` alive and its `fate`. Where the
    session has none, an object is a kind of calls that named it, or a group that it may have been in: with `verdict`
    unknown, for two lines do not say who died, and `result` and `calls` besides. Every object has log, victim_pid,
    victim_comm, time, ts, signal, verdict, killer_pid, killer_comm, group, ancestors, lost and lines; what is not known
    is null. Of `all`, `exits` says whether those that only exited are among them. Raises `SessionError` where nobody of
    that name is known.
    """
    if not isinstance(source, Database):
        with Database(source) as database:
            return who(database, asked, exits=exits)
    if asked == "all":
        source.tell()
        ended = named(source.rows(f"FROM {'deaths' if exits else 'told'} ORDER BY time, ts, log, victim_pid"))
        return ended or ([] if source.exited() else _sent(source, "events", None))
    if asked.isdigit():
        source.follow(_OF_PID.format(pid=int(asked)))
        found = source.rows("FROM ended ORDER BY time, ts, log")
    else:
        name = "'" + asked.replace("'", "''") + "'"
        source.follow(_OF_NAME.format(name=name))
        ended = source.rows("FROM ended ORDER BY time, ts, log, victim_pid")
        found = [death for death in ended if asked in (death["victim_comm"], _file(death["command"]))]
        if not found:
            source.follow(_KNOWN_BY.format(name=name))
    pids = {(row["of_log"], row["process"]) for row in source.rows("FROM asked")}
    if not pids and not asked.isdigit():
        raise SessionError(
            f"{source.name}: no process called {asked} is known by that name here: ask by pid, or `who` for all"
        )
    return named(found) or _survived(source) or _sent(source, "nearby", pids or {("", int(asked))})


_OF_PID = """
SELECT DISTINCT coalesce(log, '') AS of_log, {pid}::INTEGER AS process FROM (
    SELECT log FROM events WHERE pid = {pid} UNION SELECT log FROM events WHERE target = {pid}
    UNION SELECT log FROM events WHERE tid = {pid} AND pid IS NULL
)
"""
_KNOWN_BY = """
SELECT DISTINCT coalesce(log, '') AS of_log, coalesce(pid, tid) AS process FROM events
WHERE comm = {name} AND event IN ('kill', 'kill_half', 'sched_process_exit')
UNION SELECT coalesce(log, ''), target FROM events WHERE target_comm = {name} AND event = 'signal_generate'
"""
# Or by the file that it executed; and those that it forked, which go on as the same until they execute another. Of a
# pid that was given out twice, that may have been another life: the deaths say.
_OF_NAME = f"""
WITH RECURSIVE known AS (
    {_KNOWN_BY}
    UNION SELECT coalesce(log, ''), coalesce(pid, tid) FROM events
    WHERE event IN ('sched_process_exec', 'process')
        AND (comm = {{name}} OR parse_filename(split_part(filename, ' ', 1), false, '/') = {{name}}
            OR left(parse_filename(filename, false, '/'), 15) = {{name}})
), forked AS (
    SELECT coalesce(log, '') AS of_log, coalesce(pid, tid) AS process, target, target_comm FROM events
    WHERE event = 'sched_process_fork'
), reborn AS (
    SELECT of_log, target AS process FROM forked GROUP BY ALL HAVING count(*) > 1
), executed AS (
    SELECT of_log, process FROM (
        SELECT coalesce(log, '') AS of_log, coalesce(pid, tid) AS process FROM events
        WHERE event = 'sched_process_exec'
    ) ANTI JOIN reborn USING (of_log, process)
), family AS (
    (FROM known UNION SELECT of_log, target FROM forked WHERE target_comm = {{name}}
        AND NOT EXISTS (FROM executed WHERE executed.of_log = forked.of_log AND executed.process = forked.target))
    UNION SELECT forked.of_log, forked.target FROM forked JOIN family USING (of_log, process)
    WHERE NOT EXISTS (FROM executed WHERE executed.of_log = forked.of_log AND executed.process = forked.target)
) SELECT DISTINCT of_log, process FROM family
"""


def named(deaths: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return deaths, each with its `signal` by name."""
    return [{**row, "signal": _signal(row["sig"])} for row in deaths]


def tell(source: Session | Database, asked: str, answer: list[dict[str, Any]], unknown: str | None) -> None:
    """Print what `who` returned, a sentence each, and what losses leave unknown."""
    if not isinstance(source, Database):
        with Database(source) as database:
            tell(database, asked, answer, unknown)
        return
    exited = source.exited() if asked == "all" else 0
    if not answer and not exited:
        whom = "anybody" if asked == "all" else escaped(asked)
        sentence(f"Who sent {whom} a signal is unknown." if unknown else f"Nobody sent {whom} a signal in this log.")
    for one in answer if asked != "all" else [one for one in answer if one["verdict"] != "exited"]:
        sentence(_sentence(one, source))
    if exited:
        more = "more " if any(one["verdict"] != "exited" for one in answer) else ""
        sentence(f"{count(exited, 'process', 'processes')} {more}ended by exiting.")
    if unknown:
        sentence(f"Unknown: {unknown}")


def death_sentence(death: dict[str, Any], session: Session | Database) -> str:
    """Return a death of `who` in a sentence or two, with the lines that it rests on."""
    victim = f"{escaped(death['victim_comm'] or '?')} ({death['victim_pid']})"
    parts = [f"{when(death, session)} {victim} {_ended(death)}"]
    if death["earlier_sig"] is not None:
        grace = f"{death['grace_us'] / 1e6:,.3f} s before"
        parts.append(f"{signal_name(death['earlier_sig'])} had come {grace} ({death['earlier_fate']})")
    if death["killer_pid"] is not None and death["ancestors"] and death["killer_pid"] != death["victim_pid"]:
        line = " < ".join(map(escaped, death["ancestors"]))
        parts.append(f"the killer's ancestors: {line}")
    if death["lost"]:
        parts.append("events were lost about then")
    return f"{'; '.join(parts)}. {_cited(death, session)}"


def when(row: dict[str, Any], session: Session | Database) -> str:
    """Return the time of a row: UTC where it is known, else seconds or ticks of the trace clock."""
    if isinstance(row.get("time"), datetime):
        return f"{row['time']:%Y-%m-%d %H:%M:%S.%f}Z"
    return f"{row['ts'] / 1e6:.6f}" if session.accounting.ts_unit == "us" else str(row["ts"])


def _cited(row: dict[str, Any], session: Session | Database) -> str:
    lines = f"{'line' if len(row['lines']) == 1 else 'lines'} {', '.join(map(str, row['lines']))}"
    several = isinstance(session, Database) and len(session.logs) > 1
    return f"[{escaped(row['log'] or '')}: {lines}]" if several else f"[{lines}]"


def _ended(death: dict[str, Any]) -> str:
    signal = death["signal"]
    after = "" if death["delay_us"] is None else f", {_duration(death['delay_us'])} after it was sent"
    if death["verdict"] == "exited":
        return "exited"
    if death["verdict"] == "unknown":
        return "ended, and why is unknown" + (f"; {signal} was delivered to it" if signal else "")
    if death["verdict"] == "self":
        return f"ended itself with {signal}" + (", as one of a group" if death["group"] else "")
    if death["killer_pid"] is None:
        return f"was ended by {signal} {_SOURCES[death['source']]}{after}"
    killer = f"{escaped(death['killer_comm'] or '?')} ({death['killer_pid']})"
    if death["actor_pid"] not in (None, death["killer_pid"]):
        killer += f" for {escaped(death['actor_comm'])} ({death['actor_pid']})"
    group = ", as one of a group" if death["group"] else ""
    return f"was killed by {killer} with {signal}{group}{after}"


def _sentence(one: dict[str, Any], session: Session | Database) -> str:
    if "calls" in one:
        return _sent_sentence(one, session)
    return _survived_sentence(one, session) if one["verdict"] == "alive" else death_sentence(one, session)


def _survived_sentence(one: dict[str, Any], session: Session | Database) -> str:
    victim = f"{escaped(one['victim_comm'] or '?')} ({one['victim_pid']})"
    source = _SOURCES.get(one["source"], "")
    if one["killer_pid"] is not None:
        source = f"from {escaped(one['killer_comm'] or '?')} ({one['killer_pid']})"
    group = ", as one of a group" if one["group"] else ""
    got = f"{victim} got {one['signal']} {source}{group}: {one['fate']}"
    return f"{when(one, session)} {got}; it lived on. {_cited(one, session)}"


def _survived(database: Database) -> list[dict[str, Any]]:
    return [
        {
            "log": row["log"],
            "victim_pid": row["victim_pid"],
            "victim_comm": row["victim_comm"],
            "time": row["time"],
            "ts": row["ts"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "verdict": "alive",
            "source": row["source"],
            "killer_pid": row["sender_pid"],
            "killer_comm": row["sender_comm"],
            "group": row["group"],
            "ancestors": [],
            "lost": database.accounting.lossy,
            "lines": [line for line in (row["line"], row["call_line"]) if line is not None],
            "fate": row["fate"],
        }
        for row in database.rows("FROM hit ORDER BY time, ts, log, line")
    ]


def _sent_sentence(one: dict[str, Any], session: Session | Database) -> str:
    sender = f"{escaped(one['killer_comm'])} ({one['killer_pid']})"
    target = target_name(one["target"]) + (f" ({escaped(one['victim_comm'])})" if one["victim_comm"] else "")
    times = "" if one["calls"] == 1 else f", {one['calls']:,} times"
    doubt = "; whether it was among them, the lines do not say" if one["group"] else ""
    return (
        f"{when(one, session)} {sender} sent {one['signal']} to {target}: {one['result']}{times}{doubt}. "
        f"{_cited(one, session)}"
    )


def _sent(database: Database, events: str, pids: set[tuple[str, int]] | None) -> list[dict[str, Any]]:
    relation = database.connection.table(events)
    names = _names(relation)
    database.keep("sent", analyze.sent(relation))
    return [
        {
            "log": row["log"],
            "victim_pid": row["target"] if row["target"] > 0 else None,
            "victim_comm": min(names.get((row["log"], row["target"]), []), default=None),
            "time": row["first_time"],
            "ts": row["first_ts"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "verdict": "unknown",
            "killer_pid": row["pid"],
            "killer_comm": row["comm"],
            "group": row["target"] <= 0,
            "ancestors": [],
            "lost": database.accounting.lossy,
            "lines": [row["first_line"]],
            "target": row["target"],
            "means": target_name(row["target"]),
            "ret": row["ret"],
            "result": error_name(row["ret"]),
            "calls": row["calls"],
            "last_ts": row["last_ts"],
        }
        for row in database.rows("FROM sent ORDER BY first_time, first_ts, log, first_line")
        # A call to a group that failed reached nobody.
        if pids is None or (row["log"] or "", row["target"]) in pids or (row["target"] <= 0 <= row["ret"])
    ]


def _names(events: duckdb.DuckDBPyRelation) -> dict[tuple[str | None, int], list[str]]:
    names: dict[tuple[str | None, int], list[str]] = {}
    for row in analyze.names(events).to_arrow_table().to_pylist():
        names.setdefault((row["log"], row["pid"]), []).append(row["comm"])
    return names


def _signal(sig: int | None) -> str | None:
    return None if sig is None else signal_name(sig)


def _file(command: str | None) -> str | None:
    return None if not command else command.split(" ", 1)[0].rsplit("/", 1)[-1]


def _duration(us: int) -> str:
    if us < 1_000:
        return f"{us} µs"
    return f"{us / 1e3:.1f} ms" if us < 1_000_000 else f"{us / 1e6:,.1f} s"
