"""What is chosen of a log: in stories that are easy to tell wrong, each ending is that of all rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sigtrace.causes import feed
from sigtrace.causes.endings import of_log
from sigtrace.facts.schema import PLAIN
from sigtrace.trace.batch import of_rows
from sigtrace.trace.choosing.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

KILL, USR1, USR2, ALRM, TERM, URG, PROF = 9, 10, 12, 14, 15, 23, 27
UNIT = "/system.slice/web.service"
KERNEL, TKILL = 128, -6
EVENTS: Any = {"process", "signal_generate", "signal_deliver", "sys_enter_exit", "sys_enter_exit_group"}


class Story:
    """A log, told row by row: 1 is systemd, 10 the parent of 50 and of 100, of which the recording is."""

    def __init__(self, **of_100: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self.cuts: list[int] = []
        self._line = 0
        for pid, parent in ((1, 0), (10, 1), (50, 10)):
            self.ran(pid, parent)
        self.ran(100, 10, **of_100)

    def ran(self, pid: int, parent: int, **known: Any) -> None:
        row = {"event": "process", "line": 0, "ts": pid, "tid": pid, "pid": pid, "target": parent}
        self.rows.append({**row, "comm": f"p{pid}", "filename": f"/bin/p{pid}", **known})

    def happens(self, event: str, tid: int, pid: int | None = 0, **what: Any) -> None:
        """Add a row; a pid of 0 is the tid."""
        self._line += 1
        of = tid if pid == 0 else pid
        row = {"event": event, "line": self._line, "ts": 1_000_000 + self._line * 10, "tid": tid, "pid": of, "cpu": 0}
        self.rows.append({**row, "comm": f"p{of}", **what})

    def forks(self, tid: int, child: int, pid: int = 0, **what: Any) -> None:
        self.happens("sched_process_fork", tid, pid, **{"target": child, "target_comm": f"p{pid or tid}", **what})

    def executes(self, pid: int, filename: str) -> None:
        self.happens("sched_process_exec", pid, target=pid, filename=filename)

    def sends(self, tid: int, victim: int, sig: int, code: int = 0, pid: int = 0, **what: Any) -> None:
        known = {"target": victim, "target_comm": f"p{victim}", "sig": sig, "code": code, "grp": True, "res": 0}
        self.happens("signal_generate", tid, pid, **known | what)
        if code == 0:
            self.happens("kill", tid, pid, target=victim, sig=sig, ret=0)

    def takes(self, tid: int, sig: int, pid: int = 0, handler: str = "handled", code: int = 0) -> None:
        self.happens("signal_deliver", tid, pid, sig=sig, code=code, handler=handler)

    def calls_exit(self, tid: int, pid: int = 0, status: int = 0, event: str = "sys_enter_exit_group") -> None:
        self.happens(event, tid, pid, status=status)

    def ends(self, tid: int, pid: int | None = 0, *, last: bool = True) -> None:
        self.happens("sched_process_exit", tid, pid, group_dead=last)

    def kills(self, by: int, victim: int, pid: int = 0) -> None:
        self.sends(by, victim, KILL, pid=pid)
        self.takes(victim, KILL, handler="default")
        self.ends(victim)

    def cut(self) -> None:
        """Begin another part."""
        self.cuts.append(len(self.rows))


def endings(batches: list[pa.RecordBatch]) -> dict[tuple[int, int], dict[str, Any]]:
    rows = pa.Table.from_batches([batch.cast(PLAIN) for batch in batches], PLAIN)
    table = feed.Table(rows.sort_by([("line", "ascending"), ("ts", "ascending")]))
    table._events = EVENTS  # noqa: SLF001 -- as the session says which were on
    return {(one["victim_pid"], one["ts"]): one for one in of_log(None, table)}


def chosen(story: Story, pids: Any = (100,), units: Any = ()) -> tuple[list[pa.RecordBatch], Selection]:
    """Return what is kept, by a selection that is handed over at each cut."""
    rows, selection, at = of_rows(story.rows), Selection(pids, units), 0
    found: list[pa.RecordBatch] = []
    for cut in [*story.cuts, len(rows)]:
        found += selection.kept(rows.slice(at, cut - at))
        state, at = json.loads(json.dumps(selection.state())), cut
        selection = Selection(pids, units)
        selection.resume(state)
    return found, selection


def told(story: Story, pids: Any = (100,), units: Any = ()) -> dict[int, dict[str, Any]]:
    """Return the endings that a recording of 100 alone tells, by pid, each of which is that of all rows."""
    batches, _ = chosen(story, pids, units)
    found, whole = endings(batches), endings([of_rows(story.rows)])
    assert found == {key: whole[key] for key in found}
    return {pid: one for (pid, _), one in found.items()}


def test_the_first_row_of_a_noted_processs_thread_names_no_stranger() -> None:
    story = Story()
    story.ran(80, 1)
    story.sends(50, 100, USR1)
    story.forks(50, 200)
    story.sends(200, 80, KILL, pid=50)
    story.takes(80, KILL, handler="default")
    story.ends(80)
    batches, _ = chosen(story)
    assert not any(80 in (row["tid"], row["target"]) for batch in batches for row in batch.to_pylist())


def test_a_pid_is_given_away_again_while_a_child_of_who_had_it_lives() -> None:
    story = Story()
    story.forks(50, 60)
    story.executes(60, "/bin/between")
    story.forks(60, 61)
    story.ends(60)
    story.forks(100, 60)
    story.executes(60, "/bin/chosen")
    story.cut()
    story.kills(61, 100)
    story.kills(50, 60)
    found = told(story)
    assert found[100]["ancestors"] == ["p60 (60)", "p50 (50)", "p10 (10)", "p1 (1)"]
    assert found[60]["killer_pid"] == 50


@pytest.mark.parametrize(("sig", "code", "source"), [(KILL, KERNEL, "namespace"), (TERM, -1, "queue")])
def test_who_sends_a_signal_as_it_ends_is_known(sig: int, code: int, source: str) -> None:
    story = Story()
    story.ran(70, 1)
    story.calls_exit(70)
    story.ends(70)
    story.sends(70, 100, sig, code=code)
    story.takes(100, KILL, handler="default")
    story.ends(100)
    assert told(story)[100]["source"] == source


def _of_many_threads(act: Callable[[Story], None]) -> Story:
    # 60 has 150 threads, is ended, and only then its child kills 100.
    story, threads = Story(), range(200, 350)
    story.forks(50, 60)
    for tid in threads:
        story.forks(60, tid)
        story.takes(tid, USR2, 60)
    story.forks(60, 61)
    story.executes(61, "/bin/child")
    act(story)
    for tid in threads:
        story.takes(tid, KILL, 60, "default")
    for tid in threads:
        story.ends(tid, 60, last=False)
    story.ends(60)
    story.kills(61, 100)
    return story


def test_of_a_process_with_many_threads_what_ended_it_is_known() -> None:
    def kills(story: Story) -> None:
        story.sends(10, 60, KILL)
        story.takes(60, KILL, handler="default")

    assert told(_of_many_threads(kills))[60]["killer_pid"] == 10


def test_of_a_process_with_many_threads_who_asked_it_is_known() -> None:
    def asks(story: Story) -> None:
        story.sends(10, 60, TERM)
        story.takes(60, TERM)
        story.calls_exit(60, status=143)

    found = told(_of_many_threads(asks))[60]
    assert (found["verdict"], found["killer_pid"], found["exit_status"]) == ("asked", 10, 143)


def test_a_timer_that_fires_often_hides_nobody() -> None:
    story = Story()
    story.forks(50, 60)
    for _ in range(70):
        story.sends(60, 60, ALRM, code=KERNEL)
        story.takes(60, ALRM)
    story.sends(10, 60, TERM)
    story.takes(60, TERM)
    story.sends(60, 100, USR1)
    story.calls_exit(60)
    story.ends(60)
    assert told(story)[60]["killer_pid"] == 10


@pytest.mark.parametrize(("late", "code"), [(TERM, 0), (ALRM, KERNEL)])
def test_an_alarm_that_kills_is_not_forgotten_for_what_comes_when_it_has_killed(late: int, code: int) -> None:
    story = Story()
    story.forks(50, 60)
    story.forks(60, 61)
    for _ in range(4):
        story.sends(7, 60, ALRM, code=KERNEL)
        story.takes(60, ALRM, code=KERNEL)
    for _ in range(59):
        story.sends(50, 60, USR1)
        story.takes(60, USR1)
    story.sends(7, 60, ALRM, code=KERNEL)
    story.sends(50, 60, late, code=code, res=1)
    story.takes(60, KILL, handler="default", code=KERNEL)
    story.ends(60)
    story.sends(61, 100, USR1)
    assert (told(story)[60]["verdict"], told(story)[60]["source"]) == ("killed", "timer")


@pytest.mark.parametrize("many", [PROF, USR2])
def test_an_alarm_that_was_handled_is_known_to_be_however_many_others_were(many: int) -> None:
    story = Story()
    story.forks(50, 60)
    story.sends(7, 60, ALRM, code=KERNEL)
    story.takes(60, ALRM, code=KERNEL)
    for _ in range(70):
        story.sends(60, 60, many, code=TKILL)
        story.takes(60, many)
    story.sends(60, 100, USR1)
    story.calls_exit(60, status=1)
    story.ends(60)
    assert (told(story)[60]["verdict"], told(story)[60]["how"]) == ("asked", "handled")


@pytest.mark.parametrize(("sig", "code"), [(ALRM, KERNEL), (PROF, KERNEL), (URG, TKILL)])
def test_who_asked_is_known_of_one_who_gets_signals_all_the_time(sig: int, code: int) -> None:
    story = Story()
    story.forks(50, 60)

    def routine() -> None:
        for _ in range(70):
            story.sends(60, 60, sig, code=code)
            story.takes(60, sig, code=code)

    routine()
    story.sends(10, 60, TERM)
    story.takes(60, TERM)
    routine()
    story.sends(60, 100, USR1)
    story.calls_exit(60)
    story.ends(60)
    ending = told(story)[60]
    assert (ending["verdict"], ending["how"], ending["sig"], ending["killer_pid"]) == ("asked", "handled", TERM, 10)


def test_children_that_signal_their_parent_cut_no_line_of_ancestors() -> None:
    story = Story()
    for child in range(300, 400):
        story.forks(50, child)
        story.sends(child, 50, USR1)
        story.takes(50, USR1)
        story.ends(child)
    story.forks(50, 60)
    story.kills(60, 100)
    assert told(story)[100]["ancestors"] == ["p50 (50)", "p10 (10)", "p1 (1)"]


def test_whoever_waits_for_a_signal_and_exits_before_its_other_threads_was_asked() -> None:
    story = Story()
    story.forks(50, 60)
    story.forks(60, 200)
    story.takes(200, USR1, 60)
    story.forks(60, 61)
    story.sends(10, 60, TERM)
    story.calls_exit(60)
    story.takes(200, KILL, 60, "default")
    story.ends(60, last=False)
    story.ends(200, 60)
    story.kills(61, 100)
    assert told(story)[60]["how"] == "waited for"


@pytest.mark.parametrize("event", ["sys_enter_exit_group", "sys_enter_exit"])
def test_the_status_is_that_of_the_call_to_exit_that_counts(event: str) -> None:
    story = Story()
    story.forks(50, 60)
    for tid in (200, 201):
        story.forks(60, tid)
        story.takes(tid, USR2, 60)
    story.forks(60, 61)
    for status, tid in enumerate((60, 200, 201)):
        story.calls_exit(tid, 60, status, event)
    for tid in (60, 201):
        story.ends(tid, 60, last=False)
    story.ends(200, 60)
    story.kills(61, 100)
    assert told(story)[60]["exit_status"] == (0 if event == "sys_enter_exit_group" else 2)


def test_a_descendant_that_was_born_before_proc_was_read_is_chosen_by_its_birth() -> None:
    story = Story()
    story.ran(102, 1, ts=1_000_020)
    story.forks(100, 101)
    story.forks(101, 102)
    story.ends(101)
    story.kills(50, 102)
    assert told(story)[102]["killer_pid"] == 50


def test_of_two_in_one_tick_the_child_may_be_met_first() -> None:
    story = Story()
    story.ran(7, 9000, ts=500)
    story.ran(9000, 1, ts=500)
    story.kills(50, 7)
    assert told(story, pids=[9000])[7]["killer_pid"] == 50


def test_the_root_of_an_unused_hierarchy_takes_nobody_out_of_a_unit() -> None:
    story = Story(cgroup=UNIT)
    story.rows.append({"event": "cgroup", "line": 0, "cgroup": "/", "cgroup_id": 1})
    story.happens("args", 100, uid=1, cgroup_id=1)
    story.forks(100, 101)
    story.kills(50, 101)
    assert told(story, (), ["web"])[101]["killer_pid"] == 50


def test_a_threads_senders_do_not_take_the_place_of_its_processs() -> None:
    story = Story()
    story.forks(50, 60)
    story.ran(90, 1)
    story.forks(1, 91)
    story.sends(91, 60, TERM)
    story.forks(60, 200)
    story.sends(90, 200, USR2, grp=False)
    story.takes(200, USR2, 60)
    story.ends(91)
    story.sends(60, 100, USR1)
    story.calls_exit(60, status=143)
    story.ends(200, 60, last=False)
    story.ends(60)
    assert told(story)[60]["ancestors"] == ["p1 (1)"]


def _executes(story: Story, name: str) -> None:
    story.executes(55, f"/bin/{name}")


def _is_told(story: Story, name: str) -> None:
    story.happens("args", 55, uid=len(name), command=name)


def _moves(story: Story, name: str) -> None:
    story.happens("cgroup_attach_task", 1, target=55, cgroup=f"/system.slice/{name}.service")


@pytest.mark.parametrize("becomes", [_executes, _is_told, _moves])
def test_a_child_is_what_its_parent_was_when_it_was_born(becomes: Callable[[Story, str], None]) -> None:
    story = Story()
    story.forks(50, 55)
    becomes(story, "old")
    story.forks(55, 60)
    becomes(story, "newer")
    story.cut()
    story.kills(60, 100)
    found = told(story)[100]
    assert "old" in " ".join(map(str, (found["killer_command"], found["killer_unit"])))


@pytest.mark.parametrize(("of", "header"), [(100, 70), (100, 200), (50, 70)])
def test_a_thread_that_was_there_is_of_the_process_that_proc_named(of: int, header: int) -> None:
    story = Story()
    story.ran(70, 1)
    story.rows.append({"event": "thread", "line": 0, "tid": 200, "pid": of, "comm": "t"})
    victim = 80 if of == 100 else 100
    story.forks(50, 80)
    story.sends(200, victim, KILL, pid=header)
    story.takes(victim, KILL, handler="default")
    story.ends(victim)
    assert told(story)[victim]["killer_pid"] == of


def test_a_dead_sender_whose_header_is_stale_is_not_who_had_its_number_before() -> None:
    story = Story()
    story.ran(70, 1)
    story.forks(50, 60)
    story.executes(60, "/bin/su")
    story.forks(60, 61, pid=70)
    story.calls_exit(60, pid=70)
    story.ends(60, pid=70)
    story.sends(60, 100, TERM, code=KERNEL, pid=70)
    story.takes(100, TERM, handler="default")
    story.ends(100)
    assert told(story)[100]["source"] == "parent"


def test_a_bystander_that_has_the_number_of_a_dead_sender_is_not_that_one() -> None:
    story = Story()
    story.forks(50, 60)
    story.sends(60, 100, USR1)
    story.takes(100, USR1)
    story.ends(60)
    story.forks(1, 60)
    story.sends(60, 100, TERM, code=1)
    story.takes(100, TERM, handler="default")
    story.ends(100)
    assert told(story)[100]["source"] == "kernel"


def test_after_a_loss_the_next_life_of_a_pid_may_have_begun_unseen() -> None:
    story = Story()
    story.forks(50, 60)
    story.ends(60)
    story.happens("lost", 0, None)
    story.rows[-1].update(tid=None, ts=None, comm=None)
    story.happens("sys_enter_exit_group", 60, status=3)
    story.ends(60)
    batches, _ = chosen(story)
    assert [one["exit_status"] for (pid, _), one in endings(batches).items() if pid == 60] == [3]


def test_a_thread_that_executes_a_file_takes_the_number_of_its_process() -> None:
    story = Story()
    story.forks(50, 60)
    story.forks(60, 200)
    story.takes(200, USR2, 60)
    story.happens("sched_process_exec", 60, target=200, filename="/bin/new")
    story.forks(100, 200)
    story.kills(60, 200)
    assert told(story)[200]["killer_executable"] == "/bin/new"


def _threads_of(pid: int) -> Callable[[Story, int], None]:
    def comes_and_goes(story: Story, n: int) -> None:
        story.forks(pid, 1000 + n)
        story.sends(pid, 1000 + n, 32, code=-6, grp=False)
        story.takes(1000 + n, 32, pid)
        story.ends(1000 + n, pid, last=False)

    return comes_and_goes


def _of_no_header(story: Story, n: int) -> None:
    story.forks(50, 1000 + n)
    story.ends(1000 + n, None, last=False)


def _after_the_last(story: Story, n: int) -> None:
    story.forks(50, 1000 + 2 * n)
    story.forks(1000 + 2 * n, 1001 + 2 * n)
    story.takes(1001 + 2 * n, USR2, 1000 + 2 * n)
    story.ends(1000 + 2 * n)
    story.ends(1001 + 2 * n, 1000 + 2 * n, last=False)


def _succeeded_by_the_next(story: Story, n: int) -> None:
    story.forks(50, 1001 + n)
    story.sends(1001 + n, 1000 + n, TERM)
    story.takes(1000 + n, TERM, handler="default")
    story.ends(1000 + n)


def _its_own_child(story: Story, n: int) -> None:
    story.forks(1000 + n, 1001 + n)
    story.ends(1000 + n)


def _by_pidfd(story: Story, n: int) -> None:
    story.forks(50, 1001 + n)
    story.happens("signal_generate", 1, target=1001 + n, sig=TERM, code=0, grp=True, res=0)
    story.ends(1001 + n)
    story.sends(0, 50, ALRM, code=KERNEL)


@pytest.mark.parametrize(
    "act",
    [
        _threads_of(100),
        _threads_of(50),
        _of_no_header,
        _after_the_last,
        _succeeded_by_the_next,
        _its_own_child,
        _by_pidfd,
    ],
    ids=["of the chosen", "of others", "of no header", "after the last", "succeeded", "its own child", "by pidfd"],
)
def test_what_is_remembered_does_not_grow_with_the_lives_that_have_ended(act: Callable[[Story, int], None]) -> None:
    sizes = []
    for lives in (2000, 4000):
        story = Story()
        story.forks(50, 1000)
        for n in range(lives):
            act(story, n)
        _, selection = chosen(story)
        sizes.append(len(json.dumps(selection.state())))
    assert sizes[1] < 1.1 * sizes[0] + 1000


def test_of_a_call_that_hits_very_many_the_state_is_bounded() -> None:
    story = Story()
    for n in range(5000):
        story.happens("signal_generate", 1, target=1000 + n, sig=TERM, code=0, grp=True, res=0)
    _, selection = chosen(story)
    assert len(selection.state()["calls"][1][1]) == 1024
