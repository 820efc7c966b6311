"""Calls: the system calls of the scenes that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import time
from typing import NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

_TKILL = {"x86_64": 200, "aarch64": 130}
_CLONE3 = 435  # the same everywhere
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWPID = 0x20000000
_CLONE_INTO_CGROUP = 0x200000000

PTRACE_CONT = 7
PTRACE_SEIZE = 0x4206
PTRACE_O_EXITKILL = 0x100000


def tkill(tid: int, number: int) -> None:
    """Signal a thread by tkill."""
    _checked(_libc.syscall(_TKILL[platform.machine()], tid, number))


def tgkill(pid: int, tid: int, number: int) -> None:
    """Signal a thread of a process by tgkill."""
    _checked(_libc.tgkill(pid, tid, number))


def is_seen() -> None:
    """Have the kernel note the caller's name for the headers of its lines: of some calls nothing else has it.

    It notes a name at the next switch to another process after a line.
    """
    os.kill(os.getpid(), 0)
    time.sleep(0.002)


def sigqueue(pid: int, number: int) -> None:
    """Signal a process by sigqueue, with a value."""
    is_seen()
    _checked(_libc.sigqueue(pid, number, ctypes.c_void_p(7)))


def pidfd_kill(pid: int, number: int) -> None:
    """Signal a process by pidfd_send_signal."""
    is_seen()
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, number)
    os.close(fd)


def on_parents_death(number: int) -> None:
    """Ask for a signal when the parent dies."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def new_pid_namespace() -> None:
    """Let the next children of the caller be in a pid namespace of their own."""
    _checked(_libc.unshare(_CLONE_NEWPID))


def execute(command: str, *arguments: str) -> NoReturn:
    """Become another program."""
    os.execlp(command, command, *arguments)  # noqa: S606  (no shell is wanted)


def ptrace(request: int, pid: int, data: int = 0) -> None:
    """Trace a process."""
    _checked(_libc.ptrace(request, pid, ctypes.c_void_p(0), ctypes.c_void_p(data)))


def fork_as(pid: int) -> int:
    """Fork, and have the child be this pid, which must be free; return 0 in the child."""
    wanted = ctypes.c_int(pid)
    # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size
    arguments = struct.pack("10Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1)
    return _checked(_libc.syscall(_CLONE3, ctypes.c_char_p(arguments), len(arguments)))


def fork_into(group: int) -> int:
    """Fork, and have the child be born in the control group whose folder is open as `group`; return 0 in the child."""
    # As above, and then cgroup.
    arguments = struct.pack("11Q", _CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, group)
    return _checked(_libc.syscall(_CLONE3, ctypes.c_char_p(arguments), len(arguments)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
