"""Died of what somebody did at a terminal."""

import fcntl
import os
import signal
import termios
import time

from zoo.stage import Process, Stage, forever


class _Terminal:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._master, self._slave = os.openpty()

    def leader(self, comm: str = "victim", body=None) -> Process:
        # A session leader whose controlling terminal this is, in the foreground.
        def run(ready) -> None:
            os.close(self._master)
            os.setsid()
            fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)
            os.close(self._slave)
            if body is None:
                ready()
                forever()
            body(ready)

        return self._stage.started(run, comm)

    def types(self, keys: bytes) -> None:
        self._stage.acts(lambda: os.write(self._master, keys), "typist")

    def hangs_up(self) -> None:
        os.close(self._slave)
        os.close(self._master)


def interrupt_key(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader()
    terminal.types(b"\x03")
    stage.killed(victim, signal.SIGINT, source="terminal", group=True)


def quit_key(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader()
    terminal.types(b"\x1c")
    stage.killed(victim, signal.SIGQUIT, source="terminal", group=True)


def interrupt_key_handled(stage: Stage) -> None:
    def body(ready) -> None:
        caught = []
        signal.signal(signal.SIGINT, lambda *_: caught.append(1))
        ready()
        while not caught:
            time.sleep(0.005)

    terminal = _Terminal(stage)
    victim = terminal.leader(body=body)
    terminal.types(b"\x03")
    stage.exited(victim)


def interrupt_key_with_a_background_job(stage: Stage) -> None:
    def body(ready) -> None:
        background = os.fork()
        if not background:
            os.setpgid(0, 0)
            ready()
            time.sleep(0.05)
            os._exit(0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        forever()

    terminal = _Terminal(stage)
    victim = terminal.leader("foreground", body)
    background = stage.knows(stage.children(victim)[0], "foreground")
    terminal.types(b"\x03")
    stage.killed(victim, signal.SIGINT, source="terminal", group=True)
    stage.exited(background)


def closing_terminal(stage: Stage) -> None:
    terminal = _Terminal(stage)
    victim = terminal.leader()
    terminal.hangs_up()
    stage.killed(victim, signal.SIGHUP, source="terminal")


def session_leader_leaves_its_terminal(stage: Stage) -> None:
    # The foreground job of a login shell that exits.
    def body(ready) -> None:
        if not os.fork():
            ready()
            forever()
        time.sleep(0.02)

    terminal = _Terminal(stage)
    leader = terminal.leader("login", body)
    job = stage.knows(stage.children(leader)[0], "login")
    stage.exited(leader)
    stage.killed(job, signal.SIGHUP, source="terminal", group=True)
    terminal.hangs_up()


def stop_key_then_killed(stage: Stage) -> None:
    terminal = _Terminal(stage)

    def body(ready) -> None:
        job = os.fork()
        if not job:
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            os.tcsetpgrp(os.open("/dev/tty", os.O_RDWR), os.getpid())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])
            ready()
            forever()
        _, status = os.waitpid(job, 0)
        (stage.folder / "status").write_text(str(status))

    shell = terminal.leader("login", body)
    job = stage.knows(stage.children(shell)[0], "login")
    terminal.types(b"\x1a")
    stage.until_state(job, "T")
    hunter = stage.acts(lambda: os.kill(job.pid, signal.SIGKILL))
    stage.exited(shell)
    stage.killed(job, signal.SIGKILL, hunter, status=int((stage.folder / "status").read_text()))
    terminal.hangs_up()
