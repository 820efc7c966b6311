"""Probe: what the kernel is asked to tell, and what it prints as an iterator of bytes."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sigtrace.capture import bpf, cgroup, rights, tracefs
from sigtrace.capture.bpf import PRINTK
from sigtrace.capture.guard import Guard
from sigtrace.capture.tracefs import MissingError
from sigtrace.facts import events as facts
from sigtrace.facts.witness import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_EXEC = "sched:sched_process_exec"
_MOVED = "cgroup:cgroup_attach_task"

_ARGUMENTS = "sigtrace:arguments"
CONTEXT = ("sigtrace:exec", "sigtrace:args", _ARGUMENTS)
"""What context.c prints, as `Probe.events` names it: the file executed, user and control group, the arguments."""

# A call takes about 90 bytes of the buffer, and a storm may come from one CPU alone: where there are two, each
# has room for a million calls, read or not.
BUFFER_MB = 192

SKIPPED = "the kernel skipped a program, because a thread had lost the CPU in one"
"""What `Probe.disturbed` says if the kernel has not run a program when it should have."""

_LOOK_SECONDS, _PATIENT_SECONDS = 0.1, 1.0
_DISTURBANCES = 100  # are told; each is a loss in the stream all the same

_LOCKDOWN = Path("/sys/kernel/security/lockdown")


class Probe:
    """Record who calls kill, tkill and tgkill: iterate over it for trace_pipe's bytes, not cut to lines.

    The lines come from a trace instance of its own, with a buffer of `buffer_mb` MB, which the CPUs share. With
    `evidence`, the kernel's events that say who was hit and who died come in the same stream, and so does who each
    process is; without `arguments`, its arguments are left out. With `signals`, the kernel drops others. One that is
    `patient` reads less often, as `sigtrace.capture.tracefs.Pipe` says. The iteration ends after `stop`. A context
    manager; one that is killed leaves its instance behind, and the next one removes it.

    `instance` is the instance's folder, and `clock` names its clock; `utc_offset_us` is what to add to its
    microseconds to have UTC, None if the clock has no UTC. `events` are enabled, `missing` are not in this
    kernel. `signals` are those that alone are recorded, SIGKILL always among them; none if all are.
    `disturbed` says what somebody did to the instance while it recorded, and when the kernel skipped a program:
    each time, a line of the kernel's kind says of each CPU that events were lost there, and the instance is set as it
    was. `fallback` is empty, or says
    why the lines come from the global trace (`instance` is None then).

    Raises `ProbeError` if something that recording needs is not there.
    """

    def __init__(
        self,
        *,
        buffer_mb: int = BUFFER_MB,
        evidence: bool = True,
        arguments: bool = True,
        signals: Collection[int] = (),
        patient: bool = False,
    ) -> None:
        rights.check()
        lockdown()
        root = tracefs.find()
        self.instance: Path | None = None
        self.events: list[str] = []
        self.missing: list[str] = []
        self.fallback = ""
        self.disturbed: list[str] = []
        self.signals = recorded(signals)
        self._programs: list[bpf.Programs] = []
        self._skipped = 0
        self._looked = time.monotonic()
        self._look_seconds = _PATIENT_SECONDS if patient else _LOOK_SECONDS
        with contextlib.ExitStack() as stack, tracefs.setting_up(root) as held:
            in_use = tracefs.sweep(root)
            own = None
            if tracefs.has_event(root, PRINTK):
                own = stack.enter_context(tracefs.Instance(root, buffer_mb))
                self.instance = own.folder
                own.off()  # another recorder's programs print here too, and may be gone before ours are there
            else:
                self.fallback = (
                    f"no event {PRINTK} in {root}, as before Linux 5.9: reading the global trace, "
                    "other programs' lines and old ones with it, without evidence"
                )
            self.clock = own.clock if own else tracefs.clock(root)
            self.utc_offset_us = tracefs.utc_offset_us(self.clock)
            self._folder = own.folder if own else root
            self._lost_before = tracefs.lost(self._folder)
            self._lost: dict[int, int] | None = None
            self._pipe = stack.enter_context(contextlib.closing(tracefs.Pipe(root, own, patient=patient)))
            self._enable(own, {PRINTK: printed(evidence=evidence, arguments=arguments)})
            with bpf.loading(root, held) as loader:
                if evidence and own:
                    self._load_context(stack, loader, own, arguments=arguments)
                elif evidence:
                    self.missing += CONTEXT
                if evidence:
                    self._enable(own, events(self.signals))
                self._keep(stack, loader.load(bpf.PROBE, defines=chosen(self.signals), alone=not in_use))
            if own:
                own.on()
            self._guard = stack.enter_context(contextlib.closing(Guard(own))) if own else None
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield what there is to read until `stop`, then what is still in the buffer; if nothing is, nothing."""
        place = memoryview(bytearray(tracefs.CHUNK_ROOM))
        return self.read(lambda: place)

    def read(self, room: Callable[[], memoryview]) -> Iterator[bytes]:
        """Yield the same, having read each chunk straight into a `room()`: nothing is in the process alone."""
        for chunk in self._pipe.read(room):
            yield chunk
            if self._guard is not None:
                self._guard.hear(chunk)
                yield from self._gap(self._guard, room)
        if self._guard is not None:
            yield from self._gap(self._guard, room, last=True)
        yield from self._pipe.rest(room)

    def stop(self) -> None:
        """End the iteration, once what is in the buffer has been read.

        Any thread or signal handler may call it, at any time. A handler should not raise instead: what had
        been read and not yet been handed over would be gone.
        """
        self._pipe.stop()

    def losses(self) -> dict[int, int]:
        """Count the events that each CPU lost since the start, those included that no line tells of.

        Final after the iteration's end, and kept when the probe is closed. CPUs that lost none are left out.
        """
        if self._lost is not None:
            return self._lost
        lost = tracefs.lost(self._folder)
        since = {cpu: count - self._lost_before.get(cpu, 0) for cpu, count in lost.items()}
        return {cpu: count for cpu, count in since.items() if count}

    def close(self) -> None:
        """Take the programs out of the kernel and remove the instance."""
        self._lost = self.losses()
        self._stack.close()

    def _keep(self, stack: contextlib.ExitStack, programs: bpf.Programs) -> None:
        self._programs.append(stack.enter_context(contextlib.closing(programs)))

    def _skips(self, *, last: bool) -> list[str]:
        now = time.monotonic()
        if not last and now - self._looked < self._look_seconds:
            return []
        self._looked = now
        before, self._skipped = self._skipped, sum(programs.skipped() for programs in self._programs)
        if self._skipped == before:
            return []
        return [SKIPPED]

    def _gap(self, guard: Guard, room: Callable[[], memoryview], *, last: bool = False) -> Iterator[bytes]:
        # All that was recorded before is read first: so the loss stands where it was.
        if what := [*guard.disturbed(), *self._skips(last=last)]:
            yield from self._pipe.rest(room)
            self.disturbed += what[: _DISTURBANCES - len(self.disturbed)]
            yield b"".join(b"CPU:%d [LOST EVENTS]\n" % cpu for cpu in tracefs.cpus(self._folder))
            guard.restore()

    def _enable(self, own: tracefs.Instance | None, wanted: dict[str, str]) -> None:
        for event, condition in wanted.items():
            enabled = own is not None and own.enable(event, condition)
            (self.events if enabled else self.missing).append(event)

    def _load_context(
        self, stack: contextlib.ExitStack, loader: bpf.Loader, own: tracefs.Instance, *, arguments: bool
    ) -> None:
        programs, told = context(loader, arguments=arguments)
        self.events += told
        wanted = [event for event in CONTEXT if arguments or event != _ARGUMENTS]
        self.missing += [event for event in wanted if event not in told]
        if programs is not None:
            self._keep(stack, programs)
        else:
            self._enable(own, {_EXEC: ""})  # whose path can forge lines: only if there is nothing better


