"""Truth: what a scene knows of its processes, by waitpid and by having done it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Death:
    """How one process ended.

    `verdict` is `killed`, `asked`, `self`, `fault`, `oom`, `exited`, or `unknown` if the kernel's events cannot say;
    `signal` is the name of what ended it, or of what asked it to end; None if nobody asked. `status` is what waitpid
    said, `exit_status` the exit code in it, 0 to 255; None if a signal ended it. `at` is when it was reaped, in seconds
    since 1970.

    `killer_pid` and `killer_comm` are of the process that made the call; `group` says that it was to a group, None that
    there were calls of both kinds. `hops` are all who sent the signal on, each a "name (pid)", from the first sender to
    the killer; `first_pid` and `first_comm` are of the first. If another one's death brought it about, `hops` leads
    from who ended that one to that one. They are empty if nobody sent anything. `anew` says that it handled the signal
    and raised it again on itself, `thread` which thread of the killer made the call, if that has a name of its own.
    `actor` is the first of the killer and its ancestors that is no tool like kill, pkill or timeout, and no shell but
    one that runs a script or a line with -c. `source` is of a signal that no call sent: `fault`, `oom`, `terminal`,
    `timer`, `parent` or `kernel`.

    `user`, `unit`, `container` and `pod` are whose it was and where it ran, `killer_user` and `killer_unit` the same of
    the killer, `killer_command` what it ran when it sent the signal, and `earlier` which signal had come before and not
    ended the victim; None if the scene does not care. `how` is what the answer has to say of it, if anything. `blind`
    is why no trace can tell who made it end: then the events know only that it exited, and with what status.
    """

    pid: int
    comm: str
    verdict: str
    signal: str | None
    status: int
    at: float
    killer_pid: int | None = None
    killer_comm: str | None = None
    group: bool | None = False
    source: str | None = None
    actor: str | None = None
    exit_status: int | None = None
    first_pid: int | None = None
    first_comm: str | None = None
    hops: list[str] = field(default_factory=list)
    anew: bool = False
    thread: str | None = None
    user: str | None = None
    killer_user: str | None = None
    killer_command: str | None = None
    unit: str | None = None
    killer_unit: str | None = None
    container: str | None = None
    pod: str | None = None
    how: str | None = None
    earlier: int | None = None
    blind: str | None = None


@dataclass
class Truth:
    """What happened in a scene: its deaths, every pid that was in it, and when it began and ended.

    Whoever is in `pids` and not in `deaths` must not be reported as killed. `window` is within how many seconds before
    an exit a signal must have come to have asked for it, for this truth to hold; None for sigtrace's own. `skipped`
    says why this machine cannot show the scene, `broken` why the scene did not go as it should have.
    """

    scene: str
    deaths: list[Death] = field(default_factory=list)
    pids: dict[int, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    window: float | None = None
    skipped: str | None = None
    broken: str | None = None


class Broken(Exception):  # noqa: N818  (the scene's, not sigtrace's)
    """The scene did not go as it should have: it has no truth to tell."""


@dataclass(frozen=True)
class Process:
    """A process of the scene, by its pid in the host's numbers and the name that it has when it ends."""

    pid: int
    comm: str


