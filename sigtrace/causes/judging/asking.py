"""Asking: which signals asked a process to end, and along which hops one came."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sigtrace.causes.judging.actor import is_messenger
from sigtrace.causes.judging.origin import origin
from sigtrace.causes.tracking.process import PENDING, TAKEN, UNKNOWN
from sigtrace.causes.tracking.rows import NONE
from sigtrace.facts.rules import ASKED_WITHIN_US, JUST_BEFORE_US
from sigtrace.facts.signals import NEVER_ASK, TICKS, ticks

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.causes.tracking.rows import Row

SENT = ("call", "queue")
"""The origins of a signal that a process sent."""

ENDED = ("parent", "leader", "namespace")
"""The origins of a signal that the end of a process sent: of the parent, the session's leader, the namespace's init."""

_ASKING = (*SENT, *ENDED, "terminal", "timer")
_TAKEN = ("handled", PENDING, TAKEN)
_HOPS = 32


def asks(signal: Signal) -> bool:
    """Tell whether a signal asks its process to do something, and the process took note of it.

    What a process sends to itself asks nothing, nor does what tells of a child, a window or a stop.
    """
    if signal.sig in NEVER_ASK or signal.fate not in _TAKEN or not signal.came_through():
        return False
    source = origin(signal)
    return source in _ASKING and not (source in SENT and signal.sender is signal.victim)


def asked(process: Process, before: Row, within_us: int = ASKED_WITHIN_US, status: int | None = None) -> Signal | None:
    """Return the last signal that asked a process within a time before a row; none if there is no such signal.

    An exit status of 128 + N is of signal N, however long ago it came. A timer that fires again and again asks for
    nothing, and none does after somebody else.
    """
    found = [one for one in process.signals or () if one.row.line < before.line and asks(one)]
    if status is not None:
        of_status = [one for one in found if one.sig == status - 128]
        if of_status:
            return of_status[-1]
    recent = [one for one in without_ticks(found) if before.ts - one.row.ts <= within_us]
    by_others = [one for one in recent if origin(one) != "timer"]
    chosen = by_others or recent
    return chosen[-1] if chosen else None


def without_ticks(signals: list[Signal]) -> list[Signal]:
    """Return signals without those of timers that fire again and again: a heartbeat means nothing."""
    fired = Counter(one.sig for one in signals if ticks(one.sig, one.row.code))
    return [one for one in signals if fired[one.sig] < TICKS or not ticks(one.sig, one.row.code)]


def raised_anew(process: Process, signal: Signal, within_us: int = ASKED_WITHIN_US) -> Signal | None:
    """Return the signal that a process handled or waited for before it sent the same one to itself, if it did."""
    if signal.sender is not process or origin(signal) not in SENT:
        return None
    handled = [
        one
        for one in process.signals or ()
        if one.sig == signal.sig and one.fate in _TAKEN and one.row.line < signal.row.line
    ]
    # Another one's, or the kernel's answer to a fault.
    foreign = [one for one in handled if one.sender is not process or origin(one) not in SENT]
    recent = [one for one in foreign if signal.row.ts - one.row.ts <= within_us]
    return recent[-1] if recent else None


def ended_by(process: Process) -> Signal | None:
    """Return the signal that ended a process, as far as that is sure."""
    signal = process.ended_by
    return None if signal is None or _is_late(signal) else signal


def fate(signal: Signal) -> str:
    """Return what became of a signal, as far as that is sure."""
    return "delivered" if _is_late(signal) else "fatal" if signal.ended else signal.fate


def is_exit_code(delivered: Row | None) -> bool:
    """Tell whether a delivery is known by an exit code alone.

    A tool that tells it does not tell what became of the signals before, nor whether the pid was given away anew.
    """
    return delivered is not None and delivered.code == NONE  # the kernel always has one


def _is_late(signal: Signal) -> bool:
    taken = signal.taken
    return taken is not None and is_exit_code(taken) and taken.ts - signal.row.ts > JUST_BEFORE_US


def cause(process: Process, within_us: int = ASKED_WITHIN_US) -> Signal | None:
    """Return the signal that ended a process or asked it to end, as far as is known."""
    if process.died is None:
        return None
    signal = ended_by(process)
    if signal is None and (process.silent or process.ended_by is not None):
        return None
    if signal is None:
        return asked(process, process.died, within_us, process.status)
    return raised_anew(process, signal, within_us) or signal


def hops(signal: Signal, within_us: int = ASKED_WITHIN_US) -> list[tuple[Process, Signal]]:
    """Return along whom a signal came: from the first sender to the last, each with the signal that it sent."""
    found: list[tuple[Process, Signal]] = []
    before: Signal | None = signal
    while before is not None and origin(before) in SENT + ENDED and len(found) < _HOPS:
        sender = before.sender
        if any(sender is one for one, _ in found):
            break
        found.append((sender, before))
        before = _passed_on(found, sender, before, within_us)
    return found[::-1]


def _passed_on(found: list[tuple[Process, Signal]], sender: Process, sent: Signal, within_us: int) -> Signal | None:
    # What the sender had got itself; or else what its parent had got before it started the sender for that. And so on
    # up, as long as they are tools that do as they are told.
    if origin(sent) in ENDED:
        return cause(sender, within_us)
    got = asked(sender, sent.row, within_us)
    may_go_up = True
    for _ in range(_HOPS):  # a log can say that a process is above itself
        if got is not None or not may_go_up or sender.parent is None or sender.start == UNKNOWN:
            break
        born, sender = sender.start, sender.parent
        may_go_up = is_messenger(sender.image(sent.row.line))
        asking = without_ticks([one for one in sender.signals or () if one.row.ts <= born and asks(one)])
        signals = [one for one in asking if born - one.row.ts <= within_us]
        if signals and not any(sender is one for one, _ in found):
            found.append((sender, sent))
            got = signals[-1]
    return got
