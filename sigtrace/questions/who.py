"""Who: who ended a process, or sent it what, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.errors import SessionError
from sigtrace.facts.signals import error_name, signal_name, target_name
from sigtrace.questions import calls
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    import duckdb

    from sigtrace.store.session import Session


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


def _sent(database: Database, events: str, pids: set[tuple[str, int]] | None) -> list[dict[str, Any]]:
    relation = database.connection.table(events)
    names = _names(relation)
    database.keep("sent", calls.sent(relation))
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
    for row in calls.names(events).to_arrow_table().to_pylist():
        names.setdefault((row["log"], row["pid"]), []).append(row["comm"])
    return names


def _signal(sig: int | None) -> str | None:
    return None if sig is None else signal_name(sig)


def _file(command: str | None) -> str | None:
    return None if not command else command.split(" ", 1)[0].rsplit("/", 1)[-1]
