"""The difference: a parser and a judge that are as plain as can be say what sigtrace's say."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import difference
import made_up_logs
import plain_judge
import pytest
from made_up_lives import Lives

import sigtrace
from sigtrace import analyze
from tests.story import call, fork, hit, leave, line, take, witness

RECORDINGS = Path(__file__).parent.with_name("notebooks") / "data"
_SHARE = 100
"""Of so many shares, one is looked through here, and all by `make difference`."""


def test_the_plain_parser_agrees_on_every_capture(fixtures: Path) -> None:
    for path in sorted(fixtures.glob("*.txt*")):
        log = path.read_bytes()
        log = gzip.decompress(log) if path.suffix == ".gz" else log
        assert difference.of_log(log) == "", path.name


@pytest.mark.parametrize("share", range(2))
def test_the_plain_parser_agrees_on_made_up_logs(share: int) -> None:
    for number in range(share, 100_000, 2 * _SHARE):
        assert difference.of_log(made_up_logs.log(number)) == "", number


def test_the_made_up_logs_have_lines_of_every_kind() -> None:
    kinds: set[str] = set()
    for number in range(200):
        parser = sigtrace.Parser(rows=1 << 10)
        assert sum(1 for _ in parser.feed(made_up_logs.log(number))) == 0
        kinds |= set(parser.accounting.lines_by_kind)
    assert {"kill", "half", "repeated", "lost", "malformed", "continuation", "other", "unstitchable"} <= kinds
    assert {"signal_generate", "signal_deliver", "sched_process_fork", "mark_victim", "cgroup_attach_task"} <= kinds


def test_the_plain_judge_and_the_tracker_tell_the_truth_about_made_up_lives() -> None:
    for number in range(0, 10_000, _SHARE):
        assert difference.of_lives(Lives(number)) == "", number


def test_the_made_up_lives_end_in_every_way() -> None:
    verdicts = {one["verdict"] for number in range(150) for one in plain_judge.endings(Lives(number).rows)}
    assert verdicts == {"killed", "asked", "self", "fault", "oom", "exited", "unknown"}


@pytest.mark.parametrize("name", ["evidence_events.txt", "exit_status_and_cgroups.txt", "arguments.txt"])
def test_the_plain_judge_agrees_on_a_capture(fixtures: Path, name: str) -> None:
    session = sigtrace.read(fixtures / name)
    found: list[dict[str, Any]] = analyze.deaths(session.table).to_pylist()
    assert found
    assert difference.of_session(session.table.to_pylist(), found) == ""


@pytest.mark.parametrize("path", sorted(RECORDINGS.rglob("*.parquet/_session.*")), ids=lambda path: path.parent.name)
def test_the_plain_judge_agrees_on_a_recording(path: Path) -> None:
    session = sigtrace.read(path.parent)
    found: list[dict[str, Any]] = analyze.deaths(session.table).to_pylist()
    assert found
    assert difference.of_session(session.table.to_pylist(), found) == ""


def test_a_disagreement_is_seen() -> None:
    (log,) = [log for log in made_up_logs.LOGS if b"comm=segv" in log][:1]
    session = sigtrace.read(log)
    found = analyze.deaths(session.table).to_pylist()
    found[0]["killer_pid"] = 77
    assert "77" in difference.of_session(session.table.to_pylist(), found)


def thread_hit(tid: int, sig: int, *, by: int = 50, name: str = "killer", **where: Any) -> str:
    text = f"signal_generate: sig={sig} errno=0 code=-6 comm=worker pid={tid} grp=0 res=0"
    return line(text, of=by, comm=name, **where) + call(tid, sig, by=by, name=name, **where)


def test_a_thread_takes_its_own_signal_before_that_of_its_process() -> None:
    # dequeue_signal looks into the queue of the thread first: it died of its own abort, and not of the killer's.
    log = fork(100) + hit(100, 6) + call(100, 6) + thread_hit(100, 6, by=100, name="worker")
    log += take(100, 6) + leave(100) + witness()
    (death,) = analyze.deaths(sigtrace.read(log.encode()).table).to_pylist()
    assert death["earlier_fate"] == "pending"
    assert death["delay_us"] == 0
    assert death["lines"] == [2, 3, 5, 6, 8, 9]


def test_a_signal_for_one_thread_is_not_taken_by_another() -> None:
    tid = 101
    log = fork(100) + fork(tid, parent=100, comm="worker") + thread_hit(tid, 15, by=40, name="first")
    header = f"{'worker':>16}-{tid:<7} (    100) [000] d..1. {1.0:12.6f}: "
    log += hit(100, 15) + call(100, 15) + take(100, 15, "55b94a72ee40")
    log += line("sys_exit_group(error_code: 0x0)", of=100) + leave(100).replace("true", "false")
    log += header + f"sched_process_exit: comm=worker pid={tid} prio=120 group_dead=true\n" + witness()
    (death,) = analyze.deaths(sigtrace.read(log.encode()).table).to_pylist()
    assert (death["verdict"], death["killer_comm"], death["how"]) == ("asked", "killer", "handled")


def test_a_thread_that_executes_takes_its_own_signals_along() -> None:
    tid = 101
    header = f"{'worker':>16}-{tid:<7} (    100) [000] d..1. {1.0:12.6f}: "
    log = fork(100) + fork(tid, parent=100, comm="worker") + header + "sys_exit(error_code: 0x0)\n"
    log += thread_hit(tid, 15) + leave(100).replace("true", "false")
    log += line(f"sched_process_exec: filename=/bin/worker pid=100 old_pid={tid}", of=100)
    log += take(100, 15, "55b94a72ee40") + line("sys_exit_group(error_code: 0x0)", of=100) + leave(100) + witness()
    (death,) = analyze.deaths(sigtrace.read(log.encode()).table).to_pylist()
    assert (death["verdict"], death["how"]) == ("asked", "handled")


def test_a_handler_that_is_no_number_is_malformed() -> None:
    session = sigtrace.read((witness() + take(100, 15, "!")).encode())
    assert session.accounting.lines_by_kind["malformed"] == 1
    assert session.table["event"].to_pylist().count("signal_deliver") == 1
