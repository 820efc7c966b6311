"""Victims: of each signal that was sent, whom it hit and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.causes import feed
from sigtrace.causes.endings import table, track
from sigtrace.causes.judging.asking import fate
from sigtrace.causes.judging.origin import origin
from sigtrace.causes.tracking.rows import NO_TIME

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Signal

_TYPES: dict[str, pa.DataType] = {
    "log": pa.string(),
    "line": pa.int64(),
    "call_line": pa.int64(),
    "ts": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "sig": pa.int64(),
    "source": pa.string(),
    "sender_pid": pa.int64(),
    "sender_comm": pa.string(),
    "sender_ancestors": pa.list_(pa.int64()),
    "target": pa.int64(),
    "victim_pid": pa.int64(),
    "victim_start": pa.int64(),
    "victim_comm": pa.string(),
    "fate": pa.string(),
    "group": pa.bool_(),
    "sender_among_them": pa.bool_(),
}
SCHEMA = pa.schema(_TYPES)
"""The columns of a victim; `sigtrace.analyze.victims` says what each is."""

_KNOWN = ("fatal", "handled", "ignored", "already pending", "queue full")
_CALLED = ("call", "queue")


def victims(events: pa.Table, actor: int | None = None) -> pa.Table:
    """Return a victim of `SCHEMA` for each signal_generate in a session's events.

    Of an `actor`, a pid, only those to which it or its descendants sent a signal.
    """
    rows = (
        one
        for log, rows in feed.tables(events)
        for one in of_log(log, rows)
        if actor is None or actor in (one["sender_pid"], *one["sender_ancestors"])
    )
    return table(rows, SCHEMA)


def of_log(log: str | None, rows: feed.Table | feed.Parts) -> list[dict[str, Any]]:
    """Return the victims of one log, as objects, in the order of their lines."""
    found: list[dict[str, Any]] = []
    track(rows, lambda *_: None, settled=lambda signal: found.append({"log": log, **victim(signal)}))
    return sorted(found, key=lambda one: one["line"])


def victim(signal: Signal) -> dict[str, Any]:
    """Return a signal as a victim with the columns of `SCHEMA` but `log`."""
    row, call, source = signal.row, signal.call, origin(signal)
    called = source in _CALLED
    became = fate(signal)
    sender_comm = signal.sender.image(row.line).comm or row.comm if call is None else call.comm
    target = signal.target()
    return {
        "line": row.line,
        "call_line": None if call is None else call.line,
        "ts": row.ts,
        "time": None if row.time == NO_TIME else row.time,
        "sig": signal.sig,
        "source": source,
        "sender_pid": signal.sender.pid if called else None,
        "sender_comm": sender_comm if called else None,
        "sender_ancestors": [one.pid for one in signal.sender.ancestors()[1:]] if called else [],
        "target": target,
        "victim_pid": signal.victim.pid,
        "victim_start": None if signal.victim.start == NO_TIME else signal.victim.start,
        "victim_comm": row.target_comm,
        "fate": became if became in _KNOWN else "delivered",
        "group": signal.to_group(),
        "sender_among_them": signal.hits_sender,
    }
