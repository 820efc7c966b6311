"""What came first: the signal, the exit, or the end of the sender."""

import os
import signal
import time

from zoo.stage import Process, Stage, forever


def exit_at_the_moment_of_the_signal(stage: Stage) -> None:
    # Only waitpid knows who was faster.
    for i in range(40):
        pause = i * 25e-6
        gate = time.monotonic() + 0.006

        def leave(ready, gate: float = gate) -> None:
            ready()
            while time.monotonic() < gate:
                pass

        victim = stage.started(leave)

        def act(victim: Process = victim, until: float = gate - 0.0005 + pause) -> None:
            while time.monotonic() < until:
                pass
            os.kill(victim.pid, signal.SIGTERM)

        hunter = stage.acts(act)
        status = stage.wait(victim)
        if os.WIFSIGNALED(status):
            stage.killed(victim, signal.SIGTERM, hunter, status=status)
        else:
            stage.exited(victim, status=status)


def sender_dies_before_its_victim(stage: Stage) -> None:
    # The victim holds the signal back until it has seen the hunter's end.
    def body(ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        while not (stage.folder / "gone").exists():
            time.sleep(0.001)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        forever()

    victim = stage.started(body)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    (stage.folder / "gone").touch()
    stage.killed(victim, signal.SIGTERM, hunter)


def sender_killed_after_the_call(stage: Stage) -> None:
    victim = stage.started(lambda ready: (ready(), forever()))
    sender = stage.started(lambda ready: (os.kill(victim.pid, signal.SIGTERM), ready(), forever()), "hunter")
    other = stage.acts(lambda: os.kill(sender.pid, signal.SIGKILL), "hunter of hunter")
    stage.killed(victim, signal.SIGTERM, sender)
    stage.killed(sender, signal.SIGKILL, other)


def two_at_once(stage: Stage) -> None:
    # TERM and then KILL before the victim could die: it is stopped, and KILL is first to be served.
    victim = stage.started(lambda ready: (ready(), forever()))
    stage.acts(lambda: os.kill(victim.pid, signal.SIGSTOP), "stopper")
    stage.until_state(victim, "T")
    stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "slow hunter")
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGKILL), "quick hunter")
    stage.killed(victim, signal.SIGKILL, hunter)
