"""Terminal: died of what was typed, or of the terminal's end."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Body, Ready, Stage
    from zoo.truth import Process


class _Terminal:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._master, self._slave = os.openpty()

    def leader(self, body: Body, comm: str = "victim") -> Process:
        # A session leader, in the foreground, whose controlling terminal this is.
        def run(ready: Ready) -> None:
            os.close(self._master)
            os.setsid()
            fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)
            os.close(self._slave)
            body(ready)

        return self._stage.started(run, comm)

    def types(self, key: bytes) -> None:
        self._stage.acts(lambda: os.write(self._master, key), "typist")

    def closes(self) -> None:
        self._stage.begins()
        os.close(self._slave)
        os.close(self._master)


def _waits(ready: Ready) -> None:
    ready()
    forever()


def _in_the_foreground() -> None:
    # The caller's own group takes the terminal.
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    os.tcsetpgrp(os.open("/dev/tty", os.O_RDWR), os.getpid())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])


def interrupt_key(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader(_waits)
    terminal.types(b"\x03")
    stage.ended(victim, signal.SIGINT, "terminal")


def quit_key(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader(_waits)
    terminal.types(b"\x1c")
    stage.ended(victim, signal.SIGQUIT, "terminal")


def interrupt_key_handled(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
        _waits(ready)

    terminal = _Terminal(stage)
    victim = terminal.leader(body)
    terminal.types(b"\x03")
    stage.asked_by_none(victim, signal.SIGINT, "terminal")


def interrupt_key_for_a_group(stage: Stage) -> None:
    # A job of two processes, and the shell that has it in its foreground and lives on.
    def body(ready: Ready) -> None:
        job = os.fork()
        if not job:
            _in_the_foreground()
            if not os.fork():
                ready()
            forever()
        (stage.folder / "status").write_text(str(os.waitpid(job, 0)[1]))

    terminal = _Terminal(stage)
    shell = terminal.leader(body, "login")
    first = stage.child(shell)
    second = stage.child(first)
    terminal.types(b"\x03")
    stage.exited(shell)
    stage.ended(first, signal.SIGINT, "terminal", status=stage.noted("status"))
    stage.ended(second, signal.SIGINT, "terminal")
    terminal.closes()


def interrupt_key_with_a_background_job(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        if not os.fork():
            os.setpgid(0, 0)
            ready()
            stage.hold()
            os._exit(0)
        forever()

    terminal = _Terminal(stage)
    victim = terminal.leader(body)
    background = stage.child(victim)
    terminal.types(b"\x03")
    stage.ended(victim, signal.SIGINT, "terminal")
    stage.goes()
    stage.exited(background)


def stop_key_and_then_killed(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        job = os.fork()
        if not job:
            _in_the_foreground()
            _waits(ready)
        (stage.folder / "status").write_text(str(os.waitpid(job, 0)[1]))

    terminal = _Terminal(stage)
    shell = terminal.leader(body, "login")
    job = stage.child(shell)
    terminal.types(b"\x1a")
    stage.until_state(job, "T")
    hunter = stage.acts(lambda: os.kill(job.pid, signal.SIGKILL))
    stage.exited(shell)
    stage.killed(job, signal.SIGKILL, hunter, status=stage.noted("status"))
    terminal.closes()


def closing_terminal(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader(_waits)
    terminal.closes()
    stage.ended(victim, signal.SIGHUP, "terminal")


def closing_terminal_ignored(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        ready()
        stage.hold()

    terminal = _Terminal(stage)
    victim = terminal.leader(body)
    terminal.closes()
    stage.goes()
    stage.exited(victim)


def login_shell_leaves_its_foreground_job(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        if not os.fork():
            _waits(ready)
        stage.hold()

    terminal = _Terminal(stage)
    leader = terminal.leader(body, "login")
    job = stage.child(leader)
    stage.goes()
    stage.exited(leader)
    stage.ended(job, signal.SIGHUP, "terminal", after=[leader])
    terminal.closes()
