"""Victims: of each signal that was sent, whom it hit and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.causes.endings import ended, follow, table
from sigtrace.causes.origin import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.causes.tracker import Lives

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
    rows = ({"log": log, **victim} for log, lives in follow(events) for victim in _victims(lives) if _by(victim, actor))
    return table(rows, SCHEMA)


def _victims(lives: Lives) -> Iterator[dict[str, Any]]:
    fatal = {id(sending) for _, _, sending in ended(lives)}
    suicidal = {
        sending.call.line for sending in lives.sendings if sending.call is not None and sending.sender is sending.victim
    }
    for sending in lives.sendings:
        row, call, source = sending.row, sending.call, source_of(sending)
        called = source in _CALLED
        known = "fatal" if id(sending) in fatal else sending.fate
        yield {
            "line": row.line,
            "call_line": None if call is None else call.line,
            "ts": row.ts,
            "time": row.time,
            "sig": sending.sig,
            "source": source,
            "sender_pid": sending.sender.pid if called else None,
            "sender_comm": (sending.sender.comm if call is None else call.comm) if called else None,
            "sender_ancestors": [one.pid for one in sending.sender.ancestors()[1:]] if called else [],
            "target": None if call is None else call.target,
            "victim_pid": sending.victim.pid,
            "victim_start": sending.victim.start,
            "victim_comm": row.target_comm,
            "fate": known if known in _KNOWN else "delivered",
            "group": sending.to_group,
            "sender_among_them": call is not None and call.line in suicidal,
        }


def _by(victim: dict[str, Any], actor: int | None) -> bool:
    return actor is None or actor in (victim["sender_pid"], *victim["sender_ancestors"])
