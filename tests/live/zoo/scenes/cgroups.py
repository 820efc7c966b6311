"""Cgroups: killed because of the control group that they are in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import calls
from zoo.cgroup import cgroup
from zoo.stage import Skip, forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_LIMIT = 16 << 20


def _eater(stage: Stage, group: Path, comm: str, megabytes: tuple[int, int], score: int = 0) -> Process:
    # It eats some memory, and more at SIGUSR1; then it exits.
    def body(ready: Ready) -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        Path("/proc/self/oom_score_adj").write_text(str(score))
        hungry: list[int] = []
        signal.signal(signal.SIGUSR1, lambda *_: hungry.append(1))
        eaten = [os.urandom(1 << 20) for _ in range(megabytes[0])]
        ready()
        while not hungry:
            time.sleep(0.001)
        for _ in range(megabytes[1]):
            eaten.append(os.urandom(1 << 20))
            time.sleep(0.005)

    return stage.started(body, comm)


def out_of_memory(stage: Stage) -> None:
    with cgroup(stage.scene, memory=_LIMIT) as group:
        victim = _eater(stage, group, "memory hog", (1, 40))
        stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
        stage.oom(victim)


def out_of_memory_of_another(stage: Stage) -> None:
    # It is not the one that wanted more who is chosen.
    with cgroup(stage.scene, memory=_LIMIT) as group:
        victim = _eater(stage, group, "fat bystander", (8, 0), score=1000)
        eater = _eater(stage, group, "memory hog", (1, 7))
        friend = stage.acts(lambda: os.kill(eater.pid, signal.SIGUSR1), "friend")
        stage.oom(victim)
        status = stage.wait(eater)
        if status:  # the victim's memory came back too slowly: it is next
            stage.oom(eater, status=status)
        else:
            stage.asked(eater, signal.SIGUSR1, friend, status=status)


def control_group_killed(stage: Stage) -> None:
    # cgroup.kill, as engines stop a container: nobody calls kill.
    with cgroup(stage.scene) as group:
        if not (group / "cgroup.kill").exists():
            raise Skip("no cgroup.kill: Linux before 5.14")

        def body(ready: Ready) -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            ready()
            forever()

        victims = [stage.started(body, name) for name in ("first victim", "second victim")]

        def act() -> None:
            calls.is_seen()
            (group / "cgroup.kill").write_text("1")

        hunter = stage.acts(act, "container-shim")
        for victim in victims:
            stage.killed(victim, signal.SIGKILL, hunter)
