"""States: killed while they were stopped, traced, or dead already."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_WALL = 0x40000000  # __WALL: a tracer waits for those that are not its children, too


def _stopped(stage: Stage) -> Process:
    victim = stage.waits()
    stage.acts(lambda: os.kill(victim.pid, signal.SIGSTOP), "stopper")
    stage.until_state(victim, "T")
    return victim


def _tracer(stage: Stage, victim: Process, act: Callable[[], object]) -> Process:
    def body(ready: Ready) -> None:
        calls.ptrace(calls.PTRACE_SEIZE, victim.pid)
        ready()
        act()

    return stage.started(body, "tracer")


def _passes_on(victim: Process, number: int) -> Callable[[], None]:
    # It waits for a signal of its tracee, and has that get another one instead.
    def act() -> None:
        os.waitpid(victim.pid, _WALL)
        calls.ptrace(calls.PTRACE_CONT, victim.pid, number)
        os.waitpid(victim.pid, _WALL)

    return act


def killed_while_stopped(stage: Stage) -> None:
    victim = _stopped(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def terminated_while_stopped(stage: Stage) -> None:
    # It dies only when somebody continues it, and the hunter is long gone by then.
    victim = _stopped(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.acts(lambda: os.kill(victim.pid, signal.SIGCONT), "friend")
    stage.killed(victim, signal.SIGTERM, hunter)


def terminated_while_stopped_and_then_killed(stage: Stage) -> None:
    # KILL does not wait for it to be continued, and so is the first to be served.
    victim = _stopped(stage)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "slow hunter")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL), "quick hunter")
    stage.killed(victim, signal.SIGKILL, hunter)


def killed_as_a_zombie(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()

    victim = stage.started(body)
    stage.goes()
    stage.until_state(victim, "Z")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(victim)


def killed_twice(stage: Stage) -> None:
    victim = stage.waits()
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "first hunter")
    stage.until_state(victim, "Z")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL), "second hunter")
    stage.killed(victim, signal.SIGTERM, hunter)


def killed_while_traced(stage: Stage) -> None:
    victim = stage.waits()
    tracer = _tracer(stage, victim, lambda: os.waitpid(victim.pid, _WALL))
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGKILL, hunter)


def terminated_while_traced(stage: Stage) -> None:
    # The signal goes to the tracer first, which passes it on.
    victim = stage.waits()
    tracer = _tracer(stage, victim, _passes_on(victim, signal.SIGTERM))
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGTERM, hunter)


def tracer_swallows_the_signal(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()

    victim = stage.started(body)
    tracer = _tracer(stage, victim, _passes_on(victim, 0))
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.goes()
    stage.exited(tracer)
    stage.exited(victim).blind = "a swallowed signal looks like one that sigwait took"


def tracer_makes_it_another_signal(stage: Stage) -> None:
    # What a tracer passes on is not generated: the events show whom it hit, and not whence it came.
    victim = stage.waits()
    tracer = _tracer(stage, victim, _passes_on(victim, signal.SIGTERM))
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.exited(tracer)
    stage.unexplained(victim, signal.SIGTERM)


def killed_in_its_tracers_hands(stage: Stage) -> None:
    # It stands still for its tracer when KILL comes.
    def hold() -> None:
        os.waitpid(victim.pid, _WALL)
        (stage.folder / "held").touch()
        os.waitpid(victim.pid, _WALL)

    victim = stage.waits()
    tracer = _tracer(stage, victim, hold)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.until((stage.folder / "held").exists, "it is not held")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGKILL, hunter)
