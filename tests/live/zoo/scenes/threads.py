"""Threads: processes of several, of which one is enough."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import calls

if TYPE_CHECKING:
    from zoo.stage import Stage
    from zoo.truth import Process


def _many(stage: Stage, how: str) -> Process:
    return stage.spawned(stage.program("threads"), how, ready=True)


def _last(victim: Process) -> int:
    return max(int(task.name) for task in Path(f"/proc/{victim.pid}/task").iterdir())


def many_threads_terminated(stage: Stage) -> None:
    victim = _many(stage, "wait")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def many_threads_killed(stage: Stage) -> None:
    victim = _many(stage, "wait")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def tgkill_of_another_thread(stage: Stage) -> None:
    victim = _many(stage, "wait")
    tid = _last(victim)
    hunter = stage.acts(lambda: calls.tgkill(victim.pid, tid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def tkill_of_another_thread(stage: Stage) -> None:
    victim = _many(stage, "wait")
    tid = _last(victim)
    hunter = stage.acts(lambda: calls.tkill(tid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def kill_by_the_number_of_a_thread(stage: Stage) -> None:
    # kill takes a tid, too, and means its process.
    victim = _many(stage, "wait")
    tid = _last(victim)
    hunter = stage.acts(lambda: os.kill(tid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def exit_of_many_threads(stage: Stage) -> None:
    # exit_group ends the other threads with a KILL that nobody sent.
    victim = _many(stage, "exit")
    friend = stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.asked(victim, signal.SIGUSR1, friend)


def exit_of_many_threads_while_term_is_blocked(stage: Stage) -> None:
    # The KILL of exit_group is not the TERM that is still on its way.
    victim = _many(stage, "block")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    friend = stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.asked(victim, signal.SIGUSR1, friend)


def another_thread_handles_it(stage: Stage) -> None:
    victim = _many(stage, "handle")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def killed_without_its_first_thread(stage: Stage) -> None:
    victim = _many(stage, "leader_gone")
    stage.until_state(victim, "Z")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def abort_in_a_thread(stage: Stage) -> None:
    victim = stage.spawned(stage.program("threads"), "abort")
    stage.goes()
    stage.itself(victim, signal.SIGABRT)


def kill_of_its_own_process_by_a_thread(stage: Stage) -> None:
    victim = stage.spawned(stage.program("threads"), "kill_self")
    stage.goes()
    stage.itself(victim, signal.SIGTERM)


def killed_by_a_thread(stage: Stage) -> None:
    victim = stage.waits()

    def act() -> None:
        thread = threading.Thread(target=lambda: os.kill(victim.pid, signal.SIGTERM))
        thread.start()
        thread.join()

    hunter = stage.acts(act)
    stage.killed(victim, signal.SIGTERM, hunter)