class Witness(ABC):
    """Who waits for the processes of a scene and notes how they ended; it raises `Broken` if waitpid says otherwise.

    If another process reaps one, the methods are given the status.
    """

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    @abstractmethod
    def wait(self, process: Process) -> int:
        """Reap a process and return its wait status."""

    @abstractmethod
    def is_recorded(self) -> bool:
        """Return whether the recording has begun."""

    def killed(
        self,
        victim: Process,
        number: int,
        by: Process,
        *,
        via: Sequence[Process] = (),
        group: bool = False,
        actor: str = "",
        status: int = -1,
    ) -> Death:
        """Note that a call of another process ended one.

        `via` are those who sent the signal on before the killer got it, from the first; `actor` is who had the killer
        do it.
        """
        death = self._died(victim, "killed", number, status)
        return _sent(death, by, via, group=group, actor=actor)

    def asked(
        self,
        process: Process,
        number: int,
        by: Process,
        code: int = 0,
        *,
        via: Sequence[Process] = (),
        status: int = -1,
    ) -> Death:
        """Note that a process exited because another one's signal asked it to; `via` is as of `killed`."""
        death = self.exited(process, code, status=status)
        death.verdict, death.signal = "asked", _name(number)
        return _sent(death, by, via)

    def asked_by_none(
        self, process: Process, number: int, source: str, code: int = 0, *, after: Sequence[Process] = ()
    ) -> Death:
        """Note that a process exited because a signal asked it to that no call sent; `after` is as of `ended`."""
        death = self.exited(process, code)
        death.verdict, death.signal, death.source = "asked", _name(number), source
        return _led(death, after)

    def ended(
        self, victim: Process, number: int, source: str, *, after: Sequence[Process] = (), status: int = -1
    ) -> Death:
        """Note that a signal which no call sent ended a process.

        `after` leads to the process whose end brought it about, from the one who ended that.
        """
        death = self._died(victim, "killed", number, status)
        death.source = source
        return _led(death, after)

    def itself(self, victim: Process, number: int, *, group: bool = False, status: int = -1) -> Death:
        """Note that a process ended itself by a signal that it sent."""
        death = self._died(victim, "self", number, status)
        death.group = group
        return death

    def faulted(self, victim: Process, number: int) -> Death:
        """Note that a process ended by a fault of its own."""
        death = self._died(victim, "fault", number, -1)
        death.source = "fault"
        return death

    def oom(self, victim: Process, *, status: int = -1) -> Death:
        """Note that the OOM killer ended a process."""
        death = self._died(victim, "oom", signal.SIGKILL, status)
        death.source = "oom"
        return death

    def unexplained(self, victim: Process, number: int) -> Death:
        """Note that a process ended by a signal of which no event can tell whence it came."""
        return self._died(victim, "unknown", number, -1)

    def untold(self, victim: Process, number: int) -> Death:
        """Note that a process ended by a signal of which the kernel prints nothing."""
        death = self._died(victim, "unknown", number, -1)
        death.signal, death.how = None, "no exit call"
        return death

    def exited(self, process: Process, code: int = 0, *, status: int = -1) -> Death:
        """Note that a process exited, and that nobody had asked it to."""
        seen = self.wait(process) if status < 0 else status
        if seen != code << 8:
            raise Broken(f"{process.comm} ({process.pid}) has wait status {seen:#x} and should have exited with {code}")
        death = self._note(process, "exited", None, seen)
        death.exit_status = code
        return death

    def _died(self, victim: Process, verdict: str, number: int, status: int) -> Death:
        seen = self.wait(victim) if status < 0 else status
        if not os.WIFSIGNALED(seen) or os.WTERMSIG(seen) != number:
            raise Broken(f"{victim.comm} ({victim.pid}) has wait status {seen:#x} and should have died of {number}")
        return self._note(victim, verdict, _name(number), seen)

    def _note(self, process: Process, verdict: str, name: str | None, status: int) -> Death:
        if not self.is_recorded():
            raise Broken(f"{process.comm} ({process.pid}) ended before the recording began")
        death = Death(process.pid, process.comm, verdict, name, status, time.time())
        self.truth.deaths.append(death)
        return death


def _sent(death: Death, by: Process, via: Sequence[Process], *, group: bool = False, actor: str = "") -> Death:
    death.killer_pid, death.killer_comm, death.group, death.actor = by.pid, by.comm, group, actor or by.comm
    return _led(death, [*via, by])


def _led(death: Death, senders: Sequence[Process]) -> Death:
    if senders:
        death.first_pid, death.first_comm = senders[0].pid, senders[0].comm
    death.hops = [f"{sender.comm} ({sender.pid})" for sender in senders]
    return death


def _name(number: int) -> str:
    if number >= signal.SIGRTMIN:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name


def write(path: Path, truths: Sequence[Truth]) -> None:
    """Write truths to a file."""
    path.write_text(json.dumps([dataclasses.asdict(truth) for truth in truths], indent=1))


def read(path: Path) -> list[Truth]:
    """Read the truths that `write` wrote."""
    truths = []
    for truth in json.loads(path.read_text()):
        deaths = [Death(**death) for death in truth.pop("deaths")]
        pids = {int(pid): comm for pid, comm in truth.pop("pids").items()}
        truths.append(Truth(deaths=deaths, pids=pids, **truth))
    return truths
