"""Counts: calls counted by who sent what to whom with what result, and these counts summed up by one side.

Counts are a frame of any engine with the columns of `sigtrace.analyze.sent`. It is much smaller than the calls, so many
questions to a large session are answered from one reading of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from sigtrace.facts.rules import ASKING_OR_KILLING
from sigtrace.facts.signals import ERRORS

if TYPE_CHECKING:
    from narwhals.typing import FrameT

_SPAN = (nw.col("first_ts").min(), nw.col("last_ts").max())
_COUNTS = ("calls", "failed", "probes")
_KEY = ("log", "pid", "comm", "sig", "target", "ret")


def calls(events: FrameT) -> FrameT:
    """Return the calls of a session, each with a `pid`: the thread's number if no line says its process."""
    return events.filter(nw.col("event") == "kill").with_columns(pid=nw.coalesce("pid", "tid"))


@nw.narwhalify
def of(events: FrameT) -> FrameT:
    """Return the counts of the calls in a session: the columns of `sigtrace.analyze.sent`."""
    return (
        calls(events)
        .group_by(*_KEY)
        .agg(
            nw.len().alias("calls"),
            nw.col("ts").min().alias("first_ts"),
            nw.col("ts").max().alias("last_ts"),
            nw.col("time").min().alias("first_time"),
            nw.col("line").min().alias("first_line"),
        )
    )


@nw.narwhalify
def merged(before: FrameT) -> FrameT:
    """Return the counts, as `of` does, out of rows of `sigtrace.store.flight.counts`."""
    times = (*_SPAN, nw.col("first_time", "first_line").min())
    found = before.filter(nw.col("calls") > 0).group_by(*_KEY)
    return found.agg(nw.col("calls").sum(), *times).with_columns(nw.col("calls").cast(nw.Int64))


@nw.narwhalify
def alone(before: FrameT) -> FrameT:
    """Return the calls that stand alone among such rows, as rows of a session."""
    found = before.filter(nw.col("calls") == 1, nw.col("ret") == 0, nw.col("sig").is_in(ASKING_OR_KILLING))
    return found.select(*_KEY, tid="pid", ts="first_ts", line="first_line", event=nw.lit("kill"))


@nw.narwhalify
def hits(before: FrameT) -> FrameT:
    """Return whom signals hit by such rows, as rows of a session."""
    found = before.filter(~nw.col("target_comm").is_null())
    columns = ("log", "pid", "sig", "target", "target_comm")
    return found.select(*columns, tid="pid", code=nw.lit(0), event=nw.lit("signal_generate"))


def _counted(counts: FrameT) -> FrameT:
    # A pid is one of its log's host: of several logs, the same number is several processes.
    process = [
        nw.concat_str([nw.col("log").fill_null(""), nw.col(pid).cast(nw.String)], separator=" ").alias(name)
        for pid, name in (("pid", "senders"), ("target", "targets"))
    ]
    return _summed(counts).with_columns(*process)


def _summed(counts: FrameT) -> FrameT:
    # Numbers beforehand: pyarrow aggregates nothing but plain columns.
    failed = nw.when(nw.col("ret") < 0).then(nw.col("calls")).otherwise(0)
    probes = nw.when(nw.col("sig") == 0).then(nw.col("calls")).otherwise(0)
    return counts.with_columns(failed=failed, probes=probes)


def _whole(sums: FrameT) -> FrameT:
    # A sum of DuckDB is 128 bits wide, and one of nothing is null, as is its number of different values.
    counts = [name for name in (*_COUNTS, "senders", "targets") if name in sums.collect_schema().names()]
    return sums.with_columns(nw.col(*counts).fill_null(0).cast(nw.Int64))


_SUMS = tuple(nw.col(name).sum() for name in _COUNTS)
_SENDERS, _TARGETS = nw.col("senders").n_unique(), nw.col("targets").n_unique()
_TARGETS_OF_A_LOG = nw.col("target").n_unique().alias("targets")


@nw.narwhalify
def totals(counts: FrameT) -> FrameT:
    """Return one row: calls, failed, probes, senders, targets, first_ts, last_ts."""
    return _whole(_counted(counts).select(*_SUMS, _SENDERS, _TARGETS, *_SPAN))


@nw.narwhalify
def by_sender(counts: FrameT) -> FrameT:
    """Return log, pid, comm, calls, failed, probes, targets, first_ts, last_ts."""
    return _whole(_summed(counts).group_by("log", "pid", "comm").agg(*_SUMS, _TARGETS_OF_A_LOG, *_SPAN))


