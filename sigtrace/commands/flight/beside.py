"""Beside: a process of its own that writes the endings of segments, so that the recorder does without pyarrow."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Isolated, so that nothing is imported from the folder in which root happens to stand.
_HELPER = "import sys; sys.path[:] = sys.argv[2:]; from sigtrace.causes import clerk; clerk.main(sys.argv[1])"


class Beside:
    """Has a process write the ledgers that are due, one at a time."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def write(self, home: Path) -> None:
        """Begin to write those of a flight recorder's folder; what is not written is found by following the rows."""
        if self._running is not None and self._running.poll() is None:
            return  # it writes the rest the next time
        with suppress(OSError):  # no memory, or too many processes
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-c", _HELPER, str(home), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # out of reach of ^C
            )
