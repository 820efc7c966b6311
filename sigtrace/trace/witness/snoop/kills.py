"""Kills: the tables of killsnoop and sigsnoop, by their heads."""

from __future__ import annotations

import re
from typing import Any

from sigtrace.trace.witness.snoop.columns import CLOCK, NAME, Told, day_us, left, number, right, text

_LEFT = re.compile(rb"TIME( +)PID( +)COMM {13}SIG( +)TPID( +)(TCOMM {12})?RESULT[ \r]*")
_RIGHT = re.compile(rb"TIME {13,}PID COMM {10,}SIG +TPID RESULT[ \r]*")
_END = rb"(?P<ret>-?\d{1,10})[ \r]*"


class Kills:
    """A table of calls, or of signals. sigsnoop prints the same of both: only `calls` fail, ask, or name a group."""

    timed = True
    longest = 256

    def __init__(self, tool: str, head: bytes, row: bytes, sample: bytes) -> None:
        self._head = re.compile(head)
        self._row = re.compile(head + row, re.DOTALL)
        self._calls = tool != "sigsnoop" or any(map(self._is_call, sample.split(b"\n")))
        self.tool = "killsnoop" if self._calls else tool

    def begins(self, line: bytes) -> bool:
        """Tell whether a row begins here. A name has no room for the columns before it."""
        found = self._head.match(line)
        return found is not None and number(found["pid"]) is not None

    def spoiled(self, line: bytes) -> bool:
        """Tell whether a line that is no row begins as one does."""
        return line[:1].isdigit()

    def told(self, row: bytes) -> Told | None:
        """Return what a row tells; None if it is none, or not whole."""
        found = self._row.fullmatch(row)
        if found is None:
            return None
        time = day_us(found["time"])
        pid, sig, target, ret = (number(found[name]) for name in ("pid", "sig", "target", "ret"))
        if None in (time, pid, sig, target, ret):
            return None
        kind = "call" if self._calls else "signal_generate"
        made: dict[str, Any] = {"event": "kill" if self._calls else kind, "pid": pid, "comm": text(found["comm"])}
        made |= {"sig": sig, "target": target}
        if self._calls:
            made["ret"] = ret
        elif target_comm := text(found.groupdict().get("tcomm") or b""):
            made["target_comm"] = target_comm
        return Told(time, kind, made)

    def _is_call(self, line: bytes) -> bool:
        found = self._row.fullmatch(line)
        if found is None:
            return False
        sig, target, ret = (number(found[name]) for name in ("sig", "target", "ret"))
        return None not in (sig, target, ret) and (ret != 0 or sig == 0 or (target or 0) <= 0)


def of(head: bytes, sample: bytes) -> Kills | None:
    """Return the table that has such a head, or None if it is the head of none."""
    found = _LEFT.fullmatch(head)
    if found is not None:
        time, pid, sig, target, named = found.groups()
        tool = "sigsnoop" if len(time) == 5 else "killsnoop"  # the others have a place more
        begin = CLOCK + b" " + b" " * (len(time) - 5) + left("pid", len(pid) + 2)
        tcomm = rb"(?P<tcomm>.{16}) " if named else b""
        row = NAME + left("sig", len(sig) + 2) + left("target", len(target) + 3) + tcomm + _END
        return Kills(tool, begin, row, sample)
    if _RIGHT.fullmatch(head) is not None:
        begin = CLOCK + b" " + right("pid", 8)
        return Kills("killsnoop", begin, NAME + right("sig", 10) + right("target", 8) + rb" {0,5}" + _END, sample)
    return None
