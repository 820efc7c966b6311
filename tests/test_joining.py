"""Joining: what two logs of one moment saw is one call with two witnesses, and they may differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace.cli import main
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.questions.witnesses import ends
from sigtrace.questions.witnesses.pairs import Call, pairs, witness
from sigtrace.store.recorder import Recorder
from tests import story
from tests.described import describe, described
from tests.story import fork, hit, kill, leave, line, lost, take

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).with_name("fixtures")
WITNESSES = FIXTURES / "witnesses"
LINE = "      {comm}-{pid} ({pid}) [000] ...1 {ts:.6f}: bpf_trace_printk: {said}\n"

Made = tuple[float, int, int, int, int]  # when, who, whom, with what, and the result


def log_of(path: Path, calls: list[Made], *, comm: str = "killer") -> Path:
    """Write what trace_pipe prints of calls."""
    path.write_text(
        "".join(
            LINE.format(comm=comm, pid=pid, ts=ts + after, said=said)
            for ts, pid, target, sig, ret in calls
            for after, said in (
                (0, f"PID {pid} ({comm}) sent signal {sig} "),
                (2e-6, f"to PID {target}, ret = {ret}"),
            )
        )
    )
    return path


CALLS: list[Made] = [(100 + 3.7 * n, 50 + n % 3, 1000 + n, (2, 9, 15)[n % 3], 0) for n in range(20)]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def report(*logs: Path) -> dict[str, Any]:
        assert main(["report", *map(str, logs), "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return report


def test_a_call_that_two_logs_saw_is_counted_once_whatever_their_clocks_say(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    late = [(call[0] - 91.5, *call[1:]) for call in CALLS]
    answer = said(log_of(tmp_path / "a.txt", CALLS), log_of(tmp_path / "b.txt", late))
    (pair,) = answer["witnesses"]
    assert (pair["both"], pair["only"], pair["of_only"], pair["disagree"]) == (20, 0, 0, 0)
    assert answer["calls"] == 20
    assert answer["disagreements"] == []


def test_what_one_of_them_alone_saw_is_said_and_counted(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    answer = said(
        log_of(tmp_path / "a.txt", CALLS[:7] + CALLS[8:]), log_of(tmp_path / "b.txt", CALLS[:11] + CALLS[13:])
    )
    (pair,) = answer["witnesses"]
    assert (pair["both"], pair["only"], pair["of_only"]) == (17, 2, 1)
    assert answer["calls"] == 20


def test_what_a_log_tells_of_before_and_after_the_other_is_no_difference(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    answer = said(log_of(tmp_path / "a.txt", CALLS[:15]), log_of(tmp_path / "b.txt", CALLS[5:]))
    (pair,) = answer["witnesses"]
    assert (pair["both"], pair["only"], pair["of_only"]) == (10, 0, 0)
    assert answer["calls"] == 20


def test_what_they_say_differently_of_a_call_is_listed(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    other = [*CALLS[:4], (*CALLS[4][:4], -3), *CALLS[5:]]
    answer = said(log_of(tmp_path / "a.txt", CALLS), log_of(tmp_path / "b.txt", other))
    (differ,) = answer["disagreements"]
    assert (differ["line"], differ["of_line"], differ["ret"], differ["of_ret"]) == (9, 9, 0, -3)
    assert (differ["pid"], differ["target"], differ["signal"]) == (51, 1004, "SIGKILL")
    assert answer["calls"] == 20


def test_the_same_call_made_again_and_again_is_as_many_calls(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    asks: list[Made] = [(100 + n, 60, 1, 0, 0) for n in range(30)]
    answer = said(log_of(tmp_path / "a.txt", CALLS + asks), log_of(tmp_path / "b.txt", CALLS + asks[3:]))
    (pair,) = answer["witnesses"]
    assert (pair["both"], pair["only"], pair["of_only"]) == (47, 3, 0)
    assert answer["calls"] == 50


def test_logs_that_have_little_in_common_are_not_joined(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    others: list[Made] = [(100 + 3.7 * n, 50 + n % 3, 2000 + n, 9, 0) for n in range(20)]
    answer = said(log_of(tmp_path / "a.txt", CALLS), log_of(tmp_path / "b.txt", others + CALLS[:1]))
    assert answer["witnesses"] == []
    assert answer["calls"] == 41


def test_the_same_processes_at_other_times_are_not_the_same_calls(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    others = [(100 + 7.9 * n, *call[1:]) for n, call in enumerate(CALLS)]
    answer = said(log_of(tmp_path / "a.txt", CALLS), log_of(tmp_path / "b.txt", others))
    assert answer["witnesses"] == []
    assert answer["calls"] == 40


def test_two_tools_that_watched_the_same_calls_are_one_story(
    said: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    logs = WITNESSES / "killsnoop_bcc.txt", WITNESSES / "killsnoop_libbpf.txt"
    apart = [said(log)["calls"] for log in logs]
    answer = said(*logs)
    (pair,) = answer["witnesses"]
    assert pair["both"] == 10
    assert answer["calls"] == sum(apart) - 10
    assert main(["report", *map(str, logs)]) == 0
    over = "Witnesses: 2 logs are of one moment; 10 calls stand in both, counted once."
    assert over in capsys.readouterr().out.splitlines()


def test_what_a_log_does_not_say_is_no_disagreement() -> None:
    of_one = [((50, 1, 9), Call(1, 10, None, "killer", 0)), ((50, 2, 9), Call(2, 20, None, "killer", 0))]
    of_other = [((50, 1, 9), Call(1, 10, None, None, None)), ((50, 2, 9), Call(2, 20, None, "killer", -3))]
    (pair,) = pairs([witness("a", of_one), witness("b", of_other)], lambda *_: True)
    assert len(pair.both) == 2
    assert [one.line for _, one, _ in pair.disagreements] == [2]


def test_a_log_without_times_is_joined_with_none(said: Callable[..., dict[str, Any]]) -> None:
    assert said(WITNESSES / "exitsnoop_bcc.txt", WITNESSES / "killsnoop_bcc.txt")["witnesses"] == []


def test_the_log_that_shows_more_keeps_the_calls(said: Callable[..., dict[str, Any]]) -> None:
    answer = said(WITNESSES / "trace_cmd.txt", WITNESSES / "trace_cmd.trace_pipe.txt")
    (pair,) = answer["witnesses"]
    assert (pair["both"], pair["only"], pair["of_only"]) == (10, 0, 0)
    assert {row["log"] for row in answer["senders"]} == {pair["log"]}


def test_a_query_has_the_rows_of_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = log_of(tmp_path / "a.txt", CALLS), log_of(tmp_path / "b.txt", CALLS)
    assert main(["query", *map(str, logs), "SELECT count(*) AS n FROM kills", "--csv"]) == 0
    assert capsys.readouterr().out == "n\n40\n"


def test_sessions_of_two_hosts_are_not_joined(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    from sigtrace.store.recorder import Recorder

    log = log_of(tmp_path / "a.txt", CALLS).read_bytes()
    for name, boot in (("one", "1"), ("other", "2")):
        with Recorder(tmp_path / f"{name}.parquet", {"boot_id": boot}) as recorder:
            recorder.feed(log)
            recorder.finish({})
    answer = said(tmp_path / "one.parquet", tmp_path / "other.parquet")
    assert answer["witnesses"] == []
    assert answer["calls"] == 40


def test_a_storm_that_two_logs_saw_is_one_storm(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    storm: list[Made] = [(200 + n / 1000, 50, 7, 10, 0) for n in range(150)]
    answer = said(log_of(tmp_path / "a.txt", CALLS + storm), log_of(tmp_path / "b.txt", CALLS + storm))
    assert len(answer["witnesses"]) == 1
    assert [one["calls"] for one in answer["storms"]] == [150]


HOURS = {"started": "2026-11-25T10:00:00+00:00", "ended": "2026-11-25T11:00:00+00:00"}
LATER = {"started": "2026-11-25T11:00:01+00:00", "ended": "2026-11-25T12:00:00+00:00"}
WITHIN = {"started": "2026-11-25T10:30:00+00:00", "ended": "2026-11-25T11:30:00+00:00"}
SET_BACK = {"started": "2026-11-25T11:30:00+00:00", "ended": "2026-11-25T11:10:00+00:00"}


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        ({**HOURS, "host": "a"}, {**LATER, "host": "a"}, 0),
        ({**LATER, "host": "a"}, {**HOURS, "host": "a"}, 0),
        ({**HOURS, "host": "a"}, {**WITHIN, "host": "a"}, 1),
        ({**HOURS, "host": "a"}, {"started": LATER["started"], "host": "a"}, 1),  # it goes on
        ({**HOURS, "host": "a"}, {**SET_BACK, "host": "a"}, 1),
        (HOURS, LATER, 1),  # of whose clocks nothing is known
    ],
)
def test_recordings_of_one_machine_are_of_one_moment_only_if_both_went_on_then(
    tmp_path: Path, said: Callable[..., dict[str, Any]], one: dict[str, str], other: dict[str, str], joined: int
) -> None:
    paths = [tmp_path / name for name in ("a.parquet", "b.parquet")]
    log = log_of(tmp_path / "a.txt", CALLS).read_bytes()
    for path, about in zip(paths, (one, other), strict=True):
        with Recorder(path, {}) as recorder:
            recorder.feed(log)
            recorder.finish({})
        kept = {
            key: value
            for key, value in described(path).items()
            if key not in {"started", "ended", "host", "boot_id", "crc32"}
        }
        describe(path, {**kept, **about})
    assert len(said(*paths)["witnesses"]) == joined


KILLED = "".join(fork(1000 + n, ts=100 + n) + kill(1000 + n, 9, ts=101 + n) for n in range(5))
EXITED = "".join(fork(2000 + n, ts=120 + n) + leave(2000 + n, ts=121 + n) for n in range(3))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_death_that_two_logs_tell_is_one_death(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    one = said(WITNESSES / "trace_cmd.txt")
    answer = said(WITNESSES / "trace_cmd.txt", WITNESSES / "trace_cmd.trace_pipe.txt")
    assert answer["verdicts"] == one["verdicts"]
    assert len(answer["deaths"]) == len(one["deaths"]) == 6
    assert answer["matrix"] == one["matrix"]
    (pair,) = answer["witnesses"]
    assert (pair["deaths"], pair["deaths_apart"]) == (sum(one["verdicts"].values()), 0)
    late = (KILLED + EXITED).replace("[000]", "[001]")
    logs = [
        written(tmp_path / f"{name}.txt", text) for name, text in {"a": KILLED + EXITED, "b": late, "c": late}.items()
    ]
    of_three = said(*logs)
    assert len(of_three["witnesses"]) == 3
    assert of_three["verdicts"] == {"exited": 3, "killed": 5}


def test_deaths_that_one_log_alone_tells_are_counted_too(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    more = fork(3000, ts=130) + kill(3000, 15, ts=131)
    answer = said(written(tmp_path / "a.txt", KILLED + more), written(tmp_path / "b.txt", KILLED + EXITED))
    assert answer["verdicts"] == {"exited": 3, "killed": 6}


def test_the_log_that_knows_how_a_death_came_about_tells_it(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    lines = KILLED.splitlines(keepends=True)
    lossy = "".join([*lines[:-1], lost(cpu=0), lines[-1]])  # who else sent a signal to the last one is unknown
    assert said(written(tmp_path / "a.txt", lossy + EXITED))["unknown"]
    quiet = "".join(one for one in KILLED.splitlines(keepends=True) if "signal_" not in one)
    for text in (quiet, lossy):
        answer = said(written(tmp_path / "a.txt", text), written(tmp_path / "b.txt", KILLED))
        assert answer["verdicts"] == {"killed": 5}
        assert answer["verdicts_apart"] == []
    assert said(written(tmp_path / "a.txt", quiet))["verdicts"] == {"unknown": 5}


def test_deaths_that_two_logs_tell_differently_are_listed(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    other = KILLED.replace("sig=9 errno=0 code=0 comm=worker pid=1003", "sig=15 errno=0 code=0 comm=worker pid=1003")
    assert other != KILLED
    logs = written(tmp_path / "a.txt", KILLED), written(tmp_path / "b.txt", other)
    answer = said(*logs)
    assert answer["verdicts"] == {"killed": 5}
    (apart,) = answer["verdicts_apart"]
    assert (apart["pid"], apart["signal"], apart["of_signal"]) == (1003, "SIGKILL", "SIGTERM")
    assert (apart["log"], apart["of_log"]) == tuple(map(str, logs))
    assert answer["witnesses"][0]["deaths_apart"] == 1


def test_a_pid_that_died_twice_died_twice(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    once = fork(4000, ts=150) + kill(4000, 9, ts=151)  # says how far apart the clocks are
    again = KILLED + once + "".join(fork(1000 + n, ts=200 + n) + kill(1000 + n, 9, ts=200.05 + n) for n in range(5))
    answer = said(written(tmp_path / "a.txt", again), written(tmp_path / "b.txt", again))
    assert answer["verdicts"] == {"killed": 11}
    answer = said(written(tmp_path / "a.txt", KILLED + once), written(tmp_path / "b.txt", again))
    assert answer["verdicts"] == {"killed": 11}


def test_a_database_that_is_asked_twice_says_the_same_twice() -> None:
    with Database(WITNESSES / "trace_cmd.txt", WITNESSES / "trace_cmd.trace_pipe.txt") as database:
        first = summary(database)
        assert len(first["witnesses"]) == 1
        assert summary(database) == first


def dying(pid: int, ts: float) -> str:
    return fork(pid, ts=ts - 0.01) + hit(pid, 9, code=128, ts=ts) + take(pid, 9, ts=ts) + leave(pid, ts=ts)


def test_two_deaths_that_one_log_tells_are_two_whatever_the_others_say(
    tmp_path: Path, said: Callable[..., dict[str, Any]]
) -> None:
    a = written(tmp_path / "a.txt", KILLED + dying(5000, 200.0) + dying(5000, 200.09))
    b = written(tmp_path / "b.txt", KILLED + dying(5000, 200.05))
    c = written(tmp_path / "c.txt", KILLED + dying(5000, 200.12))
    for logs in ((a,), (a, b), (a, c), (a, b, c), (c, b, a), (b, c, a)):
        assert said(*logs)["verdicts"] == {"killed": 7}


def test_the_log_that_knows_the_status_of_an_exit_tells_it(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    failed = "".join(
        fork(6000 + n, ts=150.0 + n)
        + line("sys_exit_group(error_code: 1)", of=6000 + n, ts=150.0 + n)
        + leave(6000 + n, ts=150.0 + n)
        for n in range(4)
    )
    whole = story.witness(ts=90) + KILLED + failed
    one = written(tmp_path / "a.txt", whole)
    other = written(tmp_path / "b.txt", "".join(row for row in whole.splitlines(keepends=True) if "exit_g" not in row))
    assert said(other)["exits_that_failed"] == 0
    for logs in ((one,), (one, other), (other, one)):
        assert said(*logs)["exits_that_failed"] == 4


def test_the_timeline_has_what_two_recordings_saw_once(tmp_path: Path, said: Callable[..., dict[str, Any]]) -> None:
    text = KILLED + dying(5000, 200.0)
    paths = [tmp_path / name for name in ("a.parquet", "b.parquet")]
    one, other = (Recorder(path, {}, utc_offset_us=1_700_000_000_000_000) for path in paths)
    with one, other:
        one.feed(text.encode())
        other.feed(text.replace("[000]", "[001]").encode())
        one.finish({})
        other.finish({})
    of_one, of_both = (said(*some)["timeline"]["rows"] for some in (paths[:1], paths))
    for what in ("calls", "signals", "exits"):
        assert sum(row[what] for row in of_one) == sum(row[what] for row in of_both) > 4


def test_of_too_many_deaths_none_are_joined(
    tmp_path: Path, said: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "_MOST_ENDS", 9)
    answer = said(written(tmp_path / "a.txt", KILLED), written(tmp_path / "b.txt", KILLED))
    assert answer["verdicts"] == {"killed": 10}
    assert answer["calls"] == 5


def test_a_death_that_two_logs_tell_is_one_row_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    logs = [str(WITNESSES / name) for name in ("trace_cmd.txt", "trace_cmd.trace_pipe.txt")]
    assert main(["report", logs[0], "--csv"]) == 0
    of_one = capsys.readouterr().out
    assert main(["report", *logs, "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(of_one.splitlines()) == 7


def test_a_report_says_how_many_deaths_both_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(WITNESSES / "trace_cmd.txt"), str(WITNESSES / "trace_cmd.trace_pipe.txt")]) == 0
    over = "Witnesses: 2 logs are of one moment; 10 calls stand in both, and so do 8 deaths, counted once."
    assert over in capsys.readouterr().out.splitlines()
