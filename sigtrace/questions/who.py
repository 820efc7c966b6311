"""Who: who ended a process, or sent it what, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.causes.victims import victim
from sigtrace.errors import SessionError
from sigtrace.facts.signals import error_name, signal_name, target_name
from sigtrace.questions import calls
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import in_time, time, told

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.causes.verdict import Judge
    from sigtrace.store.session import Session

    Answer = dict[str, Any]


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
    return ask(source, asked, exits=exits)[0]


def ask(database: Database, asked: str, *, exits: bool) -> tuple[list[Answer], int]:
    """Return what `who` does, and how many processes exited that are not among it."""
    if asked == "all":
        found = _Found(None)
        exited = database.follow(found.ended, all_endings=exits)
        if found.deaths or exited:
            return found.in_time(), exited
        return _sent(database, None), 0
    found = _Found(asked)
    logs = _logs_with(database, int(asked)) if asked.isdigit() else None
    database.follow(found.ended, found.settled, among=logs)
    if found.deaths:
        return found.in_time(), 0
    if found.hits:
        return [_survived(hit, lossy=database.accounting.lossy) for hit in sorted(found.hits, key=in_time)], 0
    if asked.isdigit():
        return _sent(database, {(log, int(asked)) for log in logs or database.logs}), 0
    pids = {(log, pid) for (log, pid), names in _names(database.events).items() if asked in names}
    if not pids:
        raise SessionError(
            f"{database.name}: no process called {asked} is known by that name here: ask by pid, or `who` for all"
        )
    return _sent(database, pids), 0


class _Found:
    """Deaths, and signals that hit, of one who is asked for by pid or by name, or of all."""

    def __init__(self, asked: str | None) -> None:
        self.deaths: list[Answer] = []
        self.hits: list[Answer] = []
        self._name = asked
        self._pid = int(asked) if asked is not None and asked.isdigit() else None

    def ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        if self._is(process):
            self.deaths.append({"log": log, **judge.ending(process, lost)})

    def settled(self, log: str | None, signal: Signal) -> None:
        if self._is(signal.victim):
            self.hits.append({"log": log, **victim(signal)})

    def in_time(self) -> list[Answer]:
        return [told(death) for death in sorted(self.deaths, key=in_time)]

    def _is(self, process: Process) -> bool:
        if self._name is None or self._pid is not None:
            return self._pid is None or process.pid == self._pid
        return self._name in (process.name(), _file(process.filename), _file(process.command))


def _logs_with(database: Database, pid: int) -> Collection[str | None]:
    if len(database.logs) == 1:
        return database.logs
    where = f"pid = {pid} OR target = {pid} OR (tid = {pid} AND pid IS NULL)"
    return [row["log"] for row in database.rows(f"SELECT DISTINCT log FROM events WHERE {where}")]


def _survived(hit: Answer, *, lossy: bool) -> Answer:
    return {
        "log": hit["log"],
        "victim_pid": hit["victim_pid"],
        "victim_comm": hit["victim_comm"],
        "time": time(hit["time"]),
        "ts": hit["ts"],
        "sig": hit["sig"],
        "signal": signal_name(hit["sig"]),
        "verdict": "alive",
        "source": hit["source"],
        "killer_pid": hit["sender_pid"],
        "killer_comm": hit["sender_comm"],
        "group": hit["group"],
        "ancestors": [],
        "lost": lossy,
        "lines": [line for line in (hit["line"], hit["call_line"]) if line is not None],
        "fate": hit["fate"],
    }


def _sent(database: Database, pids: Collection[tuple[str | None, int]] | None) -> list[dict[str, Any]]:
    names = _names(database.events)
    database.keep("sent", calls.sent(database.events))
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
        if pids is None or (row["log"], row["target"]) in pids or (row["target"] <= 0 <= row["ret"])
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
