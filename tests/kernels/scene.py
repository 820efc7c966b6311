"""Scene: a few ways to end, small enough that a log of all of it can be a fixture."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = Path("/sys/fs/cgroup/greedy")

STORM = "storm"
STORM_PROCESSES = 6
STORM_CALLS = 2000

_MEGABYTE = 1 << 20


def play() -> None:
    """Let `worker` be killed by `reaper`, `server` be asked by `deployer`, and so on."""
    worker = _started("worker", _wait)
    _ended(_started("reaper", lambda: os.kill(worker, signal.SIGKILL)))
    _ended(worker)
    server = _started("server", _wait)
    _ended(_started("deployer", lambda: os.kill(server, signal.SIGTERM)))
    _ended(server)
    _ended(_started("aborter", os.abort))
    _ended(_started("crasher", lambda: ctypes.string_at(0)))
    _ended(_started("many threads", _exit_with_threads))
    for command in ("exit 7", "kill -TERM $$"):
        subprocess.run(["sh", "-c", command, "an argument", "with\nnewline"], check=False)
    if GROUP.parent.joinpath("cgroup.subtree_control").exists():
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.max").write_text(str(16 * _MEGABYTE))
        _ended(_started("greedy", _eat))
        GROUP.rmdir()


def storm() -> None:
    """Let more processes than there are CPUs call kill, and some of real-time priority take the CPU from the others."""

    def call() -> None:
        pid = os.getpid()
        for _ in range(STORM_CALLS):
            os.kill(pid, 0)

    def interrupt() -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        pid = os.getpid()
        for _ in range(STORM_CALLS):
            os.kill(pid, 0)
            time.sleep(0.0002)

    bodies = [call] * (STORM_PROCESSES - 2) + [interrupt] * 2
    for pid in [_started(STORM, body) for body in bodies]:
        _ended(pid)


def _started(name: str, body: Callable[[], object]) -> int:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        Path("/proc/self/comm").write_text(name)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
        os.close(write)
        try:
            body()
        finally:
            os._exit(0)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return pid


def _ended(pid: int) -> None:
    os.waitpid(pid, 0)


def _wait() -> None:
    time.sleep(600)


def _exit_with_threads() -> None:
    for _ in range(3):
        threading.Thread(target=_wait).start()
    os._exit(5)


def _eat() -> None:
    (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    eaten = []
    while True:
        eaten.append(b"x" * _MEGABYTE)


if __name__ == "__main__":
    {"play": play, "storm": storm}[sys.argv[1]]()
