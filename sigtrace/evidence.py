"""Evidence: of all rows of a database, those that bear on some processes, so that only these are followed.

A process that ended is told by its own rows, by the signals that were sent to it, by who its senders and its parent
were, and by the losses of its log; all else is other processes' lives. The functions leave their rows in temporary
tables of the connection: `whose`, the processes, and `bearing`, the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.deaths import NEEDED
from sigtrace.signals import DEADLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa

_DEADLY = ", ".join(map(str, sorted(DEADLY)))
_NEEDED = ", ".join([*NEEDED, "ret"])
_CHUNK_ROWS = 200_000
# A fatal signal is delivered and its process exits at once, as in sigtrace.deaths.
_JUST_BEFORE_US = 1_000_000

# Calls that failed, or only asked, end nobody. In SQL no null equals another.
_COLUMNS = f"{_NEEDED}, coalesce(log, '') AS of_log, coalesce(pid, tid) AS process"
_TELLING = f"""
CREATE OR REPLACE TEMP VIEW telling AS
SELECT {_COLUMNS} FROM {{events}} WHERE event <> 'kill' OR (ret >= 0 AND sig <> 0);
CREATE OR REPLACE TEMP TABLE signals AS FROM telling LIMIT 0;
INSERT INTO signals BY NAME
SELECT {{columns}} FROM telling WHERE event IN ('signal_generate', 'signal_deliver', 'mark_victim', 'lost')
"""

_HIT = f"""
CREATE OR REPLACE TEMP TABLE whose AS
SELECT DISTINCT of_log, target AS process FROM signals
WHERE event = 'mark_victim' OR (event = 'signal_generate' AND sig IN ({_DEADLY}) AND res NOT IN (1, 2, 3))
UNION
SELECT of_log, process FROM signals
WHERE event = 'signal_deliver' AND sig IN ({_DEADLY}) AND handler = 'default'
"""

# What a loss may have hidden is unknown of whoever ended then. The rows around it say when that was.
_LOSSES = """
CREATE OR REPLACE TEMP TABLE around AS
SELECT * FROM telling WHERE of_log IN (SELECT of_log FROM signals WHERE event = 'lost')
WINDOW by_cpu AS (PARTITION BY of_log, cpu ORDER BY line)
QUALIFY 'lost' IN (lag(event) OVER by_cpu, event, lead(event) OVER by_cpu);
CREATE OR REPLACE TEMP TABLE gaps AS
SELECT of_log, cpu, line, event,
    max(ts) OVER (by_cpu ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS from_ts,
    min(ts) OVER (by_cpu ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS to_ts
FROM around WINDOW by_cpu AS (PARTITION BY of_log, cpu ORDER BY line)
"""

_DOUBTFUL = f"""
INSERT INTO whose
SELECT DISTINCT telling.of_log, process FROM telling
JOIN (SELECT * FROM gaps WHERE event = 'lost') AS gap
    ON telling.of_log = gap.of_log AND (gap.from_ts IS NULL OR gap.from_ts <= ts)
    AND (gap.to_ts IS NULL OR gap.to_ts >= ts - {_JUST_BEFORE_US})
WHERE telling.event = 'sched_process_exit' AND (telling.of_log, process) NOT IN (FROM whose)
"""

# A signal to a thread is one to its process, which its exit names, or what was delivered to it.
_THREADS = """
CREATE OR REPLACE TEMP TABLE threads AS
SELECT DISTINCT of_log, tid, process FROM (
    SELECT of_log, tid, process FROM telling WHERE event = 'sched_process_exit'
    UNION ALL SELECT of_log, tid, process FROM signals
) SEMI JOIN (SELECT of_log, target AS tid FROM signals) AS named USING (of_log, tid) WHERE tid <> process;
INSERT INTO whose
SELECT DISTINCT threads.of_log, threads.process FROM threads
SEMI JOIN whose ON threads.of_log = whose.of_log AND tid = whose.process
WHERE (threads.of_log, threads.process) NOT IN (FROM whose)
"""

# Who they are, who sent to them, and the parents of all of these, and theirs. Each scan is of one event: rows are
# sorted by it (sigtrace.row_groups).
_BEGIN = """
CREATE OR REPLACE TEMP TABLE bearing AS FROM around;
CREATE OR REPLACE TEMP TABLE involved AS
FROM whose UNION SELECT of_log, process FROM signals
SEMI JOIN (FROM whose UNION SELECT of_log, tid FROM threads SEMI JOIN whose USING (of_log, process)) AS named
    ON signals.of_log = named.of_log AND target = named.process
WHERE event = 'signal_generate';
CREATE OR REPLACE TEMP TABLE next AS FROM involved
"""
_GENERATION = """
CREATE OR REPLACE TEMP TABLE born AS FROM telling LIMIT 0;
INSERT INTO born BY NAME
SELECT {fork} FROM telling SEMI JOIN next ON telling.of_log = next.of_log AND target = next.process
WHERE event = 'sched_process_fork';
INSERT INTO born SELECT telling.* FROM telling SEMI JOIN next USING (of_log, process) WHERE event = 'process';
INSERT INTO bearing FROM born;
CREATE OR REPLACE TEMP TABLE next AS
SELECT of_log, if(event = 'process', target, process) AS process FROM born EXCEPT FROM involved;
INSERT INTO involved FROM next
"""
_LIVED = """
INSERT INTO bearing BY NAME
SELECT {columns} FROM telling SEMI JOIN involved USING (of_log, process) WHERE event = '{event}'
"""
_SIGNALLED = """
INSERT INTO bearing
SELECT signals.* FROM signals SEMI JOIN involved USING (of_log, process);
INSERT INTO bearing
SELECT signals.* FROM signals
SEMI JOIN (FROM involved UNION SELECT of_log, tid FROM threads SEMI JOIN involved USING (of_log, process)) AS named
    ON signals.of_log = named.of_log AND target = named.process
"""


def of_the_hit(connection: duckdb.DuckDBPyConnection, events: str) -> None:
    """Gather the rows that bear on whoever a signal may have ended; `events` is the view to look in."""
    _look(connection, events)
    connection.execute(_HIT)
    connection.execute(_DOUBTFUL)
    _gather(connection)


def of_processes(connection: duckdb.DuckDBPyConnection, events: str, processes: str) -> None:
    """Gather the rows that bear on some processes: a table of `of_log` (empty for none) and `process`."""
    _look(connection, events)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE whose AS SELECT of_log, process::INTEGER AS process FROM {processes}"
    )
    _gather(connection)


def chunks(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    """Yield the rows that were gathered, whole logs at a time, as `sigtrace.analyze` takes them."""
    counts = connection.sql("SELECT of_log, count(*) FROM bearing GROUP BY ALL ORDER BY ALL").fetchall()
    for first, last in _ranges(counts):
        yield connection.sql(
            f"SELECT DISTINCT {_NEEDED} FROM bearing WHERE of_log BETWEEN ? AND ?", params=[first, last]
        ).to_arrow_table()


def _ranges(counts: Sequence[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    first, rows = None, 0
    for log, n in counts:
        first, rows = log if first is None else first, rows + n
        if rows >= _CHUNK_ROWS:
            yield first, log
            first, rows = None, 0
    if first is not None:
        yield first, counts[-1][0]


def _look(connection: duckdb.DuckDBPyConnection, events: str) -> None:
    connection.execute(_TELLING.format(events=events, columns=_filled("signal")))
    connection.execute(_LOSSES)


def _gather(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_THREADS)
    connection.execute(_BEGIN)
    while connection.sql("SELECT 1 FROM next LIMIT 1").fetchall():
        connection.execute(_GENERATION.format(fork=_filled("sched_process_fork")))
    for event in ("kill", "sched_process_exec", "sched_process_exit"):
        connection.execute(_LIVED.format(event=event, columns=_filled(event)))
    connection.execute(_SIGNALLED)


def _filled(event: str) -> str:
    # To read a column that an event leaves null costs as much as one that it fills.
    columns = {
        "signal": ("sig", "target", "target_comm", "code", "grp", "res", "handler"),
        "kill": ("sig", "target", "ret"),
        "sched_process_fork": ("target", "target_comm"),
        "sched_process_exec": ("target", "filename"),
        "sched_process_exit": ("group_dead",),
    }[event]
    always = ("event", "ts", "time", "cpu", "tid", "pid", "comm", "line", "log", "of_log", "process")
    return ", ".join(f"telling.{name}" for name in (*always, *columns))
