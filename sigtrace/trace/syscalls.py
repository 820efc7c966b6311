"""System calls: kill, tkill and tgkill as the kernel's own text events tell them, paired by thread.

    bash-26386 [001] ..... 12529.696540: sys_kill(pid: 0x6713, sig: 9)
    bash-26386 [001] ..... 12529.696542: sys_kill -> 0x0

The two lines may be on two CPUs, and other lines of the thread stand between them, so they are paired by thread, and a
loss on any CPU parts them. A log may also hold the program's two lines of the same call, before or after the kernel's
second line: then the program's lines make the row, and the kernel's are `repeated`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

_THREADS = 4096  # of which a call is kept; then the oldest becomes a half


class Call(NamedTuple):
    """A call of a thread. `sig` and `target` are None if only its second line is there, `ret` if only its first is.

    `line`, `ts` and `cpu` are of its last line, as a call is told when it returns.
    """

    name: str
    line: int
    ts: int
    cpu: int
    tid: int
    pid: int  # -1: not known
    comm: str | None
    sig: int | None = None
    target: int | None = None
    ret: int | None = None
    repeated: bool = False

    @property
    def whole(self) -> bool:
        """Whether both lines are there."""
        return self.sig is not None and self.ret is not None

    @property
    def lines(self) -> int:
        """How many lines it has that are not counted yet."""
        return 0 if self.repeated else 1 + self.whole


def _joined(first: Call, last: Call) -> Call:
    pid = last.pid if first.pid < 0 else first.pid
    return Call(
        *(last.name, last.line, last.ts, last.cpu, last.tid, pid, first.comm or last.comm),
        *(first.sig, first.target, last.ret),
    )


class Calls:
    """Pair the lines by thread: `ready` are the calls that nothing can change any more."""

    def __init__(self) -> None:
        self.ready: deque[Call] = deque()
        self.repeated = 0
        self._by_thread: dict[int, Call] = {}

    def __len__(self) -> int:
        return len(self._by_thread)

    def entered(self, call: Call) -> None:
        """Take the first line of a call."""
        self._end(call.tid)
        if len(self._by_thread) >= _THREADS:
            self._end(next(iter(self._by_thread)))
        self._by_thread[call.tid] = call

    def returned(self, call: Call) -> None:
        """Take the second line of a call."""
        first = self._by_thread.get(call.tid)
        if first is not None and first.repeated and (first.name, first.ret) == (call.name, call.ret):
            self.repeated += 1
            del self._by_thread[call.tid]
        elif first is None or first.name != call.name or first.whole:
            self._end(call.tid)
            self.ready.append(call)
        else:
            # Not ready yet: the program's lines of the same call may follow.
            self._by_thread[call.tid] = _joined(first, call)

    def seen(self, tid: int, sig: int, target: int, ret: int) -> None:
        """Take a call that the program's two lines have told: the lines that are here of it make no row."""
        call = self._by_thread.get(tid)
        if call is None or call.repeated:
            return
        if (call.sig, call.target) != (sig, target) or call.ret not in {None, ret}:
            if call.whole:
                self._end(tid)
            return
        self.repeated += call.lines
        if call.whole:
            del self._by_thread[tid]
        else:
            self._by_thread[tid] = call._replace(ret=ret, repeated=True)

    def lose(self, cpu: int) -> None:
        """Pair nothing across a loss: second lines may be gone, and the program's lines of calls on that CPU."""
        for call in list(self._by_thread.values()):
            if not call.whole or (call.cpu == cpu and not call.repeated):
                self._end(call.tid)

    def end(self) -> None:
        """End the log."""
        for call in sorted(self._by_thread.values(), key=lambda call: call.line):
            self._end(call.tid)

    def pending(self) -> int:
        """Return how many lines have been read of which no row is made yet."""
        return sum(call.lines for calls in (self._by_thread.values(), self.ready) for call in calls)

    def state(self) -> dict[str, Any]:
        """Return all of it, as JSON can hold it."""
        return {"ready": list(self.ready), "by_thread": list(self._by_thread.values()), "repeated": self.repeated}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where another one's `state` was taken."""
        self.ready = deque(Call(*call) for call in state["ready"])
        self._by_thread = {call.tid: call for call in (Call(*call) for call in state["by_thread"])}
        self.repeated = state["repeated"]

    def _end(self, tid: int) -> None:
        call = self._by_thread.pop(tid, None)
        if call is not None and not call.repeated:
            self.ready.append(call)
