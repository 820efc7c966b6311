"""Uninvited: processes that exit by themselves; nobody asked them to."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage


def _exits(stage: Stage, code: int) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        os._exit(code)

    victim = stage.started(body)
    stage.goes()
    stage.exited(victim, code & 255)


def exit_0(stage: Stage) -> None:
    _exits(stage, 0)


def exit_1(stage: Stage) -> None:
    _exits(stage, 1)


def exit_3(stage: Stage) -> None:
    _exits(stage, 3)


def exit_143_of_its_own(stage: Stage) -> None:
    # The status of TERM, and nobody sent one.
    _exits(stage, 143)


def exit_255(stage: Stage) -> None:
    _exits(stage, 255)


def exit_minus_1(stage: Stage) -> None:
    _exits(stage, -1)


def exit_259(stage: Stage) -> None:
    # The status has eight bits: 3.
    _exits(stage, 259)


def shell_passes_on_the_status_of_a_killed_job(stage: Stage) -> None:
    # The shell was not asked; its job was killed, and it says so by 128 + 15.
    shell = stage.spawned("sh", "-c", "sleep 100; exit $?")
    job = stage.child(shell, "sleep")
    hunter = stage.acts(lambda: os.kill(job.pid, signal.SIGTERM))
    stage.exited(shell, 143)
    stage.killed(job, signal.SIGTERM, hunter, status=signal.SIGTERM)


def child_that_reads_the_end_of_a_pipe(stage: Stage) -> None:
    # Its parent was killed, and it sees that its input has ended: nobody sent it anything.
    def body(ready: Ready) -> None:
        read, write = os.pipe()
        if not os.fork():
            os.close(write)
            ready()
            os.read(read, 1)
            os._exit(6)
        forever()

    parent = stage.started(body, "parent")
    child = stage.child(parent)
    hunter = stage.acts(lambda: os.kill(parent.pid, signal.SIGKILL))
    stage.killed(parent, signal.SIGKILL, hunter)
    stage.exited(child, 6)


def _threads(stage: Stage, how: str, code: int) -> None:
    victim = stage.spawned(stage.program("leave"), how)
    stage.goes()
    stage.exited(victim, code)


def exit_by_the_last_thread(stage: Stage) -> None:
    # All threads end by pthread_exit, the first one last.
    _threads(stage, "all", 0)


def exit_of_the_leader_before_the_others(stage: Stage) -> None:
    # Which thread's status is the process's, kernels have answered in two ways: the leader's, or the last one's.
    victim = stage.spawned(stage.program("leave"), "leader_first")
    stage.goes()
    status = stage.wait(victim)
    if status not in (3 << 8, 5 << 8):
        stage.exited(victim, 5, status=status)
    stage.exited(victim, status >> 8, status=status)


def exit_group_in_a_thread(stage: Stage) -> None:
    _threads(stage, "group_in_a_thread", 4)


def exit_group_after_the_leader_is_gone(stage: Stage) -> None:
    _threads(stage, "group_after_the_leader", 4)


def exit_groups_of_two_threads(stage: Stage) -> None:
    # Both want to end the process, each with a status of its own; one of them comes first.
    victim = stage.spawned(stage.program("leave"), "two_groups")
    stage.goes()
    status = stage.wait(victim)
    stage.exited(victim, 8 if status == 8 << 8 else 9, status=status)


def thread_exits_long_before_the_process(stage: Stage) -> None:
    _threads(stage, "early_thread", 2)


def vfork_and_exit(stage: Stage) -> None:
    # As posix_spawn does of a program that is not there.
    shell = stage.spawned(stage.program("leave"), "vfork")
    stage.goes()
    stage.exited(shell, 0)
    stage.exited(stage.knows(stage.noted("child"), "leave"), 127, status=127 << 8)


def command_not_found(stage: Stage) -> None:
    shell = stage.spawned("sh", "-c", "read _ <gate; exec /nonexistent/program 2>/dev/null")
    stage.goes()
    stage.exited(shell, 127)
