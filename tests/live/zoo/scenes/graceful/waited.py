"""Waited: a signal that asks is awaited, and no handler runs; or one runs, and another place does what it asks for."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Body, Ready, Stage


def _asks(stage: Stage, body: Body, code: int = 0, number: int = signal.SIGTERM) -> None:
    victim = stage.started(body)
    deployer = stage.acts(lambda: os.kill(victim.pid, number), "deployer")
    stage.asked(victim, number, deployer, code)


def _patient(stage: Stage, how: str, code: int = 0) -> None:
    victim = stage.spawned(stage.program("patient"), how, ready=True)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer, code)


def sigwaitinfo_and_exit_1(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        signal.sigwaitinfo([signal.SIGTERM])
        os._exit(1)

    _asks(stage, body, 1)


def sigtimedwait_in_a_loop(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
        ready()
        while not signal.sigtimedwait([signal.SIGHUP, signal.SIGTERM], 0.2):
            pass
        os._exit(129)

    _asks(stage, body, 129, signal.SIGHUP)


def sigwait_and_then_drains(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        signal.sigwait([signal.SIGTERM])
        time.sleep(0.5)

    _asks(stage, body)


def signalfd_in_an_event_loop(stage: Stage) -> None:
    _patient(stage, "epoll", 7)


def sigwait_in_a_thread(stage: Stage) -> None:
    # One thread is there for signals, and all others block them.
    _patient(stage, "thread", 2)


def sigsuspend_with_a_handler(stage: Stage) -> None:
    _patient(stage, "suspend", 3)


def self_pipe(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        read, write = os.pipe()
        signal.signal(signal.SIGTERM, lambda *_: os.write(write, b"x"))
        ready()
        while not select.select([read], [], [], 0.5)[0]:
            pass
        os._exit(1)

    _asks(stage, body, 1)


def asyncio_signal_handler(stage: Stage) -> None:
    async def serve(ready: Ready) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        ready()
        await stop.wait()

    _asks(stage, lambda ready: asyncio.run(serve(ready)))


def handler_sets_a_flag_for_a_thread(stage: Stage) -> None:
    # One thread handles the signal, another one makes the process exit.
    def body(ready: Ready) -> None:
        flag = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: flag.set())

        def leave() -> None:
            flag.wait()
            os._exit(11)

        threading.Thread(target=leave).start()
        ready()
        forever()

    _asks(stage, body, 11)


def exception_in_a_handler(stage: Stage) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(14)

    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, leave)
        try:
            ready()  # what it waits for may come at once
            forever()
        except SystemExit as error:
            os._exit(int(str(error.code)))

    _asks(stage, body, 14)


def keyboard_interrupt_caught(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            ready()  # what it waits for may come at once
            forever()
        except KeyboardInterrupt:
            os._exit(1)

    _asks(stage, body, 1, signal.SIGINT)


def term_blocked_and_handled_later(stage: Stage) -> None:
    # It is in a critical section when TERM comes.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        stage.hold()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    victim = stage.started(body)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.goes()
    stage.asked(victim, signal.SIGTERM, deployer)


def shell_with_an_exit_trap(stage: Stage) -> None:
    text = "trap 'exit 3' TERM; echo ready; read _ <>never"
    shell = stage.spawned(stage.script("service.sh", text), ready=True)
    deployer = stage.acts(lambda: os.kill(shell.pid, signal.SIGTERM), "deployer")
    stage.asked(shell, signal.SIGTERM, deployer, 3)
