"""Perf: the lines of `perf script`, with its default fields, or with the field pid too."""

from __future__ import annotations

import re

from sigtrace.trace.retold import message

_COMM = 16  # the width of the first column, as in trace_pipe
_TID = 5
# Of a name of up to 15 bytes that holds such a header itself, there is always another one behind, so the last is taken.
_HEADER = re.compile(
    rb"(.{0,16}) ( *)(\d{1,10})(?:/(\d{1,10}))? +\[(\d{3,5})\] +(\d{1,18}\.\d{6})(?:\d{3})?: +(?=\S)", re.DOTALL
)
_EVENT = re.compile(rb"(?:(\w+):)?(\w+):(?: |\r?$)")
_LOST = re.compile(rb"PERF_RECORD_LOST lost (\d{1,18})\r?")

SIGN = re.compile(rb"\[\d{3,5}\] +\d+\.\d{6,9}: +(?:\w+:\w+: |PERF_RECORD_)")
"""What stands in a line of perf script, and in none of trace_pipe."""


class Perf:
    """The lines of one text of perf script."""

    tool = "perf script"
    first: re.Pattern[bytes] | None = None

    def told(self, line: bytes) -> bytes | None:
        """Return a line as trace_pipe has it; None if perf does not print an event so."""
        found = _HEADER.match(line)
        if found is None:
            return None
        comm, _, first, second, cpu, time = found.groups()
        lost = _LOST.fullmatch(line, found.end())
        if lost is not None:
            return b"CPU:" + cpu + b" [LOST " + lost[1] + b" EVENTS]"
        pid, tid = (None, first) if second is None else (first, second)
        group = b"" if pid is None else b"(%7s) " % pid
        header = self._name(comm, len(first), tid) + b"-" + tid + b" " + group + b"[" + cpu + b"] " + time + b": "
        event = _EVENT.match(line, found.end())
        if event is None or not message.ours(event[2], event[1]):
            return header + b"other: "
        return header + message.retold(event[2], line[event.end() :])

    def _name(self, comm: bytes, digits: int, tid: bytes) -> bytes:
        # Without its column, the name may be the last piece of one with a newline: it must not look like a whole one.
        if len(comm) < _COMM:
            padding = min(max(0, _TID - digits), len(comm) - len(comm.rstrip(b" ")))
            return comm[: len(comm) - padding]
        return b"%16s" % (b"<...>" if comm.lstrip() == b":" + tid else comm)
