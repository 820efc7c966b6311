"""Trace-cmd: the lines of `trace-cmd report`, which have the kernel's header and pad the event's name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sigtrace.trace.retold import message

if TYPE_CHECKING:
    from sigtrace.trace.prefix.known import Known

_COMM = 16  # the width of the header's first column, as in trace_pipe
_NAME = 20  # and of the event's name
_HEADER = re.compile(rb"(-\d{1,10} +\[\d{3,5}\] (?:[^\s\d]\S{3,7} +| *)\d{1,18}(?:\.\d{6})?)(?:\d{3})?: (\w+):( +|$)")
_DROPPED = re.compile(rb"CPU:(\d{1,5}) \[(?:(\d{1,18}) )?EVENTS DROPPED\]\r?")
_FIRST = re.compile(rb"(?P<before> *(?:[^\s:]+: )?)(?:cpus=\d+|CPU \d+ is empty)\r?$", re.MULTILINE)


class TraceCmd:
    """The lines of one report. If it is of several files or buffers, a name or blanks stand before each record."""

    tool = "trace-cmd report"
    first: re.Pattern[bytes] | None = _FIRST

    def __init__(self, sample: bytes) -> None:
        first = _FIRST.match(sample)
        self._width = 0 if first is None else len(first["before"])
        self._buffer: bytes | None = None

    def told(self, line: bytes) -> bytes | None:
        """Return a line as trace_pipe has it; None if trace-cmd does not print a record so.

        Raises `OSError` if lines of the trace come from more than one file or buffer.
        """
        for start in {self._width, 0}:
            if line[start : start + 4] == b"CPU:" and (dropped := _DROPPED.fullmatch(line, start)) is not None:
                lost = b"LOST EVENTS" if dropped[2] is None else b"LOST " + dropped[2] + b" EVENTS"
                return b"CPU:" + dropped[1] + b" [" + lost + b"]"
            found = _HEADER.match(line, start + _COMM)
            if found is None:
                continue
            header, name, blanks = found.groups()
            if len(blanks) < self._padding(name) and found.end() < len(line):
                return None
            if not message.ours(name):
                return line[start : start + _COMM] + header + b": other: "
            if start:
                self._of_one_buffer(line[:start])
            text = line[found.start(3) + self._padding(name) :]
            return line[start : start + _COMM] + header + b": " + message.retold(name, text)
        return None

    def decides(self, line: bytes, known: Known) -> bool | None:
        """Tell by a line whether trace-cmd printed the log; None if trace_pipe and trace-cmd would print it alike."""
        for start in {self._width, 0}:
            found = _HEADER.match(line, start + _COMM)
            if found is not None:
                padding = self._padding(found[2])
                if padding > 1 and found.end() < len(line) and (len(found[3]) < padding or message.ours(found[2])):
                    return len(found[3]) >= padding
                return None
        return False if line in known else None

    def _padding(self, name: bytes) -> int:
        return 1 + max(0, _NAME - len(name))

    def _of_one_buffer(self, before: bytes) -> None:
        buffer = before.strip().removesuffix(b":")
        if self._buffer is None:
            self._buffer = buffer
        elif buffer != self._buffer:
            one, other = (
                name.decode("utf-8", "backslashreplace") or "the buffer without a name"
                for name in (self._buffer, buffer)
            )
            raise OSError(
                None,
                f"lines of the trace come from {one} and from {other}, whose CPUs have the same numbers: "
                "give the lines of each as a log of its own",
            )
