"""Deaths: of each process that ended, who or what ended it, and how that is known."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sigtrace.lives import Lives, Loss, Process, Row, Sending
from sigtrace.signals import DEADLY, FAULTS

_TYPES: dict[str, pa.DataType] = {
    "victim_pid": pa.int64(),
    "victim_start": pa.int64(),
    "victim_comm": pa.string(),
    "command": pa.string(),
    "cgroup": pa.string(),
    "ts": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "sig": pa.int64(),
    "verdict": pa.string(),
    "source": pa.string(),
    "killer_pid": pa.int64(),
    "killer_comm": pa.string(),
    "actor_pid": pa.int64(),
    "actor_comm": pa.string(),
    "ancestors": pa.list_(pa.string()),
    "group": pa.bool_(),
    "delay_us": pa.int64(),
    "earlier_sig": pa.int64(),
    "earlier_fate": pa.string(),
    "grace_us": pa.int64(),
    "lost": pa.bool_(),
    "lines": pa.list_(pa.int64()),
}
SCHEMA = pa.schema(_TYPES)
"""The columns of a death; `sigtrace.analyze.deaths` says what each is."""

# Between an actor and its kill: they do as they are told.
_MESSENGERS = frozenset(
    [
        *("sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"),
        *("sigtrace", "kill", "pkill", "killall", "killall5", "skill", "timeout"),
        *("sudo", "doas", "su", "runuser", "env", "setsid", "nohup", "xargs", "nice", "ionice", "stdbuf", "flock"),
    ]
)

_KILL = 9
_IGNORED = 1  # TRACE_SIGNAL_IGNORED
_SI_KERNEL = 128
_SI_TIMER = -2
_TERMINAL = (1, 2, 3, 20)  # SIGHUP, SIGINT, SIGQUIT, SIGTSTP
_TIMERS = (14, 24, 26, 27)  # SIGALRM, SIGXCPU, SIGVTALRM, SIGPROF
_EXIT_GROUP_US = 100_000
_BATCH = 1 << 16
_NEEDED = (
    *("event", "ts", "time", "cpu", "tid", "pid", "comm", "sig", "target", "ret"),
    *("target_comm", "filename", "code", "grp", "res", "handler", "group_dead", "cgroup", "line"),
)

# A fatal signal is delivered and the process exits at once; only a long core dump comes between.
_JUST_BEFORE_US = 1_000_000


def deaths(events: pa.Table) -> pa.Table:
    """Return a death of `SCHEMA` for each process that ended in a session's events."""
    ordered = events.select(_NEEDED).sort_by("line")
    rows = (
        dict(zip(_NEEDED, values, strict=True))
        for batch in ordered.to_batches(max_chunksize=_BATCH)
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    lives = Lives(rows)
    return pa.Table.from_pylist([_death(process, died, lives.losses) for process, died in lives.dead], schema=SCHEMA)


def _death(process: Process, died: Row, losses: list[Loss]) -> dict[str, Any]:
    sending = _fatal_sending(process, died)
    lost = _lossy(died, sending, losses)
    verdict, source = _verdict(process, sending, lost=lost)
    killer = sending.sender if sending is not None and verdict == "killed" and source in ("call", "queue") else None
    if verdict == "self":
        killer = process
    line = [] if killer is None else killer.ancestors()
    actor = next((one for one in line if _name(one) not in _MESSENGERS), line[0] if line else None)
    earlier = _earlier(process, sending)
    return {
        "victim_pid": process.pid,
        "victim_start": None if process.born is None else process.born["ts"],
        "victim_comm": process.comm,
        "command": process.command,
        "cgroup": process.cgroup,
        "ts": died["ts"],
        "time": died["time"],
        "sig": None if verdict == "exited" else _sig(process, sending),
        "verdict": verdict,
        "source": source,
        "killer_pid": None if killer is None else killer.pid,
        "killer_comm": None if killer is None else _killer_comm(killer, sending),
        "actor_pid": None if actor is None else actor.pid,
        "actor_comm": None if actor is None else _name(actor),
        "ancestors": [f"{_name(one)} ({one.pid})" for one in line[1:]],
        "group": sending is not None and sending.call is not None and _to_group(sending.call),
        "delay_us": None if sending is None else died["ts"] - sending.row["ts"],
        "earlier_sig": None if earlier is None else earlier.sig,
        "earlier_fate": None if earlier is None else earlier.fate,
        "grace_us": None if earlier is None or sending is None else sending.row["ts"] - earlier.row["ts"],
        "lost": lost,
        "lines": _lines(process, died, sending, earlier),
    }


def _fatal_sending(process: Process, died: Row) -> Sending | None:
    """Return the signal that ended a process, as far as the rows show one."""
    fatal = process.fatal
    before = died["line"] if fatal is None else fatal["line"]
    # res is not 0 where the signal was ignored, already pending, or came to one that was dying already.
    on_the_way = [
        sending
        for sending in process.sendings
        if sending.row["line"] < before and sending.row["res"] == 0 and sending.sig in DEADLY
    ]
    kills = [sending for sending in on_the_way if sending.sig == _KILL]
    if fatal is None:
        # It was on its way out by itself when SIGKILL came, and takes that for its reason (do_group_exit).
        return kills[-1] if kills else None
    if fatal["sig"] != _KILL:
        same = [sending for sending in on_the_way if sending.sig == fatal["sig"]]
        return same[-1] if same else None
    # A deadly signal without a core dump is delivered as SIGKILL to every thread (complete_signal). What comes after
    # it is dropped with res 1, so it is the last that came through and was not handled. But exit_group(2) ends the
    # other threads by SIGKILL too, and then one thread, its caller, exits without a delivery.
    unhandled = [sending for sending in on_the_way if sending.fate in ("pending", "fatal")]
    if not unhandled:
        return None
    if unhandled[-1].sig != _KILL and _left_by_itself(process, fatal):
        return None
    return unhandled[-1]


def _left_by_itself(process: Process, fatal: Row) -> bool:
    return any(fatal["ts"] - row["ts"] < _EXIT_GROUP_US for row in process.quiet_exits)


def _verdict(process: Process, sending: Sending | None, *, lost: bool) -> tuple[str, str | None]:
    if sending is None:
        if lost:
            return "unknown", None
        if process.fatal is not None and process.fatal["sig"] != _KILL:
            return "unknown", None  # delivered, and sent before the recording began
        return "exited", None
    source = _source(process, sending)
    if source in ("fault", "oom"):
        return source, source
    if source in ("call", "queue") and sending.sender is process:
        return "self", source
    return "killed", source


def _source(process: Process, sending: Sending) -> str:
    """Return where a signal came from, by si_code (siginfo.h) and the context that it was generated in."""
    code, sig = sending.row["code"], sending.sig
    itself = sending.sender is process
    cases = (
        ("call", sending.call is not None),
        ("fault", code > 0 and code != _SI_KERNEL and sig in FAULTS),
        ("oom", process.oom is not None and sig == _KILL),
        ("parent", sending.in_exit and (code == 0 or sig == _KILL)),
        ("terminal", code == _SI_KERNEL and sig in _TERMINAL),
        ("timer", code == _SI_TIMER or (code == _SI_KERNEL and sig in _TIMERS)),
        # SIGPIPE, SIGXFSZ: what the process did, the kernel answers
        ("kernel", code == _SI_KERNEL or (code == 0 and itself)),
        ("queue", True),  # a call that the probe does not see: sigqueue, pidfd_send_signal
    )
    return next(source for source, holds in cases if holds)


def _lossy(died: Row, sending: Sending | None, losses: list[Loss]) -> bool:
    first = died["ts"] - _JUST_BEFORE_US
    if sending is not None:
        # All that it rests on is there; a loss can only have hidden more of the story.
        first = min(first, sending.row["ts"])
    return any(loss.bears_on(first, died["ts"]) for loss in losses)


def _sig(process: Process, sending: Sending | None) -> int | None:
    if sending is not None:
        return sending.sig
    return None if process.fatal is None else int(process.fatal["sig"])


def _earlier(process: Process, sending: Sending | None) -> Sending | None:
    """Return the first deadly signal that another one had to follow: TERM, then KILL."""
    if sending is None:
        return None
    before = [one for one in process.sendings if one.row["line"] < sending.row["line"] and one.sig in DEADLY]
    if not before:
        return None
    if before[0].row["res"] == _IGNORED:
        before[0].fate = "ignored"
    return before[0]


def _to_group(call: Row) -> bool:
    return call["target"] is not None and call["target"] <= 0


def _name(process: Process) -> str:
    return process.comm or "?"


def _killer_comm(killer: Process, sending: Sending | None) -> str | None:
    # The call's message has the name of that moment, to the letter.
    if sending is not None and sending.call is not None and sending.call["comm"] is not None:
        return str(sending.call["comm"])
    return killer.comm


def _lines(process: Process, died: Row, sending: Sending | None, earlier: Sending | None) -> list[int]:
    rows = [process.fatal, died, process.oom if sending is not None and sending.sig == _KILL else None]
    for one in (earlier, sending):
        if one is not None:
            rows += [one.row, one.call]
    return sorted({row["line"] for row in rows if row is not None})
