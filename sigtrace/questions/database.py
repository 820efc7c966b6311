"""Database: sessions, however many and however large, opened in DuckDB."""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from sigtrace.causes import endings as deaths
from sigtrace.causes import victims
from sigtrace.errors import Error, SessionError
from sigtrace.facts.schema import PLAIN
from sigtrace.facts.signals import signal_name
from sigtrace.questions import calls, evidence
from sigtrace.questions import counts as tally
from sigtrace.questions.calls import ASKING, STORM_CALLS, STORM_GAP_US
from sigtrace.store.sessions import shelved
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import duckdb

    from sigtrace.store.session import Session
    from sigtrace.store.sessions import Shelved

_EVIDENCE = (
    *("line", "ts", "time", "cpu", "event", "comm", "pid", "tid", "sig", "target", "ret", "target_comm"),
    *("code", "grp", "res", "handler", "group_dead", "filename"),
)
_OF_A_CALL = "event, ts, line, log, pid, comm, sig, target, ret"  # what analyze asks of one
_MEMORY = "1GB"  # what does not fit goes to a temporary folder

# Where the kernel does not say whether it was the last thread, the one that the process is named by.
_ENDS = "event = 'sched_process_exit' AND coalesce(group_dead, tid = coalesce(pid, tid))"
_EXITED = f"""
CREATE VIEW told AS FROM followed WHERE verdict <> 'exited';
CREATE VIEW exited AS
SELECT log, coalesce(pid, tid)::BIGINT AS victim_pid, comm AS victim_comm, ts, time, [line] AS lines FROM events
ANTI JOIN hit_whose ON coalesce(log, '') = of_log AND coalesce(pid, tid) = process
WHERE {_ENDS}
UNION ALL SELECT log, victim_pid, victim_comm, ts, time, lines FROM followed WHERE verdict = 'exited';
CREATE VIEW deaths AS
SELECT {", ".join(f'"{name}"' for name in deaths.SCHEMA.names)} FROM (
    FROM told UNION ALL BY NAME SELECT *, 'exited' AS verdict, false AS "group", false AS lost FROM exited
)
"""

# A storm of 100 calls, 10 ms apart at most: the last of them is within 99 gaps of the call 99 before it, whosever; but
# for those that stand a little out of order. A log whose CPUs were put one behind the other is looked at as a whole.
_DENSE = f"""
CREATE OR REPLACE TABLE dense AS SELECT DISTINCT coalesce(log, '') FROM (
    SELECT log, ts - lag(ts, {STORM_CALLS - 1}) OVER () AS took, lag(log, {STORM_CALLS - 1}) OVER () AS before,
        lag(ts) OVER () - ts AS back, lag(log) OVER () AS behind
    FROM kills
) WHERE (took <= {STORM_CALLS * STORM_GAP_US} AND before IS NOT DISTINCT FROM log)
    OR (back > {STORM_GAP_US} AND behind IS NOT DISTINCT FROM log)
"""
_ASKED = f"""
CREATE OR REPLACE TABLE both_sent AS
SELECT coalesce(log, '') AS of_log, target FROM tallied WHERE ret = 0
GROUP BY ALL HAVING bool_or(sig = 9) AND bool_or(sig IN {ASKING})
"""


