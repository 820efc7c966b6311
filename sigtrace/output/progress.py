"""Progress: a bar on stderr, where that is a terminal, for what takes over a second; gone at the end."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_AFTER_SECONDS = 1.0


class Progress:
    """Show how far something has got, and how long it will take from there.

    `total` is how much there is to do, in whatever unit `advance` counts; if it is 0, nothing is shown. A context
    manager. Any thread may advance it.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._lock = Lock()
        self._timer: Timer | None = None

    def __enter__(self) -> Self:
        if self._total > 0 and sys.stderr.isatty():
            self._timer = Timer(_AFTER_SECONDS, self._begin)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        with self._lock:
            self._timer = None
            if self._bar is not None:
                self._bar.stop()

    def advance(self, n: int) -> None:
        """Count what was done."""
        with self._lock:
            self._done += n
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=self._done)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        with self._lock:
            if self._timer is None:
                return  # it ended meanwhile
            columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
            self._bar = Progress(
                *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._task = self._bar.add_task(self._what, total=self._total, completed=self._done)
            self._bar.start()
