"""Checkpoint: what a scanner carries from one line to the next, so that another one can go on in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.events import ROWS

if TYPE_CHECKING:
    from sigtrace.trace.scan import Scanner

VERSION = 2
"""The version of a state."""

CPUS = 65536
"""More than any Linux has, and as many as the scanner knows."""

_COUNTS = (
    "lines", "kill", "half", "losses", "other", "continuation", "comment", "blank", "malformed", "unstitchable",
    "microseconds", "ticks",
)  # fmt: skip
# The places that the kinds of rows had in a state without a version, which a recorder of schema 1 may have left.
_FORMER_KINDS = (0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15)
_OPEN = ("kind", "line", "cpu", "ts", "tid", "pid", "comm", "sig", "code")


def taken(scanner: Scanner) -> dict[str, Any]:
    """Return what the next line's meaning depends on, and the counts so far, as JSON can hold it."""
    pending = {}
    for cpu in scanner.pending_cpus():
        line, ts, tid, pid, comm, sig = scanner.pending_line(cpu)
        pending[str(cpu)] = [line, ts, tid, pid, scanner.names[comm], sig]
    opened = None
    if scanner.opened:
        open_ = {name: getattr(scanner, f"open_{name}") for name in _OPEN}
        open_["comm"] = None if open_["comm"] < 0 else scanner.names[open_["comm"]]
        opened = [*open_.values(), scanner.pieces.hex()]
    return {
        "version": VERSION,
        "pending": pending,
        "opened": opened,
        "after_piece": bool(scanner.after_piece),
        "seen_header": bool(scanner.seen_header),
        "counts": [getattr(scanner, name) for name in _COUNTS],
        "seen": [scanner.seen[kind] for kind in range(len(ROWS))],
        "lost_by_cpu": list(scanner.lost_by_cpu.items()),
        "lost_unknown": list(scanner.lost_unknown.items()),
        "layouts": sorted(scanner.layouts),
        "calls": scanner.calls.state(),
    }


def resume(scanner: Scanner, state: dict[str, Any]) -> None:
    """Let a new scanner go on where another one's state was `taken`, by this version or an older one.

    Raises `ValueError`, `TypeError`, `LookupError` or `ArithmeticError` if it never was.
    """
    kinds = range(len(ROWS)) if "version" in state else _FORMER_KINDS
    for key, (line, ts, tid, pid, name, sig) in state["pending"].items():
        scanner.restore_line(_cpu(int(key)), [line, ts, tid, pid, scanner.intern_name(name), sig])
    if state["opened"] is not None:
        *fields, pieces = state["opened"]
        open_ = dict(zip(_OPEN, fields, strict=True))
        open_["comm"] = -1 if open_["comm"] is None else scanner.intern_name(open_["comm"])
        open_["kind"] = kinds[open_["kind"]]
        _cpu(open_["cpu"])
        for name, value in open_.items():
            setattr(scanner, f"open_{name}", value)
        scanner.pieces = bytes.fromhex(pieces)
        scanner.opened = True
    scanner.after_piece = state["after_piece"]
    scanner.seen_header = state["seen_header"]
    for name, count in zip(_COUNTS, state["counts"], strict=True):
        setattr(scanner, name, count)
    for kind, n in zip(kinds, state["seen"], strict=True):
        scanner.seen[kind] = n
    scanner.lost_by_cpu = _numbers(state["lost_by_cpu"])
    scanner.lost_unknown = _numbers(state["lost_unknown"])
    scanner.layouts = set(state["layouts"])
    if "version" in state:
        scanner.calls.resume(state["calls"])
        scanner.count_calls()


def _numbers(pairs: Any) -> dict[int, int]:  # noqa: ANN401 -- whatever a journal holds
    return {int(cpu): int(n) for cpu, n in dict(pairs).items()}


def _cpu(number: int) -> int:
    # The scanner looks up its columns by it, and asks nobody whether it is one.
    if not 0 <= number < CPUS:
        raise ValueError(f"no CPU has the number {number}")
    return number
