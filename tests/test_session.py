"""Session: rows and their account in Parquet, whole or not at all, and the same for every reader."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigtrace import Accounting, Database, Log, LogError, Session, SessionError, read
from sigtrace.facts.schema import ADDED, PLAIN
from sigtrace.store.conversion import convert

COLUMNS: dict[str, pa.DataType] = {
    "time": pa.timestamp("us", tz="UTC"),
    "ts": pa.int64(),
    "cpu": pa.int32(),
    "event": pa.string(),
    "tid": pa.int32(),
    "pid": pa.int32(),
    "comm": pa.string(),
    "sig": pa.int32(),
    "target": pa.int32(),
    "ret": pa.int32(),
    "target_comm": pa.string(),
    "filename": pa.string(),
    "code": pa.int32(),
    "grp": pa.bool_(),
    "res": pa.int8(),
    "handler": pa.string(),
    "group_dead": pa.bool_(),
    "cgroup": pa.string(),
    "pidns": pa.int64(),
    "lost": pa.int64(),
    "line": pa.int64(),
    "log": pa.string(),
    "status": pa.int32(),
    "uid": pa.int32(),
    "user": pa.string(),
    "command": pa.string(),
    "cgroup_id": pa.int64(),
    "ns_pid": pa.int32(),
}

# A call whose name is not UTF-8, a loss that cuts another in two, a loss of unknown size, and another program.
SMALL = b"""\
            caf\xe9-363     [000] d...1   672.563868: bpf_trace_printk: PID 363 (caf\xe9) sent signal 9 
            caf\xe9-363     [000] d...1   672.563869: bpf_trace_printk: to PID 1400, ret = -3
            bash-364     [000] d...1   672.563870: bpf_trace_printk: PID 364 (bash) sent signal 15 
CPU:0 [LOST 5 EVENTS]
           <...>-364     [000] d...1   672.563871: bpf_trace_printk: to PID 1401, ret = 0
CPU:1 [LOST EVENTS]
            bash-364     [000] d...1   672.563872: sched_switch: prev_comm=bash prev_pid=364
