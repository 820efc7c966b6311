"""Consequences: died because another one did, of which somebody else was the cause."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _family(stage: Stage, number: int, handler: Callable[[], object] | None = None) -> tuple[Process, Process]:
    # A parent that exits with 4 at TERM, and a child that gets a signal when it ends.
    def body(ready: Ready) -> None:
        if not os.fork():
            calls.on_parents_death(number)
            if handler is not None:
                signal.signal(number, lambda *_: handler())
            ready()
            forever()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
        forever()

    parent = stage.started(body, "parent")
    stage.until_caught(parent, signal.SIGTERM)
    return parent, stage.child(parent)


def _hunted(stage: Stage, victim: Process, number: int = signal.SIGKILL) -> Process:
    hunter = stage.acts(lambda: os.kill(victim.pid, number))
    stage.killed(victim, number, hunter)
    return hunter


def term_when_the_parent_is_killed(stage: Stage) -> None:
    parent, child = _family(stage, signal.SIGTERM)
    hunter = _hunted(stage, parent)
    stage.ended(child, signal.SIGTERM, "parent", after=[hunter, parent])


def kill_when_the_parent_is_asked(stage: Stage) -> None:
    parent, child = _family(stage, signal.SIGKILL)
    deployer = stage.acts(lambda: os.kill(parent.pid, signal.SIGTERM), "deployer")
    stage.asked(parent, signal.SIGTERM, deployer, 4)
    stage.ended(child, signal.SIGKILL, "parent", after=[deployer, parent])


def term_handled_when_the_parent_is_killed(stage: Stage) -> None:
    parent, child = _family(stage, signal.SIGTERM, lambda: os._exit(8))
    hunter = _hunted(stage, parent)
    stage.asked_by_none(child, signal.SIGTERM, "parent", 8, after=[hunter, parent])


def chain_of_parents(stage: Stage) -> None:
    # Each takes its child along; one was killed.
    def body(ready: Ready) -> None:
        for _ in range(2):
            if os.fork():
                forever()
            calls.on_parents_death(signal.SIGKILL)
        ready()
        forever()

    first = stage.started(body, "first")
    second = stage.child(first)
    third = stage.child(second)
    hunter = _hunted(stage, first)
    stage.ended(second, signal.SIGKILL, "parent", after=[hunter, first])
    stage.ended(third, signal.SIGKILL, "parent", after=[hunter, first, second])


def term_when_the_parent_aborts(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        if not os.fork():
            calls.on_parents_death(signal.SIGTERM)
            ready()
            forever()
        stage.hold()
        os.abort()

    parent = stage.started(body, "parent")
    child = stage.child(parent)
    stage.goes()
    stage.itself(parent, signal.SIGABRT)
    stage.ended(child, signal.SIGTERM, "parent", after=[parent])


def setpriv_and_its_parent(stage: Stage) -> None:
    # The shell is killed, and what it runs has asked to die with it.
    shell = stage.spawned("sh", "-c", "setpriv --pdeathsig HUP sleep 100; exit 1")
    child = stage.child(shell, "sleep")
    hunter = _hunted(stage, shell)
    stage.ended(child, signal.SIGHUP, "parent", after=[hunter, shell])


def _waits(ready: Ready) -> None:
    ready()


def _session(stage: Stage, job: Callable[[Ready], object], *, stops: bool = False) -> tuple[Process, Process]:
    # A session leader with a terminal that nobody closes, and a job in the terminal's foreground group.
    _, slave = os.openpty()

    def body(ready: Ready) -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        if not os.fork():
            if stops:
                os.setpgid(0, 0)
            job(ready)
            forever()
        forever()

    leader = stage.started(body, "login")
    return leader, stage.child(leader)


def hangup_when_the_leader_is_killed(stage: Stage) -> None:
    leader, job = _session(stage, _waits)
    hunter = _hunted(stage, leader)
    stage.ended(job, signal.SIGHUP, "parent", after=[hunter, leader])


def hangup_handled_when_the_leader_is_killed(stage: Stage) -> None:
    def job(ready: Ready) -> None:
        signal.signal(signal.SIGHUP, lambda *_: os._exit(1))
        ready()

    leader, victim = _session(stage, job)
    hunter = _hunted(stage, leader)
    stage.asked_by_none(victim, signal.SIGHUP, "parent", 1, after=[hunter, leader])


def hangup_when_the_leader_hangs_up(stage: Stage) -> None:
    # A login shell that is told HUP, and its job gets one, too, from the kernel.
    leader, job = _session(stage, _waits)
    hunter = _hunted(stage, leader, signal.SIGHUP)
    stage.ended(job, signal.SIGHUP, "parent", after=[hunter, leader])


def stopped_job_when_the_leader_is_killed(stage: Stage) -> None:
    # It is in the background, and stopped; with the leader goes the last who could continue it.
    def job(ready: Ready) -> None:
        ready()
        os.kill(os.getpid(), signal.SIGSTOP)

    leader, victim = _session(stage, job, stops=True)
    stage.until_state(victim, "T")
    hunter = _hunted(stage, leader)
    stage.ended(victim, signal.SIGHUP, "parent", after=[hunter, leader])


def terminal_emulator_is_killed(stage: Stage) -> None:
    # With it goes the terminal: its session hangs up, and the leader's death takes the rest along.
    def body(ready: Ready) -> None:
        master, slave = os.openpty()
        if not os.fork():
            os.close(master)
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            os.close(slave)
            ready()
            forever()
        os.close(slave)
        forever()

    emulator = stage.started(body, "xterm")
    shell = stage.child(emulator)
    hunter = _hunted(stage, emulator)
    stage.ended(shell, signal.SIGHUP, "parent", after=[hunter, emulator])


def tracer_is_killed(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        calls.ptrace(calls.PTRACE_SEIZE, victim.pid, calls.PTRACE_O_EXITKILL)
        ready()
        forever()

    victim = stage.waits()
    tracer = stage.started(body, "tracer")
    hunter = _hunted(stage, tracer)
    stage.ended(victim, signal.SIGKILL, "parent", after=[hunter, tracer])


def _namespace(stage: Stage, comm: str, init: Callable[[Ready], object]) -> Callable[[Ready], object]:
    # What an engine does: it makes a namespace, starts its init, and waits for that.
    def body(ready: Ready) -> None:
        calls.new_pid_namespace()
        pid = os.fork()
        if not pid:
            init(ready)
            os._exit(0)
        (stage.folder / f"status in {comm}").write_text(str(os.waitpid(pid, 0)[1]))

    return body


def init_is_asked_and_leaves_inmates(stage: Stage) -> None:
    def init(ready: Ready) -> None:
        if not os.fork():
            forever()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        ready()
        forever()

    engine = stage.started(_namespace(stage, "engine", init), "engine")
    first = stage.child(engine)
    inmate = stage.child(first)
    deployer = stage.acts(lambda: os.kill(first.pid, signal.SIGTERM), "deployer")
    stage.exited(engine)
    stage.asked(first, signal.SIGTERM, deployer, 7, status=stage.noted("status in engine"))
    stage.ended(inmate, signal.SIGKILL, "parent", after=[deployer, first], status=signal.SIGKILL)


def namespace_in_a_namespace(stage: Stage) -> None:
    # Whoever is in the inner one is in the outer one, too: all of them die with the outer init.
    def inner(ready: Ready) -> None:
        ready()
        forever()

    outer = _namespace(stage, "outer", _namespace(stage, "inner", inner))
    engine = stage.started(outer, "engine")
    first = stage.child(engine)
    second = stage.child(first)
    hunter = stage.acts(lambda: os.kill(first.pid, signal.SIGKILL))
    stage.exited(engine)
    stage.killed(first, signal.SIGKILL, hunter, status=stage.noted("status in outer"))
    stage.ended(second, signal.SIGKILL, "parent", after=[hunter, first], status=signal.SIGKILL)


def inmate_of_a_namespace_with_threads(stage: Stage) -> None:
    # A thread of the init ends the process: the kernel's kill of the inmates comes from the last of its threads.
    def init(ready: Ready) -> None:
        if not os.fork():
            forever()
        threads = stage.program("threads")
        (stage.folder / "output").touch()
        os.dup2(os.open(stage.folder / "output", os.O_WRONLY), 1)
        ready()
        calls.execute(threads, "wait")

    engine = stage.started(_namespace(stage, "engine", init), "engine")
    first = stage.child(engine, "threads")
    stage.until((stage.folder / "output").read_text, "there are no threads")
    inmate = stage.child(first)
    hunter = stage.acts(lambda: os.kill(first.pid, signal.SIGKILL))
    stage.exited(engine)
    stage.killed(first, signal.SIGKILL, hunter, status=stage.noted("status in engine"))
    stage.ended(inmate, signal.SIGKILL, "parent", after=[hunter, first], status=signal.SIGKILL)
