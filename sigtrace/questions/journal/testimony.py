"""Testimony: what one entry of a journal says of an ending, as far as its writer can be believed.

Anybody may write to the journal. What systemd, the kernel and systemd-coredump say is told by the fields whose names
begin with `_`, which journald sets itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.causes.judging.identity import identity
from sigtrace.facts.signals import signal_number
from sigtrace.questions.journal.entries import number_of

if TYPE_CHECKING:
    from sigtrace.questions.journal.entries import Entry

SYSTEMD, KERNEL, COREDUMP, CONTAINERD, KUBELET = "systemd", "the kernel", "systemd-coredump", "containerd", "kubelet"

EXIT, SENT, STOPPING, STOPPED = "exit", "sent", "stopping", "stopped"
OOM, OOM_PLACE, FAULT, CORE = "oom", "oom place", "fault", "core"
"""What an entry tells: that the main process of a unit, or a container, ended; that a signal was sent; that a unit is
being stopped, and that it was; whom the OOM killer chose, and in which control group; a fault; a core dump."""

# SD_MESSAGE_UNIT_STOPPING and SD_MESSAGE_UNIT_STOPPED of sd-messages.h
_STATES = {"de5b426a63be47a7b6ac3eaac82e2f6f": STOPPING, "9d1aaa27d60140bd96365438aad20286": STOPPED}
_EXIT = re.compile(r"(\S+): Main process exited, code=(killed|dumped|exited), status=(\d{1,3})(?:/\S+)?")
_KILLING = re.compile(r"(\S+): Killing process (\d+) \((.*)\) with signal (SIG\S+)\.")
_ASKED = re.compile(r"(\S+): Sent signal (SIG\S+) to (?:\w+ )?process (\d+) \((.*)\) on client request\.")
_OOM = re.compile(r"(?:[^:]*: )?Killed process (\d+) \((.*)\)(?:,? .*)?")
_OOM_PLACE = re.compile(r"oom-kill:.*,task_memcg=(.*),task=.*,pid=(\d+),uid=\d+")
_SEGFAULT = re.compile(r"(.{1,15})\[(\d+)\]: segfault at .*")
_TRAP = re.compile(r"traps: (.{1,15})\[(\d+)\] (general protection|trap invalid opcode|trap divide error).*")
_TRAPS = {"general protection": 11, "trap invalid opcode": 4, "trap divide error": 8}
_CONTAINER = re.compile(
    r"""TaskExit event.*?(?:container_id:\\?"|ContainerID:)([0-9a-f]{64}).*?[pP]id:(\d+).*?"""
    r"(?:exit_status:|ExitStatus:)(\d{1,3})"
)
_KUBELET = re.compile(r'container finished.*containerID="(?:\w+://)?([0-9a-f]{64})" exitCode=(\d{1,3})')
_DIGITS = 9  # of a pid or a signal
_BY_SIGNAL = 128  # what a shell or a container's engine adds to the number of the signal


class Testimony(NamedTuple):
    """What an entry says: its writer, what it tells, and whom it is about, as far as it says so."""

    entry: Entry
    witness: str
    tells: str
    unit: str | None = None
    container: str | None = None
    pid: int | None = None
    comm: str | None = None
    command: str | None = None
    sig: int | None = None
    status: int | None = None


def of(entry: Entry) -> Testimony | None:
    """Return what an entry says of an ending, or None if it says nothing of one."""
    fields = entry.fields
    if fields.get("_TRANSPORT") == "kernel":
        return _of_kernel(entry)
    if fields.get("_PID") == "1":  # and not a user's own systemd, which can say whatever its user wants
        return _of_systemd(entry)
    unit = fields.get("_SYSTEMD_UNIT")
    if not isinstance(unit, str):
        return None
    if unit.startswith("systemd-coredump@") and "COREDUMP_SIGNAL" in fields:
        return _of_coredump(entry)
    return _of_engine(entry, unit)


def _of_systemd(entry: Entry) -> Testimony | None:
    state, unit = _STATES.get(str(entry.fields.get("MESSAGE_ID"))), entry.fields.get("UNIT")
    if state is not None:
        return Testimony(entry, SYSTEMD, state, unit) if isinstance(unit, str) else None
    if found := _EXIT.fullmatch(entry.text):
        ended: dict[str, Any] = {"status" if found[2] == "exited" else "sig": int(found[3])}
        return Testimony(entry, SYSTEMD, EXIT, found[1], **ended)
    if found := _KILLING.fullmatch(entry.text):
        return _sent(entry, found[1], found[2], found[3], found[4])
    if found := _ASKED.fullmatch(entry.text):
        return _sent(entry, found[1], found[3], found[4], found[2])
    return None


def _sent(entry: Entry, unit: str, pid: str, comm: str, signal: str) -> Testimony | None:
    try:
        number = signal_number(signal)
    except ValueError:
        return None
    return Testimony(entry, SYSTEMD, SENT, unit, pid=int(pid), comm=comm, sig=number)


def _of_kernel(entry: Entry) -> Testimony | None:
    found: re.Match[str] | None
    if found := _OOM_PLACE.fullmatch(entry.text):
        return Testimony(entry, KERNEL, OOM_PLACE, pid=int(found[2]), **_place(found[1]))
    if found := _OOM.fullmatch(entry.text):
        return Testimony(entry, KERNEL, OOM, pid=int(found[1]), comm=found[2], sig=9)
    if found := _SEGFAULT.fullmatch(entry.text):
        return Testimony(entry, KERNEL, FAULT, pid=int(found[2]), comm=found[1], sig=11)
    if found := _TRAP.fullmatch(entry.text):
        return Testimony(entry, KERNEL, FAULT, pid=int(found[2]), comm=found[1], sig=_TRAPS[found[3]])
    return None


def _of_coredump(entry: Entry) -> Testimony | None:
    fields = entry.fields
    pid, sig = (number_of(fields.get(f"COREDUMP_{key}"), _DIGITS) for key in ("PID", "SIGNAL"))
    comm, command, cgroup = (_text(fields.get(f"COREDUMP_{key}")) for key in ("COMM", "CMDLINE", "CGROUP"))
    return Testimony(entry, COREDUMP, CORE, pid=pid, comm=comm, command=command, sig=sig, **_place(cgroup))


def _of_engine(entry: Entry, unit: str) -> Testimony | None:
    if unit == "containerd.service" and (found := _CONTAINER.search(entry.text)):
        return Testimony(entry, CONTAINERD, EXIT, container=found[1], pid=int(found[2]), **_ended(int(found[3])))
    if unit == "kubelet.service" and (found := _KUBELET.search(entry.text)):
        return Testimony(entry, KUBELET, EXIT, container=found[1], **_ended(int(found[2])))
    return None


def _ended(status: int) -> dict[str, Any]:
    return {"status": status, "sig": status - _BY_SIGNAL if status > _BY_SIGNAL else None}


def _place(cgroup: str | None) -> dict[str, Any]:
    known = identity(cgroup)
    return {"unit": known.unit, "container": known.container}


def _text(value: Any) -> str | None:  # noqa: ANN401 -- whatever JSON holds
    return value if isinstance(value, str) else None
