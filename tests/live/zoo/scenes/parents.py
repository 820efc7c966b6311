"""Parents: died because another one's death takes them along."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _dependent(stage: Stage, number: int) -> tuple[Process, Process]:
    # A parent, which exits at USR1, and a child that has asked for a signal then.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
        if not os.fork():
            calls.on_parents_death(number)
            ready()
        forever()

    parent = stage.started(body, "parent")
    return parent, stage.child(parent)


def _follows(stage: Stage, number: int) -> None:
    parent, child = _dependent(stage, number)
    friend = stage.acts(lambda: os.kill(parent.pid, signal.SIGUSR1), "friend")
    stage.asked(parent, signal.SIGUSR1, friend)
    stage.ended(child, number, "parent", after=[friend, parent])


def term_at_the_parents_exit(stage: Stage) -> None:
    _follows(stage, signal.SIGTERM)


def kill_at_the_parents_exit(stage: Stage) -> None:
    _follows(stage, signal.SIGKILL)


def kill_when_the_parent_is_killed(stage: Stage) -> None:
    parent, child = _dependent(stage, signal.SIGKILL)
    hunter = stage.acts(lambda: os.kill(parent.pid, signal.SIGKILL))
    stage.killed(parent, signal.SIGKILL, hunter)
    stage.ended(child, signal.SIGKILL, "parent", after=[hunter, parent])


def hangup_of_an_orphaned_stopped_group(stage: Stage) -> None:
    # It has no parent left in its session that could continue it.
    def body(ready: Ready) -> None:
        os.setsid()
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
        if not os.fork():
            os.setpgid(0, 0)
            ready()
            os.kill(os.getpid(), signal.SIGSTOP)
        forever()

    parent = stage.started(body, "parent")
    child = stage.child(parent)
    stage.until_state(child, "T")
    friend = stage.acts(lambda: os.kill(parent.pid, signal.SIGUSR1), "friend")
    stage.asked(parent, signal.SIGUSR1, friend)
    stage.ended(child, signal.SIGHUP, "parent", after=[friend, parent])


def tracer_that_takes_it_along(stage: Stage) -> None:
    # PTRACE_O_EXITKILL: to the kernel a tracer is a parent, too.
    victim = stage.waits()

    def body(ready: Ready) -> None:
        calls.ptrace(calls.PTRACE_SEIZE, victim.pid, calls.PTRACE_O_EXITKILL)
        ready()
        stage.hold()

    tracer = stage.started(body, "tracer")
    stage.goes()
    stage.exited(tracer)
    stage.ended(victim, signal.SIGKILL, "parent", after=[tracer])
