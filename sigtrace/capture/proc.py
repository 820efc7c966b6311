"""Processes: what /proc knows of those that run, so that a victim and its ancestors have names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


def snapshot() -> list[dict[str, Any]]:
    """Return the processes that run now, oldest first: pid, ppid, comm, command, start_us, cgroup, pidns.

    `command` is the command line with its arguments, null for a kernel thread; `start_us` is microseconds since boot,
    as the trace clock boot counts; `pidns` is the inode of the pid namespace, null where it may not be seen. One that
    ends meanwhile is left out.
    """
    found = [_process(int(entry.name)) for entry in os.scandir(_PROC) if entry.name.isdigit()]
    return sorted((one for one in found if one is not None), key=lambda one: (one["start_us"], one["pid"]))


def _process(pid: int) -> dict[str, Any] | None:
    folder = _PROC / str(pid)
    try:
        stat = (folder / "stat").read_bytes()
        command = (folder / "cmdline").read_bytes()
        cgroup = (folder / "cgroup").read_text()
    except OSError:
        return None
    # proc(5): the comm is in brackets and may hold any, so what follows is found from the right.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return {
        "pid": pid,
        "ppid": int(fields[1]),
        "comm": _text(stat[stat.index(b"(") + 1 : stat.rindex(b")")]),
        "command": _text(command.rstrip(b"\0").replace(b"\0", b" ")) or None,
        "start_us": int(fields[19]) * 1_000_000 // os.sysconf("SC_CLK_TCK"),
        "cgroup": cgroup.strip().rsplit("\n", 1)[-1].split(":", 2)[-1] or None,
        "pidns": _namespace(folder),
    }


def _namespace(folder: Path) -> int | None:
    try:
        return (folder / "ns" / "pid").stat().st_ino
    except OSError:
        return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
