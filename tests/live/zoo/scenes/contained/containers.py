"""Containers: real ones, made by runc, with a root file system of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.stage import Skip

if TYPE_CHECKING:
    from zoo.stage import Stage
    from zoo.truth import Death, Process

_BUSYBOX = "/bin/busybox"
_TOOLS = ("sh", "sleep", "kill", "tail")
_ID = "c0de" * 16
_MEGABYTES = 24
_HOG = "tail -c 100000000 /dev/zero"
_POLITE = "trap 'exit 5' TERM; sleep 100 & echo ready; wait"
_DEAF = "sleep 100 & echo ready; wait; exit 1"


class _Container:
    """A container whose first process is a shell that runs a text, and that says when it is ready."""

    def __init__(self, stage: Stage, text: str, *, memory: int | None = None) -> None:
        stage.needs("runc")
        self._stage = stage
        self._runc = ["runc", "--root", str(stage.folder / "state")]
        self._make_bundle(text, memory)
        pids = ["--pid-file", "pid", "--bundle", str(stage.folder)]
        engine = stage.spawned(*self._runc, "run", "--detach", *pids, self.name, ready=True)
        stage.wait(engine)
        self.init = stage.knows(stage.noted("pid"), "sh")
        stage.until(lambda: stage.comm(self.init.pid) == "sh", "there is no init")

    @property
    def name(self) -> str:
        """Return the name by which runc knows it."""
        return f"zoo-{os.getpid()}"

    def inmate(self, comm: str = "sleep", index: int = 0) -> Process:
        """Return another process of the container: a child of the first one."""
        return self._stage.child(self.init, comm, index)

    def told(self, number: signal.Signals, *options: str) -> Process:
        """Have runc send a signal, and return runc."""
        return self._stage.knows(self._ran("kill", *options, self.name, number.name[3:]), "runc")

    def _ran(self, *arguments: str) -> int:
        self._stage.begins()
        runc = self._stage.spawned(*self._runc, *arguments)
        self._stage.exited(runc)
        return runc.pid

    def ran_inside(self, *argv: str) -> Process:
        """Run a command inside, and return its process."""
        self._ran("exec", "--detach", "--pid-file", "other pid", self.name, *argv)
        return self._stage.knows(self._stage.noted("other pid"), argv[0])

    def is_gone(self) -> None:
        """Remove what runc has left of it."""
        subprocess.run([*self._runc, "delete", self.name], check=True, capture_output=True)

    def _make_bundle(self, text: str, memory: int | None) -> None:
        programs = self._stage.folder / "rootfs" / "bin"
        programs.mkdir(parents=True)
        if not Path(_BUSYBOX).exists():
            raise Skip("no busybox")
        shutil.copy(_BUSYBOX, programs)
        for tool in _TOOLS:
            (programs / tool).symlink_to("busybox")
        for folder in ("proc", "dev", "sys"):
            (self._stage.folder / "rootfs" / folder).mkdir()
        os.link(self._stage.folder / "gate", self._stage.folder / "rootfs" / "gate")
        subprocess.run(["runc", "spec", "--bundle", str(self._stage.folder)], check=True, capture_output=True)
        path = self._stage.folder / "config.json"
        config: dict[str, Any] = json.loads(path.read_text())
        config["process"] |= {"terminal": False, "args": ["sh", "-c", text]}
        config["linux"]["cgroupsPath"] = f"/zoo-{self._stage.scene}-{os.getpid()}/docker/{_ID}"
        if memory is not None:
            config["linux"]["resources"]["memory"] = {"limit": memory << 20, "swap": memory << 20}
        path.write_text(json.dumps(config))


def _in_it(*deaths: Death) -> None:
    for death in deaths:
        death.container = _ID


def container_stops_politely(stage: Stage) -> None:
    container = _Container(stage, _POLITE)
    inmate = container.inmate()
    runc = container.told(signal.SIGTERM)
    _in_it(
        stage.asked(container.init, signal.SIGTERM, runc, 5),
        stage.ended(inmate, signal.SIGKILL, "parent", after=[runc, container.init], status=signal.SIGKILL),
    )
    container.is_gone()


def container_stopped_as_docker_does(stage: Stage) -> None:
    # TERM, which a first process without a handler does not even get; patience; KILL.
    container = _Container(stage, _DEAF)
    inmate = container.inmate()
    container.told(signal.SIGTERM)
    time.sleep(0.3)
    runc = container.told(signal.SIGKILL)
    _in_it(
        stage.killed(container.init, signal.SIGKILL, runc),
        stage.ended(inmate, signal.SIGKILL, "parent", after=[runc, container.init], status=signal.SIGKILL),
    )
    container.is_gone()


def container_killed_from_outside(stage: Stage) -> None:
    container = _Container(stage, _DEAF)
    inmate = container.inmate()
    hunter = stage.acts(lambda: os.kill(container.init.pid, signal.SIGKILL))
    _in_it(
        stage.killed(container.init, signal.SIGKILL, hunter),
        stage.ended(inmate, signal.SIGKILL, "parent", after=[hunter, container.init], status=signal.SIGKILL),
    )
    container.is_gone()


def container_killed_whole(stage: Stage) -> None:
    # runc kills all processes that it finds in the container, one by one.
    container = _Container(stage, _DEAF)
    inmate = container.inmate()
    runc = container.told(signal.SIGKILL, "--all")
    _in_it(
        stage.killed(container.init, signal.SIGKILL, runc),
        stage.killed(inmate, signal.SIGKILL, runc, status=signal.SIGKILL),
    )
    container.is_gone()


def container_whose_init_exits(stage: Stage) -> None:
    container = _Container(stage, "sleep 100 & echo ready; read _ </gate; exit 3")
    inmate = container.inmate()
    stage.goes()
    _in_it(
        stage.exited(container.init, 3),
        stage.ended(inmate, signal.SIGKILL, "parent", after=[container.init], status=signal.SIGKILL),
    )
    container.is_gone()


def inmate_killed_from_outside(stage: Stage) -> None:
    container = _Container(stage, "sleep 100 & echo ready; wait $!; exit $?")
    inmate = container.inmate()
    hunter = stage.acts(lambda: os.kill(inmate.pid, signal.SIGTERM))
    _in_it(
        stage.exited(container.init, 143),
        stage.killed(inmate, signal.SIGTERM, hunter, status=signal.SIGTERM),
    )
    container.is_gone()


def inmate_killed_from_inside(stage: Stage) -> None:
    # By its number there, by a command that somebody has run inside.
    container = _Container(stage, "sleep 100 & echo ready; wait $!; read _ </gate; exit 1")
    inmate = container.inmate()
    numbers = Path(f"/proc/{inmate.pid}/status").read_text()
    inside = next(line for line in numbers.splitlines() if line.startswith("NSpid:")).split()[-1]
    killer = container.ran_inside("kill", "-USR1", inside)
    stage.exited(killer)
    stage.goes()
    death = stage.killed(inmate, signal.SIGUSR1, killer, status=signal.SIGUSR1)
    death.actor = None
    _in_it(stage.exited(container.init, 1), death)
    container.is_gone()


def container_out_of_memory(stage: Stage) -> None:
    # The first process is the one that wants too much: all others go with it.
    text = f"sleep 100 & echo ready; read _ </gate; exec {_HOG}"
    container = _Container(stage, text, memory=_MEGABYTES)
    inmate = container.inmate()
    stage.goes()
    hog = stage.knows(container.init.pid, "tail")
    _in_it(
        stage.oom(hog),
        stage.ended(inmate, signal.SIGKILL, "parent", after=[hog], status=signal.SIGKILL),
    )
    container.is_gone()


def inmate_out_of_memory(stage: Stage) -> None:
    # The first process lives on, and exits with the status of the one that was killed.
    text = f"(echo ready; read _ </gate; exec {_HOG}) & wait $!; exit $?"
    container = _Container(stage, text, memory=_MEGABYTES)
    hog = container.inmate("sh")
    stage.goes()
    hog = stage.knows(hog.pid, "tail")
    _in_it(stage.exited(container.init, 137), stage.oom(hog, status=signal.SIGKILL))
    container.is_gone()


def shim_passes_on_what_it_was_told(stage: Stage) -> None:
    # The signal goes from the deployer to a shim, and from that by runc to the container.
    container = _Container(stage, _POLITE)
    inmate = container.inmate()
    runc = f"runc --root state kill {container.name} TERM"
    text = f"trap '{runc} & echo $! >tool; wait $!; exit 0' TERM; echo ready; read _ <>never"
    shim = stage.spawned(stage.script("shim.sh", text), ready=True)
    deployer = stage.acts(lambda: os.kill(shim.pid, signal.SIGTERM), "deployer")
    status = stage.wait(container.init)
    stage.asked(shim, signal.SIGTERM, deployer)
    tool = stage.knows(stage.noted("tool"), "runc")
    stage.asked(container.init, signal.SIGTERM, tool, 5, via=[deployer, shim], status=status)
    after = [deployer, shim, tool, container.init]
    stage.ended(inmate, signal.SIGKILL, "parent", after=after, status=signal.SIGKILL)
    container.is_gone()
