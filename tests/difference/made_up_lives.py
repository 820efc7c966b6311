"""Lives by number: processes send signals, handle them and die of them as Linux rules it, and what truly ended each.

The rules are those of kernel/signal.c and kernel/exit.c, as far as the events of a recording show them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

Row = dict[str, Any]

_KILL = 9
_SIGNALS = (1, 2, 3, 6, 9, 9, 10, 15, 15, 15, 18, 23, 28, 34, 35)
_IGNORED = {17, 18, 23, 28}  # by default
_CORE = {3, 4, 5, 6, 7, 8, 11, 24, 25, 31}
_PIDS = range(100, 112)
_WORKER = 900  # a thread of the kernel's, in whose context the terminal and the timers send


@dataclass(eq=False)
class _Sent:
    sig: int
    line: int


@dataclass(eq=False)
class _Thread:
    tid: int
    blocked: set[int] = field(default_factory=set)
    pending: list[_Sent] = field(default_factory=list)
    dying: bool = False  # it has SIGKILL pending


@dataclass(eq=False)
class _Process:
    pid: int
    parent: _Process | None
    threads: list[_Thread]
    handlers: dict[int, str] = field(default_factory=dict)
    pending: list[_Sent] = field(default_factory=list)
    ending: bool = False  # SIGNAL_GROUP_EXIT
    cause: _Sent | None = None
    wants_to_know: int = 0  # PR_SET_PDEATHSIG
    silent: bool = False  # the kernel ended it, and prints nothing of that

    def does(self, sig: int) -> str:
        known = self.handlers.get(sig, "default")
        return "nothing" if known == "default" and sig in _IGNORED else known


@dataclass(frozen=True)
class Truth:
    """A death: whose, when, and the line of the signal that caused it, if one did; or no line tells what did."""

    pid: int
    ts: int
    line: int | None
    silent: bool = False


class Lives:
    """The lives of a number: `rows` of one log, and the `truths`."""

    def __init__(self, number: int) -> None:
        self._dice = Random(number)  # noqa: S311 -- the same at each run
        self.lossy = self._dice.random() < 0.3
        old = self._dice.random() < 0.2  # before Linux 6.10 an exit does not say whether it was the last
        self._old = old
        # Whether the rows say all that the two judges need: a loss leaves things out, and before Linux 6.10 an end is
        # not told from that of the thread that its process is named by. The tracker may know less then, and says so.
        self.telling = not self.lossy and not old
        self.rows: list[Row] = []
        self.truths: list[Truth] = []
        self._free = list(_PIDS)
        self._stale: dict[int, int] = {}
        self._ts, self._line = 1_000_000, 0
        self._processes = [_Process(pid, None, [_Thread(pid)]) for pid in (1, 3, 4)]
        self._begin()
        for _ in range(self._dice.choice([10, 40, 150])):
            self._step()
        if self.lossy:
            self._lose()

    @property
    def exits_told(self) -> bool:
        """Whether the rows would tell a call to exit."""
        events = {row["event"] for row in self.rows}
        return "sys_enter_exit_group" in events and not events.isdisjoint({"process", "sys_enter_exit"})

    # What is told

    def _row(self, event: str, tid: int, pid: int, **said: Any) -> int:
        self._line += 1
        # Who is ending is gone at once; sigtrace looks for a loss in the second before an exit.
        soon = self.lossy and any(process.ending for process in self._processes)
        self._ts += self._dice.choice([0, 1, 20, 400] if soon else [0, 1, 20, 400, 600_000, 1_500_000, 40_000_000])
        where = {"line": self._line, "ts": self._ts, "cpu": self._dice.randrange(2)}
        pid = self._stale.get(tid, pid)
        if self._dice.random() < 0.3:
            self._stale.pop(tid, None)  # it was switched
        self.rows.append({"event": event, **where, "tid": tid, "pid": pid, "comm": "c", **said})
        return self._line

    def _begin(self) -> None:
        if self._dice.random() < 0.5:
            for process in self._processes:
                parent = 1 if process.pid > 1 else 0
                known = {"tid": process.pid, "pid": process.pid, "comm": "c", "target": parent, "ts": process.pid * 10}
                self.rows.append({"event": "process", "line": 0, **known})
                self._may_be_stale(process.pid, {process.pid})
                if self._dice.random() < 0.5:
                    self._was_there(process)
        # A log that has both would show other signals too.
        where = {"line": 0, "ts": 1, "cpu": 0, "tid": 1, "pid": 1, "comm": "c", "sig": 18, "code": 0}
        self.rows.append({**where, "event": "signal_generate", "grp": True, "res": 1, "target": 1, "target_comm": "c"})
        self.rows.append({**where, "event": "signal_deliver", "handler": "default"})

    def _was_there(self, process: _Process) -> None:
        tid = self._free.pop(self._dice.randrange(len(self._free)))
        process.threads.append(_Thread(tid))
        self.rows.append({"event": "thread", "line": 0, "tid": tid, "pid": process.pid, "comm": "c"})
        self._may_be_stale(tid, {process.pid})

    # What happens

    def _step(self) -> None:
        dice = self._dice
        if not self._processes:
            return
        ending = [process for process in self._processes if process.ending]
        process = dice.choice(ending if self.lossy and ending else self._processes)
        thread = dice.choice(process.threads)
        if thread.dying or process.ending or dice.random() < 0.25:
            self._return_to_user(process, thread)
            return
        acts = [
            self._kill,
            self._kill,
            self._kill,
            self._thread_kill,
            self._queue,
            self._kernel,
            self._fork,
            self._fork,
        ]
        acts += [
            self._prepare,
            self._prepare,
            self._wait_for,
            self._raise,
            self._execute,
            self._exit,
            self._exit_thread,
        ]
        if dice.random() < 0.1:
            acts = [self._forbidden]
        elif dice.random() < 0.05:
            acts = [self._handle_many]
        dice.choice(acts)(process, thread)

    def _fork(self, process: _Process, thread: _Thread) -> None:
        if not self._free:
            return
        child = self._free.pop(self._dice.randrange(len(self._free)))
        self._row("sched_process_fork", thread.tid, process.pid, target=child, target_comm="c")
        born = _Thread(child, set(thread.blocked))
        self._stale.pop(child, None)
        if self._dice.random() < 0.35:
            process.threads.append(born)
        else:
            self._processes.append(_Process(child, process, [born], dict(process.handlers)))
            self._may_be_stale(child, {child, process.pid})

    def _may_be_stale(self, tid: int, never: set[int]) -> None:
        # Until a thread is switched after a line, headers name the process of who had its tid before.
        # If its fork is lost too, nobody knows.
        if not self.lossy and self._dice.random() < 0.2:
            self._stale[tid] = self._dice.choice([pid for pid in (1, 3, 4, *_PIDS) if pid not in never])

    def _prepare(self, process: _Process, thread: _Thread) -> None:
        # Handle, ignore, block, or wish to know of the parent's end.
        sig = self._dice.choice([one for one in _SIGNALS if one != _KILL])
        what = self._dice.randrange(4)
        if what == 0:
            process.handlers[sig] = self._dice.choice(["handled", "handled", "ignored", "default"])
            if process.does(sig) in {"ignored", "nothing"}:  # which are thrown away (do_sigaction)
                queues: list[_Process | _Thread] = [process, *process.threads]
                for queue in queues:
                    queue.pending = [one for one in queue.pending if one.sig != sig]
        elif what == 1:
            thread.blocked ^= {sig}
        elif what == 2:
            thread.blocked.clear()
        else:
            process.wants_to_know = self._dice.choice([0, 15, 9])

    def _wait_for(self, process: _Process, thread: _Thread) -> None:
        # sigwait(2): no line says it.
        for queue in (thread, process):
            for one in queue.pending:
                if one.sig in thread.blocked:
                    queue.pending.remove(one)
                    return

    def _execute(self, process: _Process, thread: _Thread) -> None:
        if self._old and thread.tid != process.pid:
            return  # as in _exit_thread
        for other in [one for one in process.threads if one is not thread]:
            self._row("signal_deliver", other.tid, process.pid, sig=_KILL, code=0, handler="default")
            self._leave(process, other)
        old, thread.tid = thread.tid, process.pid
        if old != process.pid:
            self._free.append(old)
        self._row("sched_process_exec", process.pid, process.pid, target=old, filename="/bin/c")
        process.handlers = {sig: what for sig, what in process.handlers.items() if what == "ignored"}

    def _exit(self, process: _Process, thread: _Thread) -> None:
        status = self._dice.choice([0, 1, 3, 128 + 15, 128 + 2])
        self._row("sys_enter_exit_group", thread.tid, process.pid, status=status)
        process.ending = True
        for other in process.threads:
            other.dying = other is not thread
        self._leave(process, thread)

    def _forbidden(self, process: _Process, thread: _Thread) -> None:
        # A system call that seccomp forbids, as Linux 5.10 has it.
        process.ending = process.silent = True
        for other in process.threads:
            other.dying = other is not thread
        self._leave(process, thread)

    def _exit_thread(self, process: _Process, thread: _Thread) -> None:
        if self._old and thread.tid == process.pid and len(process.threads) > 1:
            return  # docs/format.md: before Linux 6.10 it is taken for the end of its process
        if len(process.threads) > 1 or self._dice.random() < 0.3:
            self._row("sys_enter_exit", thread.tid, process.pid, status=self._dice.choice([0, 7]))
            self._leave(process, thread)

    # Signals

    def _kill(self, process: _Process, thread: _Thread) -> None:
        sig = self._dice.choice(_SIGNALS)
        victims = [self._dice.choice(self._processes)]
        target = victims[0].pid
        if self._dice.random() < 0.2:
            size = self._dice.randint(1, len(self._processes))
            victims, target = self._dice.sample(self._processes, size), self._dice.choice([0, -1, -victims[0].pid])
        for victim in victims:
            self._generate(thread.tid, process.pid, victim, None, sig, 0)
        self._row("kill", thread.tid, process.pid, sig=sig, target=target, ret=0)

    def _thread_kill(self, process: _Process, thread: _Thread) -> None:
        sig, victim = self._dice.choice(_SIGNALS), self._dice.choice(self._processes)
        to = self._dice.choice(victim.threads)
        self._generate(thread.tid, process.pid, victim, to, sig, -6)
        self._row("kill", thread.tid, process.pid, sig=sig, target=to.tid, ret=0)

    def _queue(self, process: _Process, thread: _Thread) -> None:
        sig, victim = self._dice.choice(_SIGNALS), self._dice.choice(self._processes)
        self._generate(thread.tid, process.pid, victim, None, sig, self._dice.choice([-1, 0]))

    def _raise(self, process: _Process, thread: _Thread) -> None:
        # What a program does that was asked to end, and has cleaned up.
        sig = self._dice.choice([15, 2, 6])
        process.handlers[sig] = "default"
        thread.blocked.discard(sig)
        self._generate(thread.tid, process.pid, process, thread, sig, -6)
        self._row("kill", thread.tid, process.pid, sig=sig, target=thread.tid, ret=0)

    def _kernel(self, process: _Process, thread: _Thread) -> None:
        what = self._dice.randrange(5)
        victim = self._dice.choice(self._processes)
        if what == 0:  # the OOM killer, in the context of who asked for memory
            self._generate(thread.tid, process.pid, victim, None, _KILL, 128)
            self._row("mark_victim", thread.tid, process.pid, target=victim.pid, target_comm="c")
        elif what == 1:  # a fault, which cannot be blocked or ignored (force_sig_info_to_task)
            sig = self._dice.choice([11, 7, 8])
            if sig in thread.blocked or process.does(sig) in {"ignored", "nothing"}:
                process.handlers[sig] = "default"
                thread.blocked.discard(sig)
            self._generate(thread.tid, process.pid, process, thread, sig, 1)
            self._return_to_user(process, thread)
        elif what == 2:  # ^C
            sig = self._dice.choice([2, 3, 1])
            for one in self._dice.sample(self._processes, self._dice.randint(1, min(3, len(self._processes)))):
                self._generate(_WORKER, _WORKER, one, None, sig, 128)
        elif what == 3:
            self._generate(_WORKER, _WORKER, victim, None, 14, self._dice.choice([128, -2]))
        else:  # SIGPIPE
            self._generate(thread.tid, process.pid, process, thread, 13, 0)

    def _handle_many(self, process: _Process, thread: _Thread) -> None:
        # A heartbeat, a profiler, a runtime that preempts its own threads, a fault that is how it looks for a null.
        sig, code = self._dice.choice([(14, 128), (34, -2), (27, 128), (23, -6), (11, 1), (10, -6)])
        process.handlers[sig] = "handled"
        thread.blocked.discard(sig)
        by = (_WORKER, _WORKER) if code in {128, -2} else (thread.tid, process.pid)
        for _ in range(self._dice.choice([1, 3, 4, 5, 70])):
            if thread not in process.threads or process.ending or thread.dying:
                break
            self._generate(*by, process, None if sig in {14, 34, 27} else thread, sig, code)
            if code == -6:
                self._row("kill", thread.tid, process.pid, sig=sig, target=thread.tid, ret=0)
            self._return_to_user(process, thread)

    def _generate(self, tid: int, pid: int, victim: _Process, to: _Thread | None, sig: int, code: int) -> None:
        queue: _Process | _Thread = victim if to is None else to
        looked_at = victim.threads[0] if to is None else to
        sent = _Sent(sig, 0)
        res = 0
        if victim.ending or (sig not in looked_at.blocked and victim.does(sig) in {"ignored", "nothing"}):
            res = 1
        elif sig < 32 and any(one.sig == sig for one in queue.pending):
            res = 2
        else:
            queue.pending.append(sent)
            self._complete(victim, to, sent)
        target = victim.pid if to is None else to.tid
        said = {"sig": sig, "code": code, "grp": to is None, "res": res, "target": target, "target_comm": "c"}
        sent.line = self._row("signal_generate", tid, pid, **said)

    def _complete(self, victim: _Process, to: _Thread | None, sent: _Sent) -> None:
        # A deadly signal that dumps no core ends all threads at once (complete_signal).
        takers = [one for one in ([to] if to else victim.threads) if sent.sig == _KILL or sent.sig not in one.blocked]
        if takers and victim.does(sent.sig) == "default" and sent.sig not in _CORE:
            victim.ending, victim.cause = True, sent
            for thread in victim.threads:
                thread.dying = True

    def _return_to_user(self, process: _Process, thread: _Thread) -> None:
        # get_signal
        if thread.dying or process.ending:
            self._row("signal_deliver", thread.tid, process.pid, sig=_KILL, code=0, handler="default")
            self._leave(process, thread)
            return
        while True:
            queues = [
                queue for queue in (thread, process) if any(one.sig not in thread.blocked for one in queue.pending)
            ]
            if not queues:
                return
            ready = [one for one in queues[0].pending if one.sig not in thread.blocked]
            taken = min(ready, key=lambda one: (one.sig not in _CORE, one.sig))
            queues[0].pending.remove(taken)
            does = process.handlers.get(taken.sig, "default")
            self._row("signal_deliver", thread.tid, process.pid, sig=taken.sig, code=0, handler=does)
            if does == "handled":
                return
            if process.does(taken.sig) == "default":
                process.ending, process.cause = True, taken
                for other in process.threads:
                    other.dying = other is not thread
                self._leave(process, thread)
                return

    def _leave(self, process: _Process, thread: _Thread) -> None:
        process.threads.remove(thread)
        dead = not process.threads
        said = {} if self._old else {"group_dead": dead}
        self._row("sched_process_exit", thread.tid, process.pid, **said)
        if thread.tid != process.pid:
            self._free.append(thread.tid)
        if not dead:
            return
        self._processes.remove(process)
        self._free.append(process.pid)
        line = process.cause.line if process.cause else None
        self.truths.append(Truth(process.pid, self._ts, line, process.silent))
        for child in [one for one in self._processes if one.parent is process and one.wants_to_know]:
            self._generate(thread.tid, process.pid, child, None, child.wants_to_know, 0)

    def _lose(self) -> None:
        for _ in range(self._dice.randint(1, 3)):
            cpu = self._dice.randrange(2)
            own = [i for i, row in enumerate(self.rows) if row.get("cpu") == cpu and row["line"] > 0]
            if len(own) > 4:
                first = self._dice.randrange(len(own) - 3)
                gone = own[first : first + self._dice.randint(1, 3)]
                lost = {"event": "lost", "cpu": cpu, "line": self.rows[gone[-1]]["line"], "lost": len(gone)}
                for i in reversed(gone):
                    self.rows.pop(i)
                self.rows.append(lost)
                self.rows.sort(key=lambda row: row["line"])
