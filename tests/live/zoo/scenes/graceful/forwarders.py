"""Forwarders: who sent the signal had got one itself and passed it on; the first sender is the cause."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NoReturn

from zoo.stage import forever, reaped, rename

if TYPE_CHECKING:
    from zoo.stage import Ready, Stage
    from zoo.truth import Process

_TERM = signal.SIGTERM
_AS_SHELLS_DO = 128 + _TERM


class _Chain:
    """Processes of which each is the child of the one before, passes on what it gets, and exits as its child did.

    The last one exits with `code` at the signal that it is passed, or dies of it. The others are told `number`.
    """

    def __init__(
        self, stage: Stage, names: list[str], *, code: int | None = None, number: int = _TERM, passed: int = _TERM
    ) -> None:
        self._stage, self._code, self._number, self._passed = stage, code, number, passed
        first = stage.started(lambda ready: self._run(names, ready), names[0])
        self.processes = [first, *(stage.knows(stage.noted(f"pid of {name}"), name) for name in names[1:])]

    def status(self, process: Process) -> int:
        """Return the wait status that a process's parent saw."""
        return self._stage.noted(f"status of {process.comm}")

    def _run(self, names: list[str], ready: Ready) -> NoReturn:
        rename(names[0])
        (self._stage.folder / f"pid of {names[0]}").write_text(str(os.getpid()))
        if len(names) == 1:
            self._last(ready)
        child = os.fork()
        if not child:
            self._run(names[1:], ready)
        signal.signal(self._number, lambda *_: os.kill(child, self._passed))
        (self._stage.folder / f"{names[0]} listens").touch()
        status = reaped(child)
        (self._stage.folder / f"status of {names[1]}").write_text(str(status))
        os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))

    def _last(self, ready: Ready) -> NoReturn:
        code = self._code
        signal.signal(self._passed, signal.SIG_DFL if code is None else lambda *_: os._exit(code))
        names = {process.name for process in self._stage.folder.glob("pid of *")}
        while len(list(self._stage.folder.glob("* listens"))) < len(names) - 1:
            time.sleep(0.001)
        ready()
        forever()


def _deploys(stage: Stage, process: Process, number: int = _TERM) -> Process:
    return stage.acts(lambda: os.kill(process.pid, number), "deployer")


def passed_on_to_one_that_dies(stage: Stage) -> None:
    chain = _Chain(stage, ["forwarder", "victim"])
    forwarder, victim = chain.processes
    deployer = _deploys(stage, forwarder)
    stage.asked(forwarder, _TERM, deployer, _AS_SHELLS_DO)
    stage.killed(victim, _TERM, forwarder, via=[deployer], status=chain.status(victim))


def passed_on_to_one_that_exits(stage: Stage) -> None:
    chain = _Chain(stage, ["forwarder", "victim"], code=5)
    forwarder, victim = chain.processes
    deployer = _deploys(stage, forwarder)
    stage.asked(forwarder, _TERM, deployer, 5)
    stage.asked(victim, _TERM, forwarder, 5, via=[deployer], status=chain.status(victim))


def passed_on_twice(stage: Stage) -> None:
    chain = _Chain(stage, ["outer", "inner", "victim"])
    outer, inner, victim = chain.processes
    deployer = _deploys(stage, outer)
    stage.asked(outer, _TERM, deployer, _AS_SHELLS_DO)
    stage.asked(inner, _TERM, outer, _AS_SHELLS_DO, via=[deployer], status=chain.status(inner))
    stage.killed(victim, _TERM, inner, via=[deployer, outer], status=chain.status(victim))


def passed_on_three_times(stage: Stage) -> None:
    chain = _Chain(stage, ["first", "second", "third", "victim"], code=0)
    first, second, third, victim = chain.processes
    deployer = _deploys(stage, first)
    stage.asked(first, _TERM, deployer)
    stage.asked(second, _TERM, first, via=[deployer], status=chain.status(second))
    stage.asked(third, _TERM, second, via=[deployer, first], status=chain.status(third))
    stage.asked(victim, _TERM, third, via=[deployer, first, second], status=chain.status(victim))


def passed_on_as_another_signal(stage: Stage) -> None:
    # A master that is told TERM, and tells its workers QUIT.
    chain = _Chain(stage, ["master", "worker"], code=0, passed=signal.SIGQUIT)
    master, worker = chain.processes
    deployer = _deploys(stage, master)
    stage.asked(master, _TERM, deployer)
    stage.asked(worker, signal.SIGQUIT, master, via=[deployer], status=chain.status(worker))


def passed_on_as_usr1(stage: Stage) -> None:
    chain = _Chain(stage, ["master", "worker"], number=signal.SIGINT, passed=signal.SIGUSR1)
    master, worker = chain.processes
    operator = stage.acts(lambda: os.kill(master.pid, signal.SIGINT), "operator")
    stage.asked(master, signal.SIGINT, operator, 128 + signal.SIGUSR1)
    stage.killed(worker, signal.SIGUSR1, master, via=[operator], status=chain.status(worker))


