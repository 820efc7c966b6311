"""Control groups for scenes, of version 2 or 1, whichever has what is needed."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.stage import Skip

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def cgroup(name: str, memory: int | None = None) -> Iterator[Path]:
    """Make a control group, limited to `memory` bytes, and remove it at the end."""
    group = _home(memory is not None) / f"zoo-{name}-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise Skip(f"no control group can be made: {error}") from error
    try:
        if memory is not None:
            limit = group / "memory.max"
            if not limit.exists():
                limit = group / "memory.limit_in_bytes"
            limit.write_text(str(memory))
        yield group
    finally:
        remove(group)


def sweep(name: str) -> None:
    """Remove the control groups that a scene which did not come to its end has left."""
    for _, mount in _mounts():
        for group in mount.glob(f"zoo-{name}-*"):
            remove(group)


def remove(group: Path) -> None:
    """Remove a control group as soon as the last process is out of it."""
    for _ in range(500):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.002)


def _home(memory: bool) -> Path:  # noqa: FBT001
    for kind, mount in _mounts():
        if kind == "cgroup2":
            if not memory or "memory" in (mount / "cgroup.subtree_control").read_text().split():
                return mount
        elif memory:
            return mount
    raise Skip("no control groups with a memory limit" if memory else "no cgroup v2")


def _mounts() -> list[tuple[str, Path]]:
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [
        (kind, Path(where))
        for _, where, kind, options, *_ in lines
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(","))
    ]
