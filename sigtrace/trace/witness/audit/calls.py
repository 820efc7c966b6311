"""Calls: the system calls that send signals, by the numbers that each architecture gives them."""

from __future__ import annotations

from typing import NamedTuple


class Call(NamedTuple):
    """A system call: which of its arguments are the target and the signal, and what the signal is said to be for.

    Without a `target`, the call names it in no number that somebody else could look up. `code` is the si_code that the
    kernel gives, if the caller cannot choose it.
    """

    name: str
    target: int | None
    sig: int
    code: int | None


CALLS = {
    one.name: one
    for one in (
        Call("kill", 0, 1, 0),
        Call("tkill", 0, 1, -6),
        Call("tgkill", 1, 2, -6),
        Call("rt_sigqueueinfo", 0, 1, None),
        Call("rt_tgsigqueueinfo", 1, 2, None),
        Call("pidfd_send_signal", None, 1, None),
    )
}
"""All of them. Calls of the first three are rows of event `kill`."""

OF_KILL = ("kill", "tkill", "tgkill")

_GENERIC = (129, 130, 131, 138, 240, 424)
_OF_ARCH = {
    0xC000003E: (62, 200, 234, 129, 297, 424),  # x86-64
    0x40000003: (37, 238, 270, 178, 335, 424),  # i386
    0xC00000B7: _GENERIC,  # 64-bit ARM
    0xC00000F3: _GENERIC,  # RISC-V
    0xC0000102: _GENERIC,  # LoongArch
    0x40000028: (37, 238, 268, 178, 363, 424),  # ARM
    0x80000015: (37, 208, 250, 177, 322, 424),  # PowerPC
    0xC0000015: (37, 208, 250, 177, 322, 424),  # the same, little endian
    0x80000016: (37, 237, 241, 178, 330, 424),  # s390x
}
_X86_64, _X32 = 0xC000003E, 0x40000000


def of(arch: bytes, number: bytes) -> Call | None:
    """Return the call of such a number on such an architecture, or of such a name; None if it sends no signal."""
    name = number.decode("ascii", "replace")
    if not name.isdecimal():
        return CALLS.get(name)
    try:
        machine = int(arch, 16)
    except ValueError:
        return None
    wanted = int(name) & ~(_X32 if machine == _X86_64 else 0)
    numbers = _OF_ARCH.get(machine, ())
    return list(CALLS.values())[numbers.index(wanted)] if wanted in numbers else None