def printed(*, evidence: bool, arguments: bool) -> str:
    """Return the filter of what programs print: another recorder's may print more than is to be recorded here."""
    if not evidence:
        return " || ".join(f'bpf_string ~ "{begin} *"' for begin in ("PID", "to PID"))
    return "" if arguments else '!(bpf_string ~ "sigtrace args uid=* cgroup=* *")'


def events(signals: Collection[int] = ()) -> dict[str, str]:
    """Return the kernel's own events that are recorded beside the calls, each with its filter.

    Which file a process executes context.c tells, if it can be loaded. `signals` are as of
    `sigtrace.facts.events.evidence`.
    """
    found = {event: condition for event, condition in facts.evidence(signals).items() if event != _EXEC}
    return found | {_MOVED: cgroup.followed()}


def chosen(signals: Collection[int]) -> list[str]:
    """Return with which macros probe.c is compiled, so that it takes calls with these signals alone, or all if none.

    A recorder's call with signal 0 on itself is taken all the same: the guard waits for it.
    """
    if not signals:
        return []
    bits = sum(1 << (sig - 1) for sig in set(signals))
    return [f"SIGNALS={bits:#x}ULL", f"RECORDER={os.getpid()}"]


def context(loader: bpf.Loader, *, arguments: bool) -> tuple[bpf.Programs | None, list[str]]:
    """Load context.c as far as this kernel takes it, and name what it tells of `CONTEXT`: all, most, or nothing."""
    if arguments:
        with contextlib.suppress(MissingError):  # bpf_task_pt_regs is there since Linux 5.15, and asks for BTF
            return loader.load(bpf.CONTEXT), list(CONTEXT)
    with contextlib.suppress(MissingError):
        return loader.load(bpf.CONTEXT, defines=["NO_ARGUMENTS"]), [one for one in CONTEXT if one != _ARGUMENTS]
    return None, []


def lockdown() -> str:
    """Say how far the kernel is locked down, or raise `MissingError` where that forbids tracing."""
    try:
        text = _LOCKDOWN.read_text()
    except OSError:
        return "not in this kernel, or not to be seen"
    if "[confidentiality]" in text:
        what = f"the kernel is locked down ({_LOCKDOWN}: confidentiality), which forbids tracing"
        raise MissingError(what, "boot with lockdown=integrity or without it")
    return text.strip()
