"""Helper: a process of its own, for what a recorder would else have in memory for good: a compiler, pyarrow."""

from __future__ import annotations

import sys


def command(room: str, call: str, argument: str = "") -> list[str]:
    """Return the command that does a `call` of a module in a room of sigtrace; it has the argument as `sys.argv[1]`.

    It is isolated, so that nothing is imported from the folder in which root happens to stand.
    """
    module = call.partition(".")[0]
    code = f"import sys; sys.path[:] = sys.argv[2:]; from {room} import {module}; {call}"
    return [sys.executable, "-I", "-c", code, argument, *sys.path]
