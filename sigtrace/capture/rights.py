"""Rights: what this process may do, on whose behalf it writes, and giving away what recording no longer needs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.capture.tracefs import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}  # linux/capability.h
_CAP_DAC_OVERRIDE = 1
_NEEDED = ("CAP_BPF", "CAP_PERFMON")
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):  # struct __user_cap_header_struct
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):  # struct __user_cap_data_struct
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def check() -> str:
    """Say what gives this process the right to load a BPF program, or raise `MissingError`, which names what lacks."""
    effective = _effective()
    held = [name for name, bit in sorted(_CAPABILITIES.items()) if effective >> bit & 1]
    lacking = [name for name in _NEEDED if name not in held]
    if "CAP_SYS_ADMIN" not in held and lacking:
        what = f"recording needs root, or {' and '.join(_NEEDED)}, and this process lacks {' and '.join(lacking)}"
        raise MissingError(what, "run it with sudo, or as docs/recording.md says")
    return ", ".join(held)


def invoker() -> tuple[int, int] | None:
    """Return the uid and gid of the user on whose behalf sudo made this process root; None if none did."""
    try:
        uid, gid = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
    except (KeyError, ValueError):
        return None
    return (uid, gid) if os.geteuid() == 0 and uid > 0 and gid >= 0 else None


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Reach files as another user does, in this thread alone. Only root can, and who `drop` left the right to."""
    own = os.geteuid(), os.getegid()
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(own[0])
        _libc.setfsgid(own[1])


def drop(place: Path | None = None, owner: tuple[int, int] | None = None) -> list[str]:
    """Give away all capabilities of this thread and of those that it starts, and name those that it keeps.

    What it executes as root has all of root's again. CAP_DAC_OVERRIDE is kept if the files of the trace instance
    `place`, or the removal of it, ask for that. `acting_as` still takes `owner` then.
    """
    if owner is not None and os.geteuid() == 0:
        # A saved id is one that setfsuid takes without CAP_SETUID. The ids that count stay root's.
        os.setresgid(-1, -1, owner[1])
        os.setresuid(-1, -1, owner[0])
    had = _effective()
    _set(0)
    files = [] if place is None else [place / "tracing_on", place.parent]
    if all(os.access(file, os.W_OK, effective_ids=True) for file in files) or not had >> _CAP_DAC_OVERRIDE & 1:
        _set(0, 0)
        return []
    _set(1 << _CAP_DAC_OVERRIDE, 1 << _CAP_DAC_OVERRIDE)
    return ["CAP_DAC_OVERRIDE"]


def _set(effective: int, permitted: int | None = None) -> None:
    header, data = _Header(_VERSION, 0), (_Data * 2)()
    if permitted is None:
        _libc.capget(ctypes.byref(header), data)
    for at, one in enumerate(data):
        one.effective = effective >> 32 * at & 0xFFFFFFFF
        if permitted is not None:
            one.permitted = permitted >> 32 * at & 0xFFFFFFFF
            one.inheritable = 0
    if _libc.capset(ctypes.byref(header), data) != 0:
        raise MissingError(f"capabilities cannot be given away ({os.strerror(ctypes.get_errno())})", "report it")


def _effective() -> int:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/thread-self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else 0
