"""Moves: between control groups, during the recording; the names of the groups say which unit or container it was."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo import calls
from zoo.cgroup import cgroup
from zoo.stage import Skip, forever

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_ID = "5f2c" * 16
_POD = "0b7e4a4e-3c1f-4d57-9d4c-7f7a3f6f5e21"


def _group(parent: Path, *names: str) -> Path:
    for name in names:
        parent /= name
        parent.mkdir(exist_ok=True)
    return parent


def _moves(stage: Stage, process: Process, group: Path) -> None:
    stage.acts(lambda: (group / "cgroup.procs").write_text(str(process.pid)), "mover")


def _hunted(stage: Stage, victim: Process) -> Process:
    return stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))


def _service(stage: Stage, code: int) -> Process:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
        ready()
        forever()

    return stage.started(body)


def moved_into_a_unit_and_killed(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        victim = stage.waits()
        _moves(stage, victim, _group(home, "system.slice", "web.service"))
        hunter = _hunted(stage, victim)
        stage.killed(victim, signal.SIGTERM, hunter).unit = "web.service"


def moved_into_a_unit_and_asked(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        victim = _service(stage, 2)
        _moves(stage, victim, _group(home, "system.slice", "web.service"))
        deployer = _hunted(stage, victim)
        stage.asked(victim, signal.SIGTERM, deployer, 2).unit = "web.service"


def moved_twice(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        victim = stage.waits()
        _moves(stage, victim, _group(home, "system.slice", "first.service"))
        _moves(stage, victim, _group(home, "system.slice", "second.service"))
        hunter = _hunted(stage, victim)
        stage.killed(victim, signal.SIGTERM, hunter).unit = "second.service"


def moved_into_a_docker_container(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        victim = stage.waits()
        _moves(stage, victim, _group(home, "docker", _ID))
        hunter = _hunted(stage, victim)
        stage.killed(victim, signal.SIGTERM, hunter).container = _ID


def moved_into_a_pod(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        victim = _service(stage, 0)
        _moves(stage, victim, _group(home, "kubepods", "burstable", f"pod{_POD}", _ID))
        hunter = _hunted(stage, victim)
        death = stage.asked(victim, signal.SIGTERM, hunter)
        death.container, death.pod = _ID, _POD


def born_into_a_container(stage: Stage) -> None:
    # CLONE_INTO_CGROUP: no event tells of a move.
    with cgroup(stage.scene) as home:
        group = os.open(_group(home, "libpod_parent", f"libpod-{_ID}.scope"), os.O_RDONLY)
        try:
            pid = calls.fork_into(group)
        except OSError as error:
            raise Skip(f"nobody can be born into a control group: {error}") from error
        if not pid:
            calls.execute("sleep", "100")
        os.close(group)
        stage.until(lambda: stage.comm(pid) == "sleep", "there is no exec")
        victim = stage.knows(pid, "sleep")
        hunter = _hunted(stage, victim)
        stage.killed(victim, signal.SIGTERM, hunter).container = _ID


def children_of_one_that_was_moved(stage: Stage) -> None:
    # Who is born later is in the group of the parent.
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        if not os.fork():
            forever()
        forever()

    with cgroup(stage.scene) as home:
        parent = stage.started(body, "parent")
        _moves(stage, parent, _group(home, "system.slice", "web.service"))
        stage.goes()
        child = stage.child(parent)
        hunter = _hunted(stage, child)
        other = stage.acts(lambda: os.kill(parent.pid, signal.SIGKILL), "second hunter")
        stage.killed(parent, signal.SIGKILL, other).unit = "web.service"
        stage.killed(child, signal.SIGTERM, hunter, status=signal.SIGTERM).unit = "web.service"


def killer_in_a_unit(stage: Stage) -> None:
    with cgroup(stage.scene) as home:
        group = _group(home, "system.slice", "cron.service")

        def act() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            os.kill(victim.pid, signal.SIGTERM)

        victim = stage.waits()
        hunter = stage.acts(act, "cron job")
        stage.killed(victim, signal.SIGTERM, hunter).killer_unit = "cron.service"


def moved_and_exits(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        os._exit(3)

    with cgroup(stage.scene) as home:
        victim = stage.started(body)
        _moves(stage, victim, _group(home, "user.slice", "user-1000.slice", "session-4.scope"))
        stage.goes()
        stage.exited(victim, 3).unit = "session-4.scope"
