"""Raised: a process handles a signal, and then raises it anew on itself to die of it; that is no suicide."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from zoo import calls
from zoo.stage import forever

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.stage import Ready, Stage
    from zoo.truth import Process


def _raises(stage: Stage, number: int, again: Callable[[], object]) -> Process:
    def handle(*_: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        again()

    def body(ready: Ready) -> None:
        signal.signal(number, handle)
        ready()
        forever()

    return stage.started(body)


def _raised(stage: Stage, number: int, again: Callable[[], object]) -> None:
    victim = _raises(stage, number, again)
    deployer = stage.acts(lambda: os.kill(victim.pid, number), "deployer")
    stage.killed(victim, number, deployer).anew = True


def term_raised_anew(stage: Stage) -> None:
    _raised(stage, signal.SIGTERM, lambda: signal.raise_signal(signal.SIGTERM))


def interrupt_raised_anew(stage: Stage) -> None:
    _raised(stage, signal.SIGINT, lambda: os.kill(os.getpid(), signal.SIGINT))


def hangup_raised_anew(stage: Stage) -> None:
    _raised(stage, signal.SIGHUP, lambda: signal.raise_signal(signal.SIGHUP))


def quit_raised_anew(stage: Stage) -> None:
    # It dumps core by default: its delivery looks another way than that of TERM.
    _raised(stage, signal.SIGQUIT, lambda: signal.raise_signal(signal.SIGQUIT))


def abort_raised_anew(stage: Stage) -> None:
    _raised(stage, signal.SIGABRT, os.abort)


def term_raised_anew_by_tkill(stage: Stage) -> None:
    _raised(stage, signal.SIGTERM, lambda: calls.tkill(os.getpid(), signal.SIGTERM))


def term_raised_anew_for_the_group(stage: Stage) -> None:
    # It ends its helpers and itself by one call.
    def handle(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(0, signal.SIGTERM)

    def body(ready: Ready) -> None:
        os.setpgid(0, 0)
        if os.fork():
            signal.signal(signal.SIGTERM, handle)
            ready()
        forever()

    victim = stage.started(body)
    helper = stage.child(victim)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.killed(victim, signal.SIGTERM, deployer).anew = True
    stage.killed(helper, signal.SIGTERM, victim, via=[deployer], group=True)


def term_raised_anew_after_a_drain(stage: Stage) -> None:
    # As uvicorn does: the handler notes the signal, and the end of the program raises it.
    def body(ready: Ready) -> None:
        caught: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
        ready()
        while not caught:
            signal.sigtimedwait([], 0.1)
        signal.sigtimedwait([], 0.5)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(caught[0])

    victim = stage.started(body)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.killed(victim, signal.SIGTERM, deployer).anew = True


def term_awaited_and_raised_anew(stage: Stage) -> None:
    # Nothing was delivered before it raises what it took by sigwait.
    def body(ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        ready()
        number = signal.sigwait([signal.SIGTERM])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.raise_signal(number)

    victim = stage.started(body)
    deployer = stage.acts(lambda: os.kill(victim.pid, signal.SIGTERM), "deployer")
    stage.killed(victim, signal.SIGTERM, deployer).anew = True


def raised_by_nobodys_wish(stage: Stage) -> None:
    # It raises a signal that it handles, and dies of it when it raises it once more: nobody else was in it.
    def handle(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)

    def body(ready: Ready) -> None:
        signal.signal(signal.SIGTERM, handle)
        ready()
        stage.hold()
        signal.raise_signal(signal.SIGTERM)

    victim = stage.started(body)
    stage.goes()
    stage.itself(victim, signal.SIGTERM)


def python_dies_of_an_interrupt(stage: Stage) -> None:
    # A KeyboardInterrupt that nobody catches: Python cleans up, and then raises the signal.
    text = (
        "import signal, time; signal.signal(2, signal.default_int_handler); print('ready', flush=True); time.sleep(100)"
    )
    victim = stage.spawned(sys.executable, "-c", text, ready=True)
    victim = stage.knows(victim.pid, stage.comm(victim.pid))
    operator = stage.acts(lambda: os.kill(victim.pid, signal.SIGINT), "operator")
    stage.killed(victim, signal.SIGINT, operator).anew = True


def bash_trap_that_raises(stage: Stage) -> None:
    stage.needs("bash")
    text = "trap 'trap - TERM; kill -TERM $$' TERM; echo ready; read _ <>never"
    shell = stage.spawned(stage.script("service.sh", text, "bash"), ready=True)
    deployer = stage.acts(lambda: os.kill(shell.pid, signal.SIGTERM), "deployer")
    stage.killed(shell, signal.SIGTERM, deployer).anew = True


def bash_after_the_interrupt_of_its_job(stage: Stage) -> None:
    # bash handles INT while it waits for a job; since the job died of it, it raises it anew.
    stage.needs("bash")
    text = "sh -c 'echo $$ >job; exec sleep 100'; echo not reached"
    shell = stage.spawned("setsid", "bash", "-c", text, comm="bash")
    stage.until(lambda: stage.comm(shell.pid) == "bash", "there is no bash")
    job = stage.child(shell, "sleep")
    stage.until_state(shell, "S")
    operator = stage.acts(lambda: os.killpg(shell.pid, signal.SIGINT), "operator")
    stage.killed(shell, signal.SIGINT, operator, group=True).anew = True
    stage.killed(job, signal.SIGINT, operator, group=True, status=signal.SIGINT)


def make_after_its_jobs(stage: Stage) -> None:
    # make passes TERM on to its jobs, waits for them, and then raises it anew.
    stage.needs("make")
    (stage.folder / "Makefile").write_text("all:\n\t@exec sleep 100\n")
    make = stage.spawned("make")
    job = stage.child(make, "sleep")
    stage.until_state(make, "S")
    deployer = stage.acts(lambda: os.kill(make.pid, signal.SIGTERM), "deployer")
    stage.killed(make, signal.SIGTERM, deployer).anew = True
    stage.killed(job, signal.SIGTERM, make, via=[deployer], status=signal.SIGTERM)


def timeout_after_its_command(stage: Stage) -> None:
    # timeout passes TERM on, to the command and to its own group, and when the command died of it, raises it anew.
    tool = stage.spawned("timeout", "100", "sleep", "100")
    job = stage.child(tool, "sleep")
    stage.until_state(tool, "S")
    deployer = stage.acts(lambda: os.kill(tool.pid, signal.SIGTERM), "deployer")
    stage.killed(tool, signal.SIGTERM, deployer).anew = True
    stage.killed(job, signal.SIGTERM, tool, via=[deployer], actor="director", status=signal.SIGTERM)


def _faulthandler(stage: Stage, then: str) -> Process:
    text = f"import ctypes, os, time; print('ready', flush=True); {then}"
    victim = stage.spawned(sys.executable, "-X", "faulthandler", "-c", text, ready=True)
    return stage.knows(victim.pid, stage.comm(victim.pid))


def faulthandler_of_a_fault(stage: Stage) -> None:
    # It prints a traceback and raises SIGSEGV anew: a fault all the same.
    victim = _faulthandler(stage, "open('gate', 'rb', 0).read(1); ctypes.string_at(0)")
    stage.goes()
    stage.faulted(victim, signal.SIGSEGV).anew = True


def faulthandler_of_a_signal(stage: Stage) -> None:
    victim = _faulthandler(stage, "time.sleep(100)")
    watchdog = stage.acts(lambda: os.kill(victim.pid, signal.SIGSEGV), "watchdog")
    stage.killed(victim, signal.SIGSEGV, watchdog).anew = True


def faulthandler_of_an_abort(stage: Stage) -> None:
    victim = _faulthandler(stage, "open('gate', 'rb', 0).read(1); os.abort()")
    stage.goes()
    stage.itself(victim, signal.SIGABRT)


def fault_handled_and_made_again(stage: Stage) -> None:
    # A crash reporter that restores the default and returns: the instruction faults once more.
    victim = stage.spawned(stage.program("die"), "fault_handled_and_made_again")
    stage.goes()
    stage.faulted(victim, signal.SIGSEGV)