def first_sender_is_itself_killed(stage: Stage) -> None:
    # The deployer is gone before the end comes that it caused.
    chain = _Chain(stage, ["forwarder", "victim"])
    forwarder, victim = chain.processes

    def act() -> None:
        os.kill(forwarder.pid, _TERM)
        os.kill(os.getpid(), signal.SIGKILL)

    def body(ready: Ready) -> None:
        ready()
        stage.hold()
        act()

    deployer = stage.started(body, "deployer")
    stage.goes()
    stage.itself(deployer, signal.SIGKILL)
    stage.asked(forwarder, _TERM, deployer, _AS_SHELLS_DO)
    stage.killed(victim, _TERM, forwarder, via=[deployer], status=chain.status(victim))


def passed_on_to_many(stage: Stage) -> None:
    def body(ready: Ready) -> None:
        workers: list[int] = []

        def forward(*_: object) -> None:
            for worker in workers:
                os.kill(worker, _TERM)

        signal.signal(_TERM, forward)
        for _ in range(4):
            read, write = os.pipe()
            worker = os.fork()
            if not worker:
                signal.signal(_TERM, lambda *_: os._exit(0))
                os.write(write, b"x")
                forever()
            os.read(read, 1)
            workers.append(worker)
        ready()
        statuses = [reaped(worker) for worker in workers]
        if any(statuses):
            os._exit(1)

    master = stage.started(body, "master")
    workers = [stage.child(master, index=index) for index in range(4)]
    deployer = _deploys(stage, master)
    stage.asked(master, _TERM, deployer)
    for worker in workers:
        stage.asked(worker, _TERM, master, via=[deployer], status=0)


def group_of_its_own_passed_on(stage: Stage) -> None:
    # It ignores what it then sends to its whole group: it alone is spared.
    def body(ready: Ready) -> None:
        os.setpgid(0, 0)
        worker = os.fork()
        if not worker:
            ready()
            forever()

        def forward(*_: object) -> None:
            signal.signal(_TERM, signal.SIG_IGN)
            os.kill(0, _TERM)

        signal.signal(_TERM, forward)
        os._exit(reaped(worker) != _TERM)

    master = stage.started(body, "master")
    worker = stage.child(master)
    stage.until_caught(master, _TERM)
    deployer = _deploys(stage, master)
    stage.asked(master, _TERM, deployer)
    stage.killed(worker, _TERM, master, via=[deployer], group=True, status=_TERM)


def shell_trap_that_forwards(stage: Stage) -> None:
    # The wait for the job ends with the trap, and the shell waits once more.
    text = "sleep 100 & trap 'kill -TERM $!' TERM; echo $! >job; echo ready; wait; wait $!; echo $? >status; exit 4"
    shell = stage.spawned(stage.script("run.sh", text), ready=True)
    job = stage.knows(stage.noted("job"), "sleep")
    stage.until(lambda: stage.comm(job.pid) == "sleep", "there is no job")
    deployer = _deploys(stage, shell)
    stage.asked(shell, _TERM, deployer, 4)
    stage.killed(job, _TERM, shell, via=[deployer], status=stage.noted("status") - 128)


def shell_trap_that_forwards_by_a_tool(stage: Stage) -> None:
    # The kill is a command of its own, which the shell forks: it, too, is between the first sender and the job.
    text = (
        "sleep 100 & job=$!; trap 'env kill -TERM $job & echo $! >tool; wait $!' TERM\n"
        "echo $job >job; echo ready; wait $job; wait $job; echo $? >status; exit 4"
    )
    shell = stage.spawned(stage.script("run.sh", text), ready=True)
    job = stage.knows(stage.noted("job"), "sleep")
    stage.until(lambda: stage.comm(job.pid) == "sleep", "there is no job")
    deployer = _deploys(stage, shell)
    stage.asked(shell, _TERM, deployer, 4)
    kill = stage.knows(stage.noted("tool"), "kill")
    stage.killed(job, _TERM, kill, via=[deployer, shell], actor="run.sh", status=stage.noted("status") - 128)


def shell_that_was_told_kill_cannot_forward(stage: Stage) -> None:
    # What a KILL leaves behind is nobody's job any more, and lives on.
    shell = stage.spawned("sh", "-c", "sleep 100; exit 1")
    job = stage.child(shell, "sleep")
    hunter = stage.acts(lambda: os.kill(shell.pid, signal.SIGKILL))
    stage.killed(shell, signal.SIGKILL, hunter)
    second = stage.acts(lambda: os.kill(job.pid, _TERM), "second hunter")
    stage.killed(job, _TERM, second)


