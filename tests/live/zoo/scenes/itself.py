"""Itself: died by its own hand, or simply exited."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.stage import Stage


def abort(stage: Stage) -> None:
    stage.itself(stage.started(lambda ready: (ready(), os.abort())), signal.SIGABRT)


def abort_with_a_core(stage: Stage) -> None:
    stage.itself(stage.spawned(stage.program("die"), "abort_with_a_core"), signal.SIGABRT)


def assertion(stage: Stage) -> None:
    stage.itself(stage.spawned(stage.program("die"), "assertion"), signal.SIGABRT)


def raise_signal(stage: Stage) -> None:
    stage.itself(stage.started(lambda ready: (ready(), signal.raise_signal(signal.SIGTERM))), signal.SIGTERM)


def kill_own_pid(stage: Stage) -> None:
    stage.itself(stage.started(lambda ready: (ready(), os.kill(os.getpid(), signal.SIGKILL))), signal.SIGKILL)


def shell_kills_itself(stage: Stage) -> None:
    stage.itself(stage.spawned("sh", "-c", "kill -TERM $$"), signal.SIGTERM)


def exit_137(stage: Stage) -> None:
    # It looks like a death by KILL, and is none.
    stage.exited(stage.spawned("sh", "-c", "exit 137"), 137)