class Database:
    """Sessions in DuckDB, with the views `events`, `kills` and `deaths`.

    `sources` are recordings, Parquet files that sigtrace wrote, raw logs, folders of these, globs, or a `Session`. Of
    several sessions, those whose rows name no log, or the same one as others, have their path for `log`. `events` are
    all rows, `kills` the whole calls. `deaths` has the columns of `sigtrace.analyze.deaths`; of processes that only
    exited it says who and when, and leaves what came before them null. A context manager; raw logs are parsed into a
    temporary folder, which goes with it. Raises `SessionError` and `LogError` where something cannot be opened.
    """

    def __init__(self, *sources: str | os.PathLike[str] | Session) -> None:
        import duckdb

        self._scratch = tempfile.TemporaryDirectory(prefix="sigtrace-")
        try:
            # A session that two sources stand for is one.
            found = (one for source in sources for one in shelved(source, Path(self._scratch.name)))
            self._shelf = list({_place(one) or n: one for n, one in enumerate(found)}.values())
            self._shared = Counter(log for one in self._shelf for log in one.logs)
            self.name = ", ".join(one if isinstance(one, str) else str(getattr(one, "name", one)) for one in sources)
            self.abouts = [one.about for one in self._shelf]
            self.accounting = sum((Accounting.from_dict(about) for about in self.abouts), Accounting())
            self.connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": self._scratch.name})
            self._open()
        except duckdb.Error as error:
            self._scratch.cleanup()
            raise SessionError(f"{self.name}: {_said(error)}") from error
        except BaseException:
            self._scratch.cleanup()
            raise
        self._made: set[str] = set()

    def _open(self) -> None:
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true")
        for number, one in enumerate(self._shelf):
            if one.rows is not None:
                self.connection.register("rows", one.rows)
                self.connection.execute(f"CREATE TABLE rows_{number} AS FROM rows; DROP VIEW rows")
        self._view("events", range(len(self._shelf)))
        self.connection.execute("CREATE VIEW kills AS SELECT * FROM events WHERE event = 'kill'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and remove what was parsed into the temporary folder."""
        self.connection.close()
        self._scratch.cleanup()

    def beside(self) -> Self:
        """Return the same database with a connection of its own, to be asked in another thread."""
        other = copy.copy(self)
        other.connection = self.connection.cursor()
        return other

    @property
    def logs(self) -> list[str | None]:
        """The names that the rows have for their logs."""
        return [log for n, one in enumerate(self._shelf) for log in self._logs(n, one)]

    @property
    def lost_by_kernel_count(self) -> int:
        """Events that the kernel counted as lost, in all recordings."""
        return sum(sum(about.get("lost_by_kernel_count", {}).values()) for about in self.abouts)

    @property
    def events(self) -> duckdb.DuckDBPyRelation:
        """The rows of all sessions, as a relation of DuckDB."""
        return self.connection.table("events")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return what a query over the views gives, as a relation. Raises `Error` where DuckDB cannot run it."""
        import duckdb

        if "deaths" in query.lower():
            self.tell()
        try:
            return self.connection.sql(query)
        except duckdb.Error as error:
            raise Error(f"the query cannot be run: {_said(error)}") from error

    def answer(self, query: str) -> pa.Table:
        """Return what a query over the views gives, as a table. Raises `Error` where DuckDB cannot run it."""
        import duckdb

        found = self.sql(query)
        try:
            # A statement that is no query gives no relation.
            table: pa.Table = pa.table({}) if found is None else found.to_arrow_table()
        except duckdb.Error as error:
            raise Error(f"the query cannot be run: {_said(error)}") from error
        return table

    def tally(self) -> duckdb.DuckDBPyRelation:
        """Return the calls, counted by who sent what to whom with what result: a `sigtrace.questions.counts`."""
        if "tallied" not in self._made:
            self.keep("tallied", tally.tally(self.events))
        return self.connection.table("tallied")

    def tell(self) -> duckdb.DuckDBPyRelation:
        """Return the deaths but those by exiting, and make the view `deaths`."""
        if "told" not in self._made:
            evidence.of_the_hit(self.connection, "events")
            self._insert("followed", deaths.SCHEMA, deaths.deaths)
            # What is followed next has its own.
            self.connection.execute("ALTER TABLE whose RENAME TO hit_whose; ALTER TABLE bearing RENAME TO hit_bearing")
            self.connection.execute(_EXITED)
            self._made.add("told")
        return self.connection.table("told")

    def exited(self) -> int:
        """Return how many processes ended by exiting."""
        self.tell()
        of_hit = f"FROM hit_bearing SEMI JOIN hit_whose USING (of_log, process) WHERE {_ENDS}"
        return (
            self._number(f"SELECT count(*) FROM events WHERE {_ENDS}")
            - self._number(f"SELECT count(DISTINCT (of_log, line)) {of_hit}")
            + self._number("SELECT count(*) FROM followed WHERE verdict = 'exited'")
        )

    def cited(self, told: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Return the rows that each of some deaths of `tell` rests on, each with only what it says."""
        cited = [
            {"death": n, "of_log": one["log"] or "", "line": line}
            for n, one in enumerate(told)
            for line in one["lines"]
        ]
        found: list[list[dict[str, Any]]] = [[] for _ in told]
        if cited:
            self.connection.register("cited", pa.Table.from_pylist(cited))
            columns = ", ".join(f"hit_bearing.{name}" for name in _EVIDENCE)
            rows = self.rows(
                f"SELECT DISTINCT death, {columns} FROM hit_bearing JOIN cited USING (of_log, line) ORDER BY line"
            )
            for row in rows:
                said = {key: value for key, value in row.items() if value is not None}
                found[said.pop("death")].append(said | ({"signal": signal_name(row["sig"])} if "sig" in said else {}))
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query gives as objects, by column."""
        found: list[dict[str, Any]] = self.connection.sql(query).to_arrow_table().to_pylist()
        return found

    def _number(self, query: str) -> int:
        return int(self.connection.sql(query).fetchall()[0][0])

    def follow(self, processes: str) -> None:
        """Follow some processes: `ended` are their deaths, those by exiting too, and `hit` the victims among them.

        `processes` is SQL for their `of_log` (empty for none) and `process`. `nearby` are the rows of their sessions.
        """
        self.connection.execute(f"CREATE OR REPLACE TABLE asked AS {processes}")
        logs = {row["of_log"] for row in self.rows("SELECT DISTINCT of_log FROM asked")}
        held = [n for n, one in enumerate(self._shelf) if logs & {log or "" for log in self._logs(n, one)}]
        self._view("nearby", held or [0])
        evidence.of_processes(self.connection, "nearby", "asked")
        self._insert("ended", deaths.SCHEMA, deaths.deaths)
        self._insert("hit", victims.SCHEMA, victims.victims)

    def storms(self) -> duckdb.DuckDBPyRelation:
        """Return `sigtrace.analyze.storms`, looked for only in logs where so many calls come so fast at all."""
        self.connection.execute(_DENSE)
        dense = self.connection.sql(f"SELECT {_OF_A_CALL} FROM kills WHERE coalesce(log, '') IN (FROM dense)")
        found: duckdb.DuckDBPyRelation = calls.storms(self.keep("stormy", dense))
        return found

    def escalations(self) -> duckdb.DuckDBPyRelation:
        """Return `sigtrace.analyze.escalations`, looked for only among those that got SIGKILL and something milder."""
        self.tally()
        self.connection.execute(_ASKED)
        both = self.connection.sql(
            f"SELECT {_OF_A_CALL} FROM kills WHERE ret = 0 AND sig IN {(*ASKING, 9)}"
            " AND (coalesce(log, ''), target) IN (FROM both_sent)"
        )
        found: duckdb.DuckDBPyRelation = calls.escalations(self.keep("asked_and_killed", both))
        return found

    def keep(self, name: str, relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Compute a relation once, as a temporary table, and return that."""
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS {relation.sql_query()}")
        self._made.add(name)
        return self.connection.table(name)

    def _insert(self, name: str, schema: pa.Schema, question: Callable[[pa.Table], pa.Table]) -> None:
        # Of those that were asked for: their senders and parents were followed too, but not wholly.
        self.connection.register("answer", schema.empty_table())
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM answer")
        for chunk in evidence.chunks(self.connection):
            self.connection.register("answer", question(chunk))
            self.connection.execute(
                f"INSERT INTO {name} FROM answer WHERE (coalesce(log, ''), victim_pid) IN (FROM whose)"
            )
        self.connection.unregister("answer")
        self._made.add(name)

    def _view(self, name: str, numbers: Iterable[int]) -> None:
        selects = []
        files: list[str] = []
        for number in numbers:
            one = self._shelf[number]
            if one.rows is None and not self._renamed(number):
                files += one.files
                continue
            rows = f"rows_{number}" if one.rows is not None else _parquet(one.files)
            selects.append(f"SELECT {_columns(self._log(number))} FROM {rows}")
        if files:
            selects.append(f"SELECT {_columns('log')} FROM {_parquet(files)}")
        self.connection.execute(f"CREATE OR REPLACE VIEW {name} AS {' UNION ALL '.join(selects)}")

    def _renamed(self, number: int) -> bool:
        return len(self._shelf) > 1 and any(log is None or self._shared[log] > 1 for log in self._shelf[number].logs)

    def _log(self, number: int) -> str:
        # SQL for the name of a row's log.
        if not self._renamed(number):
            return "log"
        one = self._shelf[number]
        return _quoted(one.path) if len(one.logs) == 1 else f"{_quoted(one.path + ':')} || coalesce(log, '')"

    def _logs(self, number: int, one: Shelved) -> list[str | None]:
        if not self._renamed(number):
            return one.logs
        return [one.path] if len(one.logs) == 1 else [f"{one.path}:{log or ''}" for log in one.logs]


def _said(error: Exception) -> str:
    # In one line, and without the SQL that was made of the query.
    return " ".join(re.split(r"\n+LINE \d+:", str(error))[0].split())


def _place(one: Shelved) -> str | None:
    return os.path.realpath(one.path) if Path(one.path).exists() else None


def _columns(log: str) -> str:
    return ", ".join(f"{log} AS log" if name == "log" else name for name in PLAIN.names)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet(files: list[str]) -> str:
    # A file's name is no pattern, whatever is in it.
    names = (_quoted(re.sub(r"([*?[])", r"[\1]", file)) for file in files)
    return f"read_parquet([{', '.join(names)}], hive_partitioning = false)"
