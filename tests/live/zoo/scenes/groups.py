"""Groups: killed as one of several."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _in_group(stage: Stage, leader: int, comm: str) -> Process:
    def body(ready: Ready) -> None:
        os.setpgid(0, leader)
        ready()
        forever()

    return stage.started(body, comm)


def _pair(stage: Stage) -> tuple[Process, Process]:
    leader = _in_group(stage, 0, "leader")
    return leader, _in_group(stage, leader.pid, "member")


def kill_own_group(stage: Stage) -> None:
    # kill(0): the sender is among those who die of it.
    leader, member = _pair(stage)

    def body(ready: Ready) -> None:
        os.setpgid(0, leader.pid)
        ready()
        stage.hold()
        os.kill(0, signal.SIGTERM)
        forever()

    hunter = stage.started(body, "hunter")
    stage.goes()
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
    stage.killed(member, signal.SIGTERM, hunter, group=True)
    stage.itself(hunter, signal.SIGTERM, group=True)


def kill_group_by_its_number(stage: Stage) -> None:
    leader, member = _pair(stage)
    hunter = stage.acts(lambda: os.kill(-leader.pid, signal.SIGTERM))
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
    stage.killed(member, signal.SIGTERM, hunter, group=True)


def killpg_from_another_session(stage: Stage) -> None:
    leader, member = _pair(stage)

    def act() -> None:
        os.setsid()
        os.killpg(leader.pid, signal.SIGKILL)

    hunter = stage.acts(act)
    stage.killed(leader, signal.SIGKILL, hunter, group=True)
    stage.killed(member, signal.SIGKILL, hunter, group=True)


def group_of_which_one_ignores(stage: Stage) -> None:
    leader = _in_group(stage, 0, "leader")

    def body(ready: Ready) -> None:
        os.setpgid(0, leader.pid)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        stage.hold()

    deaf = stage.started(body, "deaf")
    hunter = stage.acts(lambda: os.killpg(leader.pid, signal.SIGTERM))
    stage.until_state(leader, "Z")
    stage.goes()
    stage.exited(deaf)
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
