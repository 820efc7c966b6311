"""A fleet: where a recording is placed, and that every engine reads a folder of many recordings as they are."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from sigtrace import SessionError, analyze, read
from sigtrace.facts.schema import PLAIN, complete
from sigtrace.store.flight import ledger
from sigtrace.store.folder import placed
from sigtrace.store.recorder import Recorder
from tests.booked import book
from tests.booked import placed as placed_anew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

FIXTURES = Path(__file__).with_name("fixtures")
ROOT = Path(__file__).parent.parent
FLEET = ROOT / "notebooks" / "data" / "fleet"
SESSIONS = sorted(FLEET.glob("host=*/date=*/*.parquet"))
LOG = (FIXTURES / "evidence_events.txt").read_bytes()
BEGAN = datetime(2026, 11, 22, 23, 59, 58, 999_999, tzinfo=UTC)
PLACED = "host={host}/date={date}/{time}.parquet"
NAMED: dict[str, pa.DataType] = {"host": pa.string(), "date": pa.date32()}  # by the folders
ROWS = pa.schema([*PLAIN, *pa.schema(NAMED)])


def where(path: str, host: str = "web-1") -> str:
    return os.fspath(placed(Path(path), host, BEGAN))


def test_a_path_has_the_host_and_when_the_recording_began() -> None:
    assert where(f"/srv/{PLACED}") == "/srv/host=web-1/date=2026-11-22/235958.parquet"


def test_a_placeholder_is_filled_wherever_and_as_often_as_it_stands() -> None:
    assert where("{host}/{date}-{host}.parquet") == "web-1/2026-11-22-web-1.parquet"


@pytest.mark.parametrize("path", ["s.parquet", "/a b/%d/$host/s.parquet", "../host=x/date=y/s.parquet"])
def test_a_path_without_braces_stays_as_it_is(path: str) -> None:
    assert where(path) == path


@pytest.mark.parametrize("path", ["{hots}.parquet", "{}/s.parquet", "{Host}/s.parquet", "{host:>9}", "{host", "time}"])
def test_braces_around_anything_else_are_an_error_that_names_the_placeholders(path: str) -> None:
    with pytest.raises(SessionError, match=r"\{host\}, \{date\}, \{time\}"):
        where(path)


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("web-1.example.org", "web-1.example.org"),
        ("a/b\\c", "a-b-c"),
        ("../../etc", "-.-..-etc"),
        ("..", "-."),
        (".hidden", "-hidden"),
        ("_passed_over", "-passed_over"),
        ("100%41=b", "100-41-b"),
        ("w\u00e9b\n1", "w-b-1"),
        ("{date}", "-date-"),
        ("(none)", "-none-"),
        ("", "-"),
    ],
)
def test_any_name_of_a_host_is_one_part_of_a_path_that_every_reader_looks_into(host: str, part: str) -> None:
    assert where("{host}/s.parquet", host) == f"{part}/s.parquet"
    assert where("host={host}/s.parquet", host) == f"host={part}/s.parquet"


def test_a_recording_stands_in_the_folder_of_the_host_and_the_moment_that_its_rows_name(tmp_path: Path) -> None:
    with Recorder(tmp_path / PLACED, {}, utc_offset_us=0) as recorder:
        recorder.feed(LOG)
        recorder.finish({})
    session = read(recorder.path)
    (log,) = session.table["log"].unique().to_pylist()
    assert log is not None
    host, began = log.split("@")
    assert recorder.path == placed(tmp_path / PLACED, host, datetime.fromisoformat(began))
    assert recorder.path.parent.parent.name == f"host={placed(Path('{host}'), os.uname().nodename, BEGAN)}"


def in_order(table: pa.Table) -> list[dict[str, Any]]:
    # The fleet's sessions are of version 1.
    plain = complete(table)
    for name in NAMED:
        plain = plain.append_column(name, table[name])
    rows = plain.cast(ROWS).to_pylist()
    return sorted(rows, key=lambda row: (row["log"], row["line"], row["pid"]))


def in_folders(folder: Path) -> list[dict[str, Any]]:
    """The rows of each session under a folder as sigtrace reads them, with what the folders' names say."""
    rows = []
    for path in folder.glob("host=*/date=*/*.parquet"):
        host, day = (part.partition("=")[2] for part in path.parts[-3:-1])
        named = {"host": host, "date": date.fromisoformat(day)}
        rows += [{**row, **named} for row in read(path).table.to_pylist()]
    return in_order(pa.Table.from_pylist(rows, ROWS))


