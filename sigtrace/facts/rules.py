"""Rules: what decides in more than one place, each written once, for Python and for narwhals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals as nw

REFUSED = {1: "ignored", 2: "already pending", 3: "queue full"}
"""What `res` of signal_generate says of a signal that was not queued (TRACE_SIGNAL_*, trace/events/signal.h).

0 and 4 are queued, 4 without its information.
"""

EXITS = ("exited", "asked")
"""The verdicts of those that no signal forced to end: they exited, of themselves or since they were asked to."""

JUST_BEFORE_US = 1_000_000
"""A loss bears on an ending if it is this much older at most, in microseconds.

A fatal signal is delivered and its process exits at once; only a long core dump comes between.
"""

ASKED_WITHIN_US = 90_000_000
"""A process was asked to end if it exits this much later at most, in microseconds, unless told otherwise.

systemd, for one, waits for 90 s before it kills.
"""

FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last moment that has a date, in microseconds since 1970: those of the years 1 and 9999."""

NO_TS = -(1 << 62)
"""What stands for a `ts` that is null where a number is needed: that of a table without times."""

ASKING = (1, 2, 3, 15)
"""SIGHUP, SIGINT, SIGQUIT, SIGTERM: the signals with which a process is asked to end, before SIGKILL."""

KILL = 9
"""SIGKILL, which nobody who gets it can refuse."""

ASKING_OR_KILLING = (*ASKING, KILL)
"""The signals of an escalation: its calls, if they reached their target, are looked at in the order of time."""

STORM_GAP_US = 10_000
"""In a storm, unless told otherwise, a call comes no later than this after the one before."""

STORM_CALLS = 100
"""So many calls are a storm, unless told otherwise."""


def ends_process(group_dead: bool | None, tid: int, pid: int | None) -> bool:  # noqa: FBT001  (a column)
    """Tell whether a sched_process_exit is of the last thread of its process.

    Before Linux 6.10 the event does not say so, and the thread that the process is named by counts.
    """
    if group_dead is None:
        return pid is None or tid == pid
    return group_dead


def ends_process_expression() -> nw.Expr:
    """Return `ends_process` as an expression of narwhals over the columns of a session."""
    import narwhals as nw

    first = nw.col("tid") == nw.coalesce("pid", "tid")
    return nw.coalesce(nw.col("group_dead"), first)
