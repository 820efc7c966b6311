"""Evidence: of all rows of a database, those that bear on some processes, so that only these are followed.

A process that ended is told by its own rows, by the signals that were sent to it, by who its senders and its parent
were, and by the losses of its log; all else is other processes' lives. The functions leave their rows in temporary
tables of the connection: `whose`, the processes, and `bearing`, the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.causes.endings import NEEDED
from sigtrace.facts.signals import DEADLY

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
CREATE OR REPLACE VIEW telling AS
SELECT {_COLUMNS} FROM {{events}} WHERE event <> 'kill' OR (ret >= 0 AND sig <> 0);
CREATE OR REPLACE TABLE signals AS FROM telling LIMIT 0;
INSERT INTO signals BY NAME
SELECT {{columns}} FROM telling WHERE event IN ('signal_generate', 'signal_deliver', 'mark_victim', 'lost')
"""

_HIT = f"""
CREATE OR REPLACE TABLE whose AS
SELECT DISTINCT of_log, target AS process FROM signals
WHERE event = 'mark_victim' OR (event = 'signal_generate' AND sig IN ({_DEADLY}) AND res NOT IN (1, 2, 3))
UNION
SELECT of_log, process FROM signals
WHERE event = 'signal_deliver' AND sig IN ({_DEADLY}) AND handler = 'default'
"""

# What a loss may have hidden is unknown of whoever ended then. The rows around it say when that was.
_LOSSES = """
CREATE OR REPLACE TABLE around AS
SELECT telling.* FROM telling SEMI JOIN (
    SELECT of_log, line FROM telling
    WHERE of_log IN (SELECT of_log FROM signals WHERE event = 'lost') AND event <> 'process'
    WINDOW by_cpu AS (PARTITION BY of_log, cpu ORDER BY line)
    QUALIFY 'lost' IN (lag(event) OVER by_cpu, event, lead(event) OVER by_cpu)
) USING (of_log, line);
CREATE OR REPLACE TABLE gaps AS
SELECT of_log, from_ts, max(to_ts) OVER (PARTITION BY of_log ORDER BY from_ts) AS to_ts FROM (
    SELECT of_log, event,
        coalesce(last_value(ts IGNORE NULLS) OVER by_cpu, -(1::BIGINT << 62)) AS from_ts,
        coalesce(first_value(ts IGNORE NULLS) OVER (by_cpu ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
            1::BIGINT << 62) AS to_ts
    FROM around WINDOW by_cpu AS (PARTITION BY of_log, cpu ORDER BY line)
) WHERE event = 'lost'
"""

_DOUBTFUL = f"""
INSERT INTO whose
SELECT DISTINCT gone.of_log, process
FROM (
    SELECT of_log, process, ts FROM telling SEMI JOIN gaps USING (of_log) WHERE event = 'sched_process_exit'
) AS gone
ASOF JOIN gaps ON gone.of_log = gaps.of_log AND gone.ts >= gaps.from_ts
WHERE gaps.to_ts >= gone.ts - {_JUST_BEFORE_US} AND (gone.of_log, process) NOT IN (FROM whose)
"""

# A signal to a thread is one to its process, and so is what a thread does that the header has no process for: the
# other rows of the thread name it.
_THREADS = """
CREATE OR REPLACE TABLE unnamed AS
SELECT DISTINCT of_log, tid FROM telling WHERE pid IS NULL AND tid IS NOT NULL;
CREATE OR REPLACE TABLE threads AS
SELECT DISTINCT of_log, tid, process FROM telling
SEMI JOIN (SELECT of_log, target AS tid FROM signals UNION FROM unnamed) AS named USING (of_log, tid)
WHERE tid <> pid;
"""
_OF_THREADS = """
INSERT INTO whose
SELECT DISTINCT threads.of_log, threads.process FROM threads
SEMI JOIN whose ON threads.of_log = whose.of_log AND tid = whose.process
WHERE (threads.of_log, threads.process) NOT IN (FROM whose)
"""
# Nor does such a row say whether its thread was the last.
_UNNAMED = """
INSERT INTO whose FROM (
    SELECT of_log, tid FROM threads SEMI JOIN unnamed USING (of_log, tid)
    UNION SELECT of_log, process FROM threads SEMI JOIN unnamed USING (of_log, tid)
) AS either WHERE (of_log, tid) NOT IN (FROM whose)
"""