@nw.narwhalify
def by_target(counts: FrameT) -> FrameT:
    """Return log, target, calls, failed, probes, senders, first_ts, last_ts."""
    # By sender first: to count different ones in many groups takes DuckDB twice as long.
    of_sender = _summed(counts).group_by("log", "target", "pid").agg(*_SUMS, *_SPAN)
    found = _whole(of_sender.group_by("log", "target").agg(*_SUMS, nw.len().alias("senders"), *_SPAN))
    return found.select("log", "target", "calls", "failed", "probes", "senders", "first_ts", "last_ts")


@nw.narwhalify
def by_signal(counts: FrameT) -> FrameT:
    """Return sig, calls, failed, senders, targets."""
    calls, failed, _ = _SUMS
    return _whole(_counted(counts).group_by("sig").agg(calls, failed, _SENDERS, _TARGETS))


@nw.narwhalify
def by_result(counts: FrameT) -> FrameT:
    """Return ret, error, calls, probes, first_ts, last_ts."""
    calls, _, probes = _SUMS
    found = _whole(_summed(counts).group_by("ret").agg(calls, probes, *_SPAN)).with_columns(_error())
    return found.select("ret", "error", "calls", "probes", "first_ts", "last_ts")


@nw.narwhalify
def failures(counts: FrameT) -> FrameT:
    """Return log, pid, comm, ret, error, calls, signals, targets, first_ts, last_ts of the calls that failed."""
    failed = counts.filter(nw.col("ret") < 0).group_by("log", "pid", "comm", "ret")
    found = failed.agg(
        nw.col("calls").sum(),
        nw.col("sig").n_unique().alias("signals"),
        nw.col("target").n_unique().alias("targets"),
        *_SPAN,
    )
    order = ["log", "pid", "comm", "ret", "error", "calls", "signals", "targets", "first_ts", "last_ts"]
    return _whole(found).with_columns(_error()).select(*order)


@nw.narwhalify
def probed(counts: FrameT) -> FrameT:
    """Return log, pid, comm, target, calls, found, first_ts, last_ts of the calls with signal 0."""
    found = nw.when(nw.col("ret").is_in([0, -1])).then(nw.col("calls")).otherwise(0)
    asked = counts.filter(nw.col("sig") == 0).with_columns(found=found)
    sums = asked.group_by("log", "pid", "comm", "target").agg(nw.col("calls").sum(), nw.col("found").sum(), *_SPAN)
    return sums.with_columns(nw.col("calls", "found").cast(nw.Int64))


@nw.narwhalify
def found(counts: FrameT) -> FrameT:
    """Return one row: found, how many of the calls with signal 0 found their process."""
    asked = counts.filter(nw.col("sig") == 0, nw.col("ret").is_in([0, -1]))
    return asked.select(nw.col("calls").sum().fill_null(0).cast(nw.Int64).alias("found"))


@nw.narwhalify
def began(counts: FrameT) -> FrameT:
    """Return log, ts, time of the first call of each log that knows UTC."""
    dated = counts.filter(~nw.col("first_time").is_null()).group_by("log")
    return dated.agg(nw.col("first_ts").min().alias("ts"), nw.col("first_time").min().alias("time"))


def named(counts: Any, events: Any, targets: list[int]) -> Any:  # noqa: ANN401  (frames of any engine)
    """Return log, target, comm of the targets that have a name.

    A target is a pid of its caller's namespace: it has a name if a signal of that caller hit a process of that pid.
    """
    # narwhalify would look through all that is installed for what can take the list, a tenth of a short report's time.
    counted, rows = nw.from_native(counts), nw.from_native(events)
    key = ["_log", "pid", "sig", "target"]  # joins leave out null keys
    by_a_call = (nw.col("code") <= 0).fill_null(value=True)
    hits = rows.filter(nw.col("event") == "signal_generate", nw.col("target").is_in(targets), by_a_call)
    hits = hits.with_columns(_log=nw.col("log").fill_null(""), pid=nw.coalesce("pid", "tid"))
    sent = counted.with_columns(_log=nw.col("log").fill_null("")).select(*key)
    found = hits.select(*key, "log", "target_comm").join(sent, on=key, how="inner").drop_nulls("target_comm")
    return found.group_by("log", "target").agg(nw.col("target_comm").min().alias("comm")).to_native()


def _error() -> nw.Expr:
    name = nw.lit(None, dtype=nw.String)
    for number, (error, _) in ERRORS.items():
        name = nw.when(nw.col("ret") == -number).then(nw.lit(error)).otherwise(name)
    return name.alias("error")
