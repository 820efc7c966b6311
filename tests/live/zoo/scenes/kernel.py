"""Kernel: died of a timer, of a limit, or of what happened to one of its files."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

from zoo.stage import forever, spin

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage


def _timed(stage: Stage, number: int, arm: Callable[[], object], then: Callable[[], object] = spin) -> None:
    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        arm()
        then()

    victim = stage.started(body)
    stage.goes()
    stage.ended(victim, number, "timer")


def _limit_cpu(soft: int, hard: int) -> None:
    os.nice(-15)  # on a busy machine too, a second of the CPU is to be had soon
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def alarm(stage: Stage) -> None:
    _timed(stage, signal.SIGALRM, lambda: signal.setitimer(signal.ITIMER_REAL, 0.02), forever)


def alarm_in_a_busy_process(stage: Stage) -> None:
    _timed(stage, signal.SIGALRM, lambda: signal.setitimer(signal.ITIMER_REAL, 0.02))


def alarm_handled(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        ready()
        stage.hold()
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        forever()

    victim = stage.started(body)
    stage.goes()
    stage.asked_by_none(victim, signal.SIGALRM, "timer")


def virtual_timer(stage: Stage) -> None:
    _timed(stage, signal.SIGVTALRM, lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.01))


def profiling_timer(stage: Stage) -> None:
    _timed(stage, signal.SIGPROF, lambda: signal.setitimer(signal.ITIMER_PROF, 0.01))


def posix_timer(stage: Stage) -> None:
    victim = stage.spawned(stage.program("timer"))
    stage.goes()
    stage.ended(victim, signal.SIGTERM, "timer")


def cpu_limit(stage: Stage) -> None:
    _timed(stage, signal.SIGXCPU, lambda: _limit_cpu(1, 5))


def hard_cpu_limit(stage: Stage) -> None:
    _timed(stage, signal.SIGKILL, lambda: _limit_cpu(1, 1))


def file_size_limit(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        ready()
        stage.hold()
        with (stage.folder / "big").open("wb", buffering=0) as file:
            for _ in range(3):
                file.write(bytes(1000))

    victim = stage.started(body)
    stage.goes()
    stage.ended(victim, signal.SIGXFSZ, "kernel")


def pipe_without_a_reader(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        read, write = os.pipe()
        os.close(read)
        ready()
        stage.hold()
        os.write(write, b"to nobody")

    victim = stage.started(body)
    stage.goes()
    stage.ended(victim, signal.SIGPIPE, "kernel")


def yes_into_head(stage: Stage) -> None:
    # The shell alone sees the status: 141.
    stage.needs("bash")
    text = "read _ <gate; sh -c 'echo $$ >yes; exec yes' | head -n 1 >/dev/null; test ${PIPESTATUS[0]} = 141"
    script = stage.spawned(stage.script("pipeline", text, "bash"))
    stage.goes()
    stage.exited(script)
    stage.ended(stage.knows(stage.noted("yes"), "yes"), signal.SIGPIPE, "kernel", status=signal.SIGPIPE)


def signal_of_a_file(stage: Stage) -> None:
    # O_ASYNC: another process writes, and the owner of the file dies of it.
    ours, theirs = socket.socketpair()

    def body(ready: Ready) -> None:
        fcntl.fcntl(ours, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        ready()
        forever()

    victim = stage.started(body)
    stage.acts(lambda: theirs.send(b"x"), "writer")
    stage.ended(victim, signal.SIGIO, "kernel")
