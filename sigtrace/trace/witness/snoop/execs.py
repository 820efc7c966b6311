"""Execs: the table of execsnoop, in which a line says what a process executed."""

from __future__ import annotations

import re
from typing import Any

from sigtrace.trace.witness.snoop.columns import CLOCK, NAME, Told, day_us, left, number, right, text

_HEAD = re.compile(
    rb"(?P<time>TIME     )?(?P<since>TIME\(s\)  ?)?(?P<uid>UID {3,4})?"
    rb"P?COMM {12,13}PID(?P<pid> +)(?P<pcomm>PCOMM {12})?PPID(?P<ppid> +)(?P<cpu>CPU  )?RET ARGS[ \r]*"
)


class Execs:
    """A table of execsnoop, of bcc or of libbpf-tools."""

    tool = "execsnoop"
    longest = 1 << 16  # arguments are long

    def __init__(self, found: re.Match[bytes]) -> None:
        self.timed = found["time"] is not None
        before = b""
        if self.timed:
            before += CLOCK + b" "
        if found["since"]:
            before += rb"(?:\d{5,9}\.\d{3}|(?=\d{1,4}\.\d{3}).{8})"
        if found["uid"]:
            before += rb"(?P<uid>\d{7,10}|\d(?:\d| (?! *\d)){5})"
        self._before = 9 * self.timed + 16 * bool(found["since"]) + 10 * bool(found["uid"])
        head = before + NAME + left("pid", len(found["pid"]) + 2)
        parent = rb".{16} " if found["pcomm"] else b""
        cpu = left("cpu", 4) if found["cpu"] else b""
        row = head + parent + left("ppid", len(found["ppid"]) + 3) + cpu + right("ret", 3) + rb"(?P<args>.*)"
        self._opening = re.compile(before, re.DOTALL)
        self._head = re.compile(head, re.DOTALL)
        self._row = re.compile(row, re.DOTALL)
        self._reach = self._before + (16 if not found["pcomm"] else 64)

    def begins(self, line: bytes) -> bool:
        """Tell whether a row may begin here that a newline in a name has cut: behind it stands nothing else."""
        return len(line) < self._reach and self._opening.match(line) is not None

    def spoiled(self, line: bytes) -> bool:
        """Tell whether a line that is no row begins as one does."""
        found = self._head.match(line)
        return (self.timed and line[:1].isdigit()) or (found is not None and number(found["pid"]) is not None)

    def told(self, row: bytes) -> Told | None:
        """Return what a row tells; None if it is none, or not whole. A call that failed has executed nothing."""
        found = self._row.fullmatch(row)
        if found is None or b"\n" in found["args"]:
            return None
        pid, ret = number(found["pid"]), number(found["ret"])
        ppid = 0 if found["ppid"].strip() == b"?" else number(found["ppid"])
        time = day_us(found["time"]) if self.timed else None
        if pid is None or ret is None or ppid is None or ppid < 0 or (self.timed and time is None):
            return None
        if ret:
            return Told(time, "other", None)
        made: dict[str, Any] = {"event": "sched_process_exec", "pid": pid, "comm": text(found["comm"])}
        made["command"] = text(found["args"].rstrip(b"\r"))
        named = found.groupdict()
        if named.get("cpu"):
            made["cpu"] = number(named["cpu"])
        if named.get("uid"):
            uid = int(named["uid"])
            made["uid"] = uid - (1 << 32 if uid >= 1 << 31 else 0)
        return Told(time, "sched_process_exec", made)


def of(head: bytes) -> Execs | None:
    """Return the table that has such a head, or None if it is the head of none."""
    found = _HEAD.fullmatch(head)
    return None if found is None else Execs(found)
