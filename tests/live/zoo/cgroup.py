"""Cgroup: control groups for scenes, of version 2 or 1, whichever has what is needed."""

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
def cgroup(scene: str, memory: int | None = None) -> Iterator[Path]:
    """Make a control group, limited to `memory` bytes, and remove it at the end."""
    group = _home("memory" if memory is not None else "") / f"zoo-{scene}-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise Skip(f"no control group can be made: {error}") from error
    try:
        if memory is not None:
            limit = group / "memory.max"
            (limit if limit.exists() else group / "memory.limit_in_bytes").write_text(str(memory))
        yield group
    finally:
        _remove(group)


def sweep(scene: str) -> None:
    """Remove the control groups of a scene that did not come to its end."""
    for mount in _all_mounts():
        for group in mount.glob(f"zoo-{scene}-*"):
            _remove(group)


def _remove(group: Path) -> None:
    for inner in group.glob("*/"):
        _remove(inner)
    # It is busy until the last of its processes is gone.
    for _ in range(500):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.002)


def _home(controller: str) -> Path:
    for kind, mount in _mounts():
        if kind == "cgroup" and controller:
            return mount
        if kind == "cgroup2" and (not controller or controller in (mount / "cgroup.subtree_control").read_text()):
            return mount
    raise Skip(f"no control groups with a limit of {controller}" if controller else "no cgroup v2")


def _mounts() -> list[tuple[str, Path]]:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [
        (kind, Path(where))
        for _, where, kind, options, *_ in mounts
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(","))
    ]


def _all_mounts() -> list[Path]:
    # A container runtime makes its groups in all hierarchies of version 1.
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [Path(where) for _, where, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]
