"""Numbers: who is known to a selection by which pid or tid."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from sigtrace.trace.choosing.known import CHOSEN, HELD, NOTED, Known

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_DEAD, _DEAD_HELD = 4096, 256  # of the latest: what names their pid means them, until it is given away again


class Numbers:
    """The processes that are known, of which `pids` are chosen."""

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = frozenset(pids)
        self._known: dict[int, Known] = {}
        self._dead: tuple[deque[Known], deque[Known]] = (deque(), deque())  # held ones, and the others
        self._threads: dict[int, int] = {}
        self._were_there: set[int] = set()  # threads whose process /proc named, which no header outdoes
        self._lossy = False

    def _by(self, tid: int) -> Known | None:
        return self._known.get(tid) or self._known.get(self._threads.get(tid, -1))

    def _target(self, tid: int | None) -> Known | None:
        found = None if tid is None else self._by(tid)
        return self._unborn(tid) if found is None and tid is not None and self._lossy else found

    def _unborn(self, pid: int) -> Known:
        # Its birth was not told. If events were lost, that of a chosen process's child may have been.
        first = pid not in self._known
        state = CHOSEN if first and pid in self._pids else NOTED if self._lossy else HELD
        one = self._known[pid] = Known(pid, None, state)
        return one

    def _forget_thread(self, tid: int) -> None:
        self._threads.pop(tid, None)
        self._were_there.discard(tid)

    def _bury(self, one: Known) -> None:
        one.over = True
        dead, most = (self._dead[1], _DEAD) if one.state else (self._dead[0], _DEAD_HELD)
        dead.append(one)
        if len(dead) > most:
            oldest = dead.popleft()
            oldest.forget_senders()
            if self._known.get(oldest.pid) is oldest:
                del self._known[oldest.pid]

    def _everybody(self) -> Sequence[Known]:
        return [*self._known.values(), *self._dead[0], *self._dead[1]]

    def _numbers(self, places: Mapping[int, int]) -> dict[str, Any]:
        # As JSON can hold them.
        return {
            "known": {pid: places[id(one)] for pid, one in self._known.items()},
            "dead": [[places[id(one)] for one in dead] for dead in self._dead],
            "threads": self._threads,
            "were_there": list(self._were_there),
            "lossy": self._lossy,
        }

    def _renumber(self, state: Mapping[str, Any], found: Sequence[Known]) -> None:
        self._known = {int(pid): found[at] for pid, at in state["known"].items()}
        held, others = state["dead"]
        self._dead = deque(found[at] for at in held), deque(found[at] for at in others)
        self._threads = {int(tid): int(pid) for tid, pid in state["threads"].items()}
        self._were_there = set(state["were_there"])
        self._lossy = bool(state["lossy"])
