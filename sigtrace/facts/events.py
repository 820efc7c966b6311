"""Events: one table of what a session's rows can be, from which each stage takes what it needs to know of an event."""

from __future__ import annotations

from typing import NamedTuple

CALLS, SIGNALS = "calls", "signals"

_NO_SIGCHLD = "sig != 17"  # most of all signals, and it ends nobody
_PRINTK = "bpf_trace:bpf_trace_printk"


class Event(NamedTuple):
    """An event: a value of the column `event`.

    `tracefs` is the kernel's event whose lines tell of it, as GROUP:NAME, and is empty if no such event exists;
    `condition` is the filter that a recording sets on it. `forms` are the kinds of rows: for each, the columns that it
    fills beside `event`, `line` and `log`. `tracked` tells whether the process tracker needs the event, and
    `row_group` names the row group of a part that its rows go to.
    """

    name: str
    tracefs: str
    condition: str
    forms: tuple[str, ...]
    tracked: bool
    row_group: str


EVENTS = (
    Event("kill", _PRINTK, "", ("ts cpu tid pid comm sig target ret",), True, CALLS),
    Event("kill_half", "", "", ("ts cpu tid pid comm sig", "ts cpu tid pid comm target ret"), True, CALLS),
    # The second form is of a loss that the kernel could not count.
    Event("lost", "", "", ("cpu lost", "cpu"), True, CALLS),
    Event(
        "signal_generate",
        "signal:signal_generate",
        _NO_SIGCHLD,
        ("ts cpu tid pid comm sig target target_comm code grp res",),
        True,
        SIGNALS,
    ),
    Event(
        "signal_deliver",
        "signal:signal_deliver",
        _NO_SIGCHLD,
        ("ts cpu tid pid comm sig code handler",),
        True,
        SIGNALS,
    ),
    # Before Linux 6.10 it had no group_dead.
    Event(
        "sched_process_exit",
        "sched:sched_process_exit",
        "",
        ("ts cpu tid pid comm group_dead", "ts cpu tid pid comm"),
        True,
        "sched_process_exit",
    ),
    Event(
        "sched_process_fork",
        "sched:sched_process_fork",
        "",
        ("ts cpu tid pid comm target target_comm",),
        True,
        "sched_process_fork",
    ),
    Event(
        "sched_process_exec",
        "sched:sched_process_exec",
        "",
        ("ts cpu tid pid comm target filename",),
        True,
        "sched_process_exec",
    ),
    # Older kernels do not print the victim's name.
    Event(
        "mark_victim",
        "oom:mark_victim",
        "",
        ("ts cpu tid pid comm target target_comm", "ts cpu tid pid comm target"),
        True,
        SIGNALS,
    ),
    Event("process", "", "", ("ts tid pid comm target filename cgroup pidns",), True, "process"),
)
"""All events. The scanner reads every one but those of `SNAPSHOT`."""

SNAPSHOT = ("process",)
"""The events that no line tells of: a recording writes them at its start, from /proc."""

ROWS = tuple((event.name, form) for event in EVENTS if event.name not in SNAPSHOT for form in event.forms)
"""The kinds of rows that the scanner makes: the event's name, and the columns that this kind fills."""

TRACKED = tuple(event.name for event in EVENTS if event.tracked)
"""The events that the process tracker needs."""

ROW_GROUPS = {event.name: event.row_group for event in EVENTS}
"""Of each event, the row group that its rows go to."""


def evidence() -> dict[str, str]:
    """Return the kernel's events that a recording enables beside the program's own, each with its filter."""
    return {event.tracefs: event.condition for event in EVENTS if event.tracefs not in {"", _PRINTK}}
