"""Killed as one of a group."""

import os
import signal

from zoo.stage import Process, Stage, forever


def _in_group(stage: Stage, leader: int, comm: str) -> Process:
    def body(ready) -> None:
        os.setpgid(0, leader)
        ready()
        forever()

    return stage.started(body, comm)


def kill_own_group(stage: Stage) -> None:
    # kill(0): the sender is among those who die of it.
    leader = _in_group(stage, 0, "leader")
    bystander = _in_group(stage, leader.pid, "member")

    def body(ready) -> None:
        os.setpgid(0, leader.pid)
        ready()
        os.kill(0, signal.SIGTERM)
        forever()

    hunter = stage.started(body, "hunter")
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
    stage.killed(bystander, signal.SIGTERM, hunter, group=True)
    stage.itself(hunter, signal.SIGTERM, group=True)


def kill_group_by_its_number(stage: Stage) -> None:
    leader = _in_group(stage, 0, "leader")
    member = _in_group(stage, leader.pid, "member")
    hunter = stage.acts(lambda: os.kill(-leader.pid, signal.SIGTERM))
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
    stage.killed(member, signal.SIGTERM, hunter, group=True)


def killpg_from_another_session(stage: Stage) -> None:
    leader = _in_group(stage, 0, "leader")
    member = _in_group(stage, leader.pid, "member")

    def act() -> None:
        os.setsid()
        os.killpg(leader.pid, signal.SIGKILL)

    hunter = stage.acts(act)
    stage.killed(leader, signal.SIGKILL, hunter, group=True)
    stage.killed(member, signal.SIGKILL, hunter, group=True)


def group_of_which_one_ignores(stage: Stage) -> None:
    leader = _in_group(stage, 0, "leader")

    def body(ready) -> None:
        os.setpgid(0, leader.pid)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        while stage.state(leader) != "Z":
            pass

    deaf = stage.started(body, "deaf")
    hunter = stage.acts(lambda: os.killpg(leader.pid, signal.SIGTERM))
    stage.until_state(leader, "Z")
    stage.exited(deaf)
    stage.killed(leader, signal.SIGTERM, hunter, group=True)
