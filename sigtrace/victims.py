"""Victims: of each signal that was sent, whom it hit and what became of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sigtrace.deaths import ended, follow
from sigtrace.sources import source_of

_TYPES: dict[str, pa.DataType] = {
    "line": pa.int64(),
    "call_line": pa.int64(),
    "ts": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "sig": pa.int64(),
    "source": pa.string(),
    "sender_pid": pa.int64(),
    "sender_comm": pa.string(),
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


def victims(events: pa.Table) -> pa.Table:
    """Return a victim of `SCHEMA` for each signal_generate in a session's events."""
    lives = follow(events)
    fatal = {id(sending) for _, _, sending in ended(lives)}
    suicidal = {
        sending.call["line"]
        for sending in lives.sendings
        if sending.call is not None and sending.sender is sending.victim
    }
    rows: list[dict[str, Any]] = []
    for sending in lives.sendings:
        row, call, source = sending.row, sending.call, source_of(sending)
        called = source in _CALLED
        known = "fatal" if id(sending) in fatal else sending.fate
        rows.append(
            {
                "line": row["line"],
                "call_line": None if call is None else call["line"],
                "ts": row["ts"],
                "time": row["time"],
                "sig": row["sig"],
                "source": source,
                "sender_pid": sending.sender.pid if called else None,
                "sender_comm": (sending.sender.comm if call is None else call["comm"]) if called else None,
                "target": None if call is None else call["target"],
                "victim_pid": sending.victim.pid,
                "victim_start": None if sending.victim.born is None else sending.victim.born["ts"],
                "victim_comm": row["target_comm"],
                "fate": known if known in _KNOWN else "delivered",
                "group": sending.to_group,
                "sender_among_them": call is not None and call["line"] in suicidal,
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)
