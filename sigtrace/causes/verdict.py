"""Verdict: who or what ended a process, by the rows of its life, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.causes.origin import origin
from sigtrace.causes.tracking.rows import NO_TIME
from sigtrace.facts.signals import DEADLY

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.causes.tracking.rows import Row

# Between an actor and its kill: they do as they are told.
_MESSENGERS = frozenset(
    [
        *("sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"),
        *("sigtrace", "kill", "pkill", "killall", "killall5", "skill", "timeout"),
        *("sudo", "doas", "su", "runuser", "env", "setsid", "nohup", "xargs", "nice", "ionice", "stdbuf", "flock"),
    ]
)

_KILL = 9
_NOBODY: list[Process] = []


def ending(process: Process, died: Row, signal: Signal | None, lost: bool) -> dict[str, Any]:  # noqa: FBT001
    """Return an ending with the columns of `sigtrace.causes.endings.SCHEMA` but `log`."""
    verdict, source = _verdict(process, signal, lost)
    killer = None
    if verdict == "self":
        killer = process
    elif signal is not None and verdict == "killed" and source in ("call", "queue"):
        killer = signal.sender
    line = _NOBODY if killer is None else killer.ancestors()
    names = [one.name() or "?" for one in line]
    if killer is not None:
        names[0] = _killer_name(killer, signal)
    actor = next((i for i, name in enumerate(names) if name not in _MESSENGERS), 0)
    earlier = _earlier(process, signal)
    return {
        "victim_pid": process.pid,
        "victim_start": None if process.start == NO_TIME else process.start,
        "victim_comm": process.name(),
        "command": process.command,
        "cgroup": process.cgroup,
        "parent_pid": None if process.parent is None else process.parent.pid,
        "parent_comm": None if process.parent is None else process.parent.name(),
        "ts": died.ts,
        "time": None if died.time == NO_TIME else died.time,
        "sig": None if verdict == "exited" else _sig(process, signal),
        "verdict": verdict,
        "source": source,
        "killer_pid": None if killer is None else killer.pid,
        "killer_comm": names[0] if names else None,
        "actor_pid": line[actor].pid if line else None,
        "actor_comm": names[actor] if names else None,
        "ancestors": [f"{name} ({one.pid})" for name, one in zip(names[1:], line[1:], strict=True)],
        "group": signal is not None and signal.to_group(),
        "delay_us": None if signal is None else died.ts - signal.row.ts,
        "earlier_sig": None if earlier is None else earlier.sig,
        "earlier_fate": None if earlier is None else earlier.fate,
        "grace_us": None if earlier is None or signal is None else signal.row.ts - earlier.row.ts,
        "lost": lost,
        "lines": sorted({row.line for row in rows(process, died, signal, earlier)}),
    }


def evidence(process: Process, died: Row, signal: Signal | None) -> list[dict[str, Any]]:
    """Return the rows that an ending rests on, in the order of their lines, each with what it says."""
    by_line = {row.line: row for row in rows(process, died, signal, _earlier(process, signal))}
    return [by_line[line].facts() for line in sorted(by_line)]


def rows(process: Process, died: Row, signal: Signal | None, earlier: Signal | None) -> list[Row]:
    """Return the rows that an ending rests on."""
    found = [process.fatal, died, process.oom if signal is not None and signal.sig == _KILL else None]
    for one in (earlier, signal):
        if one is not None:
            found += [one.row, one.call]
    return [row for row in found if row is not None]


def _verdict(process: Process, signal: Signal | None, lost: bool) -> tuple[str, str | None]:  # noqa: FBT001
    if signal is None:
        fatal = process.fatal
        if lost or (fatal is not None and (fatal.sig != _KILL or process.quiet_exit < 0)):
            return "unknown", None  # delivered, and sent before the recording began; nobody called exit_group(2)
        return "exited", None
    source = origin(signal)
    if source in ("fault", "oom"):
        return source, source
    if source in ("call", "queue") and signal.sender is process:
        return "self", source
    return "killed", source


def _sig(process: Process, signal: Signal | None) -> int | None:
    if signal is not None:
        return signal.sig
    return None if process.fatal is None else process.fatal.sig


def _earlier(process: Process, signal: Signal | None) -> Signal | None:
    """Return the first deadly signal that another one had to follow: TERM, then KILL."""
    if signal is None:
        return None
    return next(
        (one for one in process.signals or () if one.row.line < signal.row.line and one.sig in DEADLY),
        None,
    )


def _killer_name(killer: Process, signal: Signal | None) -> str:
    # The call's message has the name of that moment, to the letter.
    called = None if signal is None or signal.call is None else signal.call.comm
    return called or killer.name() or "?"
