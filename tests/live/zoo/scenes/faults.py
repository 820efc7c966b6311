"""Faults: died of what it did itself, and should not have."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo.stage import Skip

if TYPE_CHECKING:
    from zoo.stage import Stage


def _fault(stage: Stage, how: str, number: signal.Signals) -> None:
    victim = stage.spawned(stage.program("die"), how)
    stage.goes()
    stage.faulted(victim, number)


def segmentation_fault(stage: Stage) -> None:
    _fault(stage, "segmentation_fault", signal.SIGSEGV)


def general_protection_fault(stage: Stage) -> None:
    # A non-canonical address is no page fault: its siginfo is the kernel's own.
    _fault(stage, "general_protection_fault", signal.SIGSEGV)


def segmentation_fault_in_a_thread(stage: Stage) -> None:
    _fault(stage, "segmentation_fault_in_a_thread", signal.SIGSEGV)


def segmentation_fault_while_ignored(stage: Stage) -> None:
    _fault(stage, "segmentation_fault_while_ignored", signal.SIGSEGV)


def bus_error(stage: Stage) -> None:
    _fault(stage, "bus_error", signal.SIGBUS)


def illegal_instruction(stage: Stage) -> None:
    _fault(stage, "illegal_instruction", signal.SIGILL)


def division_by_zero(stage: Stage) -> None:
    if os.uname().machine == "aarch64":
        raise Skip("64-bit ARM divides by zero without a fault")
    _fault(stage, "division_by_zero", signal.SIGFPE)


def breakpoint_trap(stage: Stage) -> None:
    _fault(stage, "breakpoint_trap", signal.SIGTRAP)


def stack_overflow(stage: Stage) -> None:
    _fault(stage, "stack_overflow", signal.SIGSEGV)


def stack_overflow_with_a_handler(stage: Stage) -> None:
    # The handler cannot run: there is no stack left for it.
    _fault(stage, "stack_overflow_with_a_handler", signal.SIGSEGV)


def forbidden_system_call(stage: Stage) -> None:
    victim = stage.spawned(stage.program("die"), "forbidden_system_call")
    stage.goes()
    # Linux 5.10 prints no signal then, and 6.1 does.
    old = tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1)
    (stage.untold if old else stage.faulted)(victim, signal.SIGSYS)


def forbidden_by_strict_mode(stage: Stage) -> None:
    victim = stage.spawned(stage.program("die"), "forbidden_by_strict_mode")
    stage.goes()
    stage.untold(victim, signal.SIGKILL)


def fault_survived(stage: Stage) -> None:
    victim = stage.spawned(stage.program("die"), "fault_survived")
    stage.goes()
    stage.exited(victim)
