"""The plainest judge that can be right: docs/verdicts.md over a list of rows, which it looks through again and again.

It has all rows before it, and so needs no state: whose thread a tid is, where a life begins, what became of a signal
are each looked for when asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

_KILL = 9
_HARMLESS = {0, 17, 18, 19, 20, 21, 22, 23, 28}
_NEVER_ASK = {9, 17, 18, 19, 20, 21, 22, 23, 26, 27, 28, 29}
_FAULTS = {4, 5, 7, 8, 11, 31}
_REFUSED = {1: "ignored", 2: "already pending", 3: "queue full"}
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"}
_TOOLS = {
    "kill",
    "pkill",
    "killall",
    "killall5",
    "skill",
    "timeout",
    "start-stop-daem",
    "sudo",
    "doas",
    "su",
    "runuser",
}
_TOOLS |= {"env", "setsid", "nohup", "xargs", "nice", "ionice", "stdbuf", "flock"}
_SECOND = 1_000_000
_CALLED_WITHIN = 1 << 14  # lines, from a signal to the lines of its call
_EVER = float("inf")
_EXECS = ("sched_process_exec", "exec")
_CALLS = ("kill", "kill_half")
_NOBODYS = ("process", "thread", "lost", "cgroup", "cgroup_mkdir")


COLUMNS = (
    *("victim_pid", "victim_start", "parent_pid", "ts", "sig", "verdict", "source", "killer_pid", "group", "delay_us"),
    *("earlier_sig", "earlier_fate", "grace_us", "lost", "exit_status", "how", "reraised", "first_pid", "first_sig"),
    "hops",
)
"""The columns of an ending, each as `sigtrace.analyze.deaths` has it; but `hops` are pids."""


@dataclass(eq=False)
class Life:
    """A process from its birth, or from when it is first heard of, to its end."""

    pid: int
    begin: int  # the line
    start: int | None
    born: Row | None  # its fork
    end: float = _EVER  # the line
    died: Row | None = None
    known: Row | None = None  # its row of event `process`
    rows: list[Row] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)


@dataclass(eq=False)
class Signal:
    """A signal_generate, its sender and its victim, and what became of it."""

    row: Row
    sender: Life
    victim: Life
    call: Row | None
    in_exit: bool
    thread: int | None  # that alone can take it
    settled: int  # the line from which on it is certain whether a call sent it
    fates: list[tuple[int, str]] = field(default_factory=list)  # by the line that says it

    def fate(self, line: int) -> str:
        """Return what had become of it by a line."""
        return next(fate for at, fate in reversed(self.fates) if at <= line) if self.row["line"] <= line else "to come"

    @property
    def sig(self) -> int:
        return int(self.row["sig"])


def endings(table: list[Row], within: int = 90_000_000) -> list[Row]:
    """Return an ending for each process of one log that ended, as `analyze.deaths` does, but of `COLUMNS` only."""
    return _Judge(table, within).endings()


class _Judge:
    def __init__(self, table: list[Row], within: int) -> None:
        ordered = sorted(table, key=lambda row: row["line"])
        self._rows = [{name: value for name, value in row.items() if value is not None} for row in ordered]
        self._within = within
        self._of_tid: dict[int, list[Row]] = {}
        self._births: dict[int, list[Row]] = {}
        for row in self._rows:
            if "tid" in row:
                self._of_tid.setdefault(row["tid"], []).append(row)
            if row["event"] == "sched_process_fork":
                self._births.setdefault(row["target"], []).append(row)
        events = {row["event"] for row in self._rows}
        # Whether a call to exit would be told.
        self._exits_told = "sys_enter_exit_group" in events and not events.isdisjoint({"process", "sys_enter_exit"})
        self._witnessed = "process" in events or {"signal_generate", "signal_deliver"} <= events
        self._gaps = self._lost_times()
        self._lives: dict[int, list[Life]] = {}
        self._pids: dict[tuple[int, int], int] = {}
        self._now = 0
        self._find_lives()
        self._find_signals()

    # Whose thread a tid is

    def _span(self, tid: int, line: int) -> tuple[float, float]:
        # The lines between which a tid is the same thread: from fork to fork, and if a fork is not in the log, from the
        # first thing that it does after its exit. The dead send signals on their way out, and do nothing else.
        births = [row["line"] for row in self._births.get(tid, ())]
        begins = list(births)
        left: Row | None = None  # its exit
        for row in self._of_tid.get(tid, ()):
            if left is not None and any(left["line"] < birth <= row["line"] for birth in births):
                left = None
            if left is not None and (
                row["event"] != "signal_generate" or row.get("pid") not in {None, left.get("pid"), tid}
            ):
                begins.append(row["line"])
                left = None
            if row["event"] == "sched_process_exit":
                left = row
        return max((at for at in begins if at <= line), default=-1), min(
            (at for at in begins if at > line), default=_EVER
        )

    def _process_of(self, tid: int, line: int) -> int:
        first, last = self._span(tid, line)
        key = (tid, int(first))
        if key not in self._pids:
            self._pids[key] = tid
            self._pids[key] = self._thread_of(tid, first, last)
        return self._pids[key]

    def _thread_of(self, tid: int, first: float, last: float) -> int:
        # The process of the thread that forked it, or itself: there is nothing else (copy_process). A header's is old
        # until the thread is switched once, so the last one counts.
        own = [row for row in self._of_tid.get(tid, ()) if first <= row["line"] < last and "pid" in row]
        if not own:
            return tid
        own = [row for row in own if row["event"] != "signal_generate"] or own
        if first < 0:
            # What /proc said is no header's.
            told = [row["pid"] for row in own if row["event"] in {"process", "thread"}]
            return int(told[0] if told else own[-1]["pid"])
        born = next((row for row in self._births.get(tid, ()) if row["line"] == first), None)
        if born is None:
            # A thread that executes takes the number of its process (de_thread).
            took = own[0]["event"] in {"sched_process_exec", "exec"} and own[0]["target"] != tid
            return tid if took else int(own[-1]["pid"])
        forker = self._process_of(born["tid"], born["line"])
        return forker if own[-1]["pid"] == forker else tid

    # Lives

    def _find_lives(self) -> None:
        for row in self._rows:
            event = row["event"]
            if event == "process":
                life = Life(row["pid"], -1, row["ts"], None, known=row)
                self._lives.setdefault(row["pid"], []).append(life)
            elif event == "sched_process_fork" and self._process_of(row["target"], row["line"]) == row["target"]:
                before = self._lives.setdefault(row["target"], [])
                if before:
                    before[-1].end = min(before[-1].end, row["line"])
                before.append(Life(row["target"], row["line"], row["ts"], row))
            elif event == "sched_process_exit":
                self._end(row)
        for row in self._rows:
            if row["event"] not in _NOBODYS:
                self._life(row).rows.append(row)
        for life in (one for lives in self._lives.values() for one in lives):
            fatal = self._fatal(life)
            if life.died is None and fatal is not None:
                life.died = fatal  # its exit is not in the log

    def _end(self, row: Row) -> None:
        pid = self._process_of(row["tid"], row["line"])
        if not row.get("group_dead", row["tid"] == pid):
            return
        lives = self._lives.setdefault(pid, [])
        if not lives or lives[-1].died is not None:
            lives.append(Life(pid, lives[-1].died["line"] if lives and lives[-1].died else -1, None, None))
        lives[-1].died = row
        # Until its pid is given away again it is what the pid means: the dead send signals.

    def _life(self, row: Row) -> Life:
        return self._named(row["tid"], row["line"])

    def _named(self, tid: int, line: int) -> Life:
        pid = self._process_of(tid, line)
        lives = self._lives.setdefault(pid, [])
        for life in reversed(lives):
            if life.begin <= line:
                return life
        lives.insert(0, Life(pid, -1, None, None))
        return lives[0]

    def _parent(self, life: Life) -> Life | None:
        if life.born is not None:
            return self._life(life.born)
        if life.known is not None:
            lives = self._lives.get(life.known["target"], [])
            return lives[0] if lives and lives[0].known is not None else None
        return None

    # Signals

    def _find_signals(self) -> None:
        for row in self._rows:
            if row["event"] == "signal_generate":
                sender, victim = self._life(row), self._named(row["target"], row["line"])
                thread = None if row["grp"] else row["target"]
                call, settled = self._call(row)
                victim.signals.append(Signal(row, sender, victim, call, self._in_exit(row), thread, settled))
        for life in [one for lives in self._lives.values() for one in lives]:
            self._settle(life)

    def _call(self, sent: Row) -> tuple[Row | None, int]:
        # What its thread did next: it made the signal if that is a call.
        if sent["code"] not in {0, -6} and not (sent["code"] > 0 and sent["sig"] == _KILL):
            return None, sent["line"]
        for row in self._of_tid[sent["tid"]]:
            skipped = row["event"] in {"signal_generate", *_NOBODYS} or (row["event"] == "kill" and row["sig"] == 0)
            if row["line"] > sent["line"] and not skipped:
                made = row["event"] in _CALLS and row.get("sig", sent["sig"]) == sent["sig"]
                return row if made else None, row["line"]
        return None, 1 << 62

    def _in_exit(self, sent: Row) -> bool:
        before = [row for row in self._of_tid[sent["tid"]] if row["line"] < sent["line"]]
        before = [row for row in before if row["event"] != "signal_generate" or row.get("pid") != sent.get("pid")]
        first, _ = self._span(sent["tid"], sent["line"])
        return bool(before) and before[-1]["event"] == "sched_process_exit" and before[-1]["line"] >= first

    def _settle(self, life: Life) -> None:
        # Each thread has a queue, and the process has one for all; a standard signal is in a queue once at most. A
        # thread takes from its own queue first (dequeue_signal).
        happened: list[tuple[int, Row, Signal | None]] = [(one.row["line"], one.row, one) for one in life.signals]
        happened += [(row["line"], row, None) for row in life.rows if row["event"] in {"signal_deliver", *_EXECS}]
        for _, row, signal in sorted(happened, key=lambda one: one[0]):
            if row["event"] in _EXECS:
                self._take_along(life, row)
                continue
            earlier = [one for one in life.signals if one.row["line"] < row["line"] and one.sig == row["sig"]]
            pending = [one for one in earlier if one.fates[-1][1] == "pending"]
            if signal is not None:
                signal.fates.append((row["line"], _REFUSED.get(row["res"], "pending")))
                if row["res"] == 0 and row["sig"] < 32:
                    for one in pending:
                        if one.thread == signal.thread:
                            one.fates.append((row["line"], "waited for"))
                continue
            own = [one for one in pending if one.thread == row["tid"]]
            for one in [*own, *(one for one in pending if one.thread is None)][:1]:
                one.fates.append((row["line"], _fate(row)))

    def _take_along(self, life: Life, row: Row) -> None:
        # A thread that executes takes the number of its process, and its own signals along; the one before is gone.
        if row["target"] != life.pid:
            for one in life.signals:
                if one.row["line"] < row["line"] and one.thread in {row["target"], life.pid}:
                    one.thread = life.pid if one.thread == row["target"] else -1

    # How it ended

    def endings(self) -> list[Row]:
        dead = [(life.died["line"], life) for lives in self._lives.values() for life in lives if life.died]
        found = []
        now = 0
        for at, life in sorted(dead, key=lambda one: one[0]):
            self._now = at
            if life.died is not None and self._has_ended(life):
                # It is told once it is certain who sent the signal, and in the order of the ends.
                last = self._ended_by(life)
                waited = [last] if last else [one for one in life.signals if one.row["line"] < at]
                settled = [min(one.settled, one.row["line"] + _CALLED_WITHIN) for one in waited]
                self._now = now = max(now, at, *settled)
                found.append(self._ending(life, life.died))
        return found

    def _has_ended(self, life: Life) -> bool:
        # A fatal signal whose exit is not in the log ends a process if the signal itself is there.
        return life.died is not None and (
            life.died["event"] == "sched_process_exit" or self._ended_by(life) is not None
        )

    def _executed(self, life: Life) -> int:
        return max((row["line"] for row in life.rows if row["event"] in _EXECS), default=-1)

    def _fatal_rows(self, life: Life) -> list[Row]:
        since = self._executed(life)
        return [
            row
            for row in life.rows
            if row["event"] == "signal_deliver"
            and since < row["line"] <= (life.died or row)["line"]
            and _fate(row) == "fatal"
        ]

    def _fatal(self, life: Life) -> Row | None:
        rows = self._fatal_rows(life)
        return rows[0] if rows else None

    def _quiet_exit(self, life: Life) -> int:
        # The line of the last thread that exited, and to which no fatal signal was delivered.
        since = self._executed(life)
        took = {row["tid"] for row in self._fatal_rows(life)}
        assert life.died is not None
        return max(
            (
                row["line"]
                for row in life.rows
                if row["event"] == "sched_process_exit"
                and since < row["line"] <= life.died["line"]
                and row["tid"] not in took
            ),
            default=-1,
        )

    def _ended_by(self, life: Life) -> Signal | None:
        assert life.died is not None
        fatal = self._fatal(life)
        before = (life.died if fatal is None else fatal)["line"]
        queued = [
            one
            for one in life.signals
            if one.row["line"] < before and one.row["res"] not in _REFUSED and one.sig not in _HARMLESS
        ]
        if fatal is None:
            queued = [one for one in queued if one.sig == _KILL]
            return queued[-1] if queued else None
        if fatal["sig"] != _KILL:
            same = [one for one in queued if one.sig == fatal["sig"]]
            of_it = [one for one in same if self._fate(one) == "fatal"] or same
            return of_it[0] if of_it else None
        queued = [one for one in queued if self._fate(one) in {"pending", "fatal"}]
        if not queued:
            return None
        last = queued[-1]
        # exit_group(2) ends the other threads by SIGKILL too.
        return None if last.sig != _KILL and self._quiet_exit(life) > last.row["line"] else last

    def _fate(self, signal: Signal) -> str:
        return signal.fate(self._now)

    def _ending(self, life: Life, died: Row) -> Row:
        last = self._ended_by(life)
        lost = self._lost(died, last)
        signal, verdict = self._verdict(life, died, last, lost=lost)
        source = None if signal is None else self._source(signal)
        fatal = self._fatal(life)
        sent_by = None
        if verdict == "self":
            sent_by = life
        elif signal is not None and source in {"call", "queue"}:
            sent_by = signal.sender
        earlier = None
        if last is not None:
            earlier_ones = [one for one in life.signals if one.row["line"] < last.row["line"]]
            meant = [one for one in earlier_ones if one.sig not in _HARMLESS and one.sig not in {26, 27, 29}]
            before = [one for one in self._without_ticks(meant) if not self._is_own(one)]
            earlier = before[0] if before else None
        chain = []
        if signal is not None and verdict != "self" and source in {"call", "queue", "parent", "leader", "namespace"}:
            chain = self._hops(signal)
        sig = signal.sig if signal else fatal["sig"] if fatal is not None and verdict == "unknown" else None
        how = None
        if verdict == "asked" and signal is not None:
            how = "handled" if self._fate(signal) == "handled" else "waited for"
        elif verdict == "unknown" and not lost and not self._sent_before(life) and self._silent(life, died):
            how = "no exit call"
        exited = verdict == "unknown" and not lost and fatal is None and not self._silent(life, died)
        target = signal.call.get("target") if signal is not None and signal.call is not None else None
        parent = self._parent(life)
        return {
            "victim_pid": life.pid,
            "victim_start": life.start,
            "parent_pid": None if parent is None else parent.pid,
            "ts": died["ts"],
            "sig": sig,
            "verdict": verdict,
            "source": source,
            "killer_pid": None if sent_by is None else sent_by.pid,
            "group": target is not None and target <= 0,
            "delay_us": None if signal is None else died["ts"] - signal.row["ts"],
            "earlier_sig": None if earlier is None else earlier.sig,
            "earlier_fate": None if earlier is None else self._fate(earlier),
            "grace_us": None if earlier is None or last is None else last.row["ts"] - earlier.row["ts"],
            "lost": lost,
            "exit_status": self._status(life) if exited or verdict in {"exited", "asked"} else None,
            "how": how,
            "reraised": signal is not last and verdict == "killed",
            "first_pid": chain[0][0].pid if chain else None,
            "first_sig": chain[0][1].sig if chain else None,
            "hops": [one.pid for one, _ in chain],
        }

    def _verdict(self, life: Life, died: Row, last: Signal | None, *, lost: bool) -> tuple[Signal | None, str]:
        if last is not None:
            signal = self._raised_anew(life, last) or last
            source = self._source(signal)
            if source in {"fault", "oom"}:
                return signal, source
            return signal, "self" if source in {"call", "queue"} and signal.sender is life else "killed"
        unexplained = self._sent_before(life) or self._silent(life, died)
        asking = None if unexplained else self._asked(life, died, self._status(life))
        if asking is not None:
            return asking, "asked"
        return None, "unknown" if lost or unexplained or not self._witnessed else "exited"

    def _sent_before(self, life: Life) -> bool:
        # A signal was delivered that the log does not tell of.
        fatal = self._fatal(life)
        return fatal is not None and (fatal["sig"] != _KILL or self._quiet_exit(life) < 0)

    def _silent(self, life: Life, died: Row) -> bool:
        # No thread called exit_group(2), and the last one did not call exit(2) either.
        if not self._exits_told or died["event"] != "sched_process_exit" or self._is_kernels(life):
            return False
        born, _ = self._span(died["tid"], died["line"])
        return not any(
            row["event"] == "sys_enter_exit_group"
            or (row["event"] == "sys_enter_exit" and row["tid"] == died["tid"] and row["line"] >= born)
            for row in self._exit_calls(life)
            if row["line"] < died["line"]
        )

    def _is_kernels(self, life: Life | None) -> bool:
        while life is not None:
            known = life.known is not None and "filename" in life.known
            if known or self._executed(life) >= 0:
                return False
            if life.pid == 2:  # kthreadd
                return True
            parent = self._parent(life)
            if parent is None and life.known is None and life.died is not None:
                return str(self._name(life, life.died["line"])).startswith("kworker/")
            life = parent
        return False

    def _exit_calls(self, life: Life) -> list[Row]:
        # Whoever called exit before another thread executed a file ended as a thread alone.
        since = self._executed(life)
        calls = [row for row in life.rows if row["event"] in {"sys_enter_exit_group", "sys_enter_exit"}]
        return [row for row in calls if row["line"] > since]

    def _status(self, life: Life) -> int | None:
        calls = self._exit_calls(life)
        whole = [row for row in calls if row["event"] == "sys_enter_exit_group"]
        of_threads = [row for row in calls if row["event"] == "sys_enter_exit"]
        if whole:
            return int(whole[0]["status"])
        return int(of_threads[-1]["status"]) if of_threads else None

    # Who asked, and for whom

    def _source(self, signal: Signal) -> str:  # noqa: C901, PLR0911  (the table of the docs, a line each)
        sig, code, itself = signal.sig, signal.row["code"], signal.sender is signal.victim
        if signal.call is not None:
            return "call"
        if code == -2:
            return "timer"
        if code in {-3, -4, -5, -60}:
            return "kernel"
        if code <= 0:
            if code == 0 and signal.in_exit:
                return "parent"
            return "kernel" if code == 0 and itself and not signal.row["grp"] else "queue"
        if sig == _KILL and self._chosen(signal.victim):
            return "oom"
        if sig in _FAULTS and itself:
            return "fault"
        if sig in {14, 24, 26, 27}:
            return "timer"
        if signal.in_exit:
            return self._whose_end(signal)
        if sig in {1, 2, 3, 20}:
            return "terminal"
        return "timer" if sig == _KILL and itself else "kernel"

    def _whose_end(self, signal: Signal) -> str:
        if signal.sig == _KILL:
            return "namespace"
        hung_up = any(one.sig == 1 and one.sender is signal.sender for one in signal.sender.signals)
        return "leader" if signal.sig == 1 and hung_up else "parent"

    def _chosen(self, life: Life) -> bool:
        return any(
            row["event"] == "mark_victim" and self._named(row["target"], row["line"]) is life for row in self._rows
        )

    def _asks(self, signal: Signal) -> bool:
        if signal.sig in _NEVER_ASK or self._fate(signal) not in {"handled", "pending", "waited for"}:
            return False
        source = self._source(signal)
        if source in {"call", "queue"}:
            return signal.sender is not signal.victim
        return source in {"parent", "leader", "namespace", "terminal", "timer"}

    def _asked(self, life: Life, before: Row, status: int | None = None) -> Signal | None:
        found = [one for one in life.signals if one.row["line"] < before["line"] and self._asks(one)]
        said = [one for one in found if status is not None and status == 128 + one.sig]
        recent = [one for one in self._without_ticks(found) if before["ts"] - one.row["ts"] <= self._within]
        chosen = said or [one for one in recent if self._source(one) != "timer"] or recent
        return chosen[-1] if chosen else None

    def _is_own(self, signal: Signal) -> bool:
        return signal.sender is signal.victim and self._source(signal) in {"call", "queue", "fault", "kernel"}

    def _without_ticks(self, asking: list[Signal]) -> list[Signal]:
        timers = [one.sig for one in asking if self._source(one) == "timer" and one.sig != 24]
        return [one for one in asking if timers.count(one.sig) < 4 or self._source(one) != "timer" or one.sig == 24]

    def _raised_anew(self, life: Life, last: Signal) -> Signal | None:
        if last.sender is not life or self._source(last) not in {"call", "queue"}:
            return None
        first = [
            one
            for one in life.signals
            if one.sig == last.sig
            and one.row["line"] < last.row["line"]
            and last.row["ts"] - one.row["ts"] <= self._within
            and self._fate(one) in {"handled", "pending", "waited for"}
            and not (one.sender is life and self._source(one) in {"call", "queue"})
        ]
        return first[-1] if first else None

    def _hops(self, signal: Signal) -> list[tuple[Life, Signal]]:
        chain: list[tuple[Life, Signal]] = []
        before: Signal | None = signal
        while before is not None and self._source(before) in {"call", "queue", "parent", "leader", "namespace"}:
            if any(before.sender is one for one, _ in chain) or len(chain) == 32:
                break
            chain.insert(0, (before.sender, before))
            before = self._step_back(chain, before)
        return chain

    def _step_back(self, chain: list[tuple[Life, Signal]], sent: Signal) -> Signal | None:
        life = sent.sender
        if self._source(sent) in {"parent", "leader", "namespace"}:
            return self._why(life)
        got = self._asked(life, sent.row)
        first = True
        while got is None and life.start is not None and (first or self._does_as_told(life, sent)):
            first = False
            parent, born = self._parent(life), life.start
            if parent is None:
                break
            found = [one for one in parent.signals if self._asks(one) and one.row["ts"] <= born]
            found = [one for one in self._without_ticks(found) if born - one.row["ts"] <= self._within]
            life = parent
            if found and not any(life is one for one, _ in chain):
                chain.insert(0, (life, sent))
                got = found[-1]
        return got

    def _why(self, life: Life) -> Signal | None:
        if life.died is None:
            return None
        last = self._ended_by(life)
        if last is None:
            silent = self._silent(life, life.died)
            return None if silent else self._asked(life, life.died, self._status(life))
        return self._raised_anew(life, last) or last

    def _does_as_told(self, life: Life, sent: Signal) -> bool:
        name, command = self._name(life, sent.row["line"]), self._command(life, sent.row["line"])
        words = (command or "").split(" ")[1:]
        told = False
        for i, word in enumerate(words):
            if word.startswith("-") and not word.startswith("--") and "c" in word:
                told = words[i + 1 :] not in ([], [""])
                break
            if word and not word.startswith(("-", "+")):
                told = True
                break
        return name in _TOOLS or (name in _SHELLS and not told)

    def _name(self, life: Life, line: int) -> str | None:
        name = life.known["comm"] if life.known is not None else None
        if life.born is not None:
            name = life.born["target_comm"]
        for row in self._rows:
            of_it = row["event"] not in _NOBODYS and row["tid"] == life.pid and row in life.rows
            if row["line"] > line and name is not None:
                break
            if row["event"] in _EXECS and row in life.rows:
                name = row["filename"].rsplit("/", 1)[-1][:15]
            elif of_it and row["event"] in {"sched_process_exit", "kill", "kill_half"}:
                name = row.get("comm", name)
            elif of_it and row["event"] == "sched_process_fork":
                name = row["target_comm"]
        return name

    def _command(self, life: Life, line: int) -> str | None:
        for row in reversed(life.rows):
            if row["line"] <= line and row["event"] == "args" and "command" in row:
                return str(row["command"])
            if row["line"] <= line and row["event"] in _EXECS:
                return None
        if life.known is not None:
            return life.known.get("command")
        parent = self._parent(life)
        return None if parent is None else self._command(parent, life.begin)

    # Losses

    def _lost_times(self) -> list[tuple[float, float]]:
        gaps = []
        for row in self._rows:
            if row["event"] == "lost":
                of_cpu = [one for one in self._rows if one.get("cpu") == row["cpu"] and "ts" in one]
                before = [one["ts"] for one in of_cpu if one["line"] < row["line"]]
                after = [one["ts"] for one in of_cpu if one["line"] > row["line"]]
                gaps.append((before[-1] if before else -_EVER, after[0] if after else _EVER))
        return gaps

    def _lost(self, died: Row, signal: Signal | None) -> bool:
        first = died["ts"] - _SECOND
        if signal is not None:
            first = min(first, signal.row["ts"])
        return any(begin <= died["ts"] and end >= first for begin, end in self._gaps)


def _fate(delivered: Row) -> str:
    if delivered["handler"] == "default":
        return "delivered" if delivered["sig"] in _HARMLESS else "fatal"
    return str(delivered["handler"])
