"""Origin: where a signal came from, by its si_code (asm-generic/siginfo.h) and the context that generated it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.facts.signals import FAULTS, is_of_a_timer

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Signal

_KILL = 9
_SI_OTHERS = (-3, -4, -5, -60)  # SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_ASYNCNL
_HUP = 1
_TERMINAL = (1, 2, 3, 20)  # SIGHUP, SIGINT, SIGQUIT, SIGTSTP


def origin(signal: Signal) -> str:
    """Return where a signal came from.

    `call` (kill, tkill, tgkill), `queue` (a call that the probe does not see: sigqueue, pidfd_send_signal,
    cgroup.kill), `fault`, `oom`, `terminal`, `timer`, `kernel`; or the end of a process sent it: `parent`
    (PR_SET_PDEATHSIG), `leader` (of its session), `namespace` (the init of its pid namespace).
    """
    if signal.call is not None:
        return "call"
    if is_of_a_timer(signal.sig, signal.row.code):
        return "timer"
    return _sent(signal) if signal.row.code <= 0 else _of_the_kernel(signal)


def _sent(signal: Signal) -> str:
    code = signal.row.code
    if code in _SI_OTHERS:
        return "kernel"
    if code == 0 and signal.in_exit:
        return "parent"
    if code == 0 and signal.sender is signal.victim and signal.row.flag != 1:
        return "kernel"  # SIGPIPE, SIGXFSZ: the answer to what it did
    return "queue"  # a call that the probe does not see: sigqueue, pidfd_send_signal, cgroup.kill


def _of_the_kernel(signal: Signal) -> str:
    sig, sender, process = signal.sig, signal.sender, signal.victim
    itself = sender is process
    if sig == _KILL and process.oom is not None:
        return "oom"
    if sig in FAULTS and itself:
        return "fault"
    if signal.in_exit:
        return _of_an_end(signal)
    if sig in _TERMINAL:
        return "terminal"
    return "timer" if sig == _KILL and itself else "kernel"  # the hard RLIMIT_CPU


def _of_an_end(signal: Signal) -> str:
    # The init of a pid namespace takes its processes along (zap_pid_ns_processes). The leader of a session hangs up, on
    # itself too (disassociate_ctty).
    if signal.sig == _KILL:
        return "namespace"
    return "leader" if signal.sig == _HUP and signal.sender.sent_itself(_HUP) else "parent"
