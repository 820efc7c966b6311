"""Source: a C source, the one map in it, and the kernel's events that its programs go to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_SIGTRACE = Path(__file__).parents[2]

SHIM = Path(__file__).parents[1] / "shim"
"""What stands in for the kernel's headers."""


class Map(NamedTuple):
    """The map of a source, as that declares it: its type's number in linux/bpf.h, its name in the kernel, its sizes."""

    kind: int
    name: bytes
    key_size: int
    value_size: int
    entries: int


class Source(NamedTuple):
    """A C source, and the one map in it, which the programs of all recorders of a host share."""

    path: Path
    map: Map


PROBE = Source(_SIGTRACE / "probe.c", Map(1, b"sigtrace_values", 4, 32, 10240))
CONTEXT = Source(_SIGTRACE / "context.c", Map(9, b"sigtrace_told", 8, 8, 4096))


def attach_points(source: Source) -> dict[str, str]:
    """Read from a source which function goes to which event: `kill_entry` to `syscalls:sys_enter_kill`."""
    text = source.path.read_text()
    found = re.findall(r'^SEC\("tracepoint/(\w+)/(\w+)"\)\nint (\w+)\(', text, re.MULTILINE)
    return {function: f"{system}:{event}" for system, event, function in found}
