"""Verdict: who or what ended a process, by the rows of its life, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.causes.judging.actor import actor
from sigtrace.causes.judging.asking import ENDED, SENT, asked, ended_by, hops, is_exit_code, raised_anew, without_ticks
from sigtrace.causes.judging.identity import identity
from sigtrace.causes.judging.origin import origin
from sigtrace.causes.tracking.process import PENDING, TAKEN, UNKNOWN, Process
from sigtrace.causes.tracking.rows import NO_TIME, NONE, Row
from sigtrace.facts.rules import ASKED_WITHIN_US, EXITS, JUST_BEFORE_US, NO_TS
from sigtrace.facts.signals import DEADLY, ROUTINE

if TYPE_CHECKING:
    from collections.abc import Collection

    from sigtrace.causes.tracking.process import Image, Signal

_KILL = 9
_MEANT = DEADLY - ROUTINE  # to end whom they hit
_NULL, _NO_FLAG = 255, 2  # of a row's columns `small` and `flag`
_NO_EXIT = "no exit call"
_NOT_RECORDED = "not recorded"
_HOW = {"handled": "handled", PENDING: "waited for", TAKEN: "waited for"}


class _Cause(NamedTuple):
    verdict: str
    source: str | None
    signal: Signal | None  # that ended it, or asked it to end
    last: Signal | None  # that ended it; another one if it raised the first anew


class Brief(NamedTuple):
    """What is counted of an ending."""

    verdict: str
    source: str | None
    killer_pid: int | None
    killer_comm: str | None
    sig: int | None


class Judge:
    """Decides how processes ended.

    A process was asked to end by a signal that came `asked_within_us` before its exit at most. `witnessed`: whether the
    log would show a signal and its delivery, if there were one; if not, none can be denied. `signals` are those that
    alone were recorded, if not all were.
    """

    def __init__(
        self, *, witnessed: bool = True, asked_within_us: int = ASKED_WITHIN_US, signals: Collection[int] = ()
    ) -> None:
        self._witnessed = witnessed
        self._within_us = asked_within_us
        self._signals = signals

    def brief(self, process: Process, lost: bool) -> Brief:  # noqa: FBT001
        """Return what is counted of an ending: most of what `ending` finds is not."""
        if process.died is None:
            return Brief("unknown", None, None, None, None)
        cause = self._cause(process, process.died, lost)
        killer = self._killer(process, cause)
        pid = None if killer is None else killer.pid
        name = None if killer is None else _named(killer, cause.signal)
        return Brief(cause.verdict, cause.source, pid, name, _sig(process, cause))

    def ending(self, process: Process, lost: bool) -> dict[str, Any]:  # noqa: FBT001
        """Return an ending with the columns of `sigtrace.causes.endings.SCHEMA` but `log`."""
        died = process.died
        if died is None:
            raise ValueError(f"process {process.pid} has not ended")
        cause = self._cause(process, died, lost)
        signal = cause.signal
        killer = self._killer(process, cause)
        earlier = None if cause.verdict == "asked" else _earlier(process, cause.last)
        return {
            "victim_pid": process.pid,
            "victim_start": None if process.start == UNKNOWN else process.start,
            "victim_comm": process.name(),
            "command": process.command or process.filename,
            "cgroup": process.cgroup,
            "parent_pid": None if process.parent is None else process.parent.pid,
            "parent_comm": None if process.parent is None else process.parent.image(died.line).comm,
            "ts": None if died.ts == NO_TS else died.ts,
            "time": None if died.time == NO_TIME else died.time,
            "sig": _sig(process, cause),
            "verdict": cause.verdict,
            "source": cause.source,
            **_killer_columns(killer, signal),
            "group": signal is not None and signal.to_group(),
            "delay_us": None if signal is None else died.ts - signal.row.ts,
            "earlier_sig": None if earlier is None else earlier.sig,
            "earlier_fate": None if earlier is None else earlier.fate,
            "grace_us": None if earlier is None or cause.last is None else cause.last.row.ts - earlier.row.ts,
            "lost": lost,
            "lines": sorted({row.line for row in _rows(process, cause, earlier)}),
            "exit_status": _exit_status(process, cause, lost),
            "how": self._how(process, cause, lost),
            "reraised": signal is not cause.last and cause.verdict == "killed",
            **self._hop_columns(cause),
            **_identity_columns(process, process.image(), "victim"),
            "ns_pid": None if process.ns_pid == NONE else process.ns_pid,
            **_oom_columns(process, cause.verdict),
        }

    def just_exited(self, process: Process, lost: bool) -> bool:  # noqa: FBT001
        """Tell whether there is nothing to judge: it exited, and no signal and no loss bears on that."""
        quiet = process.signals is None and process.fatal is None and process.ended_by is None
        return self._witnessed and quiet and not lost and not process.silent

    def evidence(self, process: Process, lost: bool) -> list[dict[str, Any]]:  # noqa: FBT001
        """Return the rows that an ending rests on, in the order of their lines, each with what it says."""
        died = process.died
        if died is None:
            return []
        cause = self._cause(process, died, lost)
        earlier = None if cause.verdict == "asked" else _earlier(process, cause.last)
        by_line: dict[int, Row] = {}
        for row in _rows(process, cause, earlier):
            by_line.setdefault(row.line, row)  # of a line that says how it ended, the end
        facts = [by_line[line].facts() for line in sorted(by_line)]
        return [_said(one, by_line[line]) for line, one in zip(sorted(by_line), facts, strict=True)]

    def _cause(self, process: Process, died: Row, lost: bool) -> _Cause:  # noqa: FBT001
        last = ended_by(process)
        if last is None:
            return self._cause_of_exit(process, died, lost)
        if self._is_another(process, last):
            return _Cause("unknown", None, None, None)
        first = raised_anew(process, last, self._within_us)
        signal = last if first is None else first
        source = origin(signal)
        if source in {"fault", "oom"}:
            return _Cause(source, source, signal, last)
        if source in SENT and signal.sender is process:
            return _Cause("self", source, signal, last)
        return _Cause("killed", source, signal, last)

    def _cause_of_exit(self, process: Process, died: Row, lost: bool) -> _Cause:  # noqa: FBT001
        unexplained = process.silent or _sent_before(process)
        signal = None if unexplained else asked(process, died, self._within_us, _status(process))
        if signal is not None:
            return _Cause("asked", origin(signal), signal, None)
        if lost or unexplained or not self._witnessed:
            return _Cause("unknown", None, None, None)
        return _Cause("exited", None, None, None)

    def _is_another(self, process: Process, last: Signal) -> bool:
        # Whether a signal that was not recorded may have ended it. Such a one is delivered as SIGKILL too, and `last`
        # may still have been pending then: blocked, or waited for. What is deadly ends a process at once.
        fatal = process.fatal
        delivered = fatal is not None and (fatal.sig, fatal.ts - last.row.ts > JUST_BEFORE_US) == (_KILL, True)
        return bool(self._signals) and last.sig != _KILL and delivered

    def _how(self, process: Process, cause: _Cause, lost: bool) -> str | None:  # noqa: FBT001
        if cause.verdict == "asked" and cause.signal is not None:
            return _HOW.get(cause.signal.fate)
        if cause.verdict != "unknown" or lost:
            return None
        if self._signals and process.fatal is not None and process.fatal.sig not in set(self._signals) - {_KILL}:
            return _NOT_RECORDED
        return _NO_EXIT if process.silent and not _sent_before(process) else None

    def _killer(self, process: Process, cause: _Cause) -> Process | None:
        if cause.verdict == "self":
            return process
        if cause.signal is None or cause.source not in SENT:
            return None
        return cause.signal.sender

    def _hop_columns(self, cause: _Cause) -> dict[str, Any]:
        chain = [] if cause.signal is None or cause.verdict == "self" else hops(cause.signal, self._within_us)
        if not chain or cause.source not in SENT + ENDED:
            return {"first_pid": None, "first_comm": None, "first_sig": None, "hops": []}
        first, sent = chain[0]
        return {
            "first_pid": first.pid,
            "first_comm": _named(first, sent),
            "first_sig": sent.sig,
            "hops": [f"{_named(one, sent)} ({one.pid})" for one, sent in chain],
        }


def columns() -> tuple[str, ...]:
    """Return the columns of an ending, in the order in which it has them."""
    anybody = Process.__new__(Process)
    anybody.begin(0, UNKNOWN, None)
    anybody.died = Row.__new__(Row)
    anybody.died.ts = anybody.died.time = anybody.died.line = 0
    return tuple(Judge().ending(anybody, lost=False))


def _killer_columns(killer: Process | None, signal: Signal | None) -> dict[str, Any]:
    if killer is None:
        return {
            **dict.fromkeys(("killer_pid", "killer_comm", "killer_thread", "actor_pid", "actor_comm")),
            "ancestors": [],
            **dict.fromkeys(f"killer_{name}" for name in _IDENTITY),
        }
    line = killer.ancestors()
    images = [_as_it_was(one, signal) for one in line]
    named = _named(killer, signal)
    names = [named, *(one.comm or "?" for one in images[1:])]
    thread = None if signal is None else (signal.row if signal.call is None else signal.call).comm
    acting, acting_name = actor(names, [one.command for one in images])
    if killer.images and images[0].comm is None:
        acting, acting_name = 0, named  # a shell or not: what it ran then is forgotten
    return {
        "killer_pid": killer.pid,
        "killer_comm": named,
        "killer_thread": None if thread == named else thread,
        "actor_pid": line[acting].pid,
        "actor_comm": acting_name,
        "ancestors": [f"{name} ({one.pid})" for name, one in zip(names[1:], line[1:], strict=True)],
        **_identity_columns(killer, images[0], "killer"),
    }


def _named(sender: Process, signal: Signal | None) -> str:
    # The name of a thread is not that of its process. If no row has named that, it is all there is.
    known = _as_it_was(sender, signal).comm
    if signal is None or signal.row.tid != sender.pid:
        return known or (None if signal is None else signal.row.comm) or "?"
    # The call's message has the name of that moment, to the letter. A header's is the one that the kernel remembers:
    # that may be older than what /proc had when the recording began.
    if signal.call is not None:
        return signal.call.comm or known or "?"
    return (known if sender.ran else signal.row.comm) or known or "?"


def _as_it_was(process: Process, signal: Signal | None) -> Image:
    return process.image() if signal is None else process.image(signal.row.line)


_IDENTITY = ("command", "user", "unit", "runtime", "container", "pod", "executable")


def _identity_columns(process: Process, image: Image, who: str) -> dict[str, Any]:
    known = identity(process.cgroup)
    columns = {
        "command": image.command or image.filename,
        "user": image.user,
        "unit": known.unit,
        "runtime": known.runtime,
        "container": known.container,
        "pod": known.pod,
        "executable": image.filename,
    }
    if who == "victim":
        del columns["command"]  # it has a column of its own
    return {f"{who}_{name}": value for name, value in columns.items()}


def _oom_columns(process: Process, verdict: str) -> dict[str, Any]:
    if verdict != "oom" or process.oom is None:
        return {"oom_asker": None, "oom_cgroup": None, "oom_figures": None}
    asker = process.oom_asker
    name = None if asker is None else asker.image(process.oom.line).comm
    return {
        "oom_asker": None if asker is None else f"{name or process.oom.comm or '?'} ({asker.pid})",
        "oom_cgroup": None if asker is None else asker.cgroup,
        "oom_figures": process.oom_figures,
    }


def _said(facts: dict[str, Any], row: Row) -> dict[str, Any]:
    # Tools leave out what the kernel's lines always have.
    unsaid = {"ts": row.ts == NO_TS, "res": row.small == _NULL, "grp": row.flag == _NO_FLAG}
    return {column: value for column, value in facts.items() if not unsaid.get(column)}


def _exit_status(process: Process, cause: _Cause, lost: bool) -> int | None:  # noqa: FBT001
    # Who called exit, and got no signal that would have ended it, exited: whether it was asked to may be unknown.
    exited = cause.verdict == "unknown" and not lost and process.fatal is None and not process.silent
    return _status(process) if exited or cause.verdict in EXITS else None


def _status(process: Process) -> int | None:
    return None if process.status == NONE else process.status


def _sig(process: Process, cause: _Cause) -> int | None:
    if cause.signal is not None:
        return cause.signal.sig
    return process.fatal.sig if process.fatal is not None and cause.verdict == "unknown" else None


def _sent_before(process: Process) -> bool:
    # A signal was delivered, and sent before the recording began; nobody called exit_group(2).
    fatal = process.fatal
    return fatal is not None and (fatal.sig != _KILL or process.quiet_exit < 0)


def _earlier(process: Process, signal: Signal | None) -> Signal | None:
    """Return the first deadly signal that another one had to follow: TERM, then KILL."""
    if signal is None or is_exit_code(process.fatal):
        return None
    before = [one for one in process.signals or () if one.row.line < signal.row.line and one.sig in _MEANT]
    return next((one for one in without_ticks(before) if not _is_own(one)), None)


def _is_own(signal: Signal) -> bool:
    # A runtime sends itself signals, and handles its own faults: Java's does both.
    return signal.sender is signal.victim and origin(signal) in (*SENT, "fault", "kernel")


def _rows(process: Process, cause: _Cause, earlier: Signal | None) -> list[Row]:
    found = [process.died]
    if cause.verdict == "asked" and cause.signal is not None:
        found += [cause.signal.taken, process.left]
    else:
        found.append(process.fatal)
    if cause.last is not None and cause.last.sig == _KILL:
        found.append(process.oom)
    for one in (earlier, cause.signal, cause.last):
        if one is not None:
            found += [one.row, one.call]
    return [row for row in found if row is not None]