"""  # noqa: W291  (the probe prints a blank at the end)
NULLS = ("time", "tid", "pid", "comm", "sig", "target", "ret", "lost", "ts")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "small.log").write_bytes(SMALL)
    path = tmp_path / "small.parquet"
    convert([Log(tmp_path / "small.log")], path)
    return path


def stored(path: Path) -> dict[str, Any]:
    metadata = pq.read_metadata(path).metadata
    assert metadata is not None
    account = json.loads(metadata[b"sigtrace"])
    assert isinstance(account, dict)
    return account


def test_the_columns_and_their_types_are_these_in_memory_and_in_parquet(written: Path) -> None:
    for table in (read(SMALL).table, read(written).table, pq.read_table(written)):
        assert dict(zip(table.schema.names, table.schema.types, strict=True)) == COLUMNS
        assert [field.name for field in table.schema if not field.nullable] == ["event", "line"]


def test_rows_are_written_as_they_were_parsed(written: Path) -> None:
    rows = read(written).table.to_pylist()
    assert [tuple(row[name] for name in (*NULLS, "event", "cpu", "line")) for row in rows] == [
        (None, 363, 363, "caf\\xe9", 9, 1400, -3, None, 672563868, "kill", 0, 1),
        (None, 364, 364, "bash", 15, None, None, None, 672563870, "kill_half", 0, 3),
        (None, None, None, None, None, None, None, 5, None, "lost", 0, 4),
        (None, 364, None, None, None, 1401, 0, None, 672563871, "kill_half", 0, 5),
        (None, None, None, None, None, None, None, None, None, "lost", 1, 6),
    ]
    assert {row["log"] for row in rows} == {str(written.with_name("small.log"))}


@pytest.mark.parametrize("name", ["default.txt", "hostile.txt", "lossy.txt.gz", "evidence.txt", "tsc_clock.txt"])
def test_a_session_from_parquet_is_the_session_from_the_log(tmp_path: Path, fixtures: Path, name: str) -> None:
    path = tmp_path / "a.parquet"
    account = convert([Log(fixtures / name)], path)
    parsed = read(fixtures / name)
    opened = read(path)
    assert opened.table.equals(parsed.table)
    assert opened.accounting == parsed.accounting == account
    assert opened.name == str(path)
    assert parsed.name == str(fixtures / name)
    assert len(opened) == len(parsed) == opened.table.num_rows


def test_the_file_says_of_itself_what_became_of_every_line(written: Path) -> None:
    account = stored(written)
    assert account["lines"] == sum(account["lines_by_kind"].values()) == SMALL.count(b"\n")
    assert account["lines_by_kind"] == {"kill": 2, "half": 2, "lost": 2, "other": 1}
    assert account["lost_by_cpu"] == {"0": 5}
    assert account["losses_of_unknown_size"] == {"1": 1}
    assert account["ts_unit"] == "us"
    assert account["logs"] == [str(written.with_name("small.log"))]
    assert read(written).accounting.lost_by_cpu == {0: 5}


def test_several_logs_go_into_one_file_each_under_its_name(tmp_path: Path, fixtures: Path) -> None:
    path = tmp_path / "all.parquet"
    logs = [fixtures / "default.txt", fixtures / "lossy.txt.gz", fixtures / "counter_clock.txt"]
    account = convert([Log(log) for log in logs], path)
    session = read(path)
    assert session.accounting == account
    assert account.lines == 552 + 141_972 + 48 == sum(account.lines_by_kind.values())
    assert account.ts_unit == "mixed"
    assert [(name, n) for name, n in _counts(session)] == [
        (str(logs[0]), 276),
        (str(logs[1]), 70_781 + 262 + 148),
        (str(logs[2]), 24),
    ]


def _counts(session: Session) -> list[tuple[str, int]]:
    counted = pd.Series(session.table["log"].to_pylist()).value_counts(sort=False)
    return [(str(name), int(n)) for name, n in counted.items()]


def test_nulls_stay_nulls_and_integers_integers_in_pandas(written: Path) -> None:
    frame = read(written).to_pandas()
    assert next(iter(frame.columns)) == "time"
    assert list(frame.columns) == list(COLUMNS)
    assert frame["sig"].isna().tolist() == [False, False, True, True, True]
    assert frame["sig"].sum() == 24
    assert frame["lost"].isna().tolist() == [True, True, False, True, True]
    names = [name for name, type_ in COLUMNS.items() if type_ == pa.string()]
    assert {name: frame.dtypes[name] for name in COLUMNS if name not in names} == {
        name: pd.ArrowDtype(type_) for name, type_ in COLUMNS.items() if name not in names
    }


@pytest.mark.parametrize("name", ["default.txt", "hostile.txt", "lossy.txt.gz"])
def test_pandas_reads_the_file_as_the_session_gives_it(tmp_path: Path, fixtures: Path, name: str) -> None:
    path = tmp_path / "a.parquet"
    convert([Log(fixtures / name)], path)
    pd.testing.assert_frame_equal(
        pd.read_parquet(path, dtype_backend="pyarrow"),
        read(path).to_pandas().astype({name: pd.ArrowDtype(type_) for name, type_ in COLUMNS.items()}),
    )


def test_a_session_is_taken_wherever_arrow_streams_are(written: Path) -> None:
    session = read(written)
    assert pa.table(session).equals(session.table)


def test_a_file_of_other_programs_lines_alone_has_columns_and_no_rows(tmp_path: Path, fixtures: Path) -> None:
    path = tmp_path / "none.parquet"
    convert([Log(fixtures / "only_another_programs_printk.txt")], path)
    session = read(path)
    assert len(session) == 0
    assert dict(zip(session.table.schema.names, session.table.schema.types, strict=True)) == COLUMNS
    assert session.accounting.lines_by_kind == {"other": 28}


def test_a_column_of_names_is_stored_without_the_names_of_the_others(tmp_path: Path) -> None:
    line = "            make-%d     (%7d) [000] ...21   672.563868: bpf_trace_printk: sigtrace args uid=0 cgroup=7 %s\n"
    exited = "            make-%d      (%7d) [000] .....   672.563869: sys_exit_group(error_code: 0)\n"
    log = "".join(line % (i, i, f"{i:0100x}") + exited % (i, i) for i in range(1000, 4000))
    path = tmp_path / "a.parquet"
    convert([Log(log.encode())], path)
    sizes: dict[str, int] = {}
    with pq.ParquetFile(path) as file:
        for group in map(file.metadata.row_group, range(file.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                name = column.path_in_schema
                sizes[name] = sizes.get(name, 0) + column.total_uncompressed_size
    assert sizes["command"] > 3000 * 100 > 100 * sizes["comm"]
    rows = [row for row in read(path).table.to_pylist() if row["event"] == "args"]
    assert [(row["comm"], row["command"]) for row in rows] == [("make", f"{i:0100x}") for i in range(1000, 4000)]


@pytest.fixture
def of_version_1(tmp_path: Path, fixtures: Path) -> Path:
    """A session as a sigtrace of schema 1 wrote it."""
    path = tmp_path / "old.parquet"
    convert([Log(fixtures / "evidence_events.txt")], path)
    with pq.ParquetFile(path) as file:
        about = json.loads((file.metadata.metadata or {})[b"sigtrace"])
        table = file.read().select([name for name in COLUMNS if name not in ADDED.names])
    stored = {b"sigtrace": json.dumps({**about, "schema": 1}).encode()}
    pq.write_table(table.replace_schema_metadata(stored), path)
    return path


def test_a_session_of_version_1_has_the_new_columns_as_nulls(of_version_1: Path, fixtures: Path) -> None:
    table = read(of_version_1).table
    assert table.schema.equals(PLAIN)
    assert all(table[name].null_count == len(table) for name in ADDED.names)
    now = read(fixtures / "evidence_events.txt").table.drop_columns(["log", *ADDED.names])
    assert table.drop_columns(["log", *ADDED.names]).equals(now)


def test_sessions_of_both_versions_are_asked_as_one(of_version_1: Path, fixtures: Path) -> None:
    new = fixtures / "exit_status_and_cgroups.txt"
    with Database(of_version_1, new) as database:
        statuses = "SELECT status, count(*) AS n FROM events GROUP BY ALL ORDER BY status"
        counted = {row["status"]: row["n"] for row in database.answer(statuses).to_pylist()}
        types = database.events.types
        assert len(database.answer("FROM deaths")) > 10
    with Database(new) as database:
        assert database.events.types == types
    assert counted.pop(None) > 100
    assert counted == {0: 5, 1: 2, 3: 1, 7: 1, 143: 1, 255: 1}
    with Database(of_version_1) as database:
        assert database.answer("SELECT count(user) AS n FROM events").to_pylist() == [{"n": 0}]


def test_a_file_that_lacks_a_column_of_every_version_is_no_session(of_version_1: Path) -> None:
    pq.write_table(pq.read_table(of_version_1).drop_columns(["line"]), of_version_1)
    with pytest.raises(SessionError, match=r"old\.parquet: .*line"):
        read(of_version_1)


@pytest.mark.parametrize("before", [None, b"what stood there before"])
@pytest.mark.parametrize(
    "failing", [b"", b"text\n", gzip.compress(SMALL)[:-9], "/no/such/log"], ids=["empty", "text", "cut", "missing"]
)
def test_a_log_that_fails_leaves_no_file_and_no_temporary(
    tmp_path: Path, fixtures: Path, failing: bytes | str, before: bytes | None
) -> None:
    path = tmp_path / "a.parquet"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(LogError):
        convert([Log(fixtures / "lossy.txt.gz"), Log(failing)], path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {} if before is None else {"a.parquet": before}
    )


def test_a_file_that_stood_there_is_replaced_by_the_whole_new_one(tmp_path: Path, written: Path) -> None:
    path = tmp_path / "old.parquet"
    path.write_bytes(b"what stood there before")
    convert([Log(SMALL)], path)
    assert read(path).table.drop_columns(["log"]).equals(read(written).table.drop_columns(["log"]))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.parquet", "small.log", "small.parquet"]


@pytest.mark.parametrize("where", ["none/a.parquet", "file/a.parquet", "folder"])
def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(SessionError, match=where) as raised:
        convert([Log(SMALL)], tmp_path / where)
    assert "\n" not in str(raised.value)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_folder_that_lets_nobody_write_is_an_error_that_names_the_file() -> None:
    # Root may write in any other.
    with pytest.raises(SessionError, match=r"/sys/a\.parquet: .*[Pp]ermi"):
        convert([Log(SMALL)], Path("/sys/a.parquet"))


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(tmp_path: Path, fixtures: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from sigtrace import Log, SessionError
from sigtrace.store.conversion import convert
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    convert([Log({str(fixtures / "lossy.txt.gz")!r})] * 8, Path({str(tmp_path / "a.parquet")!r}))
except SessionError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "a.parquet: " in done.stdout
    assert "File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_whole_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    synced = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    convert([Log(SMALL)], path)
    assert synced[0] == (path.stat().st_ino, path.stat().st_size, False)
    assert synced[1][::2] == (tmp_path.stat().st_ino, True)


@pytest.mark.parametrize(
    ("metadata", "columns"),
    [
        (None, COLUMNS),
        ({"pandas": "{}"}, COLUMNS),
        ({"sigtrace": "not JSON"}, COLUMNS),
        ({"sigtrace": b"\xff"}, COLUMNS),
        ({"sigtrace": "{}"}, COLUMNS),
        ({"sigtrace": "[]"}, COLUMNS),
        ("its own", [name for name in COLUMNS if name != "sig"]),
    ],
)
def test_a_parquet_file_that_is_not_sigtraces_is_an_error_that_names_it(
    tmp_path: Path, written: Path, metadata: dict[str, str] | dict[str, bytes] | str | None, columns: list[str]
) -> None:
    path = tmp_path / "foreign.parquet"
    table = pq.read_table(written).select(list(columns))
    if not isinstance(metadata, str):
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path)
    with pytest.raises(SessionError, match=r"foreign\.parquet: ") as raised:
        read(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("keep", [4, 8, 100, -1, -8, -100])
def test_a_truncated_parquet_file_is_an_error_that_names_it(written: Path, keep: int) -> None:
    written.write_bytes(written.read_bytes()[:keep])
    with pytest.raises(SessionError, match=r"small\.parquet: "):
        read(written)


def test_an_account_comes_back_from_json_as_it_was(fixtures: Path) -> None:
    account = read(SMALL).accounting + read(fixtures / "lossy.txt.gz").accounting
    assert Accounting.from_dict(json.loads(json.dumps(account.to_dict()))) == account
    assert account.lost_by_cpu == {0: 5, 1: 18_176}
    assert account.losses_of_unknown_size == {1: 1}


def test_accounts_add_up_and_nothing_is_neutral(fixtures: Path) -> None:
    a, b = read(SMALL).accounting, read(fixtures / "tsc_clock.txt").accounting
    assert (a + b).lines == a.lines + b.lines == sum((a + b).lines_by_kind.values())
    assert (a + b).ts_unit == "mixed"
    assert Accounting() + b == b == b + Accounting()
