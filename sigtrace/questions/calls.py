"""Calls: questions about the calls of kill, tkill and tgkill, which a plain log answers as well as a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from sigtrace.facts.rules import ASKING_OR_KILLING, KILL, STORM_CALLS, STORM_GAP_US, ends_process_expression
from sigtrace.questions import counts
from sigtrace.questions.windows import over, with_since

if TYPE_CHECKING:
    from narwhals.typing import FrameT

_SPAN = (nw.col("ts").min().alias("first_ts"), nw.col("ts").max().alias("last_ts"))
_ORDER = ["ts", "line"]
_FAILED = nw.col("ret") < 0
_PROBE = nw.col("sig") == 0
_NAMED = ["log", "target"]
_STEP = ("calls", "failed", "probes", "signals", "exits")  # what is counted in each step of time


def _counted(events: FrameT) -> FrameT:
    # Booleans as numbers beforehand: pyarrow aggregates nothing but plain columns.
    return counts.calls(events).with_columns(
        failed=_FAILED.cast(nw.Int64),
        probes=_PROBE.cast(nw.Int64),
        found=nw.col("ret").is_in([0, -1]).cast(nw.Int64),
    )


@nw.narwhalify
def calls(events: FrameT) -> FrameT:
    """Return the whole calls: the rows whose two lines were both there.

    Columns: those of the session. docs/schema.md says what they are.
    """
    return events.filter(nw.col("event") == "kill")


def totals(events: Any) -> Any:  # noqa: ANN401
    """Return one row about all calls.

    Columns: calls, failed, probes, senders, targets, first_ts, last_ts. `probes` are the calls with signal 0, which
    sends nothing and only asks; `senders` and `targets` are how many different processes made calls, and pids were
    named in them, those of each log apart. Without calls the numbers are 0 and the times null.
    """
    return counts.totals(counts.of(events))


def by_sender(events: Any) -> Any:  # noqa: ANN401
    """Return the calls by who made them.

    Columns: log, pid, comm, calls, failed, probes, targets, first_ts, last_ts. A row is a process under one of its
    threads' names; `targets` is how many different pids it named.
    """
    return counts.by_sender(counts.of(events))


def by_target(events: Any) -> Any:  # noqa: ANN401
    """Return the calls by whom they named.

    Columns: log, target, calls, failed, probes, senders, first_ts, last_ts. A row is a target of a log. `target` is as
    the caller gave it: a pid of the caller's namespace, 0 for its own process group, -1 for every process it may
    signal, -N for the process group N.
    """
    return counts.by_target(counts.of(events))


def by_signal(events: Any) -> Any:  # noqa: ANN401
    """Return the calls by signal.

    Columns: sig, calls, failed, senders, targets. A row is a signal, of all logs together. `senders` and `targets` are
    how many different pids made them and were named in them, those of each log apart.
    """
    return counts.by_signal(counts.of(events))


def by_result(events: Any) -> Any:  # noqa: ANN401
    """Return the calls by what came of them.

    Columns: ret, error, calls, probes, first_ts, last_ts. A row is a result, of all logs together. `ret` is 0 or the
    negated errno, and `error` its name: EPERM, ESRCH, EINVAL, EAGAIN; null for 0 and for others.
    """
    return counts.by_result(counts.of(events))


def failures(events: Any) -> Any:  # noqa: ANN401
    """Return the calls that failed, by who and why.

    Columns: log, pid, comm, ret, error, calls, signals, targets, first_ts, last_ts. `ret` is the negated errno and
    `error` its name: ESRCH (-3) where no such process was, EPERM (-1) where it was not permitted. `signals` and
    `targets` are how many different ones.
    """
    return counts.failures(counts.of(events))


_ASKER = ["log", "pid", "comm", "target"]


@nw.narwhalify
def probes(events: FrameT) -> FrameT:
    """Return who asked with signal 0 whether a process exists, and how regularly.

    Columns: log, pid, comm, target, calls, found, first_ts, last_ts, shortest_us, longest_us, period_us. `found` is how
    many of the calls found it; a process that is there but may not be signalled (EPERM) is found too. `period_us` is
    the mean time from one call to the next, `shortest_us` and `longest_us` the least and the most; null for one call.
    """
    asked = _counted(events).filter(_PROBE)
    return (
        with_since(asked, _ASKER, _ORDER)
        .group_by(*_ASKER)
        .agg(
            nw.len().alias("calls"),
            nw.col("found").sum(),
            *_SPAN,
            nw.col("since_us").min().alias("shortest_us"),
            nw.col("since_us").max().alias("longest_us"),
            nw.col("since_us").mean().alias("period_us"),
        )
    )


def sent(events: Any) -> Any:  # noqa: ANN401
    """Return who sent what to whom, and the result.

    Columns: log, pid, comm, sig, target, ret, calls, first_ts, last_ts, first_time, first_line. `first_time` is in UTC,
    and `first_line` the line of the log where the first of these calls stands.
    """
    return counts.of(events)


@nw.narwhalify
def names(events: FrameT) -> FrameT:
    """Return the names that processes are known by.

    Columns: log, pid, comm. Two lines name their sender only; the kernel's events name victims and the dead as well.
    """
    senders = counts.calls(events).select("log", "pid", "comm")
    hit = events.filter(nw.col("event") == "signal_generate").select("log", pid="target", comm="target_comm")
    dead = events.filter(nw.col("event") == "sched_process_exit").select("log", "pid", "comm")
    return nw.concat([senders, hit, dead]).drop_nulls(["pid", "comm"]).unique()


@nw.narwhalify
def dated(events: FrameT) -> FrameT:
    """Return log, ts, time of one row that knows UTC, if there is one."""
    return events.filter(~nw.col("time").is_null()).select("log", "ts", "time").head(1)


@nw.narwhalify
def timeline(events: FrameT, step_us: int = 1_000_000) -> FrameT:
    """Return what happened in each step of time.

    Columns: log, ts, time, calls, failed, probes, signals, exits. `ts` is where the step begins, a multiple of
    `step_us`, and `time` when the first of its events was, in UTC. `signals` are those that the kernel generated, by a
    call or by itself, and `exits` the processes that ended; a plain log has neither. Steps in which nothing happened
    have no row.
    """
    # Each event by itself: of a condition with OR, DuckDB leaves out no row group by its statistics.
    kills, signals, exits = (
        events.filter(nw.col("event") == event) for event in ("kill", "signal_generate", "sched_process_exit")
    )
    counted = [
        _by_step(kills, step_us, "calls", failed=_FAILED, probes=_PROBE),
        _by_step(signals, step_us, "signals"),
        _by_step(exits.filter(ends_process_expression()), step_us, "exits"),
    ]
    return nw.concat(counted).group_by("log", "ts").agg(nw.col("time").min(), *(nw.col(name).sum() for name in _STEP))


def _by_step(rows: FrameT, step_us: int, all_of_them: str, **flags: nw.Expr) -> FrameT:
    numbers = {name: flag.fill_null(value=False).cast(nw.Int64) for name, flag in flags.items()}
    rows = rows.select("log", "time", ts=nw.col("ts") // step_us * step_us, **numbers)
    sums = [nw.len().alias(all_of_them), *(nw.col(name).sum() for name in flags)]
    counted = rows.group_by("log", "ts").agg(nw.col("time").min(), *sums)
    others = [nw.lit(0).alias(name) for name in _STEP if name not in (all_of_them, *flags)]
    return counted.with_columns(*others).select("log", "ts", "time", *(nw.col(name).cast(nw.Int64) for name in _STEP))


@nw.narwhalify
def storms(events: FrameT, gap_us: int = STORM_GAP_US, least: int = STORM_CALLS) -> FrameT:
    """Return the bursts of calls: a process makes `least` or more, each within `gap_us` of the one before.

    Columns: log, pid, comm, calls, failed, probes, targets, first_ts, last_ts, per_second. `targets` is how many
    different pids it named; `per_second` is null where all came in one microsecond.
    """
    by = ["log", "pid", "comm"]
    timed = with_since(_counted(events), by, _ORDER)
    begins = timed.with_columns(_begins=(nw.col("since_us") <= gap_us).fill_null(value=False).cast(nw.Int64))
    begins = begins.with_columns(_begins=1 - nw.col("_begins"))
    runs = begins.with_columns(_run=over(nw.col("_begins").cum_sum(), begins, by, _ORDER))
    found = runs.group_by(*by, "_run").agg(
        nw.len().alias("calls"),
        nw.col("failed").sum(),
        nw.col("probes").sum(),
        nw.col("target").n_unique().alias("targets"),
        *_SPAN,
    )
    took = nw.col("last_ts") - nw.col("first_ts")
    return (
        found.filter(nw.col("calls") >= least)
        .drop("_run")
        .with_columns(per_second=nw.when(took > 0).then((nw.col("calls") - 1) * 1e6 / took))
    )


@nw.narwhalify
def escalations(events: FrameT, within_us: int = 600_000_000) -> FrameT:
    """Return who was asked to end, and then killed: TERM, then KILL, and the grace between.

    Columns: log, target, asked_ts, asks, asked_sig, killed_ts, pid, comm, grace_us. A target, be it a pid or a group,
    is asked by calls with SIGHUP, SIGINT, SIGQUIT or SIGTERM that reached it, and the next SIGKILL to it follows.
    `asks` is how many came within `within_us` before the SIGKILL, and at least one; `asked_sig` the signal of the
    first of them, and `grace_us` the time from it. `pid` and `comm` are who sent the SIGKILL. That a plain log tells
    too; whether the process ended of it, `deaths` knows. Of target 0, each caller's own group, there is none.
    """
    reached = counts.calls(events).filter(
        nw.col("ret") == 0, nw.col("target") != 0, nw.col("sig").is_in(ASKING_OR_KILLING)
    )
    placed = reached.with_columns(_killed=(nw.col("sig") == KILL).cast(nw.Int64))
    # A SIGKILL ends a run of askings, and the next run begins after it. Joins leave out null keys.
    killed_yet = over(nw.col("_killed").cum_sum(), placed, _NAMED, _ORDER)
    runs = placed.with_columns(_run=killed_yet - nw.col("_killed"), _log=nw.col("log").fill_null(""))
    key = ["_log", "target", "_run"]
    kills = runs.filter(nw.col("_killed") == 1).select(*key, "pid", "comm", killed_ts="ts")
    asked = (
        runs.filter(nw.col("_killed") == 0)
        .select(*key, "log", "ts", "line", "sig")
        .join(kills, on=key, how="inner")
        .filter(nw.col("killed_ts") - nw.col("ts") <= within_us)
    )
    return (
        with_since(asked, key, _ORDER)
        .with_columns(_first=nw.when(nw.col("since_us").is_null()).then(nw.col("sig")))
        .group_by("log", "target", "_run", "killed_ts", "pid", "comm")
        .agg(nw.col("ts").min().alias("asked_ts"), nw.len().alias("asks"), nw.col("_first").max().alias("asked_sig"))
        .with_columns(grace_us=nw.col("killed_ts") - nw.col("asked_ts"))
        .select("log", "target", "asked_ts", "asks", "asked_sig", "killed_ts", "pid", "comm", "grace_us")
    )


@nw.narwhalify
def compare(before: FrameT, after: FrameT) -> FrameT:
    """Return the calls of two sessions beside each other.

    Columns: comm, sig, ret, calls_before, calls_after. Two sessions are of before and after a deploy, or of host A and
    host B; pids mean nothing between them, so a row is the calls by a name, with a signal and a result.
    """
    sides = [
        counts.calls(events).select("comm", "sig", "ret", calls_before=nw.lit(n), calls_after=nw.lit(1 - n))
        for events, n in ((before, 1), (after, 0))
    ]
    return (
        nw.concat(sides).group_by("comm", "sig", "ret").agg(nw.col("calls_before").sum(), nw.col("calls_after").sum())
    )
