"""Killed in a pid namespace of their own, where pids are other numbers."""

import os
import signal
import time
from collections.abc import Callable

from zoo import calls
from zoo.stage import Process, Skip, Stage, forever


def _container(stage: Stage, init: Callable[[Callable[[], None]], object]) -> tuple[Process, Process]:
    # An engine outside, and the init of a new pid namespace, which is its child.
    def body(ready) -> None:
        calls.new_pid_namespace()
        pid = os.fork()
        if not pid:
            init(ready)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        (stage.folder / "init").write_text(str(status))

    try:
        engine = stage.started(body, "engine")
    except Exception as error:
        raise Skip(f"no pid namespaces: {error}") from error
    return engine, stage.knows(stage.children(engine)[0], "engine")


def _status(stage: Stage, name: str) -> int:
    return int((stage.folder / name).read_text())


def killed_inside_by_its_own_number(stage: Stage) -> None:
    # The hunter is not the init, and knows the victim as 2.
    def init(ready) -> None:
        victim = os.fork()
        if not victim:
            forever()
        hunter = os.fork()
        if not hunter:
            ready()
            while not (stage.folder / "go").exists():
                time.sleep(0.002)
            os.kill(2, signal.SIGTERM)
            os._exit(0)
        (stage.folder / "victim").write_text(str(os.waitpid(victim, 0)[1]))
        os.waitpid(hunter, 0)

    engine, first = _container(stage, init)
    victim, hunter = (stage.knows(pid, "engine") for pid in stage.children(first))
    (stage.folder / "go").touch()
    stage.exited(engine)
    stage.exited(first, status=_status(stage, "init"))
    stage.killed(victim, signal.SIGTERM, hunter, status=_status(stage, "victim"))


def killed_inside_by_init(stage: Stage) -> None:
    def init(ready) -> None:
        victim = os.fork()
        if not victim:
            forever()
        ready()
        while not (stage.folder / "go").exists():
            time.sleep(0.002)
        os.kill(victim, signal.SIGKILL)
        (stage.folder / "victim").write_text(str(os.waitpid(victim, 0)[1]))

    engine, first = _container(stage, init)
    (victim,) = (stage.knows(pid, "engine") for pid in stage.children(first))
    (stage.folder / "go").touch()
    stage.exited(engine)
    stage.exited(first, status=_status(stage, "init"))
    stage.killed(victim, signal.SIGKILL, first, status=_status(stage, "victim"))


def killed_inside_from_outside(stage: Stage) -> None:
    def init(ready) -> None:
        victim = os.fork()
        if not victim:
            ready()
            forever()
        (stage.folder / "victim").write_text(str(os.waitpid(victim, 0)[1]))

    engine, first = _container(stage, init)
    (victim,) = (stage.knows(pid, "engine") for pid in stage.children(first))
    hunter = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM))
    stage.exited(engine)
    stage.exited(first, status=_status(stage, "init"))
    stage.killed(victim, signal.SIGTERM, hunter, status=_status(stage, "victim"))


def init_killed_from_outside(stage: Stage) -> None:
    # The kernel kills whoever is left in the namespace.
    def init(ready) -> None:
        if not os.fork():
            ready()
            forever()
        forever()

    engine, first = _container(stage, init)
    (victim,) = (stage.knows(pid, "engine") for pid in stage.children(first))
    hunter = stage.acts(lambda: os.kill(first.pid, signal.SIGKILL))
    stage.exited(engine)
    stage.killed(first, signal.SIGKILL, hunter, status=_status(stage, "init"))
    stage.killed(victim, signal.SIGKILL, source="parent", status=signal.SIGKILL)


def init_exits_before_its_children(stage: Stage) -> None:
    def init(ready) -> None:
        if not os.fork():
            ready()
            forever()
        while not (stage.folder / "go").exists():
            time.sleep(0.002)

    engine, first = _container(stage, init)
    (victim,) = (stage.knows(pid, "engine") for pid in stage.children(first))
    (stage.folder / "go").touch()
    stage.exited(engine)
    stage.exited(first, status=_status(stage, "init"))
    stage.killed(victim, signal.SIGKILL, source="parent", status=signal.SIGKILL)


def init_that_cannot_be_killed_from_inside(stage: Stage) -> None:
    def init(ready) -> None:
        hunter = os.fork()
        if not hunter:
            ready()
            while not (stage.folder / "go").exists():
                time.sleep(0.002)
            os.kill(1, signal.SIGTERM)
            os.kill(1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(hunter, 0)

    engine, first = _container(stage, init)
    (hunter,) = (stage.knows(pid, "engine") for pid in stage.children(first))
    (stage.folder / "go").touch()
    stage.exited(engine)
    stage.exited(first, status=_status(stage, "init"))
    stage.exited(hunter, status=0)
