"""Witness: which tool printed a log that is no text of trace_pipe, found out by its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.trace.accounting import Accounting
    from sigtrace.trace.parser import Rows

_HEAD_BYTES = 1 << 13  # in which the head of a table stands
_HEADS = (b"RESULT", b"EXIT_CODE", b"RET ARGS")


class Witness(Protocol):
    """A reader of what a tool printed: it makes rows, and an account of every line."""

    accounting: Accounting

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Read the next bytes of the log."""

    def end(self) -> Iterator[Rows]:
        """End the log."""


def of(sample: bytes, name: str | None) -> Witness | None:
    """Return a reader for the log that begins so, called `name`; None if none of these tools printed it."""
    # Most logs are none of these: no reader is imported for them.
    found: Witness | None = None
    if any(sample.find(head, 0, _HEAD_BYTES) >= 0 for head in _HEADS):
        from sigtrace.trace.witness.snoop import reader

        found = reader.of(sample, name)
    if found is None and sample.find(b"msg=audit(", 0, _HEAD_BYTES) >= 0:
        from sigtrace.trace.witness.audit import reader as records

        found = records.of(sample, name)
    if found is None and (sample.startswith(b"{") or sample.find(b"\n{", 0, _HEAD_BYTES) >= 0):
        from sigtrace.trace.witness.sensors import reader as events

        found = events.of(sample, name)
    return found
