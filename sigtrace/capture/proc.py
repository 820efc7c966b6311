"""Processes: what /proc knows of those that run, so that a victim and its ancestors have names."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.capture import cgroup, tracefs, users

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROC = Path("/proc")


def snapshot(cgroups: Mapping[str, int] | None = None, *, arguments: bool = True) -> list[dict[str, Any]]:
    """Return the processes that run now, oldest first, each as a dictionary.

    `pid`, `ppid`, `comm`; `command`, the command line with its arguments, null for a kernel thread and without
    `arguments`; `executable`, the path of its file, null for a kernel thread; `start_us`, microseconds since boot, as
    the trace clock boot counts; `uid` (the real one) and `user`; `cgroup`, its path, and `cgroup_id`, which `cgroups`
    (of `sigtrace.capture.cgroup.existing`) has for it; `pidns`, the inode of its pid namespace, and `ns_pid`, its pid
    in there; `threads`, the names of its threads by their tids, without the one that it is named by. What may not be
    seen is null. A process that ends meanwhile is left out.
    """
    ahead_us = tracefs.shift_ns("boot") // 1000  # /proc counts as this time namespace does
    found = [
        _process(int(entry.name), cgroups or {}, ahead_us, arguments=arguments)
        for entry in os.scandir(_PROC)
        if entry.name.isdigit()
    ]
    return sorted((one for one in found if one is not None), key=lambda one: (one["start_us"], one["pid"]))


def _process(pid: int, cgroups: Mapping[str, int], ahead_us: int, *, arguments: bool) -> dict[str, Any] | None:
    folder = _PROC / str(pid)
    try:
        stat = (folder / "stat").read_bytes()
        command = (folder / "cmdline").read_bytes() if arguments else b""
        status = (folder / "status").read_bytes()
        listed = _text((folder / "cgroup").read_bytes())
    except OSError:
        return None
    # proc(5): the comm is in brackets and may hold any, so what follows is found from the right.
    fields = stat[stat.rindex(b")") + 2 :].split()
    uid = _number(rb"^Uid:\t(\d+)", status)
    return {
        "pid": pid,
        "ppid": int(fields[1]),
        "comm": _text(stat[stat.index(b"(") + 1 : stat.rindex(b")")]),
        "command": _text(command.rstrip(b"\0").replace(b"\0", b" ")) or None,
        "executable": _link(folder / "exe"),
        "start_us": int(fields[19]) * 1_000_000 // os.sysconf("SC_CLK_TCK") - ahead_us,
        "uid": uid,
        "user": None if uid is None else users.name(uid),
        "cgroup": cgroup.path(listed),
        "cgroup_id": cgroups.get(cgroup.v2_path(listed) or ""),
        "pidns": _namespace(folder),
        "ns_pid": _number(rb"^NSpid:.*\t(\d+)$", status),
        "threads": {} if _number(rb"^Threads:\t(\d+)", status) == 1 else _threads(folder, pid),
    }


def _threads(folder: Path, pid: int) -> dict[int, str]:
    found = {}
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder / "task"):
            with contextlib.suppress(OSError):  # one that ends meanwhile
                if int(entry.name) != pid:
                    found[int(entry.name)] = _text((Path(entry.path) / "comm").read_bytes().removesuffix(b"\n"))
    return found


def _namespace(folder: Path) -> int | None:
    try:
        return (folder / "ns" / "pid").stat().st_ino
    except OSError:
        return None


def _link(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return _text(os.fsencode(path.readlink()))
    return None


def _number(pattern: bytes, status: bytes) -> int | None:
    found = re.search(pattern, status, re.MULTILINE)
    return int(found[1]) if found else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
