"""Who it was that died: a pid is used again, a name changes."""

import os
import signal
import time

from zoo import calls
from zoo.stage import Process, Skip, Stage, forever, rename


def _waiting(stage: Stage, comm: str = "victim") -> Process:
    return stage.started(lambda ready: (ready(), forever()), comm)


def _born_as(stage: Stage, pid: int, comm: str, seconds: float) -> Process:
    # A process of this very pid, which exits after a while.
    try:
        child = calls.fork_as(pid)
    except OSError as error:
        raise Skip(f"no process can be given a pid: {error}") from error
    if not child:
        rename(comm)
        time.sleep(seconds)
        os._exit(0)
    process = stage.knows(pid, comm)
    stage.until(lambda: stage.comm(pid) == comm, f"{comm} has no name")
    return process


def pid_used_again_after_a_death(stage: Stage) -> None:
    victim = _waiting(stage, "first")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)
    stage.exited(_born_as(stage, victim.pid, "second", 0.01))


def pid_used_again_and_killed(stage: Stage) -> None:
    first = stage.started(lambda ready: (ready(), time.sleep(0.01)), "first")
    stage.exited(first)
    second = _born_as(stage, first.pid, "second", 5)
    hunter = stage.acts(lambda: os.kill(second.pid, signal.SIGTERM))
    stage.killed(second, signal.SIGTERM, hunter)


def pid_used_again_and_killed_by_others(stage: Stage) -> None:
    first = _waiting(stage, "first")
    hunter = stage.acts(lambda: os.kill(first.pid, signal.SIGTERM), "first hunter")
    stage.killed(first, signal.SIGTERM, hunter)
    second = _born_as(stage, first.pid, "second", 5)
    hunter = stage.acts(lambda: os.kill(second.pid, signal.SIGKILL), "second hunter")
    stage.killed(second, signal.SIGKILL, hunter)


def hunters_pid_used_again(stage: Stage) -> None:
    victim = stage.started(lambda ready: (ready(), forever()))
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)
    stage.exited(_born_as(stage, hunter.pid, "innocent", 0.01))


def renamed_before_it_dies(stage: Stage) -> None:
    victim = stage.started(lambda ready: (rename("new name"), ready(), forever()), "new name")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def renamed_hunter(stage: Stage) -> None:
    # It had another name when it made the call than at its end.
    victim = _waiting(stage)
    hunter = stage.acts(lambda: (os.kill(victim.pid, signal.SIGTERM), rename("innocent")))
    stage.killed(victim, signal.SIGTERM, hunter)


def executed_before_it_dies(stage: Stage) -> None:
    victim = stage.started(lambda ready: (ready(), os.execvp("sleep", ["sleep", "5"])), "sleep")
    stage.until(lambda: stage.comm(victim.pid) == "sleep", "there was no exec")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def hunter_executes_after_the_call(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: (os.kill(victim.pid, signal.SIGTERM), os.execvp("true", ["true"])))
    stage.killed(victim, signal.SIGTERM, hunter)


def name_of_a_liar(stage: Stage) -> None:
    # Fifteen bytes of the attacker's choice.
    victim = _waiting(stage, "a) sent signal ")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "b pid=1 res=0 \n")
    stage.killed(victim, signal.SIGTERM, hunter)


def executed_by_a_second_thread(stage: Stage) -> None:
    # The kernel ends the first thread with a KILL that nobody sent.
    stage.exited(stage.spawned(stage.program("threads"), "exec", comm="true"))


def killed_before_its_exec(stage: Stage) -> None:
    victim = stage.started(lambda ready: (ready(), time.sleep(1), os.execvp("sleep", ["sleep", "5"])), "launcher")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)
