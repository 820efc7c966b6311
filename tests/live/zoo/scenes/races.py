"""Races: what came first, the signal, the exit, or the end of the sender."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

from zoo.stage import forever
from zoo.truth import Process

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage


def _sender(stage: Stage, victim: Process) -> Process:
    # It makes its call, and lives on.
    def body(ready: Ready) -> None:
        os.kill(victim.pid, signal.SIGTERM)
        ready()
        forever()

    return stage.started(body, "hunter")


def exit_at_the_moment_of_the_signal(stage: Stage) -> None:
    # Only waitpid knows who was faster. A KILL that comes after exit_group began, and before it took its lock, is the
    # reason of death and is never delivered.
    hunter = stage.spawned(stage.program("race"), "600")
    stage.goes()
    stage.exited(hunter)
    for line in (stage.folder / "race").read_text().splitlines():
        pid, status = map(int, line.split())
        victim = stage.knows(pid, "race")
        if os.WIFSIGNALED(status):
            stage.killed(victim, signal.SIGKILL, hunter, status=status)
        else:
            stage.exited(victim, status=status)


def sender_dies_before_its_victim(stage: Stage) -> None:
    # The victim holds the signal back until the hunter has met its end.
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        stage.hold()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        forever()

    victim = stage.started(body)
    stage.begins()
    sender = _sender(stage, victim)
    other = stage.acts(lambda: os.kill(sender.pid, signal.SIGKILL), "second hunter")
    stage.killed(sender, signal.SIGKILL, other)
    stage.goes()
    stage.killed(victim, signal.SIGTERM, sender)


def sender_becomes_another_program(stage: Stage) -> None:
    # A script that asks the old server to end and then becomes the new one, before the old one has ended.
    script, sender = _restarts(stage, victim := stage.survives(signal.SIGTERM, seconds=0.3), "kill {pid}")
    death = stage.asked(victim, signal.SIGTERM, Process(sender.pid, "restart.sh"))
    death.killer_command = f"{shutil.which('sh')} {script}"
    _ended(stage, sender)


def sender_s_parent_becomes_another_program(stage: Stage) -> None:
    stage.needs("kill")
    line = "sh -c 'echo $$ >sent; exec /bin/kill {pid}'"
    _, sender = _restarts(stage, victim := stage.survives(signal.SIGTERM, seconds=0.3), line)
    tool = stage.knows(stage.noted("sent"), "kill")
    stage.exited(tool, status=0)
    death = stage.asked(victim, signal.SIGTERM, tool)
    death.actor = "restart.sh"
    _ended(stage, sender)


def _restarts(stage: Stage, victim: Process, line: str) -> tuple[str, Process]:
    stage.begins()
    script = stage.script("restart.sh", f"{line.format(pid=victim.pid)}\nexec sleep 100")
    sender = stage.spawned(script)
    stage.until(lambda: stage.comm(sender.pid) == "sleep", "the script does not become another program")
    return script, stage.knows(sender.pid, "sleep")


def _ended(stage: Stage, sender: Process) -> None:
    hunter = stage.acts(lambda: os.kill(sender.pid, signal.SIGKILL))
    stage.killed(sender, signal.SIGKILL, hunter)


def sender_killed_after_its_victim(stage: Stage) -> None:
    victim = stage.waits()
    stage.begins()
    sender = _sender(stage, victim)
    stage.killed(victim, signal.SIGTERM, sender)
    other = stage.acts(lambda: os.kill(sender.pid, signal.SIGKILL), "second hunter")
    stage.killed(sender, signal.SIGKILL, other)
