"""Deaths: of each process that ended, who or what ended it, and how that is known."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.causes.origin import source_of
from sigtrace.causes.tracker import Lives, Process, Row, Sending
from sigtrace.facts.schema import PLAIN
from sigtrace.facts.signals import DEADLY

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES: dict[str, pa.DataType] = {
    "log": pa.string(),
    "victim_pid": pa.int64(),
    "victim_start": pa.int64(),
    "victim_comm": pa.string(),
    "command": pa.string(),
    "cgroup": pa.string(),
    "parent_pid": pa.int64(),
    "parent_comm": pa.string(),
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
_PIECE = 1 << 12
NEEDED = Row._fields
"""The columns of a session that lives are followed by."""
_FOLLOWED = pa.schema([PLAIN.field(name) for name in NEEDED])

# A fatal signal is delivered and the process exits at once; only a long core dump comes between.
_JUST_BEFORE_US = 1_000_000


def deaths(events: pa.Table) -> pa.Table:
    """Return a death of `SCHEMA` for each process that ended in a session's events."""
    rows = (
        {"log": log, **_death(process, last, sending, lives)}
        for log, lives in follow(events)
        for process, last, sending in ended(lives)
    )
    return table(rows, SCHEMA)


def table(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table, made piece by piece as they come: as objects of Python they are large."""
    pieces = []
    while piece := list(islice(rows, _PIECE)):
        pieces.append(pa.RecordBatch.from_pylist(piece, schema=schema))
    return pa.Table.from_batches(pieces, schema)


def follow(events: pa.Table) -> Iterator[tuple[str | None, Lives]]:
    """Yield each log of a session's events with the lives in it, followed in the order of their lines."""
    # Of pandas without Arrow's types, a column with nulls comes as floats.
    ordered = events.select(NEEDED).cast(_FOLLOWED).sort_by([("log", "ascending"), ("line", "ascending")])
    ordered = ordered.set_column(NEEDED.index("time"), "time", ordered["time"].cast(pa.int64()))
    rows = (
        row
        for batch in ordered.to_batches(max_chunksize=_PIECE)
        for row in map(Row._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))
    )
    for log, of_log in groupby(rows, key=attrgetter("log")):
        with _collecting_nothing():
            yield log, Lives(of_log)


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    # All of a log's lives stay until its end; to look for garbage in them took a third of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def ended(lives: Lives) -> Iterator[tuple[Process, Row, Sending | None]]:
    """Yield who ended, each with the last row of its life and the signal that ended it, where one did."""
    for process in lives.dead:
        if process.exit is not None:
            yield process, process.exit, _fatal_sending(process, process.exit)
    for process in lives.dying:
        if process.fatal is not None and (sending := _fatal_sending(process, process.fatal)) is not None:
            yield process, process.fatal, sending


def _death(process: Process, died: Row, sending: Sending | None, lives: Lives) -> dict[str, Any]:
    lost = _lossy(died, sending, lives)
    verdict, source = _verdict(process, sending, lost=lost)
    killer = sending.sender if sending is not None and verdict == "killed" and source in ("call", "queue") else None
    if verdict == "self":
        killer = process
    line = [] if killer is None else killer.ancestors()
    names = [one.comm or "?" for one in line]
    if killer is not None:
        names[0] = _killer_comm(killer, sending)
    actor = next((i for i, name in enumerate(names) if name not in _MESSENGERS), 0)
    earlier = _earlier(process, sending)
    return {
        "victim_pid": process.pid,
        "victim_start": process.start,
        "victim_comm": process.comm,
        "command": process.command,
        "cgroup": process.cgroup,
        "parent_pid": None if process.parent is None else process.parent.pid,
        "parent_comm": None if process.parent is None else process.parent.comm,
        "ts": died.ts,
        "time": died.time,
        "sig": None if verdict == "exited" else _sig(process, sending),
        "verdict": verdict,
        "source": source,
        "killer_pid": None if killer is None else killer.pid,
        "killer_comm": names[0] if names else None,
        "actor_pid": line[actor].pid if line else None,
        "actor_comm": names[actor] if names else None,
        "ancestors": [f"{name} ({one.pid})" for name, one in zip(names[1:], line[1:], strict=True)],
        "group": sending is not None and sending.to_group,
        "delay_us": None if sending is None else died.ts - sending.row.ts,
        "earlier_sig": None if earlier is None else earlier.sig,
        "earlier_fate": None if earlier is None else earlier.fate,
        "grace_us": None if earlier is None or sending is None else sending.row.ts - earlier.row.ts,
        "lost": lost,
        "lines": _lines(process, died, sending, earlier),
    }


