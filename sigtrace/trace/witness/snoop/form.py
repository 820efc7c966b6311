"""Form: which tool prints a table, by the head of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.trace.witness.snoop import execs, exits, kills

if TYPE_CHECKING:
    from sigtrace.trace.witness.snoop.columns import Form


def of(head: bytes, sample: bytes = b"") -> Form | None:
    """Return the table that has such a head, or None if it is the head of none; `sample` begins with the log."""
    return kills.of(head, sample) or exits.of(head) or execs.of(head)
