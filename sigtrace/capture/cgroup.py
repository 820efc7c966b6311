"""Control groups: which hierarchy says where a process is, and which folders there are."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")
_V2 = ""  # as /proc/PID/cgroup names it
_V1 = ("name=systemd", "memory", "cpu")
"""Who else may say where a process is, best first: on a host with both kinds, v2 is mostly empty."""

_FOLDERS = 100_000  # a host with more is told of those; each is a row


def path(listed: str) -> str | None:
    """Return the control group out of what /proc/PID/cgroup lists, a line a hierarchy: the first that is not `/`.

    v2 is asked first, then v1's name=systemd, memory and cpu. `/` if all say so, None if there is no line.
    """
    paths = {name: path for _, name, path in _lines(listed)}
    known = [paths[name] for name in (_V2, *_V1) if name in paths]
    return next((one for one in known if one != "/"), known[0] if known else None)


def v2_path(listed: str) -> str | None:
    """Return the path in the v2 hierarchy alone, None if there is none."""
    return next((path for _, name, path in _lines(listed) if name == _V2), None)


def followed() -> str:
    """Return the filter of cgroup_attach_task for the hierarchies that `path` reads: v2, and one of v1.

    Of v1 it is the first that any process is in below `/`; each move is an event in every hierarchy.
    """
    numbers: dict[str, int] = {}
    used: set[str] = set()
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for number, name, path in _lines(_text(folder / "cgroup")):
                numbers[name] = number
                if path != "/":
                    used.add(name)
    chosen = next((name for name in _V1 if name in used), next((name for name in _V1 if name in numbers), None))
    wanted = [0] if chosen is None else [0, numbers[chosen]]
    return " || ".join(f"dst_root == {number}" for number in wanted)


def existing(top: Path | None = None) -> dict[str, int]:
    """Return the control groups of the v2 hierarchy: path to id, which is the inode of its folder.

    `top` is where it is mounted, found out if not given. Those above 100,000 are left out, and so are all if it is
    mounted nowhere.
    """
    found: dict[str, int] = {}
    top = top or mounted()
    if top is None:
        return found
    for folder, _, _ in os.walk(os.fsencode(top)):
        path = os.path.relpath(folder, os.fsencode(top)).decode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            found["/" if path == "." else f"/{path}"] = os.stat(folder).st_ino  # noqa: PTH116 -- bytes
        if len(found) >= _FOLDERS:
            break
    return found


def mounted(mounts: Path = _PROC / "self" / "mountinfo") -> Path | None:
    """Say where the v2 hierarchy is mounted, None if it is not."""
    # proc(5): ID PARENT DEV ROOT PLACE OPTIONS [TAG...] - TYPE SOURCE OPTIONS
    for line in _text(mounts).split("\n"):
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4]))
    return None


def _lines(listed: str) -> Iterator[tuple[int, str, str]]:
    # No name holds a newline, but one may hold all else that Python takes for the end of a line.
    for line in listed.removesuffix("\n").split("\n") if listed else ():
        number, names, path = line.split(":", 2)
        for name in names.split(","):  # cpu,cpuacct
            yield int(number), name, path


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")  # read_text makes newlines of carriage returns
