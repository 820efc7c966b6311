"""Endings: what the entries of a journal say together of who ended, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import signal_name
from sigtrace.questions.choice.matching import SHORTEST, has_words
from sigtrace.questions.deaths import time
from sigtrace.questions.journal import testimony
from sigtrace.questions.journal.testimony import CORE, FAULT, OOM, OOM_PLACE, SENT, STOPPED, STOPPING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sigtrace.questions.journal.entries import Entry
    from sigtrace.questions.journal.testimony import Testimony

    Object = dict[str, Any]

_TOGETHER_US = 10_000_000  # within which two witnesses tell of the same ending
_STOPPING_US = 600_000_000  # that systemd waits at most, unless TimeoutStopSec= says more
_TERM = 15
_BEFORE = {OOM_PLACE, STOPPING, SENT}  # what an ending may follow
_KEPT = 1_000  # of what waits for its ending
_NAMED = {
    "victim_pid": "pid",
    "victim_comm": "comm",
    "victim_unit": "unit",
    "victim_container": "container",
    "command": "command",
    "exit_status": "status",
}


def endings(entries: Iterable[Entry], asked: str = "all") -> list[Object]:
    """Return who ended by the entries of a journal, in their order: all, or those that `asked` names.

    `asked` is a pid, a name, a word of a command line, a unit with or without `.service`, or a container's id or its
    beginning. An object has log, victim_pid, victim_comm, victim_unit, victim_container, time, ts, sig, signal,
    verdict, source, killer_pid, killer_comm, exit_status, `stopped` (whether systemd was stopping it), `witnesses` and
    lines (the how manyth entries it rests on). `killed` is said of what systemd itself sent, `oom` and `fault` of what
    the kernel says; of a signal whose sender no entry names, the verdict is `unknown`.
    """
    told = _Story()
    for entry in entries:
        if (one := testimony.of(entry)) is not None:
            told.hear(one)
    return [one for one in told.endings if asked == "all" or _is(one, asked)]


class _Story:
    # What was told up to now, and of what came before an ending, what may bear on it.
    def __init__(self) -> None:
        self.endings: list[Object] = []
        self._places: dict[int | None, Testimony] = {}
        self._stopping: dict[str | None, Testimony] = {}
        self._sent: dict[str | None, list[Testimony]] = {}

    def hear(self, one: Testimony) -> None:
        if one.tells in _BEFORE:
            self._keep(one)
        elif one.tells == OOM:
            place = self._places.pop(one.pid, None)
            self._end(one, "oom", source="oom", before=[] if place is None else [place])
        elif one.tells == FAULT:
            self._end(one, "fault", source="fault")
        elif one.tells == STOPPED:
            if one.unit in self._stopping:  # systemd says nothing of a main process that exits well
                self._exited(one)
        elif self._join(one):
            self._stopping.pop(one.unit, None)
        elif one.tells == CORE:
            self._end(one, "unknown")
        else:
            self._exited(one)

    def _keep(self, one: Testimony) -> None:
        if one.tells == OOM_PLACE:
            _keep(self._places, one.pid, one)
        elif one.tells == STOPPING:
            _keep(self._stopping, one.unit, one)
        else:
            _keep(self._sent, one.unit, [*self._sent.get(one.unit, []), one][-10:])

    def _exited(self, one: Testimony) -> None:
        stopping = self._stopping.pop(one.unit, None) if one.unit is not None else None
        if stopping is not None and not _near(stopping.entry, one.entry, _STOPPING_US):
            stopping = None
        sent = [each for each in self._sent.pop(one.unit, []) if _near(each.entry, one.entry, _STOPPING_US)]
        last = sent[-1] if sent else None
        before = [each for each in (stopping, *sent) if each is not None]
        if one.sig is None:
            self._end(one, "asked" if stopping is not None or last is not None else "exited", before=before)
        elif (last is not None and last.sig == one.sig) or (stopping is not None and one.sig == _TERM):
            self._end(one, "killed", source="call", before=before)
        else:
            self._end(one, "unknown", before=before)

    def _end(
        self, one: Testimony, verdict: str, *, source: str | None = None, before: Sequence[Testimony] = ()
    ) -> None:
        known = [*before, one]
        by_systemd = verdict in {"killed", "asked"}
        self.endings.append(
            {
                "log": None,
                **{key: _only(known, of_one) for key, of_one in _NAMED.items()},
                "ts": one.entry.ts,
                "time": time(one.entry.time),
                "sig": one.sig,
                "signal": None if one.sig is None else signal_name(one.sig),
                "verdict": verdict,
                "source": source,
                "killer_pid": 1 if by_systemd else None,
                "killer_comm": "systemd" if by_systemd else None,
                "stopped": any(each.tells == STOPPING for each in before),
                "witnesses": [one.witness],
                "lines": [each.entry.number for each in known],
            }
        )

    def _join(self, one: Testimony) -> bool:
        # Whether somebody else has told of this ending already; then both are its witnesses.
        for ending in reversed(self.endings[-_KEPT:]):
            if not _same(ending, one):
                continue
            ending["witnesses"].append(one.witness)
            ending["lines"].append(one.entry.number)
            for key, of_one in _NAMED.items():
                if ending[key] is None:
                    ending[key] = getattr(one, of_one)
            return True
        return False


def _same(ending: Object, one: Testimony) -> bool:
    if one.witness in ending["witnesses"] or one.sig != ending["sig"]:
        return False
    at, then = one.entry.time, ending["time"]
    if at is not None and then is not None:
        moment = time(at)
        if moment is None or abs((moment - then).total_seconds()) * 1e6 > _TOGETHER_US:
            return False
    if one.pid is not None and ending["victim_pid"] is not None:
        return bool(one.pid == ending["victim_pid"])
    named = [(ending["victim_unit"], one.unit), (ending["victim_container"], one.container)]
    return any(first is not None and first == second for first, second in named)


def _near(before: Entry, after: Entry, within_us: int) -> bool:
    known = before.time is not None and after.time is not None
    return not known or 0 <= (after.time or 0) - (before.time or 0) <= within_us


def _only(known: list[Testimony], key: str) -> Any:  # noqa: ANN401
    # systemd names all processes of a unit that it kills, and not which of them is the main one.
    found = {value for one in known if (value := getattr(one, key)) is not None}
    return found.pop() if len(found) == 1 else None


def _keep(kept: dict[Any, Any], key: object, value: object) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]


def _is(one: Object, asked: str) -> bool:
    if asked.isascii() and asked.isdigit() and one["victim_pid"] == int(asked):
        return True
    unit, container, command = one["victim_unit"], one["victim_container"], one["command"]
    if asked in (one["victim_comm"], unit) or (unit is not None and asked == unit.rsplit(".", 1)[0]):
        return True
    if container is not None and len(asked) >= SHORTEST and container.startswith(asked):
        return True
    return command is not None and has_words(command, asked)
