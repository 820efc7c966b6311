"""What opens as a database, what its answers are beside those of a whole session, and what stays behind."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sigtrace
from sigtrace import Log, LogError, SessionError, analyze
from sigtrace.errors import Error
from sigtrace.facts.schema import SCHEMA
from sigtrace.output.sentence import unknown
from sigtrace.questions import who
from sigtrace.questions.choice.lines import in_time
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import counted
from sigtrace.store import row_groups
from sigtrace.store.conversion import convert
from sigtrace.store.part import Part
from sigtrace.store.recorder import Recorder
from tests.story import call, events, execute, fork, hit, kill, leave, lost, witness

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
FLEET = ROOT / "notebooks" / "data" / "fleet"
SCENE = ROOT / "notebooks" / "data" / "scene.parquet"
LOG = fork(100) + execute(100, "/usr/bin/worker") + kill(100) + leave(102, comm="quiet")
SOURCES = [
    *(FIXTURES / name for name in ("evidence.txt", "evidence_events.txt", "tgid.txt", "lossy.txt.gz")),
    SCENE,
    *sorted(FLEET.glob("*/*/*.parquet")),
]


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary folders made in a place of their own."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def told(*sources: Any) -> list[tuple[Any, ...]]:
    with Database(*sources) as database:
        return [(row["log"], row["victim_pid"], row["verdict"]) for row in who.who(database, exits=False)]


def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "trace.log"
    path.write_text(LOG)
    return path


def recording(path: Path, text: str = LOG) -> Recorder:
    recorder = Recorder(path, {})
    recorder.feed(text.encode())
    return recorder


@pytest.mark.parametrize("source", SOURCES, ids=[path.name for path in SOURCES])
def test_a_database_tells_what_the_whole_session_tells(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigtrace.questions.database.FEW", -1)  # few rows are asked as the whole session is
    table = sigtrace.read(source).table
    whole = analyze.deaths(table).to_pylist()
    with Database(source) as database:
        assert ordered(database.rows("FROM deaths")) == ordered(whole)
        of_report = counted(database, 1_000)
        assert of_report.verdicts == Counter(death["verdict"] for death in whole)
        ended = [death for death in whole if death["verdict"] != "exited"]
        assert [death["victim_pid"] for death in of_report.first] == [
            death["victim_pid"] for death in sorted(ended, key=in_time)
        ]
        assert database.answer("SELECT count(*) AS n FROM events").to_pylist() == [{"n": len(table)}]
        storms, escalations = pa.table(database.calls.storms()), pa.table(database.calls.escalations())
    # DuckDB's sums may be decimals; these compare as numbers.
    for found, asked in ((storms, analyze.storms(table)), (escalations, analyze.escalations(table))):
        of_whole = asked.to_pylist()
        assert len(found) == len(of_whole)
        assert all(row in of_whole for row in found.to_pylist())


def test_what_is_followed_between_changes_neither_deaths_nor_their_evidence() -> None:
    with Database(SCENE) as database:
        before = counted(database, 1_000)
        who.who(database, "1")
        after = counted(database, 1_000)
        assert (before.verdicts, before.matrix, before.first) == (after.verdicts, after.matrix, after.first)
        for death in before.first:
            assert [row["line"] for row in death["evidence"]] == death["lines"]


@pytest.fixture
def shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigtrace.questions.deaths._WORTH_A_PROCESS", 1)
    monkeypatch.setattr("sigtrace.questions.deaths._SHARE_BYTES", 1)


@pytest.mark.usefixtures("shared_out")
def test_processes_that_share_the_work_count_what_one_counts(log: Path) -> None:
    for most in (3, 1_000):
        with Database(log, FLEET, sigtrace.read(SCENE)) as database:
            alone, together = counted(database, most), counted(database, most, processes=2)
        assert alone.verdicts.total() > 100
        assert len(alone.first) == min(most, alone.verdicts.total() - alone.verdicts["exited"])
        for name in ("verdicts", "failed", "matrix", "askers", "first"):
            assert getattr(together, name) == getattr(alone, name)


@pytest.mark.usefixtures("shared_out")
def test_processes_that_share_the_work_keep_to_the_period() -> None:
    with Database(FLEET) as database:
        whole = counted(database, 1_000)
        database.within(whole.first[9]["time"].isoformat(), None)
        alone, together = counted(database, 1_000), counted(database, 1_000, processes=2)
    assert 0 < alone.verdicts.total() < whole.verdicts.total()
    assert (together.verdicts, together.first) == (alone.verdicts, alone.first)


@pytest.mark.usefixtures("shared_out")
def test_what_a_process_that_shares_the_work_cannot_read_is_an_error(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    shutil.copytree(FLEET, fleet)
    with Database(fleet) as database:
        part = next(fleet.glob("*/*/*/part-*"))
        part.write_bytes(b"PAR1")
        with pytest.raises(SessionError, match=str(part)):
            counted(database, 1_000, processes=2)


class Deadly:
    def __reduce__(self) -> Any:
        return os._exit, (1,)


@pytest.mark.usefixtures("shared_out")
def test_a_process_that_is_killed_while_it_shares_the_work_is_an_error() -> None:
    deadly: Any = Deadly()
    with Database(FLEET) as database, pytest.raises(Error, match="was killed"):
        counted(database, deadly, processes=2)


def test_a_line_beside_a_loss_is_counted_once() -> None:
    log = leave(7) + lost(0) + leave(8) + "".join(call(1, 15, ts=9.0, cpu=cpu) for cpu in (0, 1))
    assert analyze.deaths(events(log)).num_rows == 2
    with Database(sigtrace.read((witness() + leave(7) + call(7, 15, ts=9.0) + lost(0)).encode())) as database:
        assert database.rows("SELECT verdict, count(*) AS n FROM deaths GROUP BY ALL") == [
            {"verdict": "exited", "n": 1}
        ]


def test_a_parent_has_the_name_that_its_latest_child_was_born_with() -> None:
    log = fork(90, comm="java") + fork(100, comm="worker-3", ts=2.0) + kill(100, ts=3.0)
    (death,) = analyze.deaths(events(log)).to_pylist()
    assert death["parent_comm"] == "worker-3"
    with Database(sigtrace.read(log.encode())) as database:
        assert database.rows("FROM deaths") == [death]


def test_half_of_a_call_tells_its_source() -> None:
    first, _ = call(100, 15).splitlines(keepends=True)
    log = fork(100) + hit(100, 15) + first + "".join(kill(100).splitlines(keepends=True)[3:])
    (death,) = analyze.deaths(events(log)).to_pylist()
    assert death["source"] == "call"
    with Database(sigtrace.read(log.encode())) as database:
        assert database.rows("FROM deaths") == [death]


def test_a_storm_on_two_cpus_is_one_though_their_logs_stand_one_behind_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sigtrace.questions.database.FEW", -1)

    def calls(odd: int) -> str:
        return "".join(call(7, 15, ts=1 + (2 * i + odd) / 1000, cpu=odd) for i in range(60))

    session = sigtrace.read((calls(0) + calls(1)).encode())
    with Database(session) as database:
        assert [row["calls"] for row in pa.table(database.calls.storms()).to_pylist()] == [120]


def test_by_name_those_are_found_who_were_forked_by_a_command_and_executed_nothing() -> None:
    log = (
        execute(50, "/usr/sbin/nginx-debug-and-more", comm="nginx-debug-and")
        + fork(100, parent=50, comm="nginx-debug-and")
        + fork(101, parent=100, comm="pool")
        + fork(102, parent=50, comm="nginx-debug-and")
        + execute(102, "/bin/sh", comm="sh")
        + "".join(kill(pid, by=9, ts=2.0) for pid in (100, 101, 102))
    )
    session = sigtrace.read(log.encode())
    assert [death["victim_pid"] for death in who.who(session, "nginx-debug-and-more")] == [100, 101]


def test_a_forked_child_is_found_by_name_though_its_pid_later_executes_another() -> None:
    log = (
        execute(50, "/usr/sbin/nginx", comm="nginx")
        + fork(100, parent=50, comm="nginx")
        + kill(100, ts=2.0)
        + fork(100, parent=1, comm="init", ts=3.0)
        + execute(100, "/bin/sh", comm="sh", ts=4.0)
    )
    assert [death["victim_pid"] for death in who.who(sigtrace.read(log.encode()), "nginx")] == [100]


@pytest.mark.parametrize("source", [FLEET, FLEET / "**" / "*.parquet", FLEET / "*" / "*" / "*.parquet", FLEET / "*"])
def test_a_folder_of_sessions_and_a_glob_of_them_or_of_their_parts_are_the_same(source: Path) -> None:
    sessions = [sigtrace.read(path) for path in sorted(FLEET.glob("*/*/*.parquet"))]
    with Database(source) as database:
        assert len(database.logs) == len(sessions)
        assert sorted(database.logs, key=str) == sorted(session.about["log"] for session in sessions)
        (n,) = database.rows("SELECT count(*) AS n FROM events")
        assert n["n"] == sum(map(len, sessions))
        assert database.accounting.lines == sum(session.accounting.lines for session in sessions)
    assert len(told(source)) == sum(
        death["verdict"] != "exited" for one in sessions for death in analyze.deaths(one.table).to_pylist()
    )


def test_a_session_that_is_named_twice_is_read_once() -> None:
    part = next(SCENE.glob("part-*.parquet"))
    assert told(SCENE, SCENE) == told(SCENE) == told(part.parent / "part*")


def test_a_parsed_file_a_log_and_a_packed_one_tell_the_same(tmp_path: Path, log: Path) -> None:
    packed = tmp_path / "trace.log.gz"
    packed.write_bytes(gzip.compress(LOG.encode()))
    parsed = tmp_path / "out.parquet"
    convert([Log(log)], parsed)
    ended = (100, "killed")
    assert told(log) == told(parsed) == [(str(log), *ended)]
    assert told(packed) == [(str(packed), *ended)]
    assert told(sigtrace.read(LOG.encode())) == [(None, *ended)]


def test_standard_input_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert told("-") == [("-", 100, "killed")]


def test_logs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for host in ("a", "b"):
        (tmp_path / host).mkdir()
        monkeypatch.chdir(tmp_path / host)
        Path("trace.log").write_text(LOG)
        convert([Log("trace.log")], Path("out.parquet"))
        paths.append(str(tmp_path / host / "out.parquet"))
    assert told(tmp_path) == [(path, 100, "killed") for path in paths]
    with Database(tmp_path) as database:
        assert database.logs == paths
        assert len(who.who(database, "100")) == 2
        (row,) = database.answer("SELECT count(DISTINCT log) AS n FROM events").to_pylist()
        assert row == {"n": 2}


def test_two_sessions_of_bytes_are_told_apart(log: Path) -> None:
    session = sigtrace.read(LOG.encode())
    assert len(told(log, session)) == 2
    assert len(told(session, sigtrace.read(kill(100).encode()))) == 2


def test_a_recording_of_before_rows_named_their_log_has_its_path_beside_others(tmp_path: Path) -> None:
    assert {log for log, *_ in told(SCENE)} == {None}
    path = tmp_path / "s.parquet"
    with recording(path) as recorder:
        recorder.finish({})
    both = told(path, SCENE)
    assert sorted(log == str(SCENE) for log, *_ in both) == [False, *[True] * len(told(SCENE))]


def test_a_recording_that_goes_on_is_asked_as_far_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path) as recorder:
        assert [row[1:] for row in told(path)] == [(100, "killed")]
        recorder.feed(kill(103, ts=5.0).encode())
        assert [row[1:] for row in told(path)] == [(100, "killed"), (103, "killed")]
        recorder.finish({})
    assert [row[1:] for row in told(path)] == [(100, "killed"), (103, "killed")]


def _killed(path: Path) -> None:
    class Killed(Exception):  # noqa: N818  (a recorder's end, no error of ours)
        pass

    with pytest.raises(Killed), recording(path):
        raise Killed


def test_a_recording_whose_recorder_was_killed_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    _killed(path)
    with Database(path) as database:
        assert database.accounting.lines == LOG.count("\n")
    assert not list(path.glob("_spool*"))
    assert [row[1:] for row in told(path)] == [(100, "killed")]


def test_a_killed_recording_in_a_folder_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.parquet"
    _killed(path)
    monkeypatch.setattr("sigtrace.store.folder.Folder.hold", lambda _: False)  # root may write anywhere
    with Database(path) as database:
        assert database.accounting.lines == LOG.count("\n")
    assert [row[1:] for row in told(path)] == [(100, "killed")]
    assert list(path.glob("_spool*"))


@pytest.mark.parametrize("name", ["it's", "[ab]", "a b", "a*?", 'say "x"', "ü", "a,b", "$1", "50%"])
def test_a_name_is_no_pattern_and_no_sql(tmp_path: Path, name: str) -> None:
    log, parsed, recorded = tmp_path / f"{name}.log", tmp_path / f"{name}.parquet", tmp_path / name
    log.write_text(LOG)
    convert([Log(log)], parsed)
    with recording(recorded) as recorder:
        recorder.finish({})
    for path in (log, parsed, recorded):
        assert [row[1:] for row in told(path)] == [(100, "killed")]
    assert len(told(log, parsed, recorded)) == 3
    with Database(log) as database:
        assert [row["victim_pid"] for row in who.who(database, "100")] == [100]


def _is_no_session(tmp_path: Path) -> list[tuple[Path, str]]:
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"x": [1]}), foreign)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.log").touch()
    return [
        (tmp_path / "nowhere", "No such file"),
        (tmp_path / "no*where", "nothing is there: give a recording"),
        (foreign, "not written by sigtrace: make it with"),
        (tmp_path / "empty", "no session of sigtrace in it: `sigtrace record -o`"),
        (tmp_path / "empty.log", "it is empty: give the output of"),
        (FIXTURES / "latency_format.txt", "options/latency-format"),
    ]


def test_what_cannot_be_opened_says_in_a_line_what_to_do_and_leaves_nothing_behind(
    tmp_path: Path, scratch: Path, log: Path
) -> None:
    for path, said in _is_no_session(tmp_path):
        with pytest.raises((SessionError, LogError)) as raised:
            Database(log, path)
        assert said in str(raised.value)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
        assert list(scratch.iterdir()) == []


def test_a_damaged_part_is_named_and_left_out(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "s.parquet"
    shutil.copytree(SCENE, path)
    part = next(path.glob("part-*"))
    part.write_bytes(part.read_bytes()[:-100])
    with Database(path) as database:
        assert database.rows("FROM deaths") == []
        assert f"{part} was left out (" in str(unknown(database))
    assert list(scratch.iterdir()) == []


def test_the_temporary_folder_is_gone_afterwards(log: Path, scratch: Path) -> None:
    with Database(log) as database:
        assert list(scratch.iterdir())
        with pytest.raises(Error):
            database.answer("SELECT nothing")
    assert list(scratch.iterdir()) == []
    with pytest.raises(SessionError), Database(log) as database:
        who.who(database, "nobody at all")
    assert list(scratch.iterdir()) == []


def test_the_account_is_the_sum(log: Path) -> None:
    with Database(log, FIXTURES / "fields.txt", SCENE) as database:
        parts = [sigtrace.read(path).accounting for path in (log, FIXTURES / "fields.txt", SCENE)]
        assert database.accounting == parts[0] + parts[1] + parts[2]


def _groups(path: Path) -> list[tuple[set[str], int]]:
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(n, ["event"]) for n in range(file.num_row_groups)]
        for n in range(file.num_row_groups):
            statistics = file.metadata.row_group(n).column(file.schema.names.index("event")).statistics
            assert statistics is not None
            assert {statistics.min, statistics.max} <= set(groups[n]["event"].to_pylist())
    return [({str(event) for event in group["event"].to_pylist()}, len(group)) for group in groups]


def test_a_part_of_few_rows_has_one_row_group_by_event(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path, LOG + lost(1) + kill(104, ts=7.0)) as recorder:
        recorder.finish({})
    part = next(path.glob("part-*"))
    assert len(_groups(part)) == 1
    stored = pq.read_table(part, columns=["event"])["event"].to_pylist()
    ends = [event for event in stored if str(event).startswith("sched_")]
    assert [event for event, _ in groupby(ends)] == list(dict.fromkeys(ends))


def test_a_row_group_is_of_calls_or_of_signals_or_of_one_other_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "_ROWS", 4)
    path = tmp_path / "s.parquet"
    with recording(path, LOG + lost(1) + kill(104, ts=7.0)) as recorder:
        recorder.finish({})
    groups = _groups(next(path.glob("part-*")))
    of_several = [{"kill", "kill_half", "lost"}, {"signal_generate", "signal_deliver", "mark_victim"}]
    assert all(len(of_one) == 1 or any(of_one <= kinds for kinds in of_several) for of_one, _ in groups)
    assert len({min(of_one) for of_one, _ in groups}) == 5
    lines = sigtrace.read(path).table["line"].to_pylist()
    assert lines == sorted(lines, key=lambda line: line or 0)


def test_the_rows_of_a_plain_log_stay_as_they_came(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    convert([Log(FIXTURES / "lossy.txt.gz")], path)
    rows = [row for batch in Log(FIXTURES / "lossy.txt.gz") for row in batch["line"].to_pylist()]
    assert pq.read_table(path, columns=["line"])["line"].to_pylist() == rows
    assert sigtrace.read(path).table["line"].to_pylist() == rows


def test_small_batches_become_large_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    part = Part(path)
    session = sigtrace.read((LOG * 20).encode())
    batches = list(Log(io.BytesIO((LOG * 20).encode())))
    rows = 0
    for batch in batches:
        for at in range(0, len(batch), 3):
            part.write(batch.slice(at, 3))
            rows += len(batch.slice(at, 3))
    part.close(session.accounting.to_dict())
    groups = _groups(path)
    assert len(groups) == len({min(of_one) for of_one, _ in groups})
    assert sum(n for _, n in groups) == rows == len(session)
    assert ordered(sigtrace.read(path).table.to_pylist()) == ordered(session.table.to_pylist())
    assert pa.unify_schemas([pq.read_schema(path)]).names == SCHEMA.names