def _fatal_sending(process: Process, died: Row) -> Sending | None:
    """Return the signal that ended a process, as far as the rows show one."""
    if not process.sendings:
        return None
    fatal = process.fatal
    before = died.line if fatal is None else fatal.line
    queued = [
        sending
        for sending in process.sendings
        if sending.row.line < before and sending.came_through and sending.sig in DEADLY
    ]
    if fatal is None:
        # It was on its way out by itself when SIGKILL came, and takes that for its reason (do_group_exit).
        return _last([sending for sending in queued if sending.sig == _KILL])
    if fatal.sig != _KILL:
        # Delivered under its own number: the first of them, for the later ones found it pending.
        same = [sending for sending in queued if sending.sig == fatal.sig]
        return next((sending for sending in same if sending.fate == "fatal"), same[0] if same else None)
    # A deadly signal that dumps no core is delivered as SIGKILL to every thread (complete_signal). What comes after is
    # dropped, so it is the last that was queued and not handled.
    last = _last([sending for sending in queued if sending.fate in ("pending", "fatal")])
    if last is not None and last.sig != _KILL and _left_by_itself(process, last):
        return None
    return last


def _last(sendings: list[Sending]) -> Sending | None:
    return sendings[-1] if sendings else None


def _left_by_itself(process: Process, sending: Sending) -> bool:
    # exit_group(2) ends the other threads by SIGKILL too; its caller then exits without a delivery.
    return process.quiet_exit > sending.row.line


def _verdict(process: Process, sending: Sending | None, *, lost: bool) -> tuple[str, str | None]:
    if sending is None:
        if lost:
            return "unknown", None
        fatal = process.fatal
        if fatal is not None and (fatal.sig != _KILL or process.quiet_exit < 0):
            return "unknown", None  # delivered, and sent before the recording began; nobody called exit_group(2)
        return "exited", None
    source = source_of(sending)
    if source in ("fault", "oom"):
        return source, source
    if source in ("call", "queue") and sending.sender is process:
        return "self", source
    return "killed", source


def _lossy(died: Row, sending: Sending | None, lives: Lives) -> bool:
    first = died.ts - _JUST_BEFORE_US
    if sending is not None:
        # All that it rests on is there; a loss can only have hidden more of the story.
        first = min(first, sending.row.ts)
    return lives.lost_between(first, died.ts)


def _sig(process: Process, sending: Sending | None) -> int | None:
    if sending is not None:
        return sending.sig
    return None if process.fatal is None else process.fatal.sig


def _earlier(process: Process, sending: Sending | None) -> Sending | None:
    """Return the first deadly signal that another one had to follow: TERM, then KILL."""
    if sending is None:
        return None
    before = [one for one in process.sendings if one.row.line < sending.row.line and one.sig in DEADLY]
    return before[0] if before else None


def _killer_comm(killer: Process, sending: Sending | None) -> str:
    # The call's message has the name of that moment, to the letter.
    called = None if sending is None or sending.call is None else sending.call.comm
    return called or killer.comm or "?"


def _lines(process: Process, died: Row, sending: Sending | None, earlier: Sending | None) -> list[int]:
    rows = [process.fatal, died, process.oom if sending is not None and sending.sig == _KILL else None]
    for one in (earlier, sending):
        if one is not None:
            rows += [one.row, one.call]
    return sorted({row.line for row in rows if row is not None})
