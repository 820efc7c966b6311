"""Selection: of all rows of a recording, those about chosen processes, and about whoever had to do with them.

Chosen are processes with all their descendants, or all that are in systemd units. Of them every row is kept. Whoever
sends one of them a signal, is sent one by them, or is an ancestor of such a process, is noted: kept are the rows that
say who it is, and what ends it. So of everybody that a recording names it can be said how it ended.

Nobody knows beforehand who will send a signal. So the rows that say who a process is, and which signals it got, are
held back while it lives, or one of its descendants does, and are kept once it is noted: later then than their lines.
"""

from __future__ import annotations

import weakref
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any

from sigtrace.facts.cgroup import is_of_unit
from sigtrace.facts.signals import DEADLY, TIMERS
from sigtrace.trace.choosing.known import CHOSEN, HELD, NOTED, OF_UNIT, Known, Row, restored, saved

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

_TICK_US = 20_000  # /proc tells a start in ticks, mostly of 10 ms
_DEAD = 4096  # of the latest: what names their pid means them, until it is given away again
_SI_TIMER, _SI_KERNEL = -2, 128  # asm-generic/siginfo.h
_COLUMNS = ("event", "ts", "tid", "pid", "sig", "target", "ret", "code", "group_dead", "cgroup", "cgroup_id")


