"""Itself: died by its own hand, or simply exited."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _does(stage: Stage, act: Callable[[], object]) -> Process:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        act()

    victim = stage.started(body)
    stage.goes()
    return victim


def _spawned(stage: Stage, *argv: str) -> Process:
    victim = stage.spawned(*argv)
    stage.goes()
    return victim


def abort(stage: Stage) -> None:
    stage.itself(_does(stage, os.abort), signal.SIGABRT)


def abort_with_a_core(stage: Stage) -> None:
    stage.itself(_spawned(stage, stage.program("die"), "abort_with_a_core"), signal.SIGABRT)


def assertion(stage: Stage) -> None:
    stage.itself(_spawned(stage, stage.program("die"), "assertion"), signal.SIGABRT)


def raise_signal(stage: Stage) -> None:
    stage.itself(_does(stage, lambda: signal.raise_signal(signal.SIGTERM)), signal.SIGTERM)


def kill_own_pid(stage: Stage) -> None:
    stage.itself(_does(stage, lambda: os.kill(os.getpid(), signal.SIGKILL)), signal.SIGKILL)


def shell_kills_itself(stage: Stage) -> None:
    stage.itself(_spawned(stage, "sh", "-c", "read _ <gate; kill -TERM $$"), signal.SIGTERM)


def exit_137(stage: Stage) -> None:
    # It looks like a death by KILL, and is none.
    stage.exited(_spawned(stage, "sh", "-c", "read _ <gate; exit 137"), 137)
