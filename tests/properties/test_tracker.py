"""Made-up histories: whatever way their rows come to the tracker, compiled or not, it tells the same."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sigtrace import Accounting, Session, analyze
from sigtrace.causes import endings, feed, victims
from sigtrace.causes.judging import verdict
from sigtrace.causes.tracking import tracker
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import counted
from sigtrace.store.part import Part

if TYPE_CHECKING:
    from random import Random
    from types import ModuleType

_PIDS = range(1, 9)
_NAMES = "abc"
_FILES = ("/bin/a", "/bin/b", "/x/c d")


@dataclass
class _History:
    """A log in which few pids are given out again and again, and of which rows may be missing."""

    dice: Random
    log: str | None
    old: bool  # before Linux 6.10 an exit does not say whether it was of the last thread
    forgetful: bool  # some headers name neither process nor thread
    lossy: bool
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
        header: dict[str, Any] = {"pid": pid, "comm": self.dice.choice(_NAMES)}
        if self.forgetful and event not in ("kill", "kill_half"):  # whose message says them
            header = {key: value for key, value in header.items() if self.dice.random() < 0.8}
        self._row({"event": event, "ts": self.ts, "tid": tid, **header, **known}, cpu)

    def _fork(self, tid: int, pid: int) -> None:
        if not self.free:
            return
        child = self.free.pop(self.dice.randrange(len(self.free)))
        self._happen("sched_process_fork", tid, pid, target=child, target_comm=self.dice.choice(_NAMES))
        if self.dice.random() < 0.4:
            self.alive[pid].add(child)
        else:
            self.alive[child] = {child}

    def _execute(self, tid: int, pid: int) -> None:
        if len(self.alive[pid]) == 1:
            self._happen("sched_process_exec", pid, pid, target=tid, filename=self.dice.choice(_FILES))

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
            self.free.append(one)
        if not self.alive[pid]:
            del self.alive[pid]

    def _signal(self, tid: int, pid: int) -> None:
        dice, cpu = self.dice, self.dice.randrange(2)
        victim = dice.choice(sorted(self.alive))
        to = dice.choice(sorted(self.alive[victim])) if dice.random() < 0.9 else dice.choice(_PIDS)
        sig, code = dice.choice([0, 1, 9, 15, 15, 9, 6, 11, 17]), dice.choice([0, 0, 0, -1, -6, 1, 128, -2])
        if dice.random() < 0.1:
            self._happen("mark_victim", tid, pid, target=to, target_comm=dice.choice([None, "a"]))
        for one in {to} if dice.random() < 0.8 else {to, *sorted(self.alive)[:2]}:
            if sig:
                fate = {"grp": dice.random() < 0.7, "res": dice.choice([0, 0, 0, 0, 1, 2, 3, 4])}
                what = {"sig": sig, "target": one, "target_comm": dice.choice(_NAMES), "code": code}
                self._happen("signal_generate", tid, pid, cpu, **what, **fate)
        if code in (0, -6):
            first, second = {"sig": sig}, {"target": dice.choice([to, to, -to, 0, -1]), "ret": dice.choice([0, 0, -3])}
            said = dice.choice([first | second] * 6 + [first, second])
            self._happen("kill" if len(said) == 3 else "kill_half", tid, pid, cpu, **said)
        if sig and dice.random() < 0.7:
            handler = dice.choice(["default", "default", "handled", "ignored"])
            self._happen("signal_deliver", to, victim, sig=dice.choice([sig, sig, 9]), code=code, handler=handler)


@st.composite
def histories(draw: st.DrawFn, logs: list[str | None] | None = None) -> Session:
    """Draw a session of one log or two, which may have no name; or of these."""
    dice = draw(st.randoms(use_true_random=False))
    kinds: list[list[str | None]] = [[None], ["a"], ["a", "b"], [None, "b"]]
    logs = logs or draw(st.sampled_from(kinds))
    old, forgetful, lossy = (draw(st.booleans()) for _ in range(3))
    steps = draw(st.sampled_from([8, 25, 60]))
    rows = [row for log in logs for row in _History(dice, log, old, forgetful, lossy).play(steps)]
    return Session("made up", pa.Table.from_pylist(rows, PLAIN), Accounting(), {**Accounting().to_dict(), "logs": logs})


def said(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(map(repr, rows))


def parts(session: Session, folder: Path) -> list[str]:
    """Write the rows of a session as a recorder does, in parts of few rows; return their files."""
    files = []
    rows = session.table.sort_by([("line", "ascending")])
    for number, start in enumerate(range(0, len(rows), 20)):
        part = Part(folder / f"part-{number:05}.parquet")
        part.write(encoded(rows.slice(start, 20)))
        part.close(Accounting().to_dict())
        files.append(str(part.path))
    return files


def encoded(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(batch.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


@settings(max_examples=40)
@given(session=histories())
def test_deaths_of_a_database_are_those_of_the_table(session: Session) -> None:
    whole = analyze.deaths(session.table).to_pylist()
    with Database(session) as database:
        assert said(database.rows("FROM deaths")) == said(whole)
        assert counted(database, 1_000).verdicts == Counter(death["verdict"] for death in whole)


@settings(max_examples=40)
@given(session=histories(logs=["a"]))
def test_rows_of_parts_are_followed_as_those_of_a_table(session: Session) -> None:
    lossy = "lost" in session.table["event"].to_pylist()
    whole = endings.endings(session.table).to_pylist()
    witnessed = feed.witnessed(session.table["event"].to_pylist())
    with tempfile.TemporaryDirectory() as folder:
        rows = feed.Parts(parts(session, Path(folder)), lossy=lossy, witnessed=witnessed)
        of_parts = endings.of_log("a", rows)
        hit = victims.of_log("a", rows)
    assert said(endings.table(iter(of_parts), endings.SCHEMA).to_pylist()) == said(whole)
    assert said(endings.table(iter(hit), victims.SCHEMA).to_pylist()) == said(
        victims.victims(session.table).to_pylist()
    )


@settings(max_examples=60)
@given(session=histories())
def test_the_interpreted_tracker_gives_what_the_compiled_one_gives(session: Session, interpreted: ModuleType) -> None:
    for log, rows in feed.tables(session.table):
        found = []
        for module in (endings, interpreted):
            assert (module is endings) == (module.Tracker is tracker.Tracker)
            ended: list[dict[str, Any]] = []
            hit: list[dict[str, Any]] = []
            module.track(
                rows,
                lambda *death, ended=ended: ended.append(verdict.Judge().ending(*death)),
                settled=lambda signal, hit=hit: hit.append(victims.victim(signal)),
            )
            found.append((ended, hit))
        assert found[0] == found[1], log


@settings(max_examples=40)
@given(session=histories())
def test_escalations_looked_for_among_few_are_those_of_all(session: Session) -> None:
    with mock.patch("sigtrace.questions.database.FEW", -1), Database(session) as database:
        found = pa.table(database.calls.escalations()).to_pylist()
    assert said(found) == said(analyze.escalations(session.table).to_pylist())
