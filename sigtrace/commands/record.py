"""Record: a probe's stream into a session, while a command runs or until somebody ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sigtrace.capture import cgroup, proc, rights
from sigtrace.capture.probe import BUFFER_MB, SKIPPED, Probe
from sigtrace.commands.flight.notify import Notifier
from sigtrace.commands.streams import tell
from sigtrace.errors import CommandError, ProbeError
from sigtrace.output.terminal import count, escaped
from sigtrace.store.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sigtrace.store.flight.flight import Flight
    from sigtrace.store.flight.retention import Retention
    from sigtrace.trace.accounting import Accounting

_PROGRESS_SECONDS = 1.0


def record(  # noqa: PLR0913 -- each is an option of the command line
    path: Path,
    command: Sequence[str] = (),
    *,
    duration: float | None = None,
    buffer_mb: int = BUFFER_MB,
    evidence: bool = True,
    arguments: bool = True,
    signals: Collection[int] = (),
    chosen: dict[str, Sequence[Any]] | None = None,
    kept: Retention | None = None,
    seen: Callable[[Probe, bytes], None] | None = None,
    yielding: bool = False,
) -> int:
    """Record a session at `path`; return the exit code to pass on.

    It goes on while `command` runs, for `duration` seconds, or until a signal says so: see `Run`. The exit code is the
    command's, 128 + N if signal N ended it, and 0 without one. Without `arguments`, those of processes are left out;
    without `evidence`, all but the calls is. If `signals` are given, others are left out, but for SIGKILL. If `pids`
    and `units` are `chosen`, only these are recorded, as `sigtrace.trace.choosing.selection` says. With `kept`, `path`
    is a flight recorder's folder, in which that much is kept. `seen` is given the probe and every chunk as well, an
    empty one about twice a second if nothing happens. If `yielding`, this thread gives away the rights that recording
    no longer needs once it records, as `sigtrace.capture.rights.drop` says; the command has them. Raises `ProbeError`
    if something that recording needs is missing, and `SessionError` if the session cannot be written.
    """
    notifier = Notifier()
    with Run(command, duration, yielding=yielding) as run:
        with Probe(
            buffer_mb=buffer_mb, evidence=evidence, arguments=arguments, signals=signals, patient=kept is not None
        ) as probe:
            run.stop = probe.stop
            if probe.fallback and chosen:
                raise ProbeError(f"--pid and --unit need the kernel's events: {probe.fallback}")
            if probe.fallback:
                tell(f"sigtrace: {probe.fallback}")
            origin = {
                "clock": probe.clock,
                "events": probe.events,
                "missing": probe.missing,
                "arguments": evidence and arguments,
                "buffer_mb": buffer_mb,
                "command": list(command if arguments else command[:1]),
                **({"signals": list(probe.signals)} if probe.signals else {}),
                **({"chosen": chosen} if chosen else {}),
            }

            def look() -> proc.Seen:
                cgroups = cgroup.existing() if evidence else {}
                # The clock in which /proc says when a process started.
                known = evidence and probe.clock == "boot"
                return proc.Seen(proc.snapshot(cgroups, arguments=arguments) if known else [], cgroups)

            def made(owner: tuple[int, int]) -> None:
                if yielding:
                    rights.drop(probe.instance, owner)

            with _recorder(path, origin, probe, look, made, kept) as recorder:
                run.begin()
                notifier.ready()
                with _Progress(recorder) as progress:
                    for chunk in probe.read(recorder.room):
                        recorder.feed(chunk)
                        notifier.alive()
                        if seen is not None:
                            seen(probe, chunk)
                        progress.show()
                    notifier.stopping()
                    account = recorder.finish(probe.losses(), probe.disturbed)
        for what in dict.fromkeys(probe.disturbed):
            where = "" if what == SKIPPED else " of the trace instance"
            tell(f"sigtrace: {escaped(what)}{where}: what happened meanwhile may be missing")
        _say(recorder, account, sum(probe.losses().values()))
    return run.code


def _recorder(
    path: Path,
    origin: dict[str, Any],
    probe: Probe,
    look: Callable[[], proc.Seen],
    made: Callable[[tuple[int, int]], None],
    kept: Retention | None,
) -> Recorder | Flight:
    if kept is None:
        seen = look()
        return Recorder(
            path,
            origin,
            utc_offset_us=probe.utc_offset_us,
            processes=seen.processes,
            cgroups=seen.cgroups,
            made=made,
        )
    from sigtrace.commands.flight.beside import Beside
    from sigtrace.store.flight.flight import Flight

    return Flight(path, origin, probe, kept=kept, look=look, made=made, whole=Beside().write)


class Run:
    """What a recording goes along with, a command or none, and what ends it: the command, `duration`, or a signal.

    Without a command SIGINT, SIGTERM and SIGHUP end it. With one, SIGTERM and SIGHUP are passed on to the command, and
    the recording ends with that; a ^C the terminal sends to both, and the command may outlive it. A context manager:
    leave it last, for it waits for the command, which may outlive a recording that `duration` or a full disk ended.
    `stop` is what it calls to end the recording.
    """

    def __init__(self, command: Sequence[str], duration: float | None, *, yielding: bool = False) -> None:
        if command:
            _refuse_what_cannot_run(command[0])
        self._command = command
        self._duration = duration
        self._yielding = yielding
        self._child: subprocess.Popen[bytes] | None = None
        self._now = threading.Event()
        self._started = threading.Event()
        self._ended = False
        self._failed: BaseException | None = None
        self._told = 0
        self.stop: Callable[[], None] | None = None
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._command:
            threading.Thread(target=self._accompany, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as in the background of a script, or under nohup
                signal.signal(number, self._on_signal)
                self._undo.callback(signal.signal, number, before)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended = True
        self._now.set()  # if the command was not to begin
        with self._undo:
            if self._child is not None:
                if kind is not None and self._child.poll() is None:
                    tell(f"sigtrace: the recording has ended, {escaped(self._command[0])} goes on")
                self._child.wait()

    @property
    def code(self) -> int:
        """The exit code to pass on, once all has ended."""
        code = 0 if self._child is None else self._child.wait()
        return code if code >= 0 else 128 - code

    def begin(self) -> None:
        """Start the command, and the time. Raises `ProbeError` where it does not start.

        Raises `SystemExit` where a signal came before there was anything to end.
        """
        if self._told > 0:
            raise SystemExit(128 + self._told)
        if self._command:
            self._now.set()
            self._started.wait()
            if isinstance(self._failed, OSError):
                code = 127 if isinstance(self._failed, FileNotFoundError) else 126
                what = f"{self._command[0]}: {self._failed.strerror}: nothing was recorded"
                raise CommandError(what, code) from self._failed
            if self._failed is not None:
                raise self._failed
            if self._told > 0:  # meanwhile
                self._on_signal(self._told, None)
        if self._duration is not None:
            timer = threading.Timer(self._duration, self._end)
            timer.start()
            self._undo.callback(timer.cancel)

    def _accompany(self) -> None:
        # A thread from before the recorder gave its capabilities away, for the command is to have them.
        self._now.wait()
        if self._ended:
            return
        try:
            self._child = subprocess.Popen(self._command)
        except BaseException as error:  # noqa: BLE001  (raised again by begin)
            self._failed = error
            return
        finally:
            self._started.set()
        if self._yielding:
            rights.drop()
        self._child.wait()
        self._end()

    def _end(self) -> None:
        if self.stop is not None:
            self.stop()

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._child is not None:
            if number != signal.SIGINT:
                self._child.send_signal(number)
        elif self.stop is not None and not self._command:
            self.stop()
        elif self._told:
            raise SystemExit(128 + number)  # asked twice; what is being set up may be left to the next run to remove
        else:
            self._told = number


def _refuse_what_cannot_run(name: str) -> None:
    if shutil.which(name) is not None:
        return
    folders = [""] if "/" in name else os.get_exec_path()
    if name and any(Path(folder, name).exists() for folder in folders):
        raise CommandError(f"{name}: may not be executed: nothing was recorded", 126)
    raise CommandError(f"{name}: no command of that name: nothing was recorded", 127)


class _Progress:
    """A line on stderr, where that is a terminal, of what has been recorded; gone at the end."""

    def __init__(self, recorder: Recorder | Flight) -> None:
        self._recorder = recorder
        self._shown = time.monotonic()
        self._lines = 0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            tell("\r\x1b[K", end="")

    def show(self) -> None:
        now = time.monotonic()
        if not self._terminal or now - self._shown < _PROGRESS_SECONDS:
            return
        account = self._recorder.accounting
        rate = (account.lines - self._lines) / (now - self._shown)
        self._shown, self._lines = now, account.lines
        rows, size = count(self._recorder.rows, "row"), self._recorder.size / 1e6
        tell(f"\r{rate:,.0f} events/s  {rows}  {size:,.1f} MB  {account.lost:,} lost\x1b[K", end="")


def _say(recorder: Recorder | Flight, account: Accounting, lost: int) -> None:
    lost = max(lost, account.lost)
    said = f"{lost:,} events were lost" if lost else "events were lost" if account.lossy else "nothing was lost"
    held = f"{count(account.lines_by_kind.get('kill', 0) // 2, 'call')}, {count(recorder.rows, 'row')}"
    if isinstance(recorder, Recorder) and recorder.left_out:
        held = f"{count(recorder.rows, 'row')}, and {recorder.left_out:,} of others left out"
    path = escaped(str(recorder.path))
    tell(f"{path}: {held}; {said}.")
    tell(f"Now ask it: sigtrace report {path}")
