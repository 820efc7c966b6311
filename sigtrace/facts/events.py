"""Events: one table of what a session's rows can be, from which each stage takes what it needs to know of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

SCHEMA_VERSION = 2
"""The version of `sigtrace.facts.schema`, for those that do without pyarrow."""

CALLS, SIGNALS, STATUSES, CGROUPS = "calls", "signals", "statuses", "cgroups"

PRINTK = "bpf_trace:bpf_trace_printk"
"""The kernel's event that carries what the programs print."""

_NO_SIGCHLD = "sig != 17"  # most of all signals, and it ends nobody


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


_HEAD = "ts cpu tid pid comm"


def _event(name: str, group: str, *forms: str, condition: str = "", tracked: bool = True, row_group: str = "") -> Event:
    # An event of the kernel, of whose line the header fills the first columns.
    filled = tuple(f"{_HEAD} {form}".strip() for form in forms)
    return Event(name, f"{group}:{name}", condition, filled, tracked, row_group or name)


EVENTS = (
    Event("kill", PRINTK, "", (f"{_HEAD} sig target ret",), True, CALLS),
    # The program's first line of a call, and its second; the kernel's own first line, and its second.
    Event(
        "kill_half",
        "",
        "",
        (f"{_HEAD} sig", f"{_HEAD} target ret", f"{_HEAD} sig target", f"{_HEAD} ret"),
        True,
        CALLS,
    ),
    # The second form is of a loss that the kernel could not count.
    Event("lost", "", "", ("cpu lost", "cpu"), True, CALLS),
    _event(
        "signal_generate",
        "signal",
        "sig target target_comm code grp res",
        condition=_NO_SIGCHLD,
        row_group=SIGNALS,
    ),
    _event("signal_deliver", "signal", "sig code handler", condition=_NO_SIGCHLD, row_group=SIGNALS),
    _event("sched_process_exit", "sched", "group_dead", ""),  # before Linux 6.10 it had no group_dead
    _event("sched_process_fork", "sched", "target target_comm"),
    _event("sched_process_exec", "sched", "target filename"),
    # Older kernels print less of the victim: no more than its pid.
    _event(
        "mark_victim", "oom", "target target_comm uid user command", "target target_comm", "target", row_group=SIGNALS
    ),
    _event("sys_enter_exit_group", "syscalls", "status", row_group=STATUSES),
    _event("sys_enter_exit", "syscalls", "status", row_group=STATUSES),
    # The second form is of a recording without arguments.
    Event(
        "args",
        PRINTK,
        "",
        (f"{_HEAD} uid user cgroup_id command", f"{_HEAD} uid user cgroup_id"),
        True,
        "args",
    ),
    Event("exec", PRINTK, "", (f"{_HEAD} target filename",), True, "exec"),
    _event("cgroup_attach_task", "cgroup", "target target_comm cgroup cgroup_id", row_group=CGROUPS),
    # Of the v2 hierarchy, number 0: an id of another's means something else.
    _event("cgroup_mkdir", "cgroup", "cgroup cgroup_id", condition="root == 0", row_group=CGROUPS),
    Event(
        "process",
        "",
        "",
        ("ts tid pid comm target filename cgroup pidns uid user command cgroup_id ns_pid",),
        True,
        "process",
    ),
    Event("thread", "", "", ("tid pid comm",), True, "process"),
    Event("cgroup", "", "", ("cgroup cgroup_id",), True, CGROUPS),
    # A time in which nobody recorded: `lost` is in microseconds here.
    Event("gap", "", "", ("ts lost",), False, "process"),
)
"""All events. The scanner reads every one but those of `SNAPSHOT`."""

FOLDED = {
    "sched_process_exit": (("sig", "signal_deliver"), ("status", "sys_enter_exit_group")),
    "sched_process_exec": (("command", "args"),),
}
"""The events of which a line of another tool says more, in columns that the kernel's lines do not fill: of each column,
the event that would have said it."""

SNAPSHOT = ("process", "thread", "cgroup", "gap")
"""The events that no line tells of: a recording writes them at its start, by /proc, by the control groups that there
are, and by the recording before."""

ROWS = tuple((event.name, form) for event in EVENTS if event.name not in SNAPSHOT for form in event.forms)
"""The kinds of rows that the scanner makes: the event's name, and the columns that this kind fills."""

TRACKED = tuple(event.name for event in EVENTS if event.tracked)
"""The events that the process tracker needs."""

ROW_GROUPS = {event.name: event.row_group for event in EVENTS}
"""Of each event, the row group that its rows go to."""


def evidence(signals: Collection[int] = ()) -> dict[str, str]:
    """Return the kernel's events that a recording enables beside what the programs print, each with its filter.

    If `signals` are given, these alone are recorded, and each delivery that nobody handles: a process that ends of
    another signal does so by such a one.
    """
    found = {event.tracefs: event.condition for event in EVENTS if event.tracefs not in {"", PRINTK}}
    if signals:
        chosen = " || ".join(f"sig == {sig}" for sig in sorted(signals))
        found["signal:signal_generate"] = chosen
        found["signal:signal_deliver"] = f"{chosen} || ({_NO_SIGCHLD} && sa_handler == 0)"
    return found
