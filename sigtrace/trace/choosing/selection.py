"""Selection: of all rows of a recording, those about chosen processes, and about whoever had to do with them.

Chosen are processes with all their descendants, or all that are in systemd units. Of them every row is kept. Whoever
sends one of them a signal, is sent one by them, or is an ancestor of such a process, is noted: kept are the rows that
say who it is, and what ends it. So of everybody that a recording names it can be said how it ended.

Nobody knows beforehand who will send a signal. So the rows that say who a process is, and which signals it got, are
held back while it lives, or one of its descendants does, and are kept once it is noted: later then than their lines.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from sigtrace.facts.cgroup import is_of_unit
from sigtrace.facts.rules import REFUSED, ends_process
from sigtrace.facts.signals import DEADLY, is_explained_later, is_of_a_bystander, is_routine
from sigtrace.trace.batch import of_rows
from sigtrace.trace.choosing.known import CHOSEN, HELD, NOTED, OF_UNIT, Call, Known, Row, Signal, restored, saved
from sigtrace.trace.choosing.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

_STARTED_WITHIN_US = 20_000  # /proc tells a start in ticks, mostly of 10 ms
_GROUPS = 1 << 16  # control groups that are known by their ids
_COLUMNS = ("event", "ts", "tid", "pid", "sig", "target", "code", "res", "handler", "group_dead", "cgroup", "cgroup_id")
_OF_A_CALL = ("signal_generate", "kill", "kill_half")
# Rows that name nobody but the thread in whose context they happened.
_OF_ITSELF = (
    *("signal_deliver", "exec", "sched_process_exec", "args"),
    *("sys_enter_exit_group", "sys_enter_exit", "sched_process_exit"),
)


class Selection(Numbers):
    """Selects rows, batch after batch: each `kept` of one batch goes on where the one before ended.

    Chosen are `pids`, each with its descendants, and the processes of `units`. `left_out` counts what was not kept.
    """

    def __init__(self, pids: Collection[int] = (), units: Collection[str] = ()) -> None:
        super().__init__(pids)
        self._units = tuple(units)
        self.left_out = 0
        self._groups: dict[int, bool] = {}  # of each control group's id, whether it is of a chosen unit
        self._calls: dict[int, Call] = {}
        self._row: dict[str, list[Any]] = {}
        self._keep: set[int] = set()
        self._late: list[dict[str, Any]] = []
        self._fresh: dict[int, weakref.ref[Row]] = {}
        self._rules: dict[str, Callable[[int], bool]] = {
            "lost": self._lost,
            "gap": self._lost,
            "cgroup": self._made_group,
            "cgroup_mkdir": self._made_group,
            "process": self._ran,
            "thread": self._had_thread,
            "kill": self._called,
            "kill_half": self._called,
            "signal_generate": self._generated,
            "signal_deliver": self._delivered,
            "sched_process_fork": self._forked,
            "exec": self._executed,
            "sched_process_exec": self._executed,
            "sys_enter_exit": self._left,
            "sys_enter_exit_group": self._left,
            "sched_process_exit": self._exited,
            "mark_victim": self._doomed,
            "args": self._described,
            "cgroup_attach_task": self._moved,
        }

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Self:
        """Return a selection of what a session says that was chosen."""
        return cls(chosen["pids"], chosen["units"])

    def kept(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield what is kept, as batches of `SCHEMA`: first what was held back until now, then rows of this one."""
        self._keep, self._late, self._fresh = set(), [], {}
        self._row = {name: batch.column(name).to_pylist() for name in _COLUMNS}
        events = self._row["event"]
        self._meet(events)
        for i, event in enumerate(events):
            if self._calls and event not in _OF_A_CALL:
                self._calls.pop(self._row["tid"][i], None)  # a call prints its row when it returns
            if self._rules[event](i):
                self._keep.add(i)
        self._convert(batch)
        self.left_out += len(events) - len(self._keep) - len(self._late)
        if self._late:
            yield of_rows(self._late)
        if self._keep:
            yield batch.take(pa.array(sorted(self._keep), pa.int32()))

    def state(self) -> dict[str, Any]:
        """Return all that the next batch depends on, as JSON can hold it."""
        victims = [victim for call in self._calls.values() for victim, _ in call.held]
        told, places = saved([*self._everybody(), *victims])
        calls = {
            tid: [call.kept, [[places[id(victim)], victim.signals.index(one)] for victim, one in call.still_held()]]
            for tid, call in self._calls.items()
        }
        return {
            **told,
            **self._numbers(places),
            "groups": self._groups,
            "calls": calls,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where another one's `state` was taken, by way of JSON. Raises what comes of a value that is none."""
        found = restored(state)
        self._renumber(state, found)
        self._groups = {int(group): bool(of_unit) for group, of_unit in state["groups"].items()}
        for tid, (kept, signals) in state["calls"].items():
            call = self._calls[int(tid)] = Call()
            call.kept = bool(kept)
            call.held = [(found[at], found[at].signals[n]) for at, n in signals]

    # Rows that are held back

    def _keeps(self, one: Known, what: str, i: int, tid: int = 0) -> bool:
        # Whether a row that says who somebody is, is kept now; else it is held back.
        if not one.state:
            one.hold(what, self._held(i), tid)
        return bool(one.state)

    def _held(self, i: int) -> Row:
        known = self._fresh.get(i)
        row = None if known is None else known()
        if row is None:
            row = Row(i)
            self._fresh[i] = weakref.ref(row)
        return row

    def _release(self, row: Row) -> None:
        if row.kept:
            return
        row.kept = True
        if row.told is None:
            self._keep.add(row.place)
        else:
            self._late.append(row.told)

    def _convert(self, batch: pa.RecordBatch) -> None:
        # Of most processes nothing is left at the end of the batch.
        held: list[Row] = []
        for place, ref in self._fresh.items():
            if (row := ref()) is not None:
                row.kept = place in self._keep
                if not row.kept:
                    held.append(row)
        at = batch.schema.get_field_index("time")
        rows = batch.take(pa.array([row.place for row in held], pa.int32()))
        rows = rows.set_column(at, "time", rows.column(at).cast(pa.int64()))  # as JSON can hold it
        for row, told in zip(held, rows.to_pylist(), strict=True):
            row.told = {name: value for name, value in told.items() if value is not None}
        self._fresh = {}

    def _note(self, *known: Known | None) -> None:
        # With their ancestors, and who sent them signals, as far as these are not noted yet.
        waiting = [one for one in known if one is not None]
        while waiting:
            one = waiting.pop()
            if not one.state:
                one.state = NOTED
                rows, others = one.released()
                for row in rows:
                    self._release(row)
                waiting += others

    # Who is meant

    def _actor(self, i: int) -> Known:
        # In whose context a row happened.
        tid, pid, event = (self._row[name][i] for name in ("tid", "pid", "event"))
        own = self._known.get(tid)
        if tid in self._were_there and not self._lossy and (pid != tid or own is None):
            pid = self._threads[tid]
        if pid is None or pid == tid:
            one = own if own is not None or pid is not None else self._by(tid)
            if one is None:
                self._forget_thread(tid)
            return self._unborn(tid) if one is None else self._alive(one, event)
        if own is not None and own.over and own.headed == pid and event == "signal_generate":
            return own
        process = self._alive(self._known.get(pid) or self._unborn(pid), event)
        if own is not None and not own.over:
            if own.ran or own.parent not in {None, process}:
                own.headed = pid  # of who had the tid before
                return own
            del self._known[tid]
            if process.state:
                self._note(own)
            process.absorb(own)
        self._threads[tid] = pid
        if tid not in process.told and event in _OF_ITSELF:
            process.told.add(tid)
            if self._keeps(process, "told", i, tid):
                self._keep.add(i)
        return process

    def _alive(self, one: Known, event: str) -> Known:
        # If events were lost, the next life of a pid may have begun unseen. The dead send signals on their way out.
        if one.over and self._lossy and event not in {"signal_generate", "sched_process_exit"}:
            return self._unborn(one.pid)
        return one

    # Whether rows are kept

    def _lost(self, i: int) -> bool:
        self._lossy = self._lossy or self._row["event"][i] == "lost"
        return True

    def _made_group(self, i: int) -> bool:
        # The root of the v2 hierarchy says nothing on a host whose control groups are in another one.
        if self._row["cgroup"][i] != "/":
            self._groups[self._row["cgroup_id"][i]] = self._is_of_unit(self._row["cgroup"][i])
            if len(self._groups) > _GROUPS:
                del self._groups[next(iter(self._groups))]
        return True

    def _meet(self, events: Sequence[str]) -> None:
        # Those who ran when the recording began. A parent may have begun later, if it took an orphan in.
        met = [i for i, event in enumerate(events) if event == "process"]
        for i in met:
            one = self._known[self._row["pid"][i]] = Known(self._row["pid"][i], None, HELD)
            one.start, one.ran = self._row["ts"][i], True
            if self._is_of_unit(self._row["cgroup"][i]):
                one.state = OF_UNIT
            if one.pid in self._pids:
                one.state = CHOSEN
        families: list[tuple[Known, Known]] = []
        for i in met:
            one, parent = self._known[self._row["pid"][i]], self._known.get(self._row["target"][i])
            if parent is not None and parent is not one:
                families.append((parent, one))
        for parent, one in families:
            one.descend(parent)
        while orphans := [one for parent, one in families if parent.state == CHOSEN != one.state]:
            for one in orphans:
                one.state = CHOSEN
        self._note(*(one.parent for _, one in families if one.state))

    def _ran(self, i: int) -> bool:
        return self._keeps(self._known[self._row["pid"][i]], "process", i)

    def _had_thread(self, i: int) -> bool:
        tid, pid = self._row["tid"][i], self._row["pid"][i]
        self._threads[tid], process = pid, self._known.get(pid) or self._unborn(pid)
        self._were_there.add(tid)
        process.told.add(tid)
        return self._keeps(process, "told", i, tid)

    def _forked(self, i: int) -> bool:
        parent, child = self._actor(i), self._row["target"][i]
        one, ts = self._known.get(child), self._row["ts"][i]
        if one is None or one.start is None or ts is None or ts > one.start + _STARTED_WITHIN_US:
            before = one
            one = self._known[child] = Known(child, parent, HELD)
            if before is not None:
                one.successor = bool(before.state) or before.successor
                before.forget_senders()
            self._forget_thread(child)
        else:
            one.descend(parent)  # /proc told of it already; the parent that it had may be gone
        if parent.state > NOTED and one.state < parent.state:
            self._note(one)
            one.state = parent.state
        if one.state:
            self._note(parent)
        return self._keeps(one, "sched_process_fork", i)

    def _executed(self, i: int) -> bool:
        one, old = self._actor(i), self._row["target"][i]
        one.ran = True
        one.execute()
        if old != one.pid:
            self._forget_thread(old)
            one.told.discard(old)
        return self._keeps(one, "exec", i)

    def _left(self, i: int) -> bool:
        one, what = self._actor(i), self._row["event"][i]
        if what == "sys_enter_exit":
            return self._keeps(one, what, i, self._row["tid"][i])
        if not one.state:
            one.hold_first(what, self._held(i))
        return bool(one.state)

    def _exited(self, i: int) -> bool:
        one, tid = self._actor(i), self._row["tid"][i]
        if tid != one.pid:
            self._forget_thread(tid)
            one.told.discard(tid)
        kept = bool(one.state)
        if ends_process(self._row["group_dead"][i], tid, one.pid):
            self._keeps(one, "sched_process_exit", i)
            self._bury(one)
        elif self._row["pid"][i] is None and tid == one.pid and one.parent is not None and not one.ran:
            del self._known[tid]  # a thread, as no header has said
        elif not kept:
            one.lose(tid, self._held(i))
        return kept

    def _generated(self, i: int) -> bool:
        tid, target, sig, code = (self._row[name][i] for name in ("tid", "target", "sig", "code"))
        sender, victim = self._actor(i), self._target(target) or self._unborn(target)
        bystander = is_of_a_bystander(sig, code) and not sender.successor  # or it would be taken for the dead one
        kept = sender.state > NOTED or self._matters(victim, i)
        if kept:
            self._note(victim, None if bystander else sender)
        elif not victim.state and sig in DEADLY:
            by = None if bystander or sender is victim else sender
            number = -sig if self._row["res"][i] in REFUSED else sig  # behind one that ends it others are refused
            routine = number if sender is victim or is_routine(sig, code) else None
            signal = Signal(self._held(i), by, routine=routine)
            victim.suffer(signal)
            if is_explained_later(sig, code):
                self._calls.setdefault(tid, Call()).hit(victim, signal)
        if kept and is_explained_later(sig, code):
            self._calls.setdefault(tid, Call()).kept = True
        return kept

    def _delivered(self, i: int) -> bool:
        one, tid = self._actor(i), self._row["tid"][i]
        if not one.state and self._row["sig"][i] in DEADLY:
            if self._row["handler"][i] != "default":
                one.hold_many(f"handled {self._row['sig'][i]}", [self._held(i)])
            else:
                one.hold_first("fatal", self._held(i), tid)
                one.hold_first("first fatal", self._held(i))
        return self._matters(one, i)

    def _called(self, i: int) -> bool:
        sender, target = self._actor(i), self._row["target"][i]
        victim = None if target is None else self._target(abs(target))
        call = self._calls.pop(self._row["tid"][i], None) or Call()
        # Of half a call nobody knows whom it named; of one that named many, what it hit may have been lost.
        kept = call.kept or target is None or (target <= 0 and self._lossy)
        kept = kept or sender.state > NOTED or any(one.state for one, _ in call.held)
        if kept or self._matters(victim, i):
            self._note(sender, victim if sender.state > NOTED else None)
            return True
        for _, signal in call.held:
            signal.call = self._held(i)
        return False

    def _matters(self, victim: Known | None, i: int) -> bool:
        # Of who is noted, what may end it: programs signal themselves all the time.
        sig = self._row["sig"][i]
        importance = HELD if victim is None else victim.importance()
        return importance > NOTED or (importance == NOTED and (sig is None or sig in DEADLY))

    def _doomed(self, i: int) -> bool:
        target, asker = self._row["target"][i], self._actor(i)
        victim = self._target(target) or self._unborn(target)
        if victim.importance():
            self._note(asker, victim)
            return True
        victim.hold("mark_victim", self._held(i))
        victim.suffer(Signal(self._held(i), asker))
        return False

    def _described(self, i: int) -> bool:
        one = self._actor(i)
        self._enter(one, self._groups.get(self._row["cgroup_id"][i]))
        return self._keeps(one, "args", i)

    def _moved(self, i: int) -> bool:
        target, path = self._row["target"][i], self._row["cgroup"][i]
        one = self._target(target) or self._unborn(target)
        self._enter(one, None if path is None else self._is_of_unit(path))
        return self._keeps(one, "cgroup_attach_task", i)

    def _enter(self, one: Known, of_unit: bool | None) -> None:  # noqa: FBT001  (None: not known)
        if of_unit and one.state < OF_UNIT:
            self._note(one)
            one.state = OF_UNIT
        elif of_unit is False and one.state == OF_UNIT:
            one.state = NOTED

    def _is_of_unit(self, path: str | None) -> bool:
        return any(is_of_unit(path, name) for name in self._units)
