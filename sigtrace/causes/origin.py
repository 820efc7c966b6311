"""Sources: where a signal came from, by its si_code (asm-generic/siginfo.h) and the context that generated it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.facts.signals import FAULTS

if TYPE_CHECKING:
    from sigtrace.causes.tracker import Sending

_KILL = 9
_SI_TIMER = -2
_SI_OTHERS = (-3, -4, -5, -60)  # SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_ASYNCNL
_HUP = 1
_TERMINAL = (2, 3, 20)  # SIGINT, SIGQUIT, SIGTSTP
_TIMERS = (14, 24, 26, 27)  # SIGALRM, SIGXCPU, SIGVTALRM, SIGPROF


def source_of(sending: Sending) -> str:
    """Return where a signal came from.

    `call` (kill, tkill, tgkill), `queue` (a call that the probe does not see: sigqueue, pidfd_send_signal,
    cgroup.kill), `fault`, `oom`, `terminal`, `timer`, `parent` (its death) or `kernel`.
    """
    code, sig, sender, process = sending.row.code, sending.sig, sending.sender, sending.victim
    itself = sender is process
    hangs_up = sig == _HUP and not (sending.in_exit and not sender.sent_itself(_HUP))
    cases = (
        ("call", sending.call is not None),
        ("timer", code == _SI_TIMER),
        ("kernel", code in _SI_OTHERS),
        ("parent", code == 0 and sending.in_exit),
        ("kernel", code == 0 and itself and not sending.row.grp),  # SIGPIPE, SIGXFSZ: the answer to what it did
        ("queue", code <= 0),  # a call that the probe does not see: sigqueue, pidfd_send_signal, cgroup.kill
        ("oom", process.oom is not None and sig == _KILL),
        ("fault", sig in FAULTS and itself),
        ("timer", sig in _TIMERS),
        ("terminal", sig in _TERMINAL or hangs_up),
        ("parent", sending.in_exit),
        ("timer", sig == _KILL and itself),  # the hard RLIMIT_CPU
        ("kernel", True),
    )
    return next(source for source, holds in cases if holds)
