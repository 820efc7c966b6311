"""Namespaces: killed in a pid namespace of their own, where pids are other numbers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Body, Ready, Stage
    from zoo.truth import Process


def _container(stage: Stage, init: Body) -> tuple[Process, Process]:
    # An engine, and its child, which is the init of a new pid namespace.
    def body(ready: Ready) -> None:
        calls.new_pid_namespace()
        _reap(stage, _fork(lambda: init(ready)), "init")

    engine = stage.started(body, "engine")
    return engine, stage.child(engine)


def _fork(act: Callable[[], object]) -> int:
    pid = os.fork()
    if not pid:
        act()
        os._exit(0)
    return pid


def _reap(stage: Stage, pid: int, name: str) -> None:
    (stage.folder / name).write_text(str(os.waitpid(pid, 0)[1]))


def killed_inside_by_its_number_there(stage: Stage) -> None:
    def hunt() -> None:
        stage.hold()
        os.kill(2, signal.SIGTERM)

    def init(ready: Ready) -> None:
        victim, hunter = _fork(forever), _fork(hunt)
        ready()
        _reap(stage, victim, "victim")
        os.waitpid(hunter, 0)

    engine, first = _container(stage, init)
    victim, hunter = stage.child(first), stage.child(first, index=1)
    stage.goes()
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
    stage.exited(hunter, status=0)
    stage.killed(victim, signal.SIGTERM, hunter, status=stage.noted("victim"))


def killed_inside_by_init(stage: Stage) -> None:
    def init(ready: Ready) -> None:
        victim = _fork(forever)
        ready()
        stage.hold()
        os.kill(victim, signal.SIGKILL)
        _reap(stage, victim, "victim")

    engine, first = _container(stage, init)
    victim = stage.child(first)
    stage.goes()
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
    stage.killed(victim, signal.SIGKILL, first, status=stage.noted("victim"))


def killed_inside_from_outside(stage: Stage) -> None:
    def init(ready: Ready) -> None:
        victim = _fork(forever)
        ready()
        _reap(stage, victim, "victim")

    engine, first = _container(stage, init)
    victim = stage.child(first)
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
    stage.killed(victim, signal.SIGTERM, hunter, status=stage.noted("victim"))


def init_killed_from_outside(stage: Stage) -> None:
    # The kernel kills whoever is left in the namespace.
    def init(ready: Ready) -> None:
        _fork(forever)
        ready()
        forever()

    engine, first = _container(stage, init)
    inmate = stage.child(first)
    hunter = stage.acts(lambda: os.kill(first.pid, signal.SIGKILL))
    stage.exited(engine)
    stage.killed(first, signal.SIGKILL, hunter, status=stage.noted("init"))
    stage.ended(inmate, signal.SIGKILL, "parent", after=[hunter, first], status=signal.SIGKILL)


def init_exits_before_its_children(stage: Stage) -> None:
    def init(ready: Ready) -> None:
        _fork(forever)
        ready()
        stage.hold()

    engine, first = _container(stage, init)
    inmate = stage.child(first)
    stage.goes()
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
    stage.ended(inmate, signal.SIGKILL, "parent", after=[first], status=signal.SIGKILL)


def init_that_nobody_inside_can_kill(stage: Stage) -> None:
    def hunt() -> None:
        stage.hold()
        os.kill(1, signal.SIGTERM)
        os.kill(1, signal.SIGKILL)

    def init(ready: Ready) -> None:
        hunter = _fork(hunt)
        ready()
        os.waitpid(hunter, 0)

    engine, first = _container(stage, init)
    hunter = stage.child(first)
    stage.goes()
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
    stage.exited(hunter, status=0)


def init_that_ignores_term_from_outside(stage: Stage) -> None:
    # Why `docker stop` takes ten seconds: an init without a handler does not even get it.
    def init(ready: Ready) -> None:
        ready()
        stage.hold()

    engine, first = _container(stage, init)
    stage.acts(lambda: os.kill(first.pid, signal.SIGTERM))
    stage.goes()
    stage.exited(engine)
    stage.exited(first, status=stage.noted("init"))
