"""Witness: which events a log must hold before an answer may deny something, and which of them it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.rules import KILL

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CALLS = "calls of kill"
"""What the calls are called among the events: two programs print them, each in its own words."""

SHOWN = {
    CALLS: "the calls that failed",
    "signal_generate": "who else sent a signal",
    "signal_deliver": "what became of a signal",
    "sched_process_exit": "who ended",
}
"""Of each event that a denial needs, what is unknown without it."""

LOSSES_UNTOLD = {
    "execsnoop": "execsnoop says on standard error alone that events were lost",
    "exitsnoop": "exitsnoop says on standard error alone that events were lost, and -x leaves out exits with 0",
    "killsnoop": "killsnoop says on standard error alone that events were lost",
    "perf script": "perf script says only with --show-lost-events that events were lost",
    "sigsnoop": "sigsnoop says on standard error alone that events were lost",
}
"""Of each tool whose text may leave out that events were lost, when it does."""

TIMED_BY_DAY = ("execsnoop", "exitsnoop", "killsnoop", "sigsnoop")
"""The tools that print the time of day, and not the day."""

SENDERS_UNTOLD = {"sigsnoop": "sigsnoop does not say whether a process or the kernel sent a signal, only who ran then"}
"""Of each tool whose text does not say who sent a signal, what it says instead."""


FILTERED = {
    "auditd": "auditd records only the calls that a rule asks for, and does not say in its log what it lost",
    "Inspektor Gadget": "Inspektor Gadget shows only what it was set to, and does not say whether a process or the "
    "kernel sent a signal, nor here what it lost",
    "Tetragon": "Tetragon shows only what its policies and filters let through, and does not say here what it lost",
    "Tracee": "Tracee shows only what its policies let through, and does not say here what it lost",
}
"""Of each tool that shows no more than it was set to, what is not seen: what its text lacks may have happened."""


def filtered(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which tools of `FILTERED` printed the texts in a session, by what it says of itself."""
    return tuple(tool for tool in about.get("tools", ()) if tool in FILTERED)


def losses_untold(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Return of which tools the texts in a session may leave out losses, by what it says of itself."""
    told = about["lines_by_kind"].get("lost") and len(about.get("logs", ())) <= 1
    return filtered(about) + (() if told else tuple(tool for tool in about.get("tools", ()) if tool in LOSSES_UNTOLD))


def recorded(signals: Collection[int]) -> tuple[int, ...]:
    """Return which signals a recording holds if it is asked for these, all if for none: then nothing is returned.

    SIGKILL is always among them. It comes seldom, and the kernel delivers most that is deadly as SIGKILL: without it, a
    process that waits for SIGTERM, and is killed, would look as if SIGTERM had ended it.
    """
    return tuple(sorted({*signals, KILL})) if signals else ()


def missing(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which events of `SHOWN` were off in a session, by what it says of itself.

    A recording knows which events were on. A raw log must hold them. A tool of `FILTERED` shows none of them all.
    """
    if filtered(about):
        return tuple(SHOWN)
    kinds = about["lines_by_kind"]
    recorded = about.get("events") or ()
    found = {event.rsplit(":", 1)[-1] for event in recorded} | set(kinds)
    if recorded or not {"kill", "call", "half", "repeated"}.isdisjoint(kinds):
        found.add(CALLS)
    return tuple(event for event in SHOWN if event not in found)
