"""Beside: a process of its own that writes the endings of segments, so that the recorder does without pyarrow."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from sigtrace.capture import helper

if TYPE_CHECKING:
    from pathlib import Path


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
                helper.command("sigtrace.causes.ledgers", "clerk.main(sys.argv[1])", str(home)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # out of reach of ^C
            )

    def wait(self) -> None:
        """Wait until it has written what it began."""
        if self._running is not None:
            self._running.wait()
