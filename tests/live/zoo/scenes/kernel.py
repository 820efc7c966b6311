"""Died of a timer, of a limit, or of what another process did to a file of theirs."""

import fcntl
import os
import resource
import signal
import socket

from zoo.stage import Process, Stage, forever


def _spin() -> None:
    while True:
        pass


def alarm(stage: Stage) -> None:
    victim = stage.started(lambda ready: (signal.setitimer(signal.ITIMER_REAL, 0.02), ready(), forever()))
    stage.killed(victim, signal.SIGALRM, source="timer")


def alarm_in_a_busy_process(stage: Stage) -> None:
    victim = stage.started(lambda ready: (signal.setitimer(signal.ITIMER_REAL, 0.02), ready(), _spin()))
    stage.killed(victim, signal.SIGALRM, source="timer")


def virtual_timer(stage: Stage) -> None:
    victim = stage.started(lambda ready: (signal.setitimer(signal.ITIMER_VIRTUAL, 0.01), ready(), _spin()))
    stage.killed(victim, signal.SIGVTALRM, source="timer")


def profiling_timer(stage: Stage) -> None:
    victim = stage.started(lambda ready: (signal.setitimer(signal.ITIMER_PROF, 0.01), ready(), _spin()))
    stage.killed(victim, signal.SIGPROF, source="timer")


def posix_timer(stage: Stage) -> None:
    stage.killed(stage.spawned(stage.program("timer")), signal.SIGTERM, source="timer")


def alarm_handled(stage: Stage) -> None:
    def body(ready) -> None:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        ready()
        forever()

    stage.exited(stage.started(body))


def cpu_limit(stage: Stage) -> None:
    victim = stage.started(lambda ready: (resource.setrlimit(resource.RLIMIT_CPU, (1, 5)), ready(), _spin()))
    stage.killed(victim, signal.SIGXCPU, source="timer")


def hard_cpu_limit(stage: Stage) -> None:
    victim = stage.started(lambda ready: (resource.setrlimit(resource.RLIMIT_CPU, (1, 1)), ready(), _spin()))
    stage.killed(victim, signal.SIGKILL, source="timer")


def file_size_limit(stage: Stage) -> None:
    def body(ready) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        ready()
        with (stage.folder / "big").open("wb", buffering=0) as file:
            for _ in range(3):
                file.write(bytes(1000))

    stage.killed(stage.started(body), signal.SIGXFSZ, source="kernel")


def pipe_without_a_reader(stage: Stage) -> None:
    def body(ready) -> None:
        read, write = os.pipe()
        os.close(read)
        ready()
        os.write(write, b"to nobody")

    stage.killed(stage.started(body), signal.SIGPIPE, source="kernel")


def yes_into_head(stage: Stage) -> None:
    # In a shell's pipeline, where the shell alone sees the status: 141.
    text = "sh -c 'echo $$ >yes; exec yes' | head -n 1 >/dev/null; test ${PIPESTATUS[0]} = 141"
    stage.exited(stage.spawned(stage.script("pipeline", text, "/bin/bash")))
    yes = stage.knows(int((stage.folder / "yes").read_text()), "yes")
    stage.killed(yes, signal.SIGPIPE, source="kernel", status=signal.SIGPIPE)


def signal_of_a_file(stage: Stage) -> None:
    # O_ASYNC: another process writes, and the owner of the file dies of it.
    ours, theirs = socket.socketpair()

    def body(ready) -> None:
        fcntl.fcntl(ours, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        ready()
        forever()

    victim = stage.started(body)
    stage.acts(lambda: theirs.send(b"x"), "writer")
    stage.killed(victim, signal.SIGIO, source="kernel")


def death_of_the_parent(stage: Stage) -> None:
    _pdeath(stage, signal.SIGTERM)


def death_of_the_parent_by_kill(stage: Stage) -> None:
    _pdeath(stage, signal.SIGKILL)


def _pdeath(stage: Stage, number: signal.Signals) -> None:
    from zoo import calls

    def body(ready) -> None:
        if not os.fork():
            calls.on_parents_death(number)
            ready()
            forever()
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
        forever()

    parent = stage.started(body, "parent")
    child = stage.knows(stage.children(parent)[0], "parent")
    stage.acts(lambda: os.kill(parent.pid, signal.SIGUSR1), "friend")
    stage.exited(parent)
    stage.killed(child, number, source="parent")


def death_of_a_killed_parent(stage: Stage) -> None:
    from zoo import calls

    def body(ready) -> None:
        if not os.fork():
            calls.on_parents_death(signal.SIGKILL)
            ready()
            forever()
        forever()

    parent = stage.started(body, "parent")
    child = stage.knows(stage.children(parent)[0], "parent")
    hunter = stage.acts(lambda: os.kill(parent.pid, signal.SIGKILL))
    stage.killed(parent, signal.SIGKILL, hunter)
    stage.killed(child, signal.SIGKILL, source="parent")


def orphaned_while_stopped(stage: Stage) -> None:
    # A stopped group without a parent in its session is hung up.
    def body(ready) -> None:
        os.setsid()
        if not os.fork():
            os.setpgid(0, 0)
            ready()
            os.kill(os.getpid(), signal.SIGSTOP)
            forever()
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
        forever()

    parent = stage.started(body, "parent")
    child: Process = stage.knows(stage.children(parent)[0], "parent")
    stage.until_state(child, "T")
    stage.acts(lambda: os.kill(parent.pid, signal.SIGUSR1), "friend")
    stage.exited(parent)
    stage.killed(child, signal.SIGHUP, source="parent", group=True)
