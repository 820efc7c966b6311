"""Killed, or asked to die, by one call to one process."""

import os
import signal
import time

from zoo import calls
from zoo.stage import Process, Stage, forever


def _waiting(stage: Stage, comm: str = "victim") -> Process:
    return stage.started(lambda ready: (ready(), forever()), comm)


def _handling(stage: Stage, number: int, comm: str = "victim") -> Process:
    # It handles one signal, and exits with 0 a moment later.
    def body(ready) -> None:
        caught = []
        signal.signal(number, lambda *_: caught.append(1))
        ready()
        while not caught:
            signal.pause()
        time.sleep(0.02)

    return stage.started(body, comm)


def _ignoring(stage: Stage, number: int, comm: str = "victim") -> Process:
    # It ignores one signal, and exits with 0 at SIGUSR1, which it handles.
    def body(ready) -> None:
        done = []
        signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda *_: done.append(1))
        ready()
        while not done:
            time.sleep(0.005)

    return stage.started(body, comm)


def term_by_default(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def term_handled_and_survived(stage: Stage) -> None:
    victim = _handling(stage, signal.SIGTERM)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(victim)


def term_handled_by_exit_143(stage: Stage) -> None:
    def body(ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
        ready()
        forever()

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(victim, 143)


def term_handled_and_raised_again(stage: Stage) -> None:
    # What a careful program does: it cleans up, and then dies of the signal, by its own hand.
    def again(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def body(ready) -> None:
        signal.signal(signal.SIGTERM, again)
        ready()
        forever()

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.itself(victim, signal.SIGTERM)


def term_ignored(stage: Stage) -> None:
    victim = _ignoring(stage, signal.SIGTERM)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.exited(victim)


def term_blocked_until_exit(stage: Stage) -> None:
    def body(ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        while not signal.sigpending():
            time.sleep(0.001)

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(victim)


def term_blocked_then_let_in(stage: Stage) -> None:
    # Two ask while it is blocked: the first one's signal is the one that stays pending.
    def body(ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        while stage.state(gate) != "Z":
            time.sleep(0.001)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        forever()

    gate = _handling(stage, signal.SIGUSR1, "gate")
    victim = stage.started(body)
    first = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "first hunter")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "second hunter")
    stage.acts(lambda: os.kill(gate.pid, signal.SIGUSR1), "gatekeeper")
    stage.killed(victim, signal.SIGTERM, first)
    stage.exited(gate)


def term_handled_then_killed_by_another(stage: Stage) -> None:
    def body(ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        ready()
        forever()

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "polite hunter")
    hunter = stage.acts(lambda: (time.sleep(0.02), os.kill(victim.pid, signal.SIGKILL)))
    stage.killed(victim, signal.SIGKILL, hunter)


def kill_signal(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def interrupt_by_kill(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGINT))
    stage.killed(victim, signal.SIGINT, hunter)


def hangup_by_kill_while_ignored_by_nohup(stage: Stage) -> None:
    victim = stage.spawned("nohup", "sh", "-c", "echo ready; exec sleep 0.1", comm="sleep", ready=True)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGHUP))
    stage.exited(victim)


def segv_by_kill(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGSEGV))
    stage.killed(victim, signal.SIGSEGV, hunter)


def abort_by_a_watchdog(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGABRT), "watchdog")
    stage.killed(victim, signal.SIGABRT, hunter)


def real_time_signal(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGRTMIN + 3))
    stage.killed(victim, signal.SIGRTMIN + 3, hunter)


def tkill(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: calls.tkill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def sigqueue(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: calls.sigqueue(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def pidfd_send_signal(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: calls.pidfd_kill(victim.pid, signal.SIGTERM))
    stage.killed(victim, signal.SIGTERM, hunter)


def harmless_signals(stage: Stage) -> None:
    # Signal 0 only asks, SIGWINCH and SIGURG do nothing by default, and nobody dies of STOP and CONT.
    victim = _ignoring(stage, signal.SIGTERM)

    def annoy() -> None:
        for number in (0, signal.SIGWINCH, signal.SIGURG, signal.SIGSTOP, signal.SIGCONT):
            os.kill(victim.pid, number)

    stage.acts(annoy, "bore")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.exited(victim)


def kill_without_permission(stage: Stage) -> None:
    victim = _handling(stage, signal.SIGUSR1)

    def attempt() -> None:
        os.setuid(65534)
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except PermissionError:
            return
        raise AssertionError

    stage.acts(attempt, "nobody")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.exited(victim)
