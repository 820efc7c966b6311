"""Whom a word names, what somebody sent, and what an answer may deny."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.cli import main
from sigtrace.errors import Error, SessionError
from sigtrace.questions.choice.matching import Matcher
from sigtrace.questions.who import who
from tests.story import arguments, call, execute, fork, hit, kill, leave, line, take

FIXTURES = Path(__file__).parent / "fixtures"
SCENE = "notebooks/data/scene.parquet"
UNIT = "/system.slice/nginx.service"
DOCKER = "/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope"
POD = "/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/" + "fedcba9876543210" * 4


def session(log: str) -> sigtrace.Session:
    return sigtrace.read(log.encode())


def found(log: str, asked: str, **options: Any) -> list[int]:
    return [one["victim_pid"] for one in who(session(log), asked, **options)]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def row(**known: Any) -> dict[str, Any]:
    return {"pid": 7, "comm": "python3", **known}


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("7", row()),
        ("python3", row()),
        ("gunicorn: worker [app:app]", row(command="gunicorn: worker [app:app]")),
        ("gunicorn: worker [app:app]", row(comm="gunicorn: worke")),
        ("[app:app]", row(command="gunicorn: worker [app:app]")),
        ("my name", row(command="my name -x")),
        ("app.py", row(command="/usr/bin/python3 /srv/app.py")),
        ("/srv/app.py", row(command="/usr/bin/python3 /srv/app.py")),
        ("sleep", row(filename="/usr/bin/sleep")),
        ("nginx.service", row(cgroup=UNIT)),
        ("nginx", row(cgroup=UNIT)),
        ("0123456789ab", row(cgroup=DOCKER)),
        ("0123456789abcdef" * 4, row(cgroup=DOCKER)),
        ("fedcba98", row(cgroup=POD)),
        ("12345678-1234-1234-1234-123456789abc", row(cgroup=POD)),
        ("www-data", row(user="www-data")),
    ],
)
def test_a_process_is_named_by(asked: str, known: dict[str, Any]) -> None:
    assert Matcher(asked).matches_row(known)


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("8", row()),
        ("80", row(command="web --port 80")),
        ("pyth", row()),
        ("app", row(command="gunicorn: worker [app:app]")),
        ("bin", row(command="/usr/bin/python3")),
        ("012", row(cgroup=DOCKER)),
        ("3456789a", row(cgroup=DOCKER)),
        ("service", row(cgroup=UNIT)),
        ("www", row(user="www-data")),
    ],
)
def test_a_process_is_not_named_by(asked: str, known: dict[str, Any]) -> None:
    assert not Matcher(asked).matches_row(known)


def test_all_that_match_are_told_be_it_by_name_or_by_a_word_of_the_command() -> None:
    log = fork(100) + execute(100, "/srv/worker") + kill(100) + fork(101) + execute(101, "/bin/sh", comm="worker")
    log += kill(101, ts=2.0) + kill(102, ts=3.0)
    assert found(log, "worker") == [100, 101, 102]
    assert found(log, "/srv/worker") == [100]


def test_a_process_is_found_by_the_name_of_the_thread_that_was_hit() -> None:
    own = line("bpf_trace_printk: hello", of=101).replace("(    101)", "(    100)")
    begun = fork(100) + line("sched_process_fork: comm=worker pid=100 child_comm=worker child_pid=101") + own
    thread = line("signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0", of=101, comm="grpc-3")
    thread += line("sched_process_exit: comm=grpc-3 pid=101 prio=120 group_dead=true", of=101, comm="grpc-3")
    log = begun + hit(100, 9) + call(100, 9) + thread.replace("(    101)", "(    100)")
    assert found(log, "grpc-3") == [100]


def test_if_nothing_matches_what_is_like_it_is_suggested() -> None:
    log = fork(100) + kill(100) + leave(101, comm="redis-server") + leave(102, comm="nginx")
    with pytest.raises(SessionError, match="did you mean redis-server\\? ask by pid"):
        who(session(log), "redis")
    with pytest.raises(SessionError, match="did you mean nginx\\?"):
        who(session(log), "ngnix")
    with pytest.raises(SessionError, match="known by that name here: ask by pid"):
        who(session(log), "zzzzzz")


def test_what_one_sent_and_what_became_of_it() -> None:
    log = (
        fork(100)
        + fork(101)
        + kill(100, 9, by=60, name="deployer")
        + hit(101, 15, by=60, name="deployer", ts=2.0)
        + call(101, 15, by=60, name="deployer", ts=2.0)
        + take(101, 15, "55d0c0ffee00", ts=2.0)
        + call(4711, 15, by=60, name="deployer", ret=-3, ts=3.0)
        + line("sys_exit_group(error_code: 0x3)", of=101, ts=4.0)
        + leave(101, ts=4.0)
        + kill(102, 9, by=61, name="other", ts=5.0)
    )
    told = who(session(log), by="deployer")
    assert [(one["victim_pid"], one.get("outcome"), one.get("exit_status"), one.get("ret")) for one in told] == [
        (100, "ended", None, None),
        (101, "asked", 3, None),
        (4711, None, None, -3),
    ]
    assert told == who(session(log), by="60")
    assert [one["victim_pid"] for one in who(session(log), "101", by="deployer")] == [101]


def test_what_a_script_sent_is_its_own_though_it_has_become_another_program() -> None:
    by: dict[str, Any] = {"by": 50, "name": "sh", "ts": 2.0}
    log = (
        fork(50)
        + execute(50, "/bin/sh", comm="sh")
        + arguments(50, "/bin/sh /opt/restart.sh")
        + fork(100)
        + hit(100, 15, **by)
        + call(100, 15, **by)
        + take(100, 15, "55d0c0ffee00", ts=2.0)
        + execute(50, "/bin/sleep", comm="sleep", ts=3.0)
        + line("sys_exit_group(error_code: 0x0)", of=100, ts=4.0)
        + leave(100, ts=4.0)
    )
    assert [one["outcome"] for one in who(session(log), by="restart.sh")] == ["asked"]
    assert [one["outcome"] for one in who(session(log), by="sh")] == ["asked"]


def test_what_one_sent_is_told_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_, last = said(capsys, "who", SCENE, "--by", "deployer").splitlines()
    assert "deployer (13554) sent " in first
    assert re.search(r"deployer \(13554\) sent SIGKILL to web-2 \(13547\); it was ended by that\. \[lines \d+", last)
    term = [one for one in said(capsys, "who", SCENE, "web-2", "--by", "13554").splitlines() if "SIGTERM" in one]
    assert len(term) == 1
    assert "ignored; it was killed 301.7 ms later" in term[0]


@pytest.mark.parametrize("path", [SCENE, "tests/fixtures/tgid.txt", "tests/fixtures/evidence_events.txt"])
def test_a_session_that_was_read_is_asked_as_its_path_is(path: str) -> None:
    sender = next(one["comm"] for one in sigtrace.read(path).table.to_pylist() if one["event"] == "kill")
    target = next(one["target"] for one in sigtrace.read(path).table.to_pylist() if one["event"] == "kill")
    with sigtrace.Database(path) as database:
        assert len(who(sigtrace.read(path), str(target))) == len(who(database, str(target))) > 0
        for more in ({"by": sender}, {"since": "-1s"}, {"by": sender, "until": "-0.001s"}):
            of_path = [one["lines"] for one in who(database, **more)]
            assert [one["lines"] for one in who(sigtrace.read(path), **more)] == of_path
            assert of_path


def test_who_sent_nothing_is_told_so_only_if_the_log_would_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "who", SCENE, "--by", "13546") == "13546 sent nobody a signal in this log.\n"
    calls = said(capsys, "who", str(FIXTURES / "fields.txt"), "--by", "999999")
    assert calls.startswith(
        "999999 made no such call. Other signals are unknown: this log has no signal_generate; record"
    )


def test_many_alike_are_one_line_with_a_count_and_v_tells_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    deaths = "".join(fork(100 + i, ts=i) + kill(100 + i, 9, ts=i + 0.5) for i in range(1, 13))
    log.write_text(deaths + fork(99, ts=20.0) + kill(99, 15, ts=20.5, by=77, name="other"))
    alike, other = said(capsys, "who", str(log), "worker").splitlines()
    assert alike == "12 times worker was killed by killer (50) with SIGKILL, from 1.500000 to 12.500000."
    assert "worker (99) was killed by other (77)" in other
    each = said(capsys, "who", str(log), "worker", "-v").splitlines()
    assert len(each) == 13
    assert said(capsys, "who", str(log), "worker", "--limit", "1").splitlines() == [
        alike,
        "The first 1 of 2 answers are told.",
    ]
    assert len(json.loads(said(capsys, "who", str(log), "worker", "--json"))) == 13
    assert len(json.loads(said(capsys, "who", str(log), "worker", "--json", "--limit", "3"))) == 3
    sent = said(capsys, "who", str(log), "--by", "killer").splitlines()
    assert sent == ["12 times killer (50) sent SIGKILL to worker; it was ended by that, from 1.500000 to 12.500000."]


@pytest.mark.parametrize(
    ("since", "until", "pids"),
    [
        ("2", None, [102, 103]),
        (None, "2.9", [101, 102]),
        ("2.5", "2.5", [102]),
        ("-1s", None, [102, 103]),
        ("-0.01m", None, [103]),
        ("-1h", "-1s", [101, 102]),
    ],
)
def test_a_period_is_of_the_trace_clock_or_before_the_end(since: str, until: str, pids: list[int]) -> None:
    log = "".join(fork(100 + i, ts=i) + kill(100 + i, 9, ts=i + 0.5) for i in range(1, 4))
    assert found(log, "worker", since=since, until=until) == pids
    assert found(log, "all", since=since, until=until) == pids


@pytest.mark.parametrize(
    ("since", "n"),
    [
        ("2026-11-22T14:02:47.7Z", 7),
        ("2026-11-22 14:02:47.7", 7),
        ("14:02:47.7", 7),
        ("14:03", 0),
        ("2026-11-22T15:02:47.7+01:00", 7),
        ("2026-11-22", 10),
        ("14:02", 10),
    ],
)
def test_a_time_of_day_is_in_utc_and_of_the_recording_s_day(since: str, n: int) -> None:
    with sigtrace.Database(SCENE) as database:
        told = who(database, since=since, exits=False)
        assert len([one for one in told if one["verdict"] != "exited"]) == n


def test_minus_15m_is_a_value_and_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "web-1" in said(capsys, "who", SCENE, "web-1", "--since", "-15m", "--until", "-0.1s")


def test_a_time_that_is_none_says_what_to_give() -> None:
    with pytest.raises(Error, match="noon: no time that is known here: give 2026-11-22T14:02:47 or"):
        found(kill(100), "all", since="noon")
    with pytest.raises(Error, match="14:02: this log does not say what time of day it was: give seconds"):
        found(kill(100), "all", since="14:02")


def test_who_was_asked_long_ago_was_asked_if_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.txt"
    handled = hit(100, 15) + call(100, 15) + take(100, 15, "55d0c0ffee00")
    log.write_text(fork(100) + handled + leave(100, ts=31.0) + leave(1, ts=32.0))
    asked = "worker (100) exited, 30.0 s after it handled SIGTERM from killer (50)"
    assert asked in said(capsys, "who", str(log), "100")
    assert "worker (100) exited. [" in said(capsys, "who", str(log), "100", "--asked-within", "10")
    assert "1 process was asked to end and exited" in said(capsys, "report", str(log))
    assert said(capsys, "report", str(log), "--asked-within", "10").count("asked to end") == 0


UNSEEN = {
    "only_signal_generate": "no calls of kill, signal_deliver or sched_process_exit",
    "only_sys_kill": "no signal_generate, signal_deliver or sched_process_exit",
    "only_process_exit": "no calls of kill, signal_generate or signal_deliver",
    "only_another_programs_printk": "no calls of kill, signal_generate, signal_deliver or sched_process_exit",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_a_log_would_not_show_is_unknown_and_denied_nowhere(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = str(FIXTURES / f"{name}.txt")
    answers = [said(capsys, "report", log), said(capsys, "report", log, "--markdown"), said(capsys, "who", log)]
    for told in answers:
        assert "Nobody" not in told
        assert "Nothing was lost" not in told
        assert "exited" not in told
        assert "lived on" not in told
        assert "record with" in told
        assert "unknown" in told.lower()
    assert f"Unknown: this log has {UNSEEN[name]}, which would show" in answers[0]


@pytest.mark.parametrize(
    ("name", "whom", "told"),
    [
        ("only_sys_kill", "14165", "No call named 14165. Other signals are unknown: this log has no signal_generate;"),
        ("fields", "5603", "No call named 5603. Other signals are unknown: this log has no signal_generate;"),
        ("only_process_exit", "14158 --until 1", "It is unknown who sent 14158 a signal: this log has no"),
        ("only_another_programs_printk", "all", "It is unknown who sent anybody a signal: this log has no"),
        ("only_signal_generate", "14147", "Nobody sent 14147 a signal in this log."),
    ],
)
def test_that_nobody_sent_a_signal_is_said_only_of_a_log_that_has_them(
    name: str, whom: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "who", str(FIXTURES / f"{name}.txt"), *whom.split()).startswith(told)


def test_a_log_of_generated_signals_alone_tells_whom_they_hit_and_by_whom(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = said(capsys, "who", str(FIXTURES / "only_signal_generate.txt")).splitlines()
    told = "sleep (14148) got SIGKILL from bash (14147); what became of it is unknown."
    assert first == f"2528.850202 {told} [line 1]"


def test_a_sender_of_whom_only_the_header_tells_is_named_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = said(capsys, "who", str(FIXTURES / "only_sys_kill.txt"), "14166").splitlines()
    assert "python3 (14165) sent signal 0 to 14166" in first


def test_the_report_counts_exits_and_failures_apart_and_asked_ones_by_who_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    handled = "".join(
        fork(pid) + hit(pid, 15) + call(pid, 15) + take(pid, 15, "55d0c0ffee00") + leave(pid) for pid in (100, 101)
    )
    exits = "".join(
        fork(pid) + line(f"sys_exit_group(error_code: 0x{status})", of=pid) + leave(pid)
        for pid, status in ((102, 0), (103, 1), (104, 2))
    )
    log.write_text(handled + exits + fork(105) + kill(105))
    printed = said(capsys, "report", str(log))
    assert (
        "1 process was killed, 2 were asked to end and exited and 3 exited, 2 of them with a status other than 0; "
        in printed
    )
    assert (
        "Who asked whom to end: 2 processes were asked to end and exited; most often, 2 times, killer asked " in printed
    )
    answer = json.loads(said(capsys, "report", str(log), "--json"))
    assert answer["exits_that_failed"] == 2
    assert [row["deaths"] for row in answer["matrix"]] == [1]
    assert answer["askers"] == [{"asker": "killer", "victim": "worker", "signal": "SIGTERM", "asks": 2}]
    targets = {row["target"]: row["means"] for row in answer["targets"]}
    assert targets == {100: "worker (100)", 101: "worker (101)", 105: "worker (105)"}
