"""Exits: the table of exitsnoop, in which a line says how a process ended, and not who ended it."""

from __future__ import annotations

import re
from typing import Any

from sigtrace.facts.signals import LAST_SIGNAL
from sigtrace.trace.witness.snoop.columns import CLOCK, NAME, Told, day_us, left, number, text

_HEAD = re.compile(
    rb"(?P<time>TIME-(?=.{8})\S* *|TIME\(s\)  )?(?P<label>LABEL )?"
    rb"PCOMM {12}PID(?P<pid> +)PPID(?P<ppid> +)TID(?P<tid> +)AGE\(s\)(?P<age> +)EXIT_CODE[ \r]*"
)
_REASON = (
    rb"(?:0|code (?P<status>-?\d{1,10})|(?:signal (?P<sig>\d{1,3}) \([^()\n]*\))?(?P<dumped>, core dumped ?)?)[ \r]*"
)
_AGE = re.compile(rb"\d{1,12}\.\d\d *")
_MOST_STATUS = 255


class Exits:
    """A table of exitsnoop, of bcc or of libbpf-tools."""

    tool = "exitsnoop"
    longest = 256

    def __init__(self, found: re.Match[bytes]) -> None:
        time = found["time"]
        self.timed = time is not None
        before = b"" if time is None else CLOCK + b" "
        self._before = (0 if time is None else 13 if time.startswith(b"TIME-") else 9) + (6 if found["label"] else 0)
        if found["label"]:
            before += rb".{6}"
        numbers = [left(name, len(found[name]) + len(name) - 1) for name in ("pid", "ppid", "tid")]
        head = before + NAME + numbers[0]
        self._opening = re.compile(before, re.DOTALL)
        self._head = re.compile(head, re.DOTALL)
        self._row = re.compile(head + numbers[1] + numbers[2] + left("age", len(found["age"]) + 5) + _REASON, re.DOTALL)

    def begins(self, line: bytes) -> bool:
        """Tell whether a row may begin here that a newline in its name has cut: behind it stands nothing else."""
        return len(line) < self._before + 16 and self._opening.match(line) is not None

    def spoiled(self, line: bytes) -> bool:
        """Tell whether a line that is no row begins as one does."""
        found = self._head.match(line)
        return (self.timed and line[:1].isdigit()) or (found is not None and number(found["pid"]) is not None)

    def told(self, row: bytes) -> Told | None:
        """Return what a row tells; None if it is none, or not whole."""
        found = self._row.fullmatch(row)
        if found is not None:
            return self._told(found, text(found["comm"]))
        # bcc pads to 16 characters, where others pad to 16 bytes.
        name = row.decode("utf-8", "replace")
        found = self._row.fullmatch(name.encode("ascii", "replace"))
        return None if found is None or row.isascii() else self._told(found, name[slice(*found.span("comm"))].rstrip())

    def _told(self, found: re.Match[bytes], comm: str) -> Told | None:
        pid, ppid, tid = (number(found[name]) for name in ("pid", "ppid", "tid"))
        time = day_us(found["time"]) if self.timed else None
        if None in (pid, ppid, tid) or (self.timed and time is None) or _AGE.fullmatch(found["age"]) is None:
            return None
        row: dict[str, Any] = {"event": "sched_process_exit", "pid": pid, "tid": tid, "comm": comm}
        return Told(time, "sched_process_exit", row | _cause(found, whole=pid == tid))


def of(head: bytes) -> Exits | None:
    """Return the table that has such a head, or None if it is the head of none."""
    found = _HEAD.fullmatch(head)
    return None if found is None else Exits(found)


def _cause(found: re.Match[bytes], *, whole: bool) -> dict[str, int]:
    # Threads of the kernel may end with a number that is neither a status nor a signal.
    if found["sig"] is not None:
        sig = int(found["sig"])
        return {"sig": sig} if 0 < sig <= LAST_SIGNAL else {}
    status = 0 if found["status"] is None else int(found["status"])
    told = found["dumped"] is None and 0 <= status <= _MOST_STATUS
    return {"status": status} if told and whole else {}  # a thread's status is not that of its process
