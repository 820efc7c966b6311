"""Stage: where a scene starts its processes, waits for their ends and writes down the truth."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoo.truth import Death, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE = 2.0
"""Seconds that a scene waits for anything."""

_COMM = 15
_PROGRAMS = Path(__file__).parent / "programs"


class Skip(Exception):  # noqa: N818 -- it is no error
    """This machine cannot show the scene; the message says why."""


class Broken(Exception):  # noqa: N818 -- of the scene, not of sigtrace
    """The scene did not go as it should have: it has no truth to tell."""


@dataclass(frozen=True)
class Process:
    """A process of the scene, by its pid in the host's numbers and the name that it has when it dies."""

    pid: int
    comm: str


class Stage:
    """What a scene works with; `folder` is its own, and the working folder of its processes.

    A process is `started` from a function and goes on, or it `acts`: it does one thing and exits. `spawned` is a
    command. `killed`, `itself`, `faulted` and `exited` wait for a process and note how it ended; they raise `Broken`
    where waitpid says otherwise.
    """

    def __init__(self, scene: str, folder: Path, programs: Path) -> None:
        self.name = scene
        self.folder = folder
        self.truth = Truth(scene, began=time.time())
        self._programs = programs

    def started(self, body: Callable[[Callable[[], None]], object], comm: str = "victim") -> Process:
        """Fork a process that runs `body`; return when that has called the function it is given."""
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            _perform(lambda: body(lambda: _ready(write)), comm)
        os.close(write)
        self._await_ready(read, comm)
        return self.knows(pid, comm)

    def acts(self, body: Callable[[], object], comm: str = "hunter") -> Process:
        """Fork a process that runs `body`, wait until it has exited with 0, and return it."""
        pid = os.fork()
        if not pid:
            _perform(body, comm)
        process = self.knows(pid, comm)
        self.exited(process)
        return process

    def spawned(self, *argv: str, comm: str | None = None, ready: bool = False) -> Process:
        """Run a command; with `ready` wait until it has written a line."""
        read, write = os.pipe()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=write, cwd=self.folder)
        child.returncode = 0  # this stage reaps it
        os.close(write)
        name = comm or Path(argv[0]).name[:_COMM]
        if ready:
            self._await_ready(read, name)
        else:
            os.close(read)
        return self.knows(child.pid, name)

    def program(self, name: str) -> str:
        """Return the path of a program of programs/, compiled."""
        return str(self._programs / name)

    def script(self, name: str, text: str, shell: str = "/bin/sh") -> str:
        """Write a shell script into the folder and return its path."""
        path = self.folder / name
        path.write_text(f"#!{shell}\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def knows(self, pid: int, comm: str) -> Process:
        """Note that a process is of this scene."""
        self.truth.pids[pid] = comm[:_COMM]
        return Process(pid, comm[:_COMM])

    def wait(self, process: Process) -> int:
        """Reap a process and return its wait status."""
        status = None

        def reaped() -> bool:
            nonlocal status
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            return bool(pid)

        self.until(reaped, f"{process.comm} ({process.pid}) has not ended")
        assert status is not None
        return status

    def until(self, condition: Callable[[], object], otherwise: str) -> None:
        """Wait until a condition holds; raise `Broken`, saying `otherwise`, when patience ends."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise Broken(otherwise)
            time.sleep(0.001)

    def state(self, process: Process) -> str:
        """Return the state letter of /proc: R, S, T, t or Z; an empty string where there is no such process."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""

    def until_state(self, process: Process, letters: str) -> None:
        """Wait until a process is in one of these states."""
        self.until(lambda: self.state(process) in letters, f"{process.comm} ({process.pid}) is not {letters}")

    def children(self, process: Process) -> list[int]:
        """Return the pids of a process's children, the eldest first."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        return []

    def comm(self, pid: int) -> str:
        """Return the name of a process as it is now; an empty string where there is none."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text()[:-1]
        return ""

    def killed(
        self,
        victim: Process,
        number: signal.Signals | int,
        by: Process | None = None,
        *,
        group: bool = False,
        source: str | None = None,
        actor: str | None = None,
        status: int | None = None,
    ) -> None:
        """Note that a signal from somebody ended a process; `status` where another process reaped it."""
        death = self._ended(victim, "killed", number, status)
        death.group, death.source = group, source
        if by is not None:
            death.killer_pid, death.killer_comm, death.actor = by.pid, by.comm, actor or by.comm

    def itself(self, victim: Process, number: signal.Signals | int, *, group: bool = False, status: int | None = None) -> None:
        """Note that a process ended itself by a signal that it sent."""
        self._ended(victim, "self", number, status).group = group

    def faulted(self, victim: Process, number: signal.Signals | int) -> None:
        """Note that a process ended by a fault of its own."""
        self._ended(victim, "fault", number, None).source = "fault"

    def oom(self, victim: Process, status: int | None = None) -> None:
        """Note that the OOM killer ended a process."""
        self._ended(victim, "oom", signal.SIGKILL, status).source = "oom"

    def exited(self, process: Process, code: int = 0, *, status: int | None = None) -> None:
        """Note that a process exited, whatever it had been sent before."""
        seen = self.wait(process) if status is None else status
        if seen != code << 8:
            raise Broken(f"{process.comm} ({process.pid}) has wait status {seen:#x} and should have exited with {code}")
        self._note(process, "exited", None, seen)

    def _ended(self, victim: Process, verdict: str, number: int, status: int | None) -> Death:
        seen = self.wait(victim) if status is None else status
        if not os.WIFSIGNALED(seen) or os.WTERMSIG(seen) != number:
            raise Broken(f"{victim.comm} ({victim.pid}) has wait status {seen:#x} and should have died of {number}")
        return self._note(victim, verdict, _name(number), seen)

    def _note(self, process: Process, verdict: str, name: str | None, status: int) -> Death:
        death = Death(process.pid, process.comm, verdict, name, status=status, at=time.time())
        self.truth.deaths.append(death)
        return death

    def _await_ready(self, read: int, comm: str) -> None:
        with os.fdopen(read, "rb", buffering=0) as pipe:
            if not select.select([pipe], [], [], PATIENCE)[0] or not pipe.read(64):
                raise Broken(f"{comm} did not become ready")


def rename(comm: str) -> None:
    """Give the calling process a name."""
    Path("/proc/self/comm").write_bytes(comm.encode()[:_COMM])


def _ready(write: int) -> None:
    with contextlib.suppress(OSError):
        os.write(write, b"\n")
        os.close(write)


def _perform(body: Callable[[], object], comm: str) -> NoReturn:
    # A forked process: nothing of the scene may go on in it.
    code = 1
    try:
        rename(comm)
        body()
        code = 0
    except BaseException:  # noqa: BLE001 -- it ends here
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def compile_programs(folder: Path) -> None:
    """Compile programs/ into a folder."""
    for source in sorted(_PROGRAMS.glob("*.c")):
        subprocess.run(
            ["gcc", "-O0", "-w", "-pthread", "-o", str(folder / source.stem), str(source)], check=True, timeout=20
        )


def forever() -> NoReturn:
    """Wait for signals until one ends the process."""
    while True:
        signal.pause()


def sequence(*steps: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does one thing after another."""

    def run() -> None:
        for step in steps:
            step()

    return run


Scene = "Callable[[Stage], None]"
__all__ = ["Broken", "Process", "Skip", "Stage", "compile_programs", "forever", "rename", "sequence"]
_ = (Scene, Sequence) if TYPE_CHECKING else None
