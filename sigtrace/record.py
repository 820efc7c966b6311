"""Record: a probe's stream into a session, while a command runs or until somebody ends it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from sigtrace.errors import ProbeError
from sigtrace.probe import BUFFER_MB, Probe
from sigtrace.processes import snapshot
from sigtrace.recorder import Recorder
from sigtrace.terminal import count, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sigtrace.accounting import Accounting

_PROGRESS_SECONDS = 1.0


def record(
    path: Path,
    command: Sequence[str] = (),
    *,
    duration: float | None = None,
    buffer_mb: int = BUFFER_MB,
    evidence: bool = True,
    seen: Callable[[Probe, bytes], None] | None = None,
) -> int:
    """Record a session at `path`; return the exit code to pass on.

    It goes on while `command` runs, for `duration` seconds, or until SIGINT or SIGTERM; with a command ^C is the
    command's own. The exit code is the command's, 128 + N where signal N ended it, and 0 without one. `seen` is given
    the probe and every chunk as well. Raises `ProbeError` where something that recording needs is missing, and
    `SessionError` where the session cannot be written.
    """
    if command and shutil.which(command[0]) is None:
        raise ProbeError(f"{command[0]}: no such command: nothing was recorded")
    with Probe(buffer_mb=buffer_mb, evidence=evidence) as probe:
        if probe.fallback:
            print(f"sigtrace: {probe.fallback}", file=sys.stderr)
        origin = {
            "clock": probe.clock,
            "events": probe.events,
            "missing": probe.missing,
            "buffer_mb": buffer_mb,
            "command": list(command),
        }
        known = snapshot() if evidence and probe.clock == "boot" else []
        with Recorder(path, origin, utc_offset_us=probe.utc_offset_us, processes=known) as recorder:
            progress = _Progress(recorder)
            with running(command, probe, duration) as child:
                for chunk in probe:
                    recorder.feed(chunk)
                    if seen is not None:
                        seen(probe, chunk)
                    progress.show()
            account = recorder.finish(probe.losses())
    progress.clear()
    _say(path, recorder, account)
    return 0 if child is None else child.returncode if child.returncode >= 0 else 128 - child.returncode


@contextlib.contextmanager
def running(command: Sequence[str], probe: Probe, duration: float | None) -> Iterator[subprocess.Popen[bytes] | None]:
    """Run a command, and stop the probe when it ends, when `duration` seconds are up, or when a signal says so."""
    child: subprocess.Popen[bytes] | None = None

    def on_signal(number: int, _frame: object) -> None:
        # A terminal's ^C goes to the command too, which may outlive it; the recording ends with the command.
        if child is None or number == signal.SIGTERM:
            probe.stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    timer = threading.Timer(duration, probe.stop) if duration is not None else None
    try:
        if command:
            child = subprocess.Popen(command)
            threading.Thread(target=_stop_after, args=(child, probe), daemon=True).start()
        if timer is not None:
            timer.start()
        yield child
        if child is not None:
            child.wait()
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_after(child: subprocess.Popen[bytes], probe: Probe) -> None:
    child.wait()
    probe.stop()


class _Progress:
    """A line on stderr, where that is a terminal, of what has been recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._shown = time.monotonic()
        self._lines = 0
        self._terminal = sys.stderr.isatty()

    def show(self) -> None:
        now = time.monotonic()
        if not self._terminal or now - self._shown < _PROGRESS_SECONDS:
            return
        account = self._recorder.accounting
        rate = (account.lines - self._lines) / (now - self._shown)
        self._shown, self._lines = now, account.lines
        print(
            f"\r{rate:,.0f} lines/s  {count(self._recorder.rows, 'row')}  {self._recorder.size / 1e6:,.1f} MB  "
            f"{account.lost:,} lost\x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr)


def _say(path: Path, recorder: Recorder, account: Accounting) -> None:
    lost = f"{account.lost:,} events were lost" if account.lossy else "nothing was lost"
    calls = count(account.lines_by_kind.get("kill", 0) // 2, "call")
    print(f"{escaped(str(path))}: {calls}, {count(recorder.rows, 'row')}; {lost}.", file=sys.stderr)
    print(f"Now ask it: sigtrace report {escaped(str(path))}", file=sys.stderr)
