"""Histories: what a log could hold, made up at random, in which few pids are given out again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

_PIDS = range(1, 9)
_NAMES = "abc"
_FILES = ("/bin/a", "/bin/b", "/x/c d")


@dataclass
class History:
    """A log in which few pids are given out again and again, and of which rows may be missing."""

    dice: Random
    log: str | None
    old: bool  # before Linux 6.10 an exit does not say whether it was of the last thread
    forgetful: bool  # some headers name neither process nor thread
    lossy: bool
    # Signals hit nobody who is not there, a process's number is its own while a thread of it lives, and names say
    # nothing that other rows do not.
    possible: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    alive: dict[int, set[int]] = field(default_factory=lambda: {1: {1}, 2: {2, 3}})
    free: list[int] = field(default_factory=lambda: list(_PIDS)[3:])
    ts: int = 1_000_000
    line: int = 0

    def play(self, steps: int) -> list[dict[str, Any]]:
        """Return what happened."""
        for pid in sorted(self.alive):
            if self.dice.random() < 0.4:
                known = {"comm": f"i{pid}", "filename": self.dice.choice(["", "/bin/x y"]), "cgroup": f"/c{pid}"}
                before = {"event": "process", "ts": self.dice.randrange(1000), "line": 0, "log": self.log}
                self.rows.append({**before, "tid": pid, "pid": pid, "target": pid - 1, **known})
        if self.dice.random() < 0.4:
            self.rows.append({"event": "thread", "line": 0, "log": self.log, "tid": 3, "pid": 2, "comm": "i3"})
        happenings = [self._fork, self._fork, self._execute, self._leave, *[self._signal] * 4]
        for _ in range(steps):
            if self.lossy and self.dice.random() < 0.1:
                self._row({"event": "lost", "lost": self.dice.choice([None, 3])})
            if self.alive:
                pid = self.dice.choice(sorted(self.alive))
                self.dice.choice(happenings)(self.dice.choice(sorted(self.alive[pid])), pid)
        return self.rows

    def _row(self, known: dict[str, Any], cpu: int | None = None) -> None:
        self.line += 1
        cpu = self.dice.randrange(2) if cpu is None else cpu
        if not self.lossy or known["event"] == "lost" or self.dice.random() < 0.95:
            self.rows.append({"cpu": cpu, "line": self.line, "log": self.log, **known})

    def _happen(self, event: str, tid: int, pid: int, cpu: int | None = None, **known: Any) -> None:
        self.ts += self.dice.choice([0, 1, 10, 600_000, 1_200_000])
        header: dict[str, Any] = {"pid": pid, "comm": self._name()}
        if self.forgetful and event not in ("kill", "kill_half"):  # whose message says them
            header = {key: value for key, value in header.items() if self.dice.random() < 0.8}
        self._row({"event": event, "ts": self.ts, "tid": tid, **header, **known}, cpu)

    def _name(self) -> str:
        return "a" if self.possible else self.dice.choice(_NAMES)

    def _fork(self, tid: int, pid: int) -> None:
        if not self.free:
            return
        child = self.free.pop(self.dice.randrange(len(self.free)))
        self._happen("sched_process_fork", tid, pid, target=child, target_comm=self._name())
        if self.dice.random() < 0.4:
            self.alive[pid].add(child)
        else:
            self.alive[child] = {child}

    def _execute(self, tid: int, pid: int) -> None:
        if len(self.alive[pid]) == 1:
            file = "/bin/a" if self.possible else self.dice.choice(_FILES)
            self._happen("sched_process_exec", pid, pid, target=tid, filename=file)

    def _leave(self, tid: int, pid: int) -> None:
        going = [tid]
        if self.dice.random() < 0.7:
            going = self.dice.sample(sorted(self.alive[pid]), len(self.alive[pid]))
            if self.dice.random() < 0.5:
                for one in going:
                    self._happen("signal_deliver", one, pid, sig=9, code=0, handler="default")
        for one in going:
            self.alive[pid].discard(one)
            self._happen("sched_process_exit", one, pid, group_dead=None if self.old else not self.alive[pid])
            if one != pid or not self.possible:
                self.free.append(one)
        if not self.alive[pid]:
            del self.alive[pid]
            if self.possible:
                self.free.append(pid)

    def _signal(self, tid: int, pid: int) -> None:
        dice, cpu = self.dice, self.dice.randrange(2)
        victim = dice.choice(sorted(self.alive))
        stray = dice.random() < 0.1 and not self.possible
        to = dice.choice(_PIDS) if stray else dice.choice(sorted(self.alive[victim]))
        sig, code = dice.choice([0, 1, 9, 15, 15, 9, 6, 11, 17]), dice.choice([0, 0, 0, -1, -6, 1, 128, -2])
        if dice.random() < 0.1:
            self._happen("mark_victim", tid, pid, target=to, target_comm=dice.choice([None, "a"]))
        for one in {to} if dice.random() < 0.8 else {to, *sorted(self.alive)[:2]}:
            if sig:
                fate = {"grp": dice.random() < 0.7, "res": dice.choice([0, 0, 0, 0, 1, 2, 3, 4])}
                what = {"sig": sig, "target": one, "target_comm": self._name(), "code": code}
                self._happen("signal_generate", tid, pid, cpu, **what, **fate)
        if code in (0, -6):
            first, second = {"sig": sig}, {"target": dice.choice([to, to, -to, 0, -1]), "ret": dice.choice([0, 0, -3])}
            said = dice.choice([first | second] * 6 + [first, second])
            self._happen("kill" if len(said) == 3 else "kill_half", tid, pid, cpu, **said)
        if sig and dice.random() < 0.7:
            handler = dice.choice(["default", "default", "handled", "ignored"])
            self._happen("signal_deliver", to, victim, sig=dice.choice([sig, sig, 9]), code=code, handler=handler)
