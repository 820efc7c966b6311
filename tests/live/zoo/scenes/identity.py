"""Identity: who it was that died; a pid is used again, a name changes."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import Skip, forever, rename

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _born_as(stage: Stage, pid: int, comm: str, seconds: float = 0.01) -> Process:
    # A process of this very pid, which exits after a while.
    try:
        child = calls.fork_as(pid)
    except OSError as error:
        raise Skip(f"no process can be given a pid: {error}") from error
    if not child:
        rename(comm)
        time.sleep(seconds)
        os._exit(0)
    stage.until(lambda: stage.comm(pid) == comm, f"{comm} has no name")
    return stage.knows(pid, comm)


def _hunted(stage: Stage, victim: Process, number: int, comm: str = "hunter") -> Process:
    hunter = stage.acts(lambda: os.kill(victim.pid, number), comm)
    stage.killed(victim, number, hunter)
    return hunter


def pid_used_again_by_one_who_exits(stage: Stage) -> None:
    first = stage.waits("first")
    _hunted(stage, first, signal.SIGTERM)
    stage.exited(_born_as(stage, first.pid, "second"))


def pid_used_again_by_one_who_is_killed(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()

    first = stage.started(body, "first")
    stage.goes()
    stage.exited(first)
    _hunted(stage, _born_as(stage, first.pid, "second", 5), signal.SIGTERM)


def pid_used_again_and_each_killed_by_another(stage: Stage) -> None:
    first = stage.waits("first")
    _hunted(stage, first, signal.SIGTERM, "first hunter")
    _hunted(stage, _born_as(stage, first.pid, "second", 5), signal.SIGKILL, "second hunter")


def pid_of_the_hunter_used_again(stage: Stage) -> None:
    hunter = _hunted(stage, stage.waits(), signal.SIGTERM)
    stage.exited(_born_as(stage, hunter.pid, "innocent"))


def renamed_before_it_dies(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        rename("new name")
        ready()
        forever()

    victim = stage.started(body, "old name")
    _hunted(stage, stage.knows(victim.pid, "new name"), signal.SIGTERM)


def hunter_renamed_after_the_call(stage: Stage) -> None:
    def act() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        rename("innocent")

    victim = stage.waits()
    hunter = stage.acts(act, later="innocent")
    stage.killed(victim, signal.SIGTERM, hunter)


def executes_before_it_dies(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        calls.execute("sleep", "100")

    victim = stage.started(body, "launcher")
    stage.until(lambda: stage.comm(victim.pid) == "sleep", "there is no exec")
    _hunted(stage, stage.knows(victim.pid, "sleep"), signal.SIGTERM)


def killed_before_it_executes(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        calls.execute("sleep", "100")

    victim = stage.started(body, "launcher")
    _hunted(stage, victim, signal.SIGTERM)


def hunter_executes_after_the_call(stage: Stage) -> None:
    def act() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        calls.execute("true")

    victim = stage.waits()
    hunter = stage.acts(act, later="true")
    stage.killed(victim, signal.SIGTERM, hunter)


def executes_from_a_second_thread(stage: Stage) -> None:
    # The kernel ends the other threads with a KILL that nobody sent.
    victim = stage.spawned(stage.program("threads"), "exec", "true", comm="true")
    stage.goes()
    stage.exited(victim)


def executes_from_a_second_thread_and_is_killed(stage: Stage) -> None:
    victim = stage.spawned(stage.program("threads"), "exec", "sleep", comm="sleep")
    stage.goes()
    stage.until(lambda: stage.comm(victim.pid) == "sleep", "there is no exec")
    _hunted(stage, victim, signal.SIGTERM)


def names_of_liars(stage: Stage) -> None:
    # Fifteen bytes of the attacker's choice, a newline among them.
    victim = stage.waits("a) sent signal ")
    _hunted(stage, victim, signal.SIGTERM, "b pid=1 res=0 \n")
