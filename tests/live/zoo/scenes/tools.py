"""Tools: killed by a tool whose own name says little; who ran it is the answer."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from zoo.stage import forever

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _scripted(stage: Stage, name: str, text: str) -> Process:
    # A script, which goes on when the recording has begun.
    script = stage.spawned(stage.script(name, f"read _ <gate\n{text}"))
    stage.goes()
    return script


def timeout(stage: Stage) -> None:
    stage.needs("timeout")
    script = _scripted(stage, "backup.sh", "timeout 0.5 sleep 5; test $? = 124")
    tool = stage.child(script, "timeout")
    victim = stage.child(tool, "sleep")
    stage.exited(script)
    death = stage.exited(tool, 124, status=124 << 8)
    death.verdict, death.signal, death.source = "asked", "SIGALRM", "timer"
    stage.killed(victim, signal.SIGTERM, tool, actor="backup.sh", status=signal.SIGTERM)


def timeout_and_then_kill(stage: Stage) -> None:
    # timeout -k sends KILL to its own group, and is in it.
    stage.needs("timeout")
    text = "timeout -k 0.3 0.5 sh -c \"trap '' TERM; exec sleep 5\"; test $? = 137"
    script = _scripted(stage, "backup.sh", text)
    tool = stage.child(script, "timeout")
    victim = stage.child(tool, "sleep")
    stage.exited(script)
    stage.killed(victim, signal.SIGKILL, tool, actor="backup.sh")
    stage.itself(tool, signal.SIGKILL, group=True, status=signal.SIGKILL)


def timeout_in_time(stage: Stage) -> None:
    tool = stage.spawned("sh", "-c", "read _ <gate; exec timeout 2 sleep 0.01", comm="timeout")
    stage.goes()
    stage.exited(tool)


def pkill_by_name(stage: Stage) -> None:
    stage.needs("pkill")
    victim = stage.waits(f"prey{os.getpid()}")
    stage.exited(script := _scripted(stage, "cleanup.sh", f"pkill -x {victim.comm} & echo $! >tool; wait"))
    pkill = stage.knows(stage.noted("tool"), "pkill")
    stage.killed(victim, signal.SIGTERM, pkill, actor=script.comm)


def killall_by_name(stage: Stage) -> None:
    stage.needs("killall")
    victims = [stage.waits(f"prey{os.getpid()}") for _ in range(2)]
    text = f"killall -KILL {victims[0].comm} & echo $! >tool; wait"
    stage.exited(script := _scripted(stage, "cleanup.sh", text))
    killall = stage.knows(stage.noted("tool"), "killall")
    for victim in victims:
        stage.killed(victim, signal.SIGKILL, killall, actor=script.comm)


def kill_of_a_shells_path(stage: Stage) -> None:
    victim = stage.waits()
    stage.exited(script := _scripted(stage, "nightly", f"env kill {victim.pid} & echo $! >tool; wait"))
    kill = stage.knows(stage.noted("tool"), "kill")
    stage.killed(victim, signal.SIGTERM, kill, actor=script.comm)


def kill_through_xargs(stage: Stage) -> None:
    stage.needs("xargs")
    victim = stage.waits()
    text = f"echo {victim.pid} | xargs sh -c 'echo $$ >tool; exec env kill -9 $0'"
    stage.exited(script := _scripted(stage, "nightly", text))
    kill = stage.knows(stage.noted("tool"), "kill")
    stage.killed(victim, signal.SIGKILL, kill, actor=script.comm)


def kill_of_a_script_that_is_gone(stage: Stage) -> None:
    victim = stage.waits()
    text = f"(sleep 0.05; exec env kill {victim.pid}) & echo $! >tool"
    stage.exited(script := _scripted(stage, "nightly", text))
    kill = stage.knows(stage.noted("tool"), "kill")
    stage.exited(kill)
    stage.killed(victim, signal.SIGTERM, kill, actor=script.comm)


def kill_builtin_of_a_script(stage: Stage) -> None:
    victim = stage.waits()
    stage.exited(script := _scripted(stage, "nightly", f"kill -9 {victim.pid}"))
    stage.killed(victim, signal.SIGKILL, script)


def kill_builtin_of_a_shell(stage: Stage) -> None:
    # A line with -c is somebody's will, and the actor is called by it.
    victim = stage.waits()
    line = f"read _ <gate; kill {victim.pid}"
    shell = stage.spawned("bash", "-c", line)
    stage.goes()
    stage.exited(shell)
    stage.killed(victim, signal.SIGTERM, shell, actor=f"bash -c {line}")


def kill_of_a_shells_job(stage: Stage) -> None:
    line = "sleep 99 & read _ <gate; kill $!; wait $!"
    shell = stage.spawned("sh", "-c", line)
    job = stage.child(shell, "sleep")
    stage.goes()
    stage.exited(shell, 143)
    stage.killed(job, signal.SIGTERM, shell, actor=f"sh -c {line}", status=signal.SIGTERM)


def script_that_a_shell_was_given(stage: Stage) -> None:
    # The name of the process is the shell's, and the actor's that of the script.
    victim = stage.waits()
    stage.script("deploy.sh", f"read _ <gate; kill {victim.pid}")
    shell = stage.spawned("sh", "-u", "./deploy.sh", "web")
    stage.goes()
    stage.exited(shell)
    stage.killed(victim, signal.SIGTERM, shell, actor="deploy.sh")


def tool_of_a_script_that_a_shell_was_given(stage: Stage) -> None:
    victim = stage.waits()
    stage.script("deploy.sh", f"read _ <gate; env kill {victim.pid} & echo $! >tool; wait", "bash")
    shell = stage.spawned("bash", "deploy.sh")
    stage.goes()
    stage.exited(shell)
    kill = stage.knows(stage.noted("tool"), "kill")
    stage.killed(victim, signal.SIGTERM, kill, actor="deploy.sh")


def service_manager(stage: Stage) -> None:
    # TERM, patience, KILL, as systemd stops a unit.
    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        forever()

    def stop() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        time.sleep(0.05)
        os.kill(victim.pid, signal.SIGKILL)

    victim = stage.started(body)
    manager = stage.acts(stop, "systemd")
    stage.killed(victim, signal.SIGKILL, manager)


def service_manager_and_a_good_service(stage: Stage) -> None:
    # KILL comes when it has exited, and before it is reaped.
    def stop() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        stage.until_state(victim, "Z")
        os.kill(victim.pid, signal.SIGKILL)

    victim = stage.survives(signal.SIGTERM)
    manager = stage.acts(stop, "systemd")
    stage.asked(victim, signal.SIGTERM, manager)