def _init(stage: Stage, *argv: str, child: str = "sleep", group: bool = False) -> None:
    # A container's first process, whose child dies of what it passes on.
    stage.needs(argv[0])
    init = stage.spawned(*argv, "sleep", "100")
    job = stage.child(init, child)
    stage.until_state(init, "S")
    deployer = _deploys(stage, init)
    stage.asked(init, _TERM, deployer, _AS_SHELLS_DO)
    stage.killed(job, _TERM, init, via=[deployer], group=group, status=_TERM)


def _init_and_a_service(stage: Stage, *argv: str, group: bool = False) -> None:
    # A container's first process, whose child exits at what it passes on.
    stage.needs(argv[0])
    text = "trap 'exit 6' TERM; echo ready; read _ <>never"
    init = stage.spawned(*argv, stage.script("service.sh", text), comm=argv[0], ready=True)
    service = stage.child(init, "service.sh")
    stage.until_state(init, "S")
    deployer = _deploys(stage, init)
    stage.asked(init, _TERM, deployer, 6)
    stage.asked(service, _TERM, init, 6, via=[deployer], status=6 << 8).group = group


def tini(stage: Stage) -> None:
    _init(stage, "tini", "-s", "--")


def tini_for_its_childs_group(stage: Stage) -> None:
    _init(stage, "tini", "-s", "-g", "--", group=True)


def tini_and_a_service(stage: Stage) -> None:
    _init_and_a_service(stage, "tini", "-s", "--")


def dumb_init(stage: Stage) -> None:
    _init(stage, "dumb-init", group=True)


def dumb_init_for_its_child_alone(stage: Stage) -> None:
    _init(stage, "dumb-init", "--single-child")


def dumb_init_that_makes_it_another_signal(stage: Stage) -> None:
    stage.needs("dumb-init")
    init = stage.spawned("dumb-init", "--rewrite", "15:3", "sleep", "100")
    job = stage.child(init, "sleep")
    stage.until_state(init, "S")
    deployer = _deploys(stage, init)
    stage.asked(init, _TERM, deployer, 128 + signal.SIGQUIT)
    stage.killed(job, signal.SIGQUIT, init, via=[deployer], group=True, status=signal.SIGQUIT)


def tini_and_a_shell_that_forwards(stage: Stage) -> None:
    # Two hops: tini, and the entry point's trap.
    stage.needs("tini")
    text = "sleep 100 & trap 'kill -TERM $!' TERM; echo $! >job; echo ready; wait; wait $!; echo $? >status; exit 4"
    init = stage.spawned("tini", "-s", "--", stage.script("entry.sh", text), comm="tini", ready=True)
    shell = stage.child(init, "entry.sh")
    stage.until_state(init, "S")
    job = stage.knows(stage.noted("job"), "sleep")
    stage.until(lambda: stage.comm(job.pid) == "sleep", "there is no job")
    deployer = _deploys(stage, init)
    stage.asked(init, _TERM, deployer, 4)
    stage.asked(shell, _TERM, init, 4, via=[deployer], status=4 << 8)
    stage.killed(job, _TERM, shell, via=[deployer, init], status=stage.noted("status") - 128)


def tini_whose_child_was_killed_directly(stage: Stage) -> None:
    # Nobody asked tini: it exits because its child is dead, with the status of that.
    stage.needs("tini")
    init = stage.spawned("tini", "-s", "--", "sleep", "100")
    job = stage.child(init, "sleep")
    stage.until_state(init, "S")
    hunter = stage.acts(lambda: os.kill(job.pid, _TERM))
    stage.exited(init, _AS_SHELLS_DO)
    stage.killed(job, _TERM, hunter, status=_TERM)


def runuser_ends_its_session(stage: Stage) -> None:
    # It passes on what it got, waits for the session's end, and then raises the signal anew.
    stage.needs("runuser")
    tool = stage.spawned("runuser", "-u", "root", "--", "sleep", "100")
    job = stage.child(tool, "sleep")
    stage.until_state(tool, "S")
    deployer = _deploys(stage, tool)
    stage.killed(tool, _TERM, deployer).anew = True
    stage.killed(job, _TERM, tool, via=[deployer], actor="director", status=_TERM)


def start_stop_daemon(stage: Stage) -> None:
    # Debian's init scripts: TERM, and a wait for the end.
    stage.needs("start-stop-daemon")
    text = "trap 'exit 0' TERM; echo ready; read _ <>never"
    service = stage.spawned(stage.script("service.sh", text), ready=True)
    (stage.folder / "pid").write_text(str(service.pid))
    stop = "start-stop-daemon --stop --quiet --pidfile $PWD/pid --retry TERM/5/KILL/5 & echo $! >tool; wait $!"
    script = stage.spawned(stage.script("init.d", f"read _ <gate; {stop}"))
    stage.goes()
    status = stage.wait(service)
    stage.exited(script)
    tool = stage.knows(stage.noted("tool"), "start-stop-daemon")
    stage.asked(service, _TERM, tool, status=status).actor = "init.d"
