"""Killed because of the control group that they are in."""

import os
import signal
import time
from pathlib import Path

from zoo.cgroup import cgroup
from zoo.stage import Process, Skip, Stage, forever

_LIMIT = 16 << 20


def _eater(stage: Stage, group: Path, comm: str, megabytes: int, more: int, score: int) -> Process:
    # It eats some memory, and more at SIGUSR1; then it exits.
    def body(ready) -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        Path("/proc/self/oom_score_adj").write_text(str(score))
        hungry: list[int] = []
        signal.signal(signal.SIGUSR1, lambda *_: hungry.append(1))
        eaten = [os.urandom(1 << 20) for _ in range(megabytes)]
        ready()
        while not hungry:
            time.sleep(0.001)
        eaten += [os.urandom(1 << 20) for _ in range(more)]

    return stage.started(body, comm)


def out_of_memory(stage: Stage) -> None:
    with cgroup(stage.name, memory=_LIMIT) as group:
        victim = _eater(stage, group, "memory hog", 1, 40, 0)
        stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
        stage.oom(victim)


def out_of_memory_of_another(stage: Stage) -> None:
    # It is not the one that wanted memory who is chosen.
    with cgroup(stage.name, memory=_LIMIT) as group:
        victim = _eater(stage, group, "fat bystander", 8, 0, 1000)
        eater = _eater(stage, group, "memory hog", 1, 9, 0)
        stage.acts(lambda: os.kill(eater.pid, signal.SIGUSR1), "friend")
        stage.oom(victim)
        stage.exited(eater)


def control_group_killed(stage: Stage) -> None:
    # cgroup.kill, as container engines stop a container: no call of kill is made.
    with cgroup(stage.name) as group:
        if not (group / "cgroup.kill").exists():
            raise Skip("no cgroup.kill: Linux before 5.14, or no cgroup v2")

        def body(ready) -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            ready()
            forever()

        victims = [stage.started(body, f"victim {i}") for i in range(2)]
        hunter = stage.acts(lambda: (group / "cgroup.kill").write_text("1"), "container-shim")
        for victim in victims:
            stage.killed(victim, signal.SIGKILL, hunter)

