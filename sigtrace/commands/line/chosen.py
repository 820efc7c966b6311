"""Chosen: the processes that alone a recording is to hold, as the command line names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.capture import proc
from sigtrace.commands.streams import tell
from sigtrace.errors import Error
from sigtrace.facts.cgroup import is_of_unit
from sigtrace.output.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence


def of(pids: Sequence[int], units: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return what a session says of its choice. Raises `Error` if a pid is nobody's.

    A unit in which nothing runs now is told of: it may start later, or be a mistake.
    """
    running = proc.snapshot(arguments=False)
    if gone := sorted(set(pids) - {one["pid"] for one in running}):
        raise Error(f"--pid {gone[0]}: no process has this pid: `ps` shows those that run")
    for unit in units:
        if not any(is_of_unit(one["cgroup"], unit) for one in running):
            tell(f"sigtrace: no process is in a unit {escaped(unit)} now: it is recorded once one is")
    return {"pids": list(pids), "units": list(units)}
