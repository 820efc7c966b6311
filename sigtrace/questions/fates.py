"""Fates: questions about whom signals hit and who ended, which the kernel's events answer; a plain log has none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import narwhals as nw

from sigtrace.causes import ancestry as _ancestry
from sigtrace.causes import endings as _endings
from sigtrace.causes import victims as _victims
from sigtrace.causes.feed import COLUMNS
from sigtrace.facts.events import TRACKED
from sigtrace.facts.rules import ASKED_WITHIN_US, EXITS
from sigtrace.questions.windows import with_before, with_since

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    Rows = Callable[[pa.Table], pa.Table]

_SPAN = (nw.col("ts").min().alias("first_ts"), nw.col("ts").max().alias("last_ts"))


def _tracked(events: nw.DataFrame[Any] | nw.LazyFrame[Any], rows: Rows, schema: pa.Schema) -> Any:  # noqa: ANN401  (a frame of the same kind)
    # Processes are tracked log by log: Spark does it where the rows are, the others here.
    tracked = events.filter(nw.col("event").is_in(TRACKED))
    if tracked.implementation.is_pyspark():
        return _in_spark(tracked.to_native(), rows, schema)
    if isinstance(tracked, nw.DataFrame):
        table = rows(tracked.to_arrow())
        if tracked.implementation.is_pandas():
            # Of Arrow's types, so that a null stays a null and a pid a whole number.
            return table.to_pandas(types_mapper=tracked.__native_namespace__().ArrowDtype)
        return nw.from_arrow(table, backend=tracked.implementation).to_native()
    table = rows(tracked.collect("pyarrow").to_native())
    return nw.from_native(table, eager_only=True).lazy(tracked.implementation).to_native()


def _in_spark(tracked: Any, rows: Rows, schema: pa.Schema) -> Any:  # noqa: ANN401  (a frame of Spark, untyped here)
    from pyspark.sql.pandas.types import from_arrow_schema

    columns = [name for name in (*COLUMNS, "log") if name in tracked.columns]  # older sessions have fewer
    by_log = tracked.select(*columns).groupBy("log")
    # A function without type hints: Spark reads them to tell which kind of function it is.
    return by_log.applyInArrow(lambda table: rows(table), from_arrow_schema(schema))  # noqa: PLW0108


def deaths(events: Any, asked_within_us: int = ASKED_WITHIN_US) -> Any:  # noqa: ANN401  (a frame of any engine, and one of the same)
    """Return a row for each process that ended, and how that is known.

    A plain log has none: its two lines do not say who died. What is not known is null. The columns:

    - log: the log that tells of it
    - victim_pid, victim_start (when it was born), victim_comm: the process
    - command (its command line, or else the file it executed), cgroup: what it was
    - parent_pid, parent_comm: whose child it was
    - ts, time: when it ended
    - sig: the signal that ended it, or that asked it to end; null for `exited`
    - verdict: `killed`, `asked` (it exited after a signal that asked it to), `self` (its own call: abort, raise),
      `fault`, `oom`, `exited`, or `unknown`
    - source: where the signal came from: `call`, `queue` (a call that the probe does not see: sigqueue,
      pidfd_send_signal), `fault`, `oom`, `terminal`, `timer`, `kernel`, or the end of a process: `parent`, `leader`
      (of its session), `namespace` (the init of its pid namespace)
    - killer_pid, killer_comm: the process that sent it
    - actor_pid, actor_comm: the first of the killer and its ancestors that is no shell, kill, pkill or timeout
    - ancestors: the killer's, nearest first
    - group: whether the call named a group
    - delay_us: from sending to the end
    - earlier_sig, earlier_fate, grace_us: the first deadly signal that was sent before and did not end it, what became
      of it, and how long before the last it was sent: TERM, then KILL. SIGVTALRM, SIGPROF, SIGIO, a timer
      that fires again and again, and what it sent itself or got for its own faults do not count
    - lost: whether events were lost that could bear on this
    - lines: the lines of the log that this rests on
    - exit_status: 0 to 255; null if a signal ended it
    - how: `handled` or `waited for`, the signal that asked it; of `unknown`, `no exit call` where none is told,
      and `not recorded` where a signal may have ended it that the recording left out
    - reraised: whether it handled the signal and then sent it to itself
    - first_pid, first_comm, first_sig: the first sender of those along whom the signal came, and what it sent
    - hops: these senders, from the first to the last, as `NAME (PID)`
    - victim_user, victim_unit, victim_runtime, victim_container, victim_pod, victim_executable: who it was
    - killer_thread: the thread that sent the signal, if it has another name than its process
    - killer_command, killer_user, killer_unit, killer_runtime, killer_container, killer_pod, killer_executable: who the
      killer was
    - ns_pid: its pid in its innermost pid namespace
    - oom_asker, oom_cgroup, oom_figures: who asked for the memory, that one's control group, and the kernel's figures
    """
    found = partial(_endings.endings, asked_within_us=asked_within_us)
    return _tracked(nw.from_native(events), found, _endings.SCHEMA)


def victims(events: Any) -> Any:  # noqa: ANN401
    """Return a row for each signal that was sent to a process, by whom or what, and what became of it.

    A plain log has none: its two lines do not name the victim. A group's kill is one call with several victims. The
    columns:

    - log, line: the line of signal_generate
    - call_line: the line of the call that sent it; null where none did
    - ts, time, sig: when it was sent, and its number
    - source: where it came from, as of `deaths`
    - sender_pid, sender_comm: the process that sent it; null where none did
    - sender_ancestors: their pids, nearest first
    - target: as the caller gave it, in the caller's pid namespace; null without a call
    - victim_pid (in the host's numbers), victim_start, victim_comm: the process
    - fate: `fatal`, `handled`, `ignored`, `already pending`, `queue full`, or `delivered` where no more is known
    - group: whether the call named a group
    - sender_among_them: whether the call hit its sender too
    """
    return _tracked(nw.from_native(events), _victims.victims, _victims.SCHEMA)


def blast_radius(events: Any, pid: int) -> Any:  # noqa: ANN401
    """Return the signals that a process or its descendants sent, and whom they hit: what one actor did to others.

    Columns: those of `victims`. `pid` is the actor's, in the host's numbers: of each log, and of each process that had
    it. An actor is known from its birth, or from the processes that ran when the recording began.
    """
    return _tracked(nw.from_native(events), partial(_victims.victims, actor=pid), _victims.SCHEMA)


def ancestors(events: Any, pid: int) -> Any:  # noqa: ANN401
    """Return a process and its ancestors.

    Columns: log, of_start, generation, pid, start, comm, command. `generation` is 0 for the process itself, 1 for its
    parent, and so on, as far as the session has seen them. A pid that was given away again has a line of ancestors for
    each of its processes, told apart by `of_start`, when the process was born; `start` is when the ancestor was. Both
    are null where that is not known.
    """
    return _tracked(nw.from_native(events), partial(_ancestry.ancestors, pid=pid), _ancestry.SCHEMA)


def _ended(events: Any) -> Any:  # noqa: ANN401  (narwhals' frame of any engine)
    dead = nw.from_native(deaths(events))
    return dead.filter(~nw.col("verdict").is_in(EXITS))


def matrix(events: Any) -> Any:  # noqa: ANN401
    """Return who killed whom, by name.

    Columns: killer_comm, source, victim_comm, sig, deaths, first_ts, last_ts. A row is a killer, a victim and a signal,
    of all logs together; those that only exited are left out. `killer_comm` is null where no process sent the signal:
    `source` says what did, and is null where that is unknown.
    """
    found = _ended(events).group_by("killer_comm", "source", "victim_comm", "sig")
    return found.agg(nw.len().alias("deaths"), *_SPAN).to_native()


def delays(events: Any) -> Any:  # noqa: ANN401
    """Return how long the dead took from sending to death.

    Columns: sig, source, deaths, shortest_us, mean_us, longest_us. A row is a signal from a source. Those of whose
    signal only the delivery is known are left out.
    """
    delayed = _ended(events).filter(~nw.col("delay_us").is_null())
    found = delayed.group_by("sig", "source").agg(
        nw.len().alias("deaths"),
        nw.col("delay_us").min().alias("shortest_us"),
        nw.col("delay_us").mean().alias("mean_us"),
        nw.col("delay_us").max().alias("longest_us"),
    )
    return found.to_native()


def restarts(events: Any, within_us: int = 60_000_000, least: int = 3) -> Any:  # noqa: ANN401
    """Return what ends and is started again: a parent's command that ended `least` times or more.

    Columns: log, parent_pid, parent_comm, command, victim_comm, deaths, restarts, killed, first_ts, last_ts,
    mean_life_us, mean_pause_us. A restart is a birth at most `within_us` after a death, with no other birth or death
    between them; those that still run are not counted. `killed` counts the deaths by a signal; whoever was asked to
    end and did, exited. A life is from birth to death, a pause from death to the birth after it. The mean of lives is
    null if births are not known.
    """
    by = ["log", "parent_pid", "parent_comm", "command", "victim_comm"]
    dead: Any = nw.from_native(deaths(events))
    what = [*by, "victim_pid", "victim_start", "verdict"]
    died = dead.select(*what, "ts", _born=nw.lit(0))
    # Of a life without length it is not known which end came first.
    born = dead.filter(nw.col("ts") > nw.col("victim_start")).select(*what, ts="victim_start", _born=nw.lit(1))
    turns = with_before(nw.concat([died, born]), ["ts", "_born"], by, ["ts", "_born", "victim_pid"])
    died_here = nw.col("_born") == 0
    pause = nw.col("ts") - nw.col("before_ts")
    again = ~died_here & (nw.col("before__born") == 0) & (pause <= within_us)
    found = (
        turns.with_columns(
            _died=1 - nw.col("_born"),
            _died_ts=nw.when(died_here).then(nw.col("ts")),
            _killed=(died_here & nw.col("verdict").is_in(["killed", "self", "fault", "oom"])).cast(nw.Int64),
            _life=nw.when(died_here).then(nw.col("ts") - nw.col("victim_start")),
            _pause=nw.when(again).then(pause),
        )
        .group_by(*by)
        .agg(
            nw.col("_died").sum().alias("deaths"),
            nw.col("_pause").count().alias("restarts"),
            nw.col("_killed").sum().alias("killed"),
            nw.col("_died_ts").min().alias("first_ts"),
            nw.col("_died_ts").max().alias("last_ts"),
            nw.col("_life").mean().alias("mean_life_us"),
            nw.col("_pause").mean().alias("mean_pause_us"),
        )
        .with_columns(nw.col("deaths", "killed").cast(nw.Int64))  # a sum of DuckDB is 128 bits wide
    )
    return found.filter(nw.col("deaths") >= least, nw.col("restarts") > 0).to_native()


def cycles(events: Any, least: int = 3) -> Any:  # noqa: ANN401
    """Return who kills the same again and again: a name that ended another one's processes `least` times or more.

    Columns: log, killer_comm, source, victim_comm, sig, deaths, first_ts, last_ts, shortest_us, period_us, longest_us.
    The last three are times from one death to the next, `period_us` their mean. `killer_comm` is null where no process
    sent the signal: `source` says what did, and is null where that is unknown.
    """
    by = ["log", "killer_comm", "source", "victim_comm", "sig"]
    found = (
        with_since(_ended(events), by, ["ts", "victim_pid"])
        .group_by(*by)
        .agg(
            nw.len().alias("deaths"),
            *_SPAN,
            nw.col("since_us").min().alias("shortest_us"),
            nw.col("since_us").mean().alias("period_us"),
            nw.col("since_us").max().alias("longest_us"),
        )
    )
    return found.filter(nw.col("deaths") >= least).to_native()


def compare_deaths(before: Any, after: Any) -> Any:  # noqa: ANN401
    """Return who killed whom in two sessions, beside each other, by name.

    Columns: killer_comm, source, victim_comm, sig, deaths_before, deaths_after. Two sessions are of before and after a
    deploy, or of host A and host B; those that only exited are left out.
    """
    by = ["killer_comm", "source", "victim_comm", "sig"]
    sides = [
        _ended(events).select(*by, deaths_before=nw.lit(n), deaths_after=nw.lit(1 - n))
        for events, n in ((before, 1), (after, 0))
    ]
    found = nw.concat(sides).group_by(*by).agg(nw.col("deaths_before").sum(), nw.col("deaths_after").sum())
    return found.to_native()