# Who they are, who sent to them, and the parents of all of these, and theirs. Each scan is of one event: rows are
# sorted by it (sigtrace.row_groups).
_BEGIN = """
CREATE OR REPLACE TABLE bearing AS FROM telling LIMIT 0;
CREATE OR REPLACE TABLE involved AS
FROM whose UNION SELECT of_log, process FROM signals
SEMI JOIN (FROM whose UNION SELECT of_log, tid FROM threads SEMI JOIN whose USING (of_log, process)) AS named
    ON signals.of_log = named.of_log AND target = named.process
WHERE event = 'signal_generate';
CREATE OR REPLACE TABLE next AS FROM involved
"""
_GENERATION = """
CREATE OR REPLACE TABLE born AS FROM telling LIMIT 0;
INSERT INTO born BY NAME
SELECT {fork} FROM telling SEMI JOIN next ON telling.of_log = next.of_log AND target = next.process
WHERE event = 'sched_process_fork';
INSERT INTO born SELECT telling.* FROM telling SEMI JOIN next USING (of_log, process) WHERE event = 'process';
INSERT INTO bearing FROM born;
CREATE OR REPLACE TABLE next AS (
    SELECT of_log, if(event = 'process', target, process) AS process FROM born
    UNION SELECT threads.of_log, threads.process FROM threads
        SEMI JOIN next ON threads.of_log = next.of_log AND tid = next.process
    UNION SELECT of_log, tid FROM threads SEMI JOIN next USING (of_log, process)
) EXCEPT FROM involved;
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
SELECT signals.* FROM signals SEMI JOIN involved ON signals.of_log = involved.of_log AND target = involved.process
"""
# A thread's birth says that its number is no longer that of who had it before.
_THREADS_BORN = """
INSERT INTO bearing BY NAME
SELECT {fork} FROM telling
SEMI JOIN (SELECT of_log, tid FROM bearing WHERE tid <> process) AS thread
    ON telling.of_log = thread.of_log AND target = thread.tid
WHERE event = 'sched_process_fork'
"""
# Of children that bear on nobody, the first of a life whose birth was not seen: it says its parent's name, and whose
# a thread is.
_FIRST_FORKS = """
INSERT INTO bearing BY NAME
WITH since AS (
    SELECT of_log, process, -1 AS line FROM involved
    WHERE (of_log, process) NOT IN (SELECT of_log, if(event = 'process', process, target) FROM bearing
        WHERE event IN ('process', 'sched_process_fork'))
    UNION SELECT of_log, process, -1 FROM threads UNION SELECT of_log, tid, -1 FROM threads
    UNION SELECT threads.of_log, threads.process, bearing.line FROM threads JOIN bearing
        ON threads.of_log = bearing.of_log AND threads.tid = target WHERE event = 'sched_process_fork'
    UNION SELECT of_log, process, line FROM bearing WHERE event = 'sched_process_exit'
) SELECT unnest(arg_min(fork, fork.line)) FROM (
    SELECT since.line AS since_line, {{{fork}}} AS fork
    FROM telling JOIN since ON telling.of_log = since.of_log AND telling.process = since.process
        AND telling.line > since.line
    WHERE event = 'sched_process_fork'
) GROUP BY fork.of_log, fork.process, fork.tid, since_line
"""
# These are whole, the others lack what is not followed of them.
_AROUND = """
DELETE FROM bearing USING around WHERE bearing.of_log = around.of_log AND bearing.line = around.line;
INSERT INTO bearing FROM around
"""


def of_the_hit(connection: duckdb.DuckDBPyConnection, events: str) -> None:
    """Gather the rows that bear on whoever a signal may have ended; `events` is the view to look in."""
    _look(connection, events)
    connection.execute(_HIT)
    connection.execute(_DOUBTFUL)
    connection.execute(_UNNAMED)
    connection.execute(_OF_THREADS)
    _gather(connection)


def of_processes(connection: duckdb.DuckDBPyConnection, events: str, processes: str) -> None:
    """Gather the rows that bear on some processes: a table of `of_log` (empty for none) and `process`."""
    _look(connection, events)
    connection.execute(f"CREATE OR REPLACE TABLE whose AS SELECT of_log, process::INTEGER AS process FROM {processes}")
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
    connection.execute(_THREADS)
    connection.execute(_LOSSES)


def _gather(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_BEGIN)
    while connection.sql("SELECT 1 FROM next LIMIT 1").fetchall():
        connection.execute(_GENERATION.format(fork=_filled("sched_process_fork")))
    for event in ("kill", "kill_half", "sched_process_exec", "sched_process_exit"):
        connection.execute(_LIVED.format(event=event, columns=_filled(event)))
    connection.execute(_SIGNALLED)
    connection.execute(_THREADS_BORN.format(fork=_filled("sched_process_fork")))
    forked = ", ".join(f"{name.rsplit('.', 1)[1]}: {name}" for name in _filled("sched_process_fork").split(", "))
    connection.execute(_FIRST_FORKS.replace("{{{fork}}}", f"{{{forked}}}"))
    connection.execute(_AROUND)


def _filled(event: str) -> str:
    # What is followed of an event, or shown as evidence. To read a column costs as much where it is null.
    columns = {
        "signal": ("time", "cpu", "comm", "sig", "target", "target_comm", "code", "grp", "res", "handler"),
        "kill": ("time", "cpu", "comm", "sig", "target", "ret"),
        "kill_half": ("time", "cpu", "comm", "sig", "target", "ret"),
        "sched_process_fork": ("comm", "target", "target_comm"),
        "sched_process_exec": ("filename",),
        "sched_process_exit": ("time", "cpu", "comm", "group_dead"),
    }[event]
    always = ("event", "ts", "tid", "pid", "line", "log", "of_log", "process")
    return ", ".join(f"telling.{name}" for name in (*always, *columns))
