"""Stage: where a scene starts its processes, waits for their ends and writes down the truth."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from zoo.truth import Broken, Process, Truth, Witness

Ready = Callable[[], None]
"""What the body of a process calls when it is as its scene needs it."""

Body = Callable[[Ready], object]
"""What a process does."""


_COMM = 15
_PATIENCE = 60.0  # on a machine that has much else to do
_FOREVER = 180.0  # what a scene leaves behind that is ended in the middle goes away by itself
_SOON = 0.5  # Python's handlers run between its steps: of a signal that comes just before a system call, after that
_READERS = 100
_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


class Skip(Exception):  # noqa: N818  (it is no error)
    """This machine cannot show the scene; the message says why."""


class Stage(Witness):
    """What a scene works with; `folder` is its own, and the working folder of its processes; `director` is who runs it.

    A scene prepares its processes, and then acts. If it is one that begins before the recording, its first act waits
    until the recording has begun: `acts`, `goes` and `begins` see to that.
    """

    def __init__(self, scene: str, folder: Path, programs: Path, recording: Callable[[], object] | None = None) -> None:
        super().__init__(Truth(scene))
        self.scene = scene
        self.folder = folder
        self._programs = programs
        self._recording = recording
        self._gate: int | None = None
        self.director = self.knows(os.getpid(), "director")
        for name in ("gate", "never"):
            os.mkfifo(folder / name)
            (folder / name).chmod(0o666)

    def is_recorded(self) -> bool:
        """Return whether the recording has begun."""
        return self._recording is None

    def begins(self) -> None:
        """Say that all that can be prepared is there; return when the recording has begun."""
        if self._recording is not None:
            recording, self._recording = self._recording, None
            recording()

    def goes(self) -> None:
        """Let those go on, once the recording has begun, who hold at the gate: `hold`, or `read _ <gate` in a shell.

        What `read _ <>never` waits for does not come.
        """
        self.begins()
        if self._gate is None:
            self._gate = os.open(self.folder / "gate", os.O_RDWR)
            os.write(self._gate, b"\n" * _READERS)

    def hold(self) -> None:
        """Wait, in a process of the scene, until the scene goes on."""
        with (self.folder / "gate").open("rb", buffering=0) as gate:
            gate.read(1)

    def started(self, body: Body, comm: str = "victim") -> Process:
        """Fork a process that runs `body`; return when it is ready."""
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            _perform(body, comm, write)
        os.close(write)
        _await_ready(read, comm)
        return self.knows(pid, comm)

    def waits(self, comm: str = "victim") -> Process:
        """Fork a process that waits for what comes, and handles nothing."""

        def body(ready: Ready) -> None:
            ready()
            forever()

        return self.started(body, comm)

    def survives(self, number: int, comm: str = "victim", seconds: float = 0.02) -> Process:
        """Fork a process that handles a signal, and exits with 0 some time after it."""

        def leave(*_: object) -> None:
            time.sleep(seconds)
            os._exit(0)

        def body(ready: Ready) -> None:
            signal.signal(number, leave)
            ready()
            forever()

        return self.started(body, comm)

    def acts(self, act: Callable[[], object], comm: str = "hunter", later: str | None = None) -> Process:
        """Fork a process that does one thing, wait until it has exited with 0, and return it.

        If it has another name at its end, that is `later`.
        """
        self.begins()
        pid = os.fork()
        if not pid:
            _perform(lambda _: act(), comm)
        self.exited(self.knows(pid, later or comm))
        return Process(pid, comm[:_COMM])

    def spawned(self, *argv: str, comm: str | None = None, ready: bool = False, watched: bool = False) -> Process:
        """Run a command; with `ready` wait until it has written a line.

        If it is `watched`, what it and its descendants learn from waitpid is what `status` returns.
        """
        self.needs(argv[0])
        read, write = os.pipe()
        watch = {"LD_PRELOAD": self.program("waits"), "ZOO_STATUSES": str(self.folder)} if watched else {}
        output = write if ready else subprocess.DEVNULL
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, cwd=self.folder, env={**os.environ, **watch}
        )
        child.returncode = 0  # the stage reaps it
        os.close(write)
        name = comm or Path(argv[0]).name
        if ready:
            _await_ready(read, name)
        else:
            os.close(read)
        return self.knows(child.pid, name)

    def needs(self, *tools: str) -> None:
        """Skip the scene if a command is missing."""
        for tool in tools:
            if shutil.which(tool) is None:
                raise Skip(f"no {Path(tool).name}")

    def program(self, name: str) -> str:
        """Return the path of a program of programs/, compiled; skip the scene if there is no compiler."""
        path = self._programs / name
        if not path.exists():
            raise Skip("no gcc")
        return str(path)

    def common(self, name: str) -> Path:
        """Return the path of what scenes have in common, and the first one of them makes."""
        return self._programs / name

    def script(self, name: str, text: str, shell: str = "sh") -> str:
        """Write a shell script into the folder and return its path."""
        path = self.folder / name
        path.write_text(f"#!{shutil.which(shell)}\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def noted(self, name: str) -> int:
        """Return the number that a process of the scene has written into a file."""
        return int((self.folder / name).read_text())

    def status(self, process: Process) -> int:
        """Return the wait status of a process, which its parent, who is watched, has reaped or will soon."""
        path = self.folder / f"status of {process.pid}"
        self.until(path.exists, f"{process.comm} ({process.pid}) is not reaped")
        return int(path.read_text())

    def knows(self, pid: int, comm: str) -> Process:
        """Take a process for one of the scene's."""
        process = Process(pid, comm[:_COMM])
        self.truth.pids[pid] = process.comm
        return process

    def child(self, parent: Process, comm: str | None = None, index: int = 0) -> Process:
        """Take a child of a process for one of the scene's: by its name when it has it, or by when it was born."""
        found: list[int] = []

        def there() -> bool:
            found[:] = [pid for pid in _children(parent) if comm is None or self.comm(pid) == comm]
            return len(found) > index

        self.until(there, f"{parent.comm} has no child {comm or index}")
        return self.knows(found[index], self.comm(found[index]))

    def comm(self, pid: int) -> str:
        """Return the name of a process as it is now; an empty string if there is none."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text()[:-1]
        return ""

    def until(self, condition: Callable[[], object], otherwise: str) -> None:
        """Wait until a condition holds; raise `Broken`, saying `otherwise`, when patience ends."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise Broken(otherwise)
            time.sleep(0.001)

    def until_state(self, process: Process, letters: str) -> None:
        """Wait until a process is in one of these states of /proc: R, S, T, t or Z."""
        self.until(lambda: _state(process) in letters, f"{process.comm} ({process.pid}) is not {letters}")

    def until_caught(self, process: Process, number: int) -> None:
        """Wait until a process has a handler for a signal."""

        def caught() -> bool:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            mask = next(line for line in lines if line.startswith("SigCgt:")).split()[1]
            return bool(int(mask, 16) >> (number - 1) & 1)

        self.until(caught, f"{process.comm} ({process.pid}) does not handle {number}")

    def wait(self, process: Process) -> int:
        """Reap a process and return its wait status."""
        reaped = (0, 0)

        def ended() -> bool:
            nonlocal reaped
            reaped = os.waitpid(process.pid, os.WNOHANG)
            return reaped[0] != 0

        self.until(ended, f"{process.comm} ({process.pid}) does not end")
        return reaped[1]


