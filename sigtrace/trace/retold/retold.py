"""Retold: which tool has printed the kernel's lines of a log, found out by its first lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sigtrace.trace.retold.perf import SIGN, Perf
from sigtrace.trace.retold.trace_cmd import TraceCmd

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from sigtrace.trace.prefix.known import Known

_MOST_LINES = 20_000


class Tool(Protocol):
    """A tool that prints the kernel's events in lines of its own."""

    tool: str
    first: re.Pattern[bytes] | None
    """Lines that it prints before the first event."""

    def told(self, line: bytes) -> bytes | None:
        """Return a line as trace_pipe has it; None if the tool does not print an event so."""


def of(sample: bytes, known: Known) -> Retold | None:
    """Return how the log that begins so is told as trace_pipe tells it, or None if no such tool printed it.

    The first line that can be one of trace_pipe, or one of a tool, decides: a path, which has room for whole lines,
    comes after it. If such a log was cut, the kind of which there are more lines decides.
    """
    lines = sample.split(b"\n", _MOST_LINES)[:_MOST_LINES]
    if (b":  " in sample or b" DROPPED]" in sample) and _is_trace_cmds(TraceCmd(sample), lines, known):
        return Retold(TraceCmd(sample), known)
    if SIGN.search(sample) is not None and _is_perfs(Perf(), lines, known):
        return Retold(Perf(), known)
    return None


class Retold:
    """A log that a tool printed. It is used as a prefix is: a line gives a text, and one not the tool's none."""

    def __init__(self, tool: Tool, known: Known) -> None:
        self.tool = tool.tool
        self._told = tool.told
        self._first = tool.first
        self._known = known
        self._begun = False

    def texts(self, block: bytes) -> bytes | None:
        """Return whole lines as trace_pipe has them; None if they have to be looked at one by one."""
        begun = self._begun
        texts = [self.text(line) for line in block.split(b"\n")[:-1]]
        if None in texts:
            self._begun = begun
            return None
        return b"".join(text + b"\n" for text in texts if text is not None)

    def text(self, line: bytes) -> bytes | None:
        """Return a line as trace_pipe has it; None if trace_pipe would print it so, and the tool would not."""
        told = self._told(line)
        if told is not None:
            self._begun = True
            return told
        if not self._begun and self._first is not None and self._first.match(line) is not None:
            return b"#"
        return None if line in self._known else line

    def hides(self, line: bytes, text: bytes | None) -> bool:  # noqa: ARG002  (as a prefix has it)
        """Tell whether a line that has such a text may be one of the trace that cannot be read."""
        return text is None


def _is_trace_cmds(tool: TraceCmd, lines: Sequence[bytes], known: Known) -> bool:
    return next((decided for line in lines if (decided := tool.decides(line, known)) is not None), False)


def _is_perfs(tool: Perf, lines: Sequence[bytes], known: Known) -> bool:
    told = plain = 0
    for line in lines:
        if tool.told(line) is not None:
            told += 1
        elif line in known:
            if not told:
                return False
            plain += 1
    return 0 < told >= plain
