"""The doctor: what recording needs, and whether this host has it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sigtrace.capture import bpf, probe, rights, tracefs
from sigtrace.capture.tracefs import MissingError


class Check(NamedTuple):
    """One thing that recording needs: its name, whether it is there, what was found, what to do.

    Without a `needed` one there is no recording, without another one there is less in it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True


def checks() -> list[Check]:
    """Try everything that recording needs, by the same steps that a `Probe` takes."""
    found = [_tried("rights", rights.check), _tried("lockdown", probe.lockdown), _tried("bcc", _bcc)]
    try:
        root = tracefs.find()
    except MissingError as error:
        return [*found, Check("tracefs", ok=False, detail=error.what, remedy=error.remedy)]
    found.append(Check("tracefs", ok=True, detail=str(root)))
    found.append(_tried("trace instance", lambda: _instance(root)))
    found.append(_tried("global trace", lambda: bpf.switchable(root)))
    found += [_tried(event, partial(bpf.traceable, root, event)) for event in bpf.attach_points(bpf.PROBE).values()]
    found.append(_wanted(root, bpf.PRINTK, "recording reads the global trace, without evidence"))
    found += [_wanted(root, event, "recording goes without this evidence") for event in probe.events()]
    if all(check.ok for check in found if check.needed):
        return [*found, _tried("BPF", lambda: _bpf(root)), _context(root)]
    return [*found, Check("BPF", ok=False, detail="not tried, as something above is missing")]


def _tried(name: str, step: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=step())
    except MissingError as error:
        return Check(name, ok=False, detail=error.what, remedy=error.remedy)


def _bcc() -> str:
    bcc = bpf.import_bcc()
    return f"{bcc.__version__} in {bcc.__path__[0]}"


def _instance(root: Path) -> str:
    with tracefs.setting_up(root), tracefs.Instance(root, 1) as instance:
        return f"made and removed, clock {instance.clock}"


def _wanted(root: Path, event: str, otherwise: str) -> Check:
    if tracefs.has_event(root, event):
        return Check(event, ok=True, detail="in this kernel", needed=False)
    return Check(event, ok=False, detail=f"not in {root}/events", remedy=otherwise, needed=False)


def _bpf(root: Path) -> str:
    with tracefs.setting_up(root) as held, bpf.loading(root, held) as loader:
        loader.load(bpf.PROBE, alone=not tracefs.sweep(root)).close()
    return f"{bpf.PROBE.path.name} compiled, loaded and attached"


def _context(root: Path) -> Check:
    for event in bpf.attach_points(bpf.CONTEXT).values():
        tried = _tried("context", partial(bpf.traceable, root, event))
        if not tried.ok:
            return tried._replace(needed=False)
    with tracefs.setting_up(root) as held, bpf.loading(root, held) as loader:
        programs, told = probe.context(loader, arguments=True)
        if programs is not None:
            programs.close()
    lacking = [one for one in probe.CONTEXT if one not in told]
    detail = f"{bpf.CONTEXT.path.name} {'compiled, loaded and attached' if told else 'is refused by this kernel'}"
    if lacking:
        detail += f", without {', '.join(lacking)}"
    remedy = "recording goes without; the arguments of processes need Linux 5.15 and BTF"
    return Check("context", ok=not lacking, detail=detail, remedy=remedy if lacking else "", needed=False)
