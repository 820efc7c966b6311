# cython: language_level=3, annotation_typing=False
"""Rows: columns of a session as the process tracker reads them, and the rows that an answer rests on."""

from __future__ import annotations

from typing import Any

NONE = -(1 << 31)
"""What stands for a null in a column of 32 bits; codes of names have -1."""

NO_TIME = -(1 << 63)
"""What stands for a null in a column of times."""

KINDS = (
    "process",
    "lost",
    "kill",
    "kill_half",
    "signal_generate",
    "signal_deliver",
    "sched_process_fork",
    "sched_process_exec",
    "sched_process_exit",
    "mark_victim",
    "sys_enter_exit_group",
    "sys_enter_exit",
    "exec",
    "args",
    "cgroup_attach_task",
    "cgroup_mkdir",
    "cgroup",
    "thread",
)
"""The events that the tracker follows; a row's `kind` is a place in here, or `OTHER`."""

OTHER = 255

HANDLERS = ("default", "ignored", "handled")

NUMBERS = {
    "line": "q",
    "ts": "q",
    "time": "q",
    "cpu": "i",
    "tid": "i",
    "pid": "i",
    "sig": "i",
    "target": "i",
    "ret": "i",
    "code": "i",
    "status": "i",
    "uid": "i",
    "ns_pid": "i",
    "cgroup_id": "q",
    "kind": "B",
    "small": "B",
    "flag": "B",
}
"""The columns of numbers, and their types as the module array names them.

`small` is `res` of signal_generate and the place in `HANDLERS` of signal_deliver; `flag` is `grp` and `group_dead`:
0, 1, or 2 for null.
"""

NAMES = ("comm", "target_comm", "filename", "cgroup", "user", "command")
"""The columns of names: codes, and a list of what they stand for."""


class Chunk:
    """Rows in the order of their lines: a memoryview a column, and the names that the codes stand for.

    `at` is the next row to be followed.
    """

    def __init__(self, rows: int, numbers: dict[str, Any], codes: dict[str, Any], names: dict[str, list[str]]) -> None:
        self.rows = rows
        self.at = 0
        self.line = numbers["line"]
        self.ts = numbers["ts"]
        self.time = numbers["time"]
        self.cpu = numbers["cpu"]
        self.tid = numbers["tid"]
        self.pid = numbers["pid"]
        self.sig = numbers["sig"]
        self.target = numbers["target"]
        self.ret = numbers["ret"]
        self.code = numbers["code"]
        self.status = numbers["status"]
        self.uid = numbers["uid"]
        self.ns_pid = numbers["ns_pid"]
        self.cgroup_id = numbers["cgroup_id"]
        self.kind = numbers["kind"]
        self.small = numbers["small"]
        self.flag = numbers["flag"]
        self.comm = codes["comm"]
        self.target_comm = codes["target_comm"]
        self.filename = codes["filename"]
        self.cgroup = codes["cgroup"]
        self.user = codes["user"]
        self.command = codes["command"]
        self.comms = names["comm"]
        self.target_comms = names["target_comm"]
        self.filenames = names["filename"]
        self.cgroups = names["cgroup"]
        self.users = names["user"]
        self.commands = names["command"]

    def row(self, i: int) -> Row:
        """Return a row as an object."""
        row = Row.__new__(Row)
        row.fill(self, i)
        return row

    def is_sorted(self) -> bool:
        """Tell whether the rows are in the order of their lines."""
        for i in range(1, self.rows):
            if self.line[i - 1] > self.line[i]:
                return False
        return True


class Follower:
    """What follows rows in the order of their lines: `step` is given each of them."""

    def follow(self, chunk: Chunk, before: int) -> None:
        """Follow the rows of a chunk from its `at` on, as long as their line is below `before`."""
        i = chunk.at
        while i < chunk.rows and chunk.line[i] < before:
            self.step(chunk, i)
            i += 1
        chunk.at = i

    def follow_all(self, chunks: list[Chunk], before: int) -> None:
        """Follow chunks side by side, in the order of all their lines, until one is at its end, or up to `before`."""
        while True:
            first = chunks[0]
            line = first.line[first.at]
            following = before
            for k in range(1, len(chunks)):
                other = chunks[k]
                other_line = other.line[other.at]
                if other_line < line:
                    following = min(following, line)
                    line = other_line
                    first = other
                elif other_line < following:
                    following = other_line
            if line >= before:
                return
            self.follow(first, max(following, line + 1))
            if first.at == first.rows:
                return

    def step(self, chunk: Chunk, i: int) -> None:
        """Take a row."""


class Row:
    """A row that is kept, since an answer may rest on it: `Chunk.row` makes it."""

    def fill(self, chunk: Chunk, i: int) -> None:
        """Take the values of a row."""
        kind = chunk.kind[i]
        self.kind = kind
        self.line = chunk.line[i]
        self.ts = chunk.ts[i]
        self.time = chunk.time[i]
        self.cpu = chunk.cpu[i]
        self.tid = chunk.tid[i]
        self.pid = chunk.pid[i]
        self.sig: int = chunk.sig[i]
        self.target: int = chunk.target[i]
        self.ret: int = chunk.ret[i]
        self.code: int = chunk.code[i]
        self.status: int = chunk.status[i]
        self.small: int = chunk.small[i]
        self.flag: int = chunk.flag[i]
        code = chunk.comm[i]
        self.comm = None if code < 0 else chunk.comms[code]
        code = chunk.target_comm[i]
        self.target_comm = None if code < 0 else chunk.target_comms[code]

    def facts(self) -> dict[str, Any]:
        """Return what the row says, by column, without what is null."""
        facts = {
            "line": self.line,
            "ts": self.ts,
            "time": None if self.time == NO_TIME else self.time,
            "cpu": self.cpu,
            "event": KINDS[self.kind],
            "comm": self.comm,
            "pid": None if self.pid < 0 else self.pid,
            "tid": self.tid,
            "sig": None if self.sig == NONE else self.sig,
            "target": None if self.target == NONE else self.target,
            "ret": None if self.ret == NONE else self.ret,
            "target_comm": self.target_comm,
            "code": None if self.code == NONE else self.code,
            "status": None if self.status == NONE else self.status,
            **self._small(),
        }
        return {column: value for column, value in facts.items() if value is not None}

    def _small(self) -> dict[str, Any]:
        event = KINDS[self.kind]
        if event == "signal_generate":
            return {"grp": self.flag == 1, "res": self.small}
        if event == "signal_deliver":
            return {"handler": HANDLERS[self.small]}
        if event == "sched_process_exit" and self.flag != 2:
            return {"group_dead": self.flag == 1}
        return {}
