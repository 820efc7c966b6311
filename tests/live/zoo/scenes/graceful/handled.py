"""Handled: a signal came that asks, and the process exited by itself because of it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _leaves(stage: Stage, number: int, code: int = 0, comm: str = "victim", seconds: float = 0) -> Process:
    # It exits some time after the signal, in its handler.
    def leave(*_: object) -> None:
        time.sleep(seconds)
        os._exit(code)

    def body(ready: Ready) -> None:
        signal.signal(number, leave)
        ready()
        forever()

    return stage.started(body, comm)


def _counts(stage: Stage, numbers: list[int], enough: int, code: int = 0) -> Process:
    # It exits when it has got so many signals.
    def body(ready: Ready) -> None:
        caught: list[int] = []

        def count(number: int, _: object) -> None:
            caught.append(number)
            (stage.folder / "caught").write_text(str(len(caught)))
            if len(caught) == enough:
                os._exit(code)

        for number in numbers:
            signal.signal(number, count)
        ready()
        forever()

    return stage.started(body)


def _has_caught(stage: Stage, number: int) -> None:
    caught = stage.folder / "caught"
    stage.until(lambda: caught.exists() and caught.read_text() == str(number), f"{number} signals are not handled")


def _asks(stage: Stage, number: int, code: int = 0, *, seconds: float = 0, comm: str = "deployer") -> None:
    victim = _leaves(stage, number, code, seconds=seconds)
    deployer = stage.acts(lambda: os.kill(victim.pid, number), comm)
    stage.asked(victim, number, deployer, code)


def exits_with_1_after_term(stage: Stage) -> None:
    _asks(stage, signal.SIGTERM, 1)


def exits_with_255_after_term(stage: Stage) -> None:
    _asks(stage, signal.SIGTERM, 255)


def exits_with_0_after_interrupt(stage: Stage) -> None:
    _asks(stage, signal.SIGINT)


def exits_with_130_after_interrupt(stage: Stage) -> None:
    _asks(stage, signal.SIGINT, 130)


def exits_with_129_after_hangup(stage: Stage) -> None:
    _asks(stage, signal.SIGHUP, 129, comm="sshd")


def exits_after_quit(stage: Stage) -> None:
    _asks(stage, signal.SIGQUIT)


def exits_after_abort(stage: Stage) -> None:
    # A crash handler that says farewell, and exits instead of dying.
    _asks(stage, signal.SIGABRT, 6, comm="watchdog")


def exits_after_usr1(stage: Stage) -> None:
    _asks(stage, signal.SIGUSR1)


def exits_after_usr2(stage: Stage) -> None:
    _asks(stage, signal.SIGUSR2, 12)


def exits_after_a_real_time_signal(stage: Stage) -> None:
    _asks(stage, signal.SIGRTMIN + 4)


def drains_for_a_while(stage: Stage) -> None:
    _asks(stage, signal.SIGTERM, seconds=2)


def drains_and_reports_a_failure(stage: Stage) -> None:
    _asks(stage, signal.SIGTERM, 3, seconds=0.5)


def term_twice(stage: Stage) -> None:
    # The first TERM begins a drain, the second one ends it.
    victim = _counts(stage, [signal.SIGTERM], 2, 1)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "first deployer")
    _has_caught(stage, 1)
    second = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "second deployer")
    stage.asked(victim, signal.SIGTERM, second, 1)


def interrupt_and_then_term(stage: Stage) -> None:
    victim = _counts(stage, [signal.SIGINT, signal.SIGTERM], 2)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGINT), "operator")
    _has_caught(stage, 1)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer)


def hangup_handled_and_then_term(stage: Stage) -> None:
    # It reads its configuration anew at HUP, and lives; who asks for the end is another one.
    victim = _counts(stage, [signal.SIGHUP, signal.SIGTERM], 2)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGHUP), "reloader")
    _has_caught(stage, 1)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer)


def usr1_handled_and_then_killed(stage: Stage) -> None:
    victim = _counts(stage, [signal.SIGUSR1], 2)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    _has_caught(stage, 1)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.killed(victim, signal.SIGKILL, hunter)


def term_handled_and_alive(stage: Stage) -> None:
    # It has handled TERM and lives on, until quite another signal comes that it does not handle.
    victim = _counts(stage, [signal.SIGTERM], 2)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    _has_caught(stage, 1)
    bully = stage.acts(lambda: os.kill(victim.pid, signal.SIGHUP), "bully")
    stage.killed(victim, signal.SIGHUP, bully)


def term_handled_and_an_unrelated_exit_later(stage: Stage) -> None:
    # It has handled TERM, and lives on; its exit comes of something else, and later than the window is long.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        ready()
        stage.hold()
        os._exit(5)

    stage.truth.window = 0.5
    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    time.sleep(1)
    stage.goes()
    stage.exited(victim, 5)


def term_handled_within_the_window(stage: Stage) -> None:
    stage.truth.window = 30  # a busy machine takes its time
    _asks(stage, signal.SIGTERM, seconds=0.5)


def term_handled_and_another_program(stage: Stage) -> None:
    # Its handler executes a program that cleans up; the exit is of that.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: calls.execute("sh", "-c", "exit 5"))
        ready()
        forever()

    victim = stage.started(body)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(stage.knows(victim.pid, "sh"), signal.SIGTERM, deployer, 5)


def asked_just_before_the_recording(stage: Stage) -> None:
    # It drains for longer than the recording takes to begin: then nothing in it tells that somebody has asked.
    def body(ready: Ready) -> None:
        def leave(*_: object) -> None:
            (stage.folder / "caught").touch()
            stage.hold()
            os._exit(0)

        signal.signal(signal.SIGTERM, leave)
        ready()
        forever()

    recorded = stage.is_recorded()
    victim = stage.started(body)
    os.kill(victim.pid, signal.SIGTERM)
    stage.until((stage.folder / "caught").exists, "it does not handle TERM")
    stage.goes()
    death = stage.asked(victim, signal.SIGTERM, stage.director)
    if not recorded:
        death.blind = "it was asked before the recording began"


def term_ignored_and_then_exits(stage: Stage) -> None:
    # What is ignored asks nobody.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        stage.hold()
        os._exit(4)

    victim = stage.started(body)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.goes()
    stage.exited(victim, 4)


def term_handled_while_stopped(stage: Stage) -> None:
    # It gets what it was sent only when somebody continues it.
    victim = _leaves(stage, signal.SIGTERM)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGSTOP), "stopper")
    stage.until_state(victim, "T")
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGCONT), "friend")
    stage.asked(victim, signal.SIGTERM, deployer)


def term_and_continue(stage: Stage) -> None:
    # As systemd stops a unit.
    def act() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        os.kill(victim.pid, signal.SIGCONT)

    victim = _leaves(stage, signal.SIGTERM)
    manager = stage.acts(act, "systemd")
    stage.asked(victim, signal.SIGTERM, manager)


def group_asked(stage: Stage) -> None:
    def member(leader: int, comm: str) -> Process:
        def body(ready: Ready) -> None:
            os.setpgid(0, leader)
            signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
            ready()
            forever()

        return stage.started(body, comm)

    leader = member(0, "leader")
    follower = member(leader.pid, "follower")
    deployer = stage.acts(lambda: os.killpg(leader.pid, signal.SIGTERM), "deployer")
    stage.asked(leader, signal.SIGTERM, deployer, 9).group = True
    stage.asked(follower, signal.SIGTERM, deployer, 9).group = True


def _asks_by(stage: Stage, send: Callable[[int], object]) -> None:
    victim = _leaves(stage, signal.SIGTERM)
    deployer = stage.acts(lambda: send(victim.pid), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer)


def asked_by_sigqueue(stage: Stage) -> None:
    _asks_by(stage, lambda pid: calls.sigqueue(pid, signal.SIGTERM))


def asked_by_pidfd(stage: Stage) -> None:
    _asks_by(stage, lambda pid: calls.pidfd_kill(pid, signal.SIGTERM))


def asked_by_tgkill(stage: Stage) -> None:
    _asks_by(stage, lambda pid: calls.tgkill(pid, pid, signal.SIGTERM))


def asked_by_its_child(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        parent = os.getpid()
        if not os.fork():
            ready()
            stage.hold()
            os.kill(parent, signal.SIGTERM)
            os._exit(0)
        forever()

    victim = stage.started(body)
    child = stage.child(victim)
    stage.goes()
    stage.asked(victim, signal.SIGTERM, child)
    stage.exited(child)
