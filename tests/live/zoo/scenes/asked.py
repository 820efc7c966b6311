"""Asked: killed, or asked to die, by one call to one process."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage


def _sent(stage: Stage, number: int, comm: str = "hunter") -> None:
    victim = stage.waits()
    hunter = stage.acts(lambda: os.kill(victim.pid, number), comm)
    stage.killed(victim, number, hunter)


def term_by_default(stage: Stage) -> None:
    _sent(stage, signal.SIGTERM)


def kill_signal(stage: Stage) -> None:
    _sent(stage, signal.SIGKILL)


def interrupt_by_kill(stage: Stage) -> None:
    _sent(stage, signal.SIGINT)


def real_time_signal(stage: Stage) -> None:
    _sent(stage, signal.SIGRTMIN + 3)


def segmentation_fault_by_kill(stage: Stage) -> None:
    _sent(stage, signal.SIGSEGV)


def abort_by_a_watchdog(stage: Stage) -> None:
    _sent(stage, signal.SIGABRT, "watchdog")


def term_handled(stage: Stage) -> None:
    victim = stage.survives(signal.SIGTERM)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def term_handled_by_exit_143(stage: Stage) -> None:
    # As shells and init scripts do: it looks like a death by TERM, and is none.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
        ready()
        forever()

    victim = stage.started(body)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter, 143)


def term_handled_and_raised_again(stage: Stage) -> None:
    # What a careful program does: it cleans up, and then dies of the signal by its own hand.
    def again(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, again)
        ready()
        forever()

    victim = stage.started(body)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter).anew = True


def term_ignored(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        stage.hold()

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.goes()
    stage.exited(victim)


def term_blocked_until_exit(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        while not signal.sigpending():
            time.sleep(0.02)

    victim = stage.started(body)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def term_blocked_and_then_let_in(stage: Stage) -> None:
    # Two ask while it is blocked: the first one's signal is the one that stays pending.
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        stage.hold()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        forever()

    victim = stage.started(body)
    first = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "first hunter")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "second hunter")
    stage.goes()
    stage.killed(victim, signal.SIGTERM, first)


def term_waited_for(stage: Stage) -> None:
    # As daemons do that have a thread for signals: sigwait takes it, and nothing is delivered.
    victim = stage.spawned(stage.program("patient"), "sigwait", ready=True)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def term_read_from_a_signalfd(stage: Stage) -> None:
    victim = stage.spawned(stage.program("patient"), "signalfd", ready=True)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.asked(victim, signal.SIGTERM, hunter)


def term_handled_and_killed_by_another(stage: Stage) -> None:
    victim = stage.survives(signal.SIGTERM, seconds=100)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "polite hunter")
    time.sleep(0.02)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def hangup_under_nohup(stage: Stage) -> None:
    stage.needs("nohup")
    victim = stage.spawned("nohup", "sh", "-c", "echo ready; read _ <gate", comm="sh", ready=True)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGHUP))
    stage.goes()
    stage.exited(victim)


def signals_that_do_no_harm(stage: Stage) -> None:
    # Signal 0 only asks, WINCH and URG do nothing by default, and nobody dies of STOP and CONT.
    victim = stage.survives(signal.SIGUSR1)

    def annoy() -> None:
        for number in (0, signal.SIGWINCH, signal.SIGURG, signal.SIGSTOP, signal.SIGCONT):
            os.kill(victim.pid, number)

    stage.acts(annoy, "bore")
    friend = stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.asked(victim, signal.SIGUSR1, friend)


def kill_without_permission(stage: Stage) -> None:
    victim = stage.survives(signal.SIGUSR1)

    def attempt() -> None:
        os.setuid(65534)
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except PermissionError:
            return
        raise AssertionError

    stage.acts(attempt, "nobody")
    friend = stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.asked(victim, signal.SIGUSR1, friend)


def tkill(stage: Stage) -> None:
    victim = stage.waits()
    hunter = stage.acts(lambda: calls.tkill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def sigqueue(stage: Stage) -> None:
    victim = stage.waits()
    hunter = stage.acts(lambda: calls.sigqueue(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def pidfd_send_signal(stage: Stage) -> None:
    victim = stage.waits()
    hunter = stage.acts(lambda: calls.pidfd_kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)
