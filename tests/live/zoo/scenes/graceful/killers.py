"""Killers: who sent it, if that was a thread with a name of its own, or another user."""

from __future__ import annotations

import os
import pwd
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_NOBODY = 65534
_NAMELESS = 54321  # no user has this number


def _service(stage: Stage, code: int = 0) -> Process:
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
        ready()
        forever()

    return stage.started(body)


def _in_a_thread(comm: str, act: Callable[[], object]) -> None:
    # The name of a thread is its own.
    def run() -> None:
        Path("/proc/thread-self/comm").write_text(comm)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def thread_with_a_name_kills(stage: Stage) -> None:
    # The answer is the process, and not its thread.
    victim = stage.waits()
    kubelet = stage.acts(lambda: _in_a_thread("grpc-worker-3", lambda: os.kill(victim.pid, signal.SIGKILL)), "kubelet")
    stage.killed(victim, signal.SIGKILL, kubelet).thread = "grpc-worker-3"


def thread_with_a_name_asks(stage: Stage) -> None:
    victim = _service(stage, 2)
    kubelet = stage.acts(lambda: _in_a_thread("grpc-worker-3", lambda: os.kill(victim.pid, signal.SIGTERM)), "kubelet")
    stage.asked(victim, signal.SIGTERM, kubelet, 2).thread = "grpc-worker-3"


def _kubelet(stage: Stage, victim: Process) -> Process:
    # Its thread is there before it acts, and lives on after it has acted.
    def body(ready: Ready) -> None:
        def act() -> None:
            ready()
            stage.hold()
            os.kill(victim.pid, signal.SIGTERM)
            (stage.folder / "done").touch()
            stage.hold()

        _in_a_thread("grpc-worker-3", act)

    return stage.started(body, "kubelet")


def thread_that_was_there_kills(stage: Stage) -> None:
    victim = stage.waits()
    kubelet = _kubelet(stage, victim)
    stage.goes()
    stage.killed(victim, signal.SIGTERM, kubelet).thread = "grpc-worker-3"
    stage.exited(kubelet)


def thread_that_was_there_asks(stage: Stage) -> None:
    victim = _service(stage)
    kubelet = _kubelet(stage, victim)
    stage.goes()
    stage.asked(victim, signal.SIGTERM, kubelet).thread = "grpc-worker-3"
    stage.exited(kubelet)


def thread_kills_after_its_leader_is_gone(stage: Stage) -> None:
    # The first thread has ended: what is left of the process is a zombie with threads.
    victim = stage.waits()
    killer = stage.spawned(stage.program("leave"), "kill_without_a_leader", str(victim.pid))
    stage.goes()
    stage.killed(victim, signal.SIGTERM, killer)
    stage.exited(killer)


def thread_that_passes_it_on(stage: Stage) -> None:
    # A thread is there for signals: it takes what the process gets, and passes it on to the child.
    def body(ready: Ready) -> None:
        child = os.fork()
        if not child:
            ready()
            forever()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        _in_a_thread("signals", lambda: os.kill(child, signal.sigwait([signal.SIGTERM])))
        (stage.folder / "status").write_text(str(os.waitpid(child, 0)[1]))
        os._exit(9)

    def blocked() -> bool:
        lines = Path(f"/proc/{forwarder.pid}/status").read_text().splitlines()
        mask = next(line for line in lines if line.startswith("SigBlk:")).split()[1]
        return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)

    forwarder = stage.started(body, "forwarder")
    child = stage.child(forwarder)
    stage.until(blocked, "it does not block")
    deployer = stage.acts(lambda: os.kill(forwarder.pid, signal.SIGTERM), "deployer")
    stage.asked(forwarder, signal.SIGTERM, deployer, 9)
    death = stage.killed(child, signal.SIGTERM, forwarder, via=[deployer], status=stage.noted("status"))
    death.thread = "signals"


def thread_with_a_name_ends_the_process(stage: Stage) -> None:
    # exit_group is of another thread, and under its name.
    def body(ready: Ready) -> None:
        flag = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: flag.set())

        def leave() -> None:
            Path("/proc/thread-self/comm").write_text("reaper thread")
            ready()
            flag.wait()
            os._exit(12)

        threading.Thread(target=leave).start()
        forever()

    victim = stage.started(body, "service")
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer, 12)


def _as_user(user: int, *argv: str) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _between_users(stage: Stage, victims: int, killers: int) -> None:
    victim = stage.spawned(*_as_user(victims, "sleep", "100"), comm="sleep")
    stage.until(lambda: stage.comm(victim.pid) == "sleep", "there is no victim")
    stage.begins()
    killer = stage.spawned(*_as_user(killers, "env", "kill", str(victim.pid)), comm="kill")
    stage.exited(killer)
    death = stage.killed(victim, signal.SIGTERM, killer, actor="director")
    death.user, death.killer_user = _name(victims), _name(killers)


def root_kills_nobodys(stage: Stage) -> None:
    _between_users(stage, _NOBODY, 0)


def nobody_kills_its_own(stage: Stage) -> None:
    _between_users(stage, _NOBODY, _NOBODY)


def user_without_a_name_kills_its_own(stage: Stage) -> None:
    _between_users(stage, _NAMELESS, _NAMELESS)


def nobody_asks_its_own(stage: Stage) -> None:
    text = "trap 'exit 0' TERM; echo ready; read _ <>never"
    victim = stage.spawned(*_as_user(_NOBODY, "sh", "-c", text), comm="sh", ready=True)
    stage.begins()
    killer = stage.spawned(*_as_user(_NOBODY, "env", "kill", str(victim.pid)), comm="kill")
    stage.exited(killer)
    death = stage.asked(victim, signal.SIGTERM, killer)
    death.actor, death.user, death.killer_user = "director", _name(_NOBODY), _name(_NOBODY)


def nobody_cannot_kill_roots(stage: Stage) -> None:
    # It is refused; then root asks.
    victim = _service(stage)
    stage.begins()
    stage.exited(stage.spawned(*_as_user(_NOBODY, "env", "kill", str(victim.pid)), comm="kill"), 1)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.asked(victim, signal.SIGTERM, deployer)


def passed_on_from_user_to_user(stage: Stage) -> None:
    # root tells a forwarder of another user, whose child dies.
    forwarder = stage.spawned(*_as_user(_NOBODY, "timeout", "100", "sleep", "100"), comm="timeout")
    stage.until(lambda: stage.comm(forwarder.pid) == "timeout", "there is no forwarder")
    child = stage.child(forwarder, "sleep")
    stage.until_state(forwarder, "S")
    deployer = stage.acts(lambda: os.kill(forwarder.pid, signal.SIGTERM), "deployer")
    stage.killed(forwarder, signal.SIGTERM, deployer).anew = True
    death = stage.killed(child, signal.SIGTERM, forwarder, via=[deployer], actor="director", status=signal.SIGTERM)
    death.user = death.killer_user = _name(_NOBODY)
