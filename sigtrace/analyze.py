"""Analyze: questions to a session, each a function from frame to frame.

A frame of pandas, pyarrow, polars, DuckDB or PySpark with the columns of a session goes in, and a frame of the same
kind comes out, with the columns that the function's docstring lists, in no order. Times are `ts`, in microseconds of
the trace clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from sigtrace.deaths import deaths as death_rows
from sigtrace.victims import victims as victim_rows

if TYPE_CHECKING:
    from narwhals.typing import FrameT

_SPAN = (nw.col("ts").min().alias("first_ts"), nw.col("ts").max().alias("last_ts"))
_FAILED = nw.col("ret") < 0
_PROBE = nw.col("sig") == 0


# Calls that failed, or only asked, end nobody.
_TELLING = [
    *("process", "lost", "kill_half", "mark_victim", "signal_generate", "signal_deliver"),
    *("sched_process_fork", "sched_process_exec", "sched_process_exit"),
]


def _telling(events: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> Any:  # noqa: ANN401  (analyze names no engine)
    kept = events.filter(nw.col("event").is_in(_TELLING) | ~(_FAILED | _PROBE))
    return kept.collect("pyarrow").to_native() if isinstance(kept, nw.LazyFrame) else kept.to_arrow()


def _like(events: nw.DataFrame[Any] | nw.LazyFrame[Any], table: Any) -> Any:  # noqa: ANN401
    if isinstance(events, nw.DataFrame):
        return nw.from_arrow(table, backend=events.implementation)
    session = {"session": events.to_native().sparkSession} if events.implementation.is_pyspark() else {}
    return nw.from_native(table, eager_only=True).lazy(events.implementation, **session)


def _calls(events: FrameT) -> FrameT:
    return events.filter(nw.col("event") == "kill")


def _counted(events: FrameT) -> FrameT:
    # Booleans as numbers beforehand: pyarrow aggregates nothing but plain columns.
    return _calls(events).with_columns(
        failed=_FAILED.cast(nw.Int64),
        probes=_PROBE.cast(nw.Int64),
        found=nw.col("ret").is_in([0, -1]).cast(nw.Int64),
    )


@nw.narwhalify
def calls(events: FrameT) -> FrameT:
    """Return the whole calls: the rows whose two lines were both there, with all the columns of the session."""
    return _calls(events)


@nw.narwhalify
def totals(events: FrameT) -> FrameT:
    """Return one row about all calls: calls, failed, probes, senders, targets, first_ts, last_ts.

    `probes` are the calls with signal 0, which sends nothing and only asks; `senders` and `targets` are how many
    different pids made calls and were named in them.
    """
    counted = _counted(events)
    return counted.select(
        nw.col("ret").count().alias("calls"),
        nw.col("failed").sum(),
        nw.col("probes").sum(),
        nw.col("pid").n_unique().alias("senders"),
        nw.col("target").n_unique().alias("targets"),
        *_SPAN,
    )


@nw.narwhalify
def by_sender(events: FrameT) -> FrameT:
    """Return the calls by who made them: pid, comm, calls, failed, probes, targets, first_ts, last_ts.

    A row is a process under one of its threads' names; `targets` is how many different pids it named.
    """
    counted = _counted(events)
    return counted.group_by("pid", "comm").agg(
        nw.len().alias("calls"),
        nw.col("failed").sum(),
        nw.col("probes").sum(),
        nw.col("target").n_unique().alias("targets"),
        *_SPAN,
    )


@nw.narwhalify
def by_target(events: FrameT) -> FrameT:
    """Return the calls by whom they named: target, calls, failed, probes, senders, first_ts, last_ts.

    `target` is as the caller gave it: a pid of the caller's namespace, 0 for its own process group, -1 for every
    process it may signal, -N for the process group N.
    """
    counted = _counted(events)
    return counted.group_by("target").agg(
        nw.len().alias("calls"),
        nw.col("failed").sum(),
        nw.col("probes").sum(),
        nw.col("pid").n_unique().alias("senders"),
        *_SPAN,
    )


@nw.narwhalify
def by_signal(events: FrameT) -> FrameT:
    """Return the calls by signal: sig, calls, failed, senders, targets."""
    counted = _counted(events)
    return counted.group_by("sig").agg(
        nw.len().alias("calls"),
        nw.col("failed").sum(),
        nw.col("pid").n_unique().alias("senders"),
        nw.col("target").n_unique().alias("targets"),
    )


@nw.narwhalify
def failures(events: FrameT) -> FrameT:
    """Return the calls that failed, by who and why: pid, comm, ret, calls, signals, targets, first_ts, last_ts.

    `ret` is the negated errno: -3 (ESRCH) where no such process was, -1 (EPERM) where it was not permitted. `signals`
    and `targets` are how many different ones.
    """
    return (
        _calls(events)
        .filter(_FAILED)
        .group_by("pid", "comm", "ret")
        .agg(
            nw.len().alias("calls"),
            nw.col("sig").n_unique().alias("signals"),
            nw.col("target").n_unique().alias("targets"),
            *_SPAN,
        )
    )


@nw.narwhalify
def probes(events: FrameT) -> FrameT:
    """Return who asked with signal 0 whether a process exists: pid, comm, target, calls, found, first_ts, last_ts.

    `found` is how many of the calls found it; a process that is there but may not be signalled (EPERM) is found too.
    """
    asked = _counted(events).filter(_PROBE)
    return asked.group_by("pid", "comm", "target").agg(nw.len().alias("calls"), nw.col("found").sum(), *_SPAN)


@nw.narwhalify
def sent(events: FrameT) -> FrameT:
    """Return who sent what to whom, and the result: pid, comm, sig, target, ret, calls, first_ts, last_ts, first_line.

    `first_line` is the line of the log where the first of these calls stands; there is first_time as well, in UTC.
    """
    return (
        _calls(events)
        .group_by("pid", "comm", "sig", "target", "ret")
        .agg(
            nw.len().alias("calls"),
            *_SPAN,
            nw.col("time").min().alias("first_time"),
            nw.col("line").min().alias("first_line"),
        )
    )


@nw.narwhalify
def names(events: FrameT) -> FrameT:
    """Return the names that processes are known by: pid, comm.

    Two lines name their sender only; the kernel's events name victims and the dead as well.
    """
    senders = _calls(events).select("pid", "comm")
    hit = events.filter(nw.col("event") == "signal_generate").select(pid="target", comm="target_comm")
    dead = events.filter(nw.col("event") == "sched_process_exit").select("pid", "comm")
    return nw.concat([senders, hit, dead]).drop_nulls().unique()


@nw.narwhalify
def deaths(events: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> Any:  # noqa: ANN401  (a frame of the same kind)
    """Return a row for each process that ended, and how that is known.

    A plain log has none: its two lines do not say who died. The columns:

    - victim_pid, victim_start (when it was born; null where before the recording and not known): the process
    - victim_comm, command (the file it executed, or its command line), cgroup
    - ts, time: when it ended
    - sig: the signal that ended it; null for `exited`
    - verdict: `killed`, `self` (its own call: abort, raise), `fault`, `oom`, `exited`, or `unknown`
    - source: where the signal came from: `call`, `queue` (a call that the probe does not see: sigqueue,
      pidfd_send_signal), `fault`, `oom`, `terminal`, `timer`, `parent` (its death), `kernel`; null for none
    - killer_pid, killer_comm: the process that sent it; null where none did
    - actor_pid, actor_comm: the first of the killer and its ancestors that is no shell, kill, pkill or timeout
    - ancestors: the killer's, nearest first
    - group: whether the call named a group
    - delay_us: from sending to death
    - earlier_sig, earlier_fate, grace_us: the first deadly signal that was sent before and did not end it, what became
      of it, and how long before the last it was sent: TERM, then KILL
    - lost: whether events were lost that could bear on this
    - lines: the lines of the log that this rests on
    """
    return _like(events, death_rows(_telling(events)))


@nw.narwhalify
def victims(events: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> Any:  # noqa: ANN401  (a frame of the same kind)
    """Return a row for each signal that was sent to a process, by whom or what, and what became of it.

    A plain log has none: its two lines do not name the victim. A group's kill is one call with several victims. The
    columns:

    - line, call_line: the line of signal_generate, and of the call that sent it (null where none did)
    - ts, time, sig
    - source: as of `deaths`
    - sender_pid, sender_comm: null where no process sent it
    - target: as the caller gave it, in the caller's pid namespace
    - victim_pid (in the host's numbers), victim_start, victim_comm
    - fate: `fatal`, `handled`, `ignored`, `already pending`, `queue full`, or `delivered` where no more is known
    - group: whether the call named a group; sender_among_them: whether the call hit its sender too
    """
    return _like(events, victim_rows(_telling(events)))


@nw.narwhalify
def halves(events: FrameT) -> FrameT:
    """Return the calls of which one line is missing, by CPU: cpu, halves, first_line, last_line."""
    return (
        events.filter(nw.col("event") == "kill_half")
        .group_by("cpu")
        .agg(
            nw.len().alias("halves"),
            nw.col("line").min().alias("first_line"),
            nw.col("line").max().alias("last_line"),
        )
    )


@nw.narwhalify
def losses(events: FrameT) -> FrameT:
    """Return where events were lost, by CPU: cpu, losses, lost, first_line, last_line.

    `losses` is how often, and `lost` how many events, as far as the kernel said.
    """
    return (
        events.filter(nw.col("event") == "lost")
        .group_by("cpu")
        .agg(
            nw.len().alias("losses"),
            nw.col("lost").sum().alias("lost"),
            nw.col("line").min().alias("first_line"),
            nw.col("line").max().alias("last_line"),
        )
    )