def rename(comm: str) -> None:
    """Give the calling process a name."""
    Path("/proc/self/comm").write_bytes(comm.encode()[:_COMM])


def forever() -> NoReturn:
    """Wait for signals, longer than any scene takes."""
    end = time.monotonic() + _FOREVER
    while time.monotonic() < end:
        time.sleep(_SOON)
    os._exit(99)


def reaped(pid: int) -> int:
    """Wait for a child as `os.waitpid` does, handle signals in time, and return its wait status."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)


def spin() -> NoReturn:
    """Use up the CPU, longer than any scene takes."""
    end = time.monotonic() + _FOREVER
    while time.monotonic() < end:
        pass
    os._exit(99)


def _perform(body: Body, comm: str, write: int | None = None) -> NoReturn:
    # A forked process: nothing of the scene may go on in it.
    code = 1
    try:
        rename(comm)
        body(lambda: _say(write, b"\n"))
        code = 0
    except OSError as error:
        if error.errno in _REFUSED:
            _say(write, f"{comm}: {error}".encode())
        traceback.print_exc()
    except BaseException:  # noqa: BLE001  (whatever it is, it ends here)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(write: int | None, text: bytes) -> None:
    if write is not None:
        with contextlib.suppress(OSError):
            os.write(write, text)
            os.close(write)


def _await_ready(read: int, comm: str) -> None:
    with os.fdopen(read, "rb", buffering=0) as pipe:
        said = pipe.readline(1000) if select.select([pipe], [], [], _PATIENCE)[0] else b""
    if not said:
        raise Broken(f"{comm} does not become ready")
    if said.startswith(comm.encode() + b": "):
        raise Skip(said.decode())


def _children(process: Process) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []


def _state(process: Process) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
