"""Signals: the names of Linux's signals and of the errors that sending one can give.

These are Linux's numbers, on whatever machine a session is read: a laptop's `signal` module may count differently.
"""

from __future__ import annotations

from sigtrace.facts.rules import KILL

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    16: "SIGSTKFLT",
    17: "SIGCHLD",
    18: "SIGCONT",
    19: "SIGSTOP",
    20: "SIGTSTP",
    21: "SIGTTIN",
    22: "SIGTTOU",
    23: "SIGURG",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    26: "SIGVTALRM",
    27: "SIGPROF",
    28: "SIGWINCH",
    29: "SIGIO",
    30: "SIGPWR",
    31: "SIGSYS",
}
"""Linux's signals by number, as on x86 and ARM (signal(7)); the real-time ones begin at 34 for a C program."""

HARMLESS = frozenset({0, 17, 18, 19, 20, 21, 22, 23, 28})
"""The signals that end no process which does not handle them: they are ignored, or stop it, or let it go on."""

DEADLY = frozenset(range(1, 65)) - HARMLESS
"""The signals that end a process which does not handle them (signal(7))."""

ROUTINE = frozenset({26, 27, 29})
"""The deadly signals that come all the time to a process that handles them: the timers of its own CPU time, SIGIO."""

NEVER_ASK = (HARMLESS - {0}) | ROUTINE | {KILL}
"""The signals that ask a process for nothing, even if it handles them: SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGIO, those
that stop it, the timers of its own CPU time; and SIGKILL, which does not ask."""

SI_KERNEL, SI_TIMER = 128, -2
"""Codes of signals that the kernel sends (asm-generic/siginfo.h)."""

_OF_CALLS = (0, -6)  # SI_USER of kill, SI_TKILL of tkill and tgkill

TICKS = 4
"""So often at least a timer fires that does so again and again. So many of a routine signal are as good as more."""

TIMERS = frozenset({14, 24, 26, 27})
"""The signals that the kernel's timers send, in the context of whoever runs then: SIGALRM, SIGXCPU, SIGVTALRM,
SIGPROF."""

FAULTS = frozenset({4, 5, 7, 8, 11, 31})
"""The signals by which the kernel answers a fault: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS."""

ERRORS = {
    1: ("EPERM", "not permitted"),
    3: ("ESRCH", "no such process"),
    4: ("EINTR", "interrupted"),
    11: ("EAGAIN", "too many signals queued"),
    14: ("EFAULT", "bad address"),
    22: ("EINVAL", "no such signal"),
    38: ("ENOSYS", "no such system call"),
}
"""What kill, tkill and tgkill can return, negated: the error's name, and what it means of a signal (kill(2))."""

_XCPU = 24
_SIGRTMIN = 34  # the C library keeps 32 and 33 for itself

LAST_SIGNAL = 64
"""SIGRTMAX: no signal has a higher number."""


def signal_name(sig: int) -> str:
    """Return a signal's name: `SIGTERM`, `SIGRTMIN+3`; `signal 0` for the one that only asks, `signal N` for none."""
    if sig in SIGNALS:
        return SIGNALS[sig]
    if _SIGRTMIN <= sig <= LAST_SIGNAL:
        return "SIGRTMIN" + (f"+{sig - _SIGRTMIN}" if sig > _SIGRTMIN else "")
    return f"signal {sig}"


def error_name(ret: int) -> str:
    """Return the name of what a call returned: `ok` for 0 and above, `ESRCH` for -3, `errno N` for the rest."""
    if ret >= 0:
        return "ok"
    return ERRORS[-ret][0] if -ret in ERRORS else f"errno {-ret}"


def target_name(target: int) -> str:
    """Return whom a call named: a process id as it is, and in words the groups that kill(2) gives other numbers."""
    if target > 0:
        return str(target)
    if target == 0:
        return "its own process group"
    if target == -1:
        return "every process it may signal"
    return f"process group {-target}"


def signal_number(name: str) -> int:
    """Return a signal's number from its number or its name: `9`, `KILL`, `SIGKILL`, `SIGRTMIN+3`.

    Raises `ValueError` if no signal has that name.
    """
    if name.isdigit():
        return int(name)
    known = {signal_name(sig).removeprefix("SIG"): sig for sig in range(1, LAST_SIGNAL + 1)}
    try:
        return known[name.upper().removeprefix("SIG")]
    except KeyError:
        raise ValueError(f"{name}: no such signal: give a number or a name as KILL or SIGTERM") from None


def is_explained_later(sig: int, code: int | None) -> bool:
    """Tell whether a row behind that of a signal may say who sent it: its call's, or the OOM killer's choice."""
    return code is None or code in _OF_CALLS or (code > 0 and sig == KILL)


def is_of_a_timer(sig: int, code: int) -> bool:
    """Tell whether a timer sent a signal: alarm, setitimer, timer_create, or the soft RLIMIT_CPU."""
    return code == SI_TIMER or (code > 0 and sig in TIMERS)


def is_of_a_bystander(sig: int, code: int | None) -> bool:
    """Tell whether a signal was sent in the context of whoever ran then: by a timer, or on behalf of a device."""
    return code is not None and (is_of_a_timer(sig, code) or (code > 0 and code != SI_KERNEL))


def ticks(sig: int, code: int) -> bool:
    """Tell whether a signal is of a timer that may fire again and again, and then says nothing of an end.

    The soft RLIMIT_CPU sends SIGXCPU every second too, but by that it asks the process to end.
    """
    return sig != _XCPU and is_of_a_timer(sig, code)


def is_routine(sig: int, code: int | None) -> bool:
    """Tell whether a process that handles a signal may get it again and again, and that says nothing of its end."""
    return sig in HARMLESS or sig in ROUTINE or (code is not None and ticks(sig, code))
