"""Killed by a tool, whose own name says little: who ran it is the answer."""

import os
import signal
import time

from zoo.stage import Process, Stage, forever


def _waiting(stage: Stage, comm: str = "victim") -> Process:
    return stage.started(lambda ready: (ready(), forever()), comm)


def _stubborn(stage: Stage, comm: str = "victim") -> Process:
    def body(ready) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        forever()

    return stage.started(body, comm)


def _tool(stage: Stage, parent: Process, comm: str) -> Process:
    # A child of a script, while it lives.
    found: list[int] = []

    def there() -> bool:
        found[:] = [pid for pid in stage.children(parent) if stage.comm(pid) == comm]
        return bool(found)

    stage.until(there, f"{parent.comm} ran no {comm}")
    return stage.knows(found[0], comm)


def timeout(stage: Stage) -> None:
    script = stage.spawned(stage.script("backup.sh", "timeout 0.1 sleep 5; test $? = 124"))
    tool = _tool(stage, script, "timeout")
    victim = _tool(stage, tool, "sleep")
    stage.exited(script)
    stage.exited(tool, 124, status=124 << 8)
    stage.killed(victim, signal.SIGTERM, tool, actor="backup.sh", status=signal.SIGTERM)


def timeout_and_then_kill(stage: Stage) -> None:
    # timeout -k sends KILL to its group, and is in it.
    command = "timeout -k 0.05 0.1 sh -c \"trap '' TERM; exec sleep 5\"; test $? = 137"
    script = stage.spawned(stage.script("backup.sh", command))
    tool = _tool(stage, script, "timeout")
    victim = _tool(stage, tool, "sleep")
    stage.exited(script)
    stage.itself(tool, signal.SIGKILL, group=True, status=signal.SIGKILL)
    stage.killed(victim, signal.SIGKILL, tool, actor="backup.sh")


def timeout_in_time(stage: Stage) -> None:
    stage.exited(stage.spawned("timeout", "2", "sleep", "0.01"))


def pkill_by_name(stage: Stage) -> None:
    name = f"prey{os.getpid()}"
    victim = _waiting(stage, name)
    script = stage.spawned(stage.script("cleanup.sh", f"pkill -x {name} & echo $! >tool; wait"))
    stage.exited(script)
    tool = stage.knows(int((stage.folder / "tool").read_text()), "pkill")
    stage.killed(victim, signal.SIGTERM, tool, actor="cleanup.sh")


def killall_by_name(stage: Stage) -> None:
    name = f"prey{os.getpid()}"
    victims = [_waiting(stage, name) for _ in range(2)]
    script = stage.spawned(stage.script("cleanup.sh", f"killall -KILL {name} & echo $! >tool; wait"))
    stage.exited(script)
    tool = stage.knows(int((stage.folder / "tool").read_text()), "killall")
    for victim in victims:
        stage.killed(victim, signal.SIGKILL, tool, actor="cleanup.sh")


def bin_kill_from_a_script(stage: Stage) -> None:
    victim = _waiting(stage)
    script = stage.spawned(stage.script("nightly", f"/bin/kill {victim.pid} & echo $! >tool; wait"))
    stage.exited(script)
    tool = stage.knows(int((stage.folder / "tool").read_text()), "kill")
    stage.killed(victim, signal.SIGTERM, tool, actor="nightly")


def kill_builtin_of_a_script(stage: Stage) -> None:
    victim = _waiting(stage)
    script = stage.spawned(stage.script("nightly", f"kill -9 {victim.pid}"))
    stage.exited(script)
    stage.killed(victim, signal.SIGKILL, script)


def kill_builtin_of_a_shell(stage: Stage) -> None:
    victim = _waiting(stage)
    shell = stage.spawned("bash", "-c", f"kill {victim.pid}")
    stage.exited(shell)
    stage.killed(victim, signal.SIGTERM, shell, actor="director")


def kill_of_a_shells_job(stage: Stage) -> None:
    shell = stage.spawned("sh", "-c", "sleep 5 & echo $! >job; sleep 0.05; kill $!; wait $!; test $? = 143")
    stage.exited(shell)
    job = stage.knows(int((stage.folder / "job").read_text()), "sleep")
    stage.killed(job, signal.SIGTERM, shell, actor="director", status=signal.SIGTERM)


def service_manager(stage: Stage) -> None:
    # TERM, patience, KILL, as systemd stops a unit.
    victim = _stubborn(stage)
    manager = stage.acts(
        lambda: (os.kill(victim.pid, signal.SIGTERM), time.sleep(0.05), os.kill(victim.pid, signal.SIGKILL)), "systemd"
    )
    stage.killed(victim, signal.SIGKILL, manager)


def service_manager_and_a_good_service(stage: Stage) -> None:
    def body(ready) -> None:
        caught: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: caught.append(1))
        ready()
        while not caught:
            time.sleep(0.005)

    victim = stage.started(body)

    def stop() -> None:
        os.kill(victim.pid, signal.SIGTERM)
        time.sleep(0.05)
        os.kill(victim.pid, signal.SIGKILL)  # too late: it is a zombie

    stage.acts(stop, "systemd")
    stage.exited(victim)