def with_spark(folder: Path, spark: SparkSession) -> pa.Table:
    return spark.read.parquet(os.fspath(folder)).toArrow()


def with_pyarrow(folder: Path) -> pa.Table:
    return ds.dataset(folder, partitioning="hive").to_table()


def with_pandas(folder: Path) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(folder, dtype_backend="pyarrow"))


def with_duckdb(folder: Path) -> pa.Table:
    found: pa.Table = duckdb.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).to_arrow_table()
    return found


def with_polars(folder: Path) -> pa.Table:
    return pl.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).to_arrow()


WITHOUT_JAVA = [with_pyarrow, with_pandas, with_duckdb, with_polars]


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fleet of one whole session, and one that is still recorded: its last rows are in no part yet."""
    folder = tmp_path_factory.mktemp("growing")
    with Recorder(folder / "host=7" / "date=2026-11-22" / "1.parquet", {}, utc_offset_us=0) as recorder:
        recorder.feed(LOG)
        recorder.finish({})
    with Recorder(folder / "host=8" / "date=2026-11-22" / "1.parquet", {}, utc_offset_us=0) as recorder:
        recorder.feed(LOG)
        yield folder
        recorder.finish({})


def test_the_fleet_of_the_notebook_is_of_three_hosts_on_two_days() -> None:
    assert len({path.parts[-3] for path in SESSIONS}) == 3
    assert len({path.parts[-2] for path in SESSIONS}) == 2
    assert len(in_folders(FLEET)) == sum(len(read(path)) for path in SESSIONS) > 1000


@pytest.mark.parametrize("reader", WITHOUT_JAVA)
def test_a_fleet_read_at_once_has_the_rows_of_each_session(reader: Any) -> None:
    assert in_order(reader(FLEET)) == in_folders(FLEET)


def test_a_fleet_read_by_spark_has_the_rows_of_each_session(spark: SparkSession) -> None:
    assert in_order(with_spark(FLEET, spark)) == in_folders(FLEET)


@pytest.mark.parametrize("reader", WITHOUT_JAVA)
def test_what_a_recorder_has_not_finished_is_passed_over_and_hinders_no_reader(reader: Any, growing: Path) -> None:
    assert set(map(str, reader(growing)["host"].unique().to_pylist())) == {"7"}


def test_what_a_recorder_has_not_finished_is_passed_over_by_spark_too(spark: SparkSession, growing: Path) -> None:
    # A host's name of digits alone is a number to it, unless it is told to leave the folders' names as they are.
    assert with_spark(growing, spark)["host"].unique().to_pylist() == [7]


def test_the_python_of_the_docs_runs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)  # which the docs set
    code = "".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "fleet.md").read_text(), re.DOTALL))
    days = tmp_path / "days"
    assert book(placed_anew(SESSIONS[0], tmp_path))
    code = code.replace('"fleet/_endings"', repr(str(tmp_path / ledger.FOLDER)))
    exec(code.replace('"fleet"', repr(str(FLEET))).replace('"days"', repr(str(days))), {})  # noqa: S102 -- ours
    assert "runsv" in capsys.readouterr().out
    whole = with_spark(FLEET, spark).filter(pc.field("date") == date(2026, 11, 21))
    assert in_order(with_spark(days, spark)) == in_order(whole)
    deaths = [analyze.deaths(table).to_pylist() for table in (with_spark(days, spark), whole)]
    assert sorted(map(str, deaths[0])) == sorted(map(str, deaths[1]))