class Selection:
    """Selects rows, batch after batch: each `kept` of one batch goes on where the one before ended.

    Chosen are `pids`, each with its descendants, and the processes of `units`.
    """

    def __init__(self, pids: Collection[int] = (), units: Collection[str] = ()) -> None:
        self._pids = frozenset(pids)
        self._units = tuple(units)
        self._known: dict[int, Known] = {}
        self._dead: deque[Known] = deque()
        self._threads: dict[int, int] = {}
        self._groups: dict[int, bool] = {}  # of each control group's id, whether it is of a chosen unit
        self._calling: set[int] = set()  # threads of which a signal was kept, and whose call follows
        self._hit: dict[int, list[Known]] = {}  # of a thread whose call follows, whose rows of its signals are held
        self._lossy = False
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
            "sys_enter_exit": self._left,
            "sched_process_exit": self._exited,
            "mark_victim": self._doomed,
            "args": self._described,
            "cgroup_attach_task": self._moved,
        }

    def kept(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield what is kept, as batches of `SCHEMA`: first what was held back until now, then rows of this one."""
        import pyarrow as pa

        from sigtrace.trace.batch import of_rows

        self._keep, self._late, self._fresh = set(), [], {}
        self._row = {name: batch.column(name).to_pylist() for name in _COLUMNS}
        events = self._row["event"]
        self._meet(events)
        for i, event in enumerate(events):
            rule = self._rules.get(event)
            if rule(i) if rule is not None else self._is_told(self._actor(i), event, i):
                self._keep.add(i)
        self._convert(batch)
        if self._late:
            yield of_rows(self._late)
        if self._keep:
            yield batch.take(pa.array(sorted(self._keep), pa.int32()))

    def state(self) -> dict[str, Any]:
        """Return all that the next batch depends on, as JSON can hold it."""
        hits = {tid: hit for tid, hit in self._hit.items() if hit}
        told, places = saved([*self._known.values(), *self._dead, *chain.from_iterable(hits.values())])
        return {
            **told,
            "known": {pid: places[id(one)] for pid, one in self._known.items()},
            "dead": [places[id(one)] for one in self._dead],
            "threads": self._threads,
            "groups": self._groups,
            "calling": list(self._calling),
            "hit": {tid: [places[id(one)] for one in hit] for tid, hit in hits.items()},
            "lossy": self._lossy,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where another one's `state` was taken, by way of JSON. Raises what comes of a value that is none."""
        found = restored(state)
        self._known = {int(pid): found[at] for pid, at in state["known"].items()}
        self._dead = deque(found[at] for at in state["dead"])
        self._threads = {int(tid): int(pid) for tid, pid in state["threads"].items()}
        self._groups = {int(group): bool(of_unit) for group, of_unit in state["groups"].items()}
        self._calling = set(state["calling"])
        self._hit = {int(tid): [found[at] for at in hit] for tid, hit in state["hit"].items()}
        self._lossy = bool(state["lossy"])

    # Rows that are held back

    def _is_told(self, one: Known, what: str, i: int) -> bool:
        # Whether a row that says who somebody is, is kept now; else it is held back.
        if not one.state:
            one.rows[what] = self._held(i)
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
        import pyarrow as pa

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
        waiting = list(known)
        while waiting:
            one = waiting.pop()
            if one is None or one.state:
                continue
            one.state = NOTED
            for row in one.rows.values():
                self._release(row)
            waiting += [one.parent, *one.senders.values()]
            one.rows, one.senders = {}, {}

    # Who is meant

    def _actor(self, i: int) -> Known:
        # In whose context a row happened.
        tid, pid = self._row["tid"][i], self._row["pid"][i]
        own = self._known.get(tid)
        if pid is None or pid == tid:
            if own is not None:
                return own
            if pid is None and (process := self._known.get(self._threads.get(tid, -1))) is not None:
                return process
            self._threads.pop(tid, None)
            return self._unborn(tid)
        if own is not None and own.state:
            return own
        process = self._known.get(pid) or self._unborn(pid)
        if own is not None:
            if own.parent not in {None, process}:
                return own  # the header is of who had the tid before
            del self._known[tid]
            if process.state:
                self._note(own)
            else:
                process.rows |= {f"{what} {tid}": row for what, row in own.rows.items()}
                process.senders |= own.senders
        if self._threads.get(tid) != pid:
            self._threads[tid] = pid
            if self._is_told(process, f"thread {tid}", i):
                self._keep.add(i)
        return process

    def _target(self, tid: int | None) -> Known | None:
        if tid is None:
            return None
        found = self._known.get(tid) or self._known.get(self._threads.get(tid, -1))
        return self._unborn(tid) if found is None and self._lossy else found

    def _unborn(self, pid: int) -> Known:
        # Its birth was not told. If events were lost, that of a chosen process's child may have been.
        one = Known(pid, None, CHOSEN if pid in self._pids else NOTED if self._lossy else HELD)
        self._known[pid] = one
        return one

    # Events

    def _lost(self, i: int) -> bool:
        self._lossy = self._lossy or self._row["event"][i] == "lost"
        return True

    def _made_group(self, i: int) -> bool:
        self._groups[self._row["cgroup_id"][i]] = self._is_of_unit(self._row["cgroup"][i])
        return True

    def _meet(self, events: Sequence[str]) -> None:
        # Those who ran when the recording began, oldest first. A parent may have begun later, if it took an orphan in.
        met = [i for i, event in enumerate(events) if event == "process"]
        for i in met:
            one = Known(self._row["pid"][i], None, HELD)
            one.start = self._row["ts"][i]
            self._known[one.pid] = one
        for i in met:
            one, parent = self._known[self._row["pid"][i]], self._known.get(self._row["target"][i])
            if parent is not None and parent is not one:
                one.parent, one.depth = parent, parent.depth + 1
            if one.pid in self._pids or (parent is not None and parent.state == CHOSEN):
                one.state = CHOSEN
            elif self._is_of_unit(self._row["cgroup"][i]):
                one.state = OF_UNIT
        for i in met:
            one = self._known[self._row["pid"][i]]
            if one.state:
                self._note(one.parent)

    def _ran(self, i: int) -> bool:
        return self._is_told(self._known[self._row["pid"][i]], "process", i)

    def _had_thread(self, i: int) -> bool:
        tid, pid = self._row["tid"][i], self._row["pid"][i]
        self._threads[tid] = pid
        return self._is_told(self._known.get(pid) or self._unborn(pid), f"thread {tid}", i)

    def _forked(self, i: int) -> bool:
        parent, child = self._actor(i), self._row["target"][i]
        ts, before = self._row["ts"][i], self._known.get(child)
        if before is not None and before.start is not None and ts is not None and ts <= before.start + _TICK_US:
            return self._is_told(before, "sched_process_fork", i)  # /proc told of it already
        self._threads.pop(child, None)
        one = self._known[child] = Known(child, parent, parent.state if parent.state > NOTED else HELD)
        return self._is_told(one, "sched_process_fork", i)

    def _left(self, i: int) -> bool:
        return self._is_told(self._actor(i), f"sys_enter_exit {self._row['tid'][i]}", i)

    def _exited(self, i: int) -> bool:
        one, tid, last = self._actor(i), self._row["tid"][i], self._row["group_dead"][i]
        self._calling.discard(tid)
        self._hit.pop(tid, None)
        if tid != one.pid:
            self._threads.pop(tid, None)
        if not (tid == one.pid if last is None else last):
            for what in ("sched_process_fork", "thread", "sys_enter_exit") if tid != one.pid else ():
                one.rows.pop(f"{what} {tid}", None)
            return bool(one.state)
        if one.state:
            self._dead.append(one)
            if len(self._dead) > _DEAD:
                self._forget(self._dead.popleft())
            return True
        self._forget(one)
        return self._is_told(one, "sched_process_exit", i)

    def _forget(self, one: Known) -> None:
        if self._known.get(one.pid) is one:
            del self._known[one.pid]

    def _generated(self, i: int) -> bool:
        tid, target = self._row["tid"][i], self._row["target"][i]
        sender, victim = self._actor(i), self._target(target) or self._unborn(target)
        if sender.state > NOTED or self._matters(victim, i):
            if not self._by_whoever_ran(i):
                self._note(sender)
                self._calling.add(tid)
            self._note(victim)
            return True
        if not victim.state and self._row["sig"][i] in DEADLY:
            victim.suffers(self._held(i), sender)
            self._hit.setdefault(tid, []).append(victim)
        return False

    def _by_whoever_ran(self, i: int) -> bool:
        sig, code = self._row["sig"][i], self._row["code"][i]
        return code is not None and (code == _SI_TIMER or (code > 0 and (sig in TIMERS or code != _SI_KERNEL)))

    def _delivered(self, i: int) -> bool:
        one = self._actor(i)
        if not one.state and self._row["sig"][i] in DEADLY:
            one.suffers(self._held(i))
        return self._matters(one, i)

    def _called(self, i: int) -> bool:
        sender, target = self._actor(i), self._row["target"][i]
        victim = None if target is None else self._target(abs(target))
        tid = self._row["tid"][i]
        made, hit = tid in self._calling, self._hit.pop(tid, [])
        self._calling.discard(tid)
        # Of half a call nobody knows whom it named; of one that named many, what it hit may have been lost.
        open_ = target is None or (target <= 0 and self._lossy)
        if made or open_ or sender.state > NOTED or any(one.state for one in hit) or self._matters(victim, i):
            self._note(sender)
            if sender.state > NOTED:
                self._note(victim)
            return True
        row = self._held(i)
        for one in hit:
            one.suffers(row)
        return False

    def _matters(self, victim: Known | None, i: int) -> bool:
        # Of who is noted, what may end it: programs signal themselves all the time.
        sig = self._row["sig"][i]
        importance = HELD if victim is None else victim.importance()
        return importance > NOTED or (importance == NOTED and (sig is None or sig in DEADLY))

    def _doomed(self, i: int) -> bool:
        victim, asker = self._target(self._row["target"][i]), self._actor(i)
        if victim is None:
            return False
        if not victim.importance():
            victim.suffers(self._held(i), asker)
            return False
        self._note(asker, victim)
        return True

    def _described(self, i: int) -> bool:
        one = self._actor(i)
        self._enter(one, self._groups.get(self._row["cgroup_id"][i]))
        return self._is_told(one, "args", i)

    def _moved(self, i: int) -> bool:
        target, path = self._row["target"][i], self._row["cgroup"][i]
        one = self._target(target) or self._unborn(target)
        self._enter(one, None if path is None else self._is_of_unit(path))
        return self._is_told(one, "cgroup_attach_task", i)

    def _enter(self, one: Known, of_unit: bool | None) -> None:  # noqa: FBT001  (None: not known)
        if of_unit and one.state < OF_UNIT:
            self._note(one)
            one.state = OF_UNIT
        elif of_unit is False and one.state == OF_UNIT:
            one.state = NOTED

    def _is_of_unit(self, path: str | None) -> bool:
        return any(is_of_unit(path, name) for name in self._units)
