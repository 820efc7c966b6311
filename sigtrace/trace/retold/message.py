"""Message: what stands behind a header, as libtraceevent prints it for trace-cmd and perf, and as trace_pipe does."""

from __future__ import annotations

from sigtrace.facts.events import EVENTS, PRINTK

_CALLS = ("kill", "tkill", "tgkill")

NAMES = frozenset(
    {PRINTK, *(event.tracefs for event in EVENTS if event.tracefs)}
    | {f"syscalls:sys_{half}_{call}" for call in _CALLS for half in ("enter", "exit")}
)
"""The kernel's events that make rows, as GROUP:NAME."""

_NAMES = {full.partition(":")[2].encode(): full.partition(":")[0].encode() for full in NAMES}


def ours(name: bytes, group: bytes | None = None) -> bool:
    """Tell whether an event makes rows; an event of another group may have the same name."""
    return name in _NAMES and group in {None, _NAMES[name]}


def retold(name: bytes, text: bytes) -> bytes:
    """Return an event's name and text as trace_pipe prints them: it has words of its own for system calls."""
    if name.startswith(b"sys_enter_"):
        return b"sys_" + name[10:] + b"(" + text.rstrip() + b")"
    if name.startswith(b"sys_exit_"):
        return b"sys_" + name[9:] + b" -> " + text
    return name + b": " + text
