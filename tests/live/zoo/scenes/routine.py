"""Routine: processes that get signals all the time, of which none asks them to end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_TICK = 0.002  # seconds
_MANY = 100  # more signals than sigtrace keeps of a process


def _ticks(number: int, timer: int) -> Callable[[], int]:
    """Have a timer tick, and return what tells how often it has."""
    ticks = 0

    def tick(*_: object) -> None:
        nonlocal ticks
        ticks += 1

    signal.signal(number, tick)
    signal.setitimer(timer, _TICK, _TICK)
    return lambda: ticks


def _ticking(stage: Stage, leave: Callable[[Callable[[], int]], object]) -> Process:
    """Fork a process whose heart beats, and which leaves in a way when it is asked to by TERM."""

    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: leave(beats))
        beats = _ticks(signal.SIGALRM, signal.ITIMER_REAL)
        ready()
        forever()

    return stage.started(body)


def _after_many(ticks: Callable[[], int]) -> None:
    end = ticks() + _MANY
    while ticks() < end:
        time.sleep(_TICK)
    os._exit(0)


def heartbeat_and_the_work_is_done(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        _after_many(_ticks(signal.SIGALRM, signal.ITIMER_REAL))

    victim = stage.started(body)
    stage.goes()
    stage.exited(victim)


def heartbeat_goes_on_after_term(stage: Stage) -> None:
    victim = _ticking(stage, _after_many)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def heartbeat_and_kill_after_term(stage: Stage) -> None:
    victim = _ticking(stage, lambda _: None)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "polite hunter")
    time.sleep(_MANY * _TICK)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter).earlier = signal.SIGTERM


def runtime_that_preempts_itself(stage: Stage) -> None:
    # As Go's does, by SIGURG to a thread: while it is asked to end and finishes its work.
    def finish(*_: object) -> None:
        for _n in range(_MANY):
            signal.raise_signal(signal.SIGURG)
        os._exit(0)

    def body(ready: Ready) -> None:
        signal.signal(signal.SIGURG, lambda *_: None)
        signal.signal(signal.SIGTERM, finish)
        ready()
        forever()

    victim = stage.started(body)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def profiled_and_killed_after_term(stage: Stage) -> None:
    # The profiler's timer was there first, and TERM is what had come before KILL.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        profiled = _ticks(signal.SIGPROF, signal.ITIMER_PROF)
        while profiled() < 3:
            pass
        ready()
        while True:
            pass

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "polite hunter")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter).earlier = signal.SIGTERM
