"""Calls to exit: whoever ends without one, in a log that shows them, did not exit of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace import Database, analyze
from sigtrace.causes import endings
from sigtrace.commands.watch import Endings, Stream, Wanted
from sigtrace.output.sentence import sentence
from sigtrace.store.recorder import Recorder
from tests.story import call, execute, fork, hit, leave, line, lost, take, witness

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

HANDLER = "55b94a72ee40"
SILENT = ("unknown", "no exit call")
EXITED = ("exited", None)


def exits(pid: int, status: int = 0, **where: Any) -> str:
    return line(f"sys_exit_group(error_code: {status:#x})", of=pid, **where)


def of_thread(tid: int, event: str, *, pid: int = 100) -> str:
    return f"{'worker':>16}-{tid:<7} ({pid:7}) [000] d..1. {1.0:12.6f}: {event}\n"


def thread_leaves(tid: int, *, last: bool, pid: int = 100) -> str:
    dead = str(last).lower()
    return of_thread(tid, f"sched_process_exit: comm=worker pid={tid} prio=120 group_dead={dead}", pid=pid)


def thread_calls_exit(tid: int, *, pid: int = 100) -> str:
    return of_thread(tid, "sys_exit(error_code: 0x0)", pid=pid)


# Others, who call exit: a log that shows that would show it of everybody.
CALLERS = fork(800) + exits(800) + leave(800) + fork(801) + thread_calls_exit(801, pid=801) + leave(801) + witness()
ENDED = fork(100) + leave(100)
ASKED_AND_SILENT = fork(102) + hit(102, 15) + call(102, 15) + take(102, 15, HANDLER) + leave(102)


def found(log: str, pid: int = 100) -> tuple[str, str | None]:
    (one,) = [row for row in analyze.deaths(sigtrace.read(log.encode()).table).to_pylist() if row["victim_pid"] == pid]
    return one["verdict"], one["how"]


def test_who_ended_without_a_call_to_exit_ended_for_an_unknown_reason() -> None:
    assert found(CALLERS + ENDED) == SILENT
    assert found(CALLERS + fork(100) + exits(100) + leave(100)) == EXITED
    assert found(CALLERS + fork(100) + thread_calls_exit(100) + leave(100)) == EXITED


@pytest.mark.parametrize("gone", ["sys_exit_group(", "sys_exit("])
def test_in_a_log_that_does_not_show_both_calls_nothing_is_made_of_it(gone: str) -> None:
    log = "".join(one for one in (CALLERS + ENDED).splitlines(keepends=True) if gone not in one)
    assert found(log) == EXITED


def test_a_signal_before_such_an_end_did_not_ask_for_it() -> None:
    asked = fork(100) + hit(100, 15) + call(100, 15) + take(100, 15, HANDLER)
    assert found(CALLERS + asked + leave(100)) == SILENT
    assert found(CALLERS + asked + exits(100) + leave(100)) == ("asked", "handled")


def test_a_signal_that_ended_it_needs_no_call_to_exit() -> None:
    assert found(CALLERS + fork(100) + hit(100, 15) + call(100, 15) + take(100, 9) + leave(100)) == ("killed", None)
    assert found(CALLERS + fork(100) + hit(100, 9) + leave(100)) == ("killed", None)


def test_a_call_to_exit_that_may_be_lost_is_no_reason() -> None:
    assert found(CALLERS + fork(100) + lost() + leave(100)) == ("unknown", None)


def test_the_thread_that_calls_exit_group_calls_for_all() -> None:
    threads = fork(100) + fork(101, parent=100, comm="worker")
    whole = of_thread(101, "sys_exit_group(error_code: 0x0)") + thread_leaves(101, last=False)
    assert found(CALLERS + threads + whole + take(100, 9) + leave(100)) == EXITED


def test_a_thread_that_called_exit_called_it_for_itself_alone() -> None:
    threads = fork(100) + fork(101, parent=100, comm="worker") + thread_calls_exit(101) + thread_leaves(101, last=False)
    assert found(CALLERS + threads + leave(100)) == SILENT
    assert found(CALLERS + threads + thread_calls_exit(100) + leave(100)) == EXITED


def test_of_threads_that_call_exit_at_once_the_last_to_leave_has_called() -> None:
    log = fork(100) + fork(101, parent=100, comm="worker") + thread_calls_exit(101) + thread_calls_exit(100)
    log += leave(100).replace("true", "false") + thread_leaves(101, last=True)
    assert found(CALLERS + log) == EXITED


def test_what_another_thread_called_before_an_exec_does_not_count() -> None:
    log = fork(100) + fork(101, parent=100, comm="worker") + of_thread(101, "sys_exit_group(error_code: 0x7)")
    log += thread_leaves(101, last=False) + execute(100, "/bin/worker") + leave(100)
    assert found(CALLERS + log) == SILENT


def test_a_thread_whose_process_is_known_late_called_for_that() -> None:
    # Its header does not name a process until it is switched once.
    log = fork(100) + fork(101, parent=100, comm="worker")
    log += of_thread(101, "sys_exit_group(error_code: 0x3)").replace("(    100)", "(-------)")
    log += thread_leaves(101, last=False) + leave(100)
    one = analyze.deaths(sigtrace.read((CALLERS + log).encode()).table).to_pylist()[-1]
    assert (one["victim_pid"], one["verdict"], one["exit_status"]) == (100, "exited", 3)


def test_the_threads_of_the_kernel_and_what_they_start_call_nothing() -> None:
    worker = fork(30, parent=2, comm="kthreadd")
    assert found(CALLERS + worker + leave(30, comm="kworker/0:1"), 30) == EXITED
    helper = fork(31, parent=30, comm="kworker/0:1")  # which finds nothing to execute
    assert found(CALLERS + worker + helper + leave(31, comm="kworker/0:1"), 31) == EXITED
    assert found(CALLERS + worker + helper + execute(31, "/sbin/modprobe") + leave(31), 31) == SILENT


def test_a_worker_of_the_kernel_that_was_there_before_calls_nothing() -> None:
    assert found(CALLERS + leave(30, comm="kworker/u8:2"), 30) == EXITED
    assert found(CALLERS + fork(30) + leave(30, comm="kworker/u8:2"), 30) == SILENT


def test_who_report_and_the_view_say_it_of_a_recording(tmp_path: Path) -> None:
    about = {"clock": "boot", "events": ["syscalls:sys_enter_exit_group", "syscalls:sys_enter_exit"]}
    log = fork(800) + exits(800) + leave(800) + witness() + ENDED + fork(101) + exits(101, 3) + leave(101)
    with Recorder(tmp_path / "s.parquet", about, utc_offset_us=0) as recorder:
        recorder.feed(log.encode())
        recorder.finish({})
    with Database(tmp_path / "s.parquet") as database:
        rows = database.rows("SELECT victim_pid, verdict, how FROM deaths ORDER BY victim_pid")
        assert [tuple(row.values()) for row in rows] == [(100, *SILENT), (101, *EXITED), (800, *EXITED)]
        (told,) = sigtrace.who(database, "100")
        said = sentence(told, database)
        assert "worker (100) ended, and the cause is unknown: no call to exit is told, and no signal. [" in said
        from sigtrace.report import summary

        assert summary(database)["verdicts"] == {"unknown": 1, "exited": 2}


def test_other_threads_that_were_ended_along_are_told_beside() -> None:
    threads = fork(100) + fork(101, parent=100, comm="worker")
    ended = thread_leaves(101, last=False) + take(100, 9) + leave(100)  # by what 101 did
    session = sigtrace.read((CALLERS + threads + ended).encode())
    (told,) = sigtrace.who(session, "100")
    assert (told["verdict"], told["how"]) == SILENT
    assert "the cause is unknown: no call to exit is told; SIGKILL was delivered to it." in sentence(told, session)


def test_watch_tells_who_ended_without_a_call_to_exit() -> None:
    view = Endings(Wanted())
    view.know({"sys_enter_exit_group", "sys_enter_exit"})
    log = fork(100) + leave(100) + fork(101) + exits(101) + leave(101) + ASKED_AND_SILENT
    for batch in Stream(None).batches(log.encode()):
        assert list(view.lines(batch)) == []
    said = list(view.settled())
    assert [one.split()[1:3] for one in said] == [["worker", "(100)"], ["worker", "(102)"]]
    assert all("ended, and the cause is unknown: no call to exit is told" in one for one in said)


# Before a thread was switched once, its header has no process, or that of the tid's life before.
BORN = fork(100) + fork(101, parent=100, comm="worker")
LEADER_GONE = thread_calls_exit(100) + thread_leaves(100, last=False)
LAST_OF_ITS_OWN = of_thread(101, "sys_exit_group(error_code: 0x4)", pid=101) + thread_leaves(101, last=True, pid=101)


def ended(log: str) -> dict[int, tuple[str, int | None]]:
    rows = analyze.deaths(sigtrace.read(log.encode()).table).to_pylist()
    return {row["victim_pid"]: (row["verdict"], row["exit_status"]) for row in rows if row["victim_pid"] < 200}


def test_the_last_thread_ends_its_process_though_its_header_does_not_say_whose_it_is() -> None:
    assert ended(CALLERS + BORN + LEADER_GONE + LAST_OF_ITS_OWN) == {100: ("exited", 4)}
    taken = of_thread(101, "signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0", pid=101)
    end = hit(101, 9) + call(101, 9) + taken + thread_leaves(101, last=True, pid=101)
    assert ended(CALLERS + BORN + LEADER_GONE + end) == {100: ("killed", None)}


@pytest.mark.parametrize(
    "more",
    [
        fork(102, parent=100, comm="worker"),  # may be the thread, and 101 a process
        fork(102, parent=100, comm="worker") + of_thread(102, "sys_nothing()"),  # is one that goes on
        lost(),
    ],
)
def test_a_child_whose_parent_may_have_other_threads_is_a_process(more: str) -> None:
    told = ended(CALLERS + BORN + more + LEADER_GONE + LAST_OF_ITS_OWN)
    assert told[101] in {("exited", 4), ("unknown", 4), ("unknown", None)}
    assert 100 not in told


def test_a_child_of_a_process_whose_first_thread_lives_is_a_process() -> None:
    assert ended(CALLERS + BORN + LAST_OF_ITS_OWN) == {101: ("exited", 4)}


def test_both_forms_of_the_tracker_find_whose_last_thread_it_was(interpreted: ModuleType) -> None:
    table = sigtrace.read((CALLERS + BORN + LEADER_GONE + LAST_OF_ITS_OWN).encode()).table
    assert interpreted.endings(table) == endings.endings(table)
