"""Killed while they were stopped, traced, or dead already."""

import os
import signal
import time

from zoo import calls
from zoo.stage import Process, Skip, Stage, forever


def _waiting(stage: Stage, comm: str = "victim") -> Process:
    return stage.started(lambda ready: (ready(), forever()), comm)


def _stopped(stage: Stage) -> Process:
    victim = _waiting(stage)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGSTOP), "stopper")
    stage.until_state(victim, "T")
    return victim


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


def signalled_as_a_zombie(stage: Stage) -> None:
    victim = stage.started(lambda ready: ready())
    stage.until_state(victim, "Z")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(victim)


def killed_twice(stage: Stage) -> None:
    victim = _waiting(stage)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "first hunter")
    stage.until_state(victim, "Z")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL), "second hunter")
    stage.killed(victim, signal.SIGTERM, hunter)


def _traced(stage: Stage, victim: Process, then, *, options: int = 0) -> Process:
    def body(ready) -> None:
        try:
            calls.ptrace(calls.PTRACE_SEIZE, victim.pid, options)
        except OSError as error:
            (stage.folder / "refused").write_text(str(error))
            ready()
            return
        ready()
        then()

    tracer = stage.started(body, "tracer")
    if (stage.folder / "refused").exists():
        raise Skip(f"no process can be traced: {(stage.folder / 'refused').read_text()}")
    return tracer


def killed_while_traced(stage: Stage) -> None:
    victim = _waiting(stage)
    tracer = _traced(stage, victim, lambda: os.waitpid(victim.pid, 0x40000000))
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGKILL, hunter)


def terminated_while_traced(stage: Stage) -> None:
    # The signal goes to the tracer first, which passes it on.
    victim = _waiting(stage)

    def pass_on() -> None:
        os.waitpid(victim.pid, 0x40000000)
        calls.ptrace(calls.PTRACE_CONT, victim.pid, signal.SIGTERM)
        os.waitpid(victim.pid, 0x40000000)

    tracer = _traced(stage, victim, pass_on)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGTERM, hunter)


def tracer_swallows_the_signal(stage: Stage) -> None:
    victim = stage.started(lambda ready: (ready(), time.sleep(0.1)))

    def swallow() -> None:
        os.waitpid(victim.pid, 0x40000000)
        calls.ptrace(calls.PTRACE_CONT, victim.pid, 0)
        os.waitpid(victim.pid, 0x40000000)

    tracer = _traced(stage, victim, swallow)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(tracer)
    stage.exited(victim)


def tracer_dies_and_takes_it_along(stage: Stage) -> None:
    victim = _waiting(stage)
    tracer = _traced(stage, victim, lambda: time.sleep(0.02), options=calls.PTRACE_O_EXITKILL)
    stage.exited(tracer)
    stage.killed(victim, signal.SIGKILL, source="parent")


def killed_in_its_tracers_hands(stage: Stage) -> None:
    # It stands still for its tracer when KILL comes.
    victim = _waiting(stage)

    def hold() -> None:
        os.waitpid(victim.pid, 0x40000000)
        (stage.folder / "held").touch()
        os.waitpid(victim.pid, 0x40000000)

    tracer = _traced(stage, victim, hold)
    stage.acts(lambda: os.kill(victim.pid, signal.SIGUSR1), "friend")
    stage.until((stage.folder / "held").exists, "it is not held")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL))
    stage.exited(tracer)
    stage.killed(victim, signal.SIGKILL, hunter)
