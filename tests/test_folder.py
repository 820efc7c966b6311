"""Folder: whatever reads Parquet reads a recording's folder as it is, and sigtrace reads the older ones too."""

from __future__ import annotations

import fcntl
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sigtrace import read
from sigtrace.facts.schema import SCHEMA
from sigtrace.store.folder import DESCRIPTION, OLDER_DESCRIPTION, Folder
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import description
from tests.described import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

LOG = Path(__file__).with_name("fixtures").joinpath("evidence_events.txt").read_bytes()
BELONGS_TO_THE_RECORDER = shutil.ignore_patterns("_spool*", "_lock", ".*")  # as docs/fleet.md says

AS_IT_IS: dict[str, Callable[[Path], int]] = {
    "pl.read_parquet": lambda path: pl.read_parquet(path).height,
    "pl.scan_parquet": lambda path: pl.scan_parquet(path).collect().height,
    "pl.scan_parquet of hive folders": lambda path: pl.scan_parquet(path, hive_partitioning=True).collect().height,
    "DuckDB": lambda path: duckdb.read_parquet(str(path)).shape[0],
    "DuckDB, each file": lambda path: duckdb.read_parquet(f"{path}/*").shape[0],
    "DuckDB, each file in it": lambda path: duckdb.read_parquet(f"{path}/**").shape[0],
    "pandas": lambda path: len(pd.read_parquet(path)),
    "pyarrow.dataset": lambda path: ds.dataset(path).count_rows(),
    "pyarrow.parquet": lambda path: pq.read_table(path).num_rows,
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """Recordings, and how many rows are in their parts: one that has ended, one that was killed and recovered, and a
    copy of one that goes on."""
    folder = tmp_path_factory.mktemp("recorded")
    with Recorder(folder / "ended.parquet", {}, utc_offset_us=0, cgroups={"/a": 7}) as fed:
        fed.feed(LOG)
        shutil.copytree(fed.path, folder / "recovered.parquet")
        shutil.copytree(fed.path, folder / "copy.parquet", ignore=BELONGS_TO_THE_RECORDER)
        fed.finish({})
    rows = len(read(folder / "recovered.parquet"))
    found = {"ended.parquet": rows, "recovered.parquet": rows, "copy.parquet": 1}
    return {name: (folder / name, n) for name, n in found.items()}


@pytest.mark.parametrize("reader", AS_IT_IS)
@pytest.mark.parametrize("name", ["ended.parquet", "recovered.parquet", "copy.parquet"])
def test_a_recording_is_read_as_it_is(recorded: dict[str, tuple[Path, int]], name: str, reader: str) -> None:
    path, rows = recorded[name]
    assert AS_IT_IS[reader](path) == rows > 0


def test_spark_reads_a_recording_as_it_is(recorded: dict[str, tuple[Path, int]], spark: SparkSession) -> None:
    for path, rows in recorded.values():
        assert spark.read.parquet(str(path)).count() == rows


@pytest.mark.parametrize("reader", AS_IT_IS)
def test_a_fleet_of_recordings_is_read_as_it_is(
    recorded: dict[str, tuple[Path, int]], tmp_path: Path, reader: str
) -> None:
    for host, (path, _) in enumerate(recorded.values()):
        shutil.copytree(path, tmp_path / "fleet" / f"host=web-{host}" / "date=2026-11-22" / "1.parquet")
    if reader != "DuckDB, each file":
        assert AS_IT_IS[reader](tmp_path / "fleet") == sum(rows for _, rows in recorded.values())


def test_an_ended_recording_holds_nothing_but_parquet(recorded: dict[str, tuple[Path, int]]) -> None:
    for name in ("ended.parquet", "recovered.parquet"):
        files = sorted(recorded[name][0].iterdir())
        assert [file.name for file in files] == [DESCRIPTION, "part-00000.parquet", "part-00001.parquet"]
        assert [pq.read_schema(file).names for file in files] == [SCHEMA.names] * 3


def test_the_description_has_the_columns_of_a_part_and_no_rows() -> None:
    written = io.BytesIO()
    pq.ParquetWriter(written, SCHEMA, store_schema=False).close()
    ours = description.parquet("")
    assert pq.read_schema(io.BytesIO(ours)).equals(pq.read_schema(written), check_metadata=True)
    assert pq.read_metadata(io.BytesIO(ours)).num_rows == 0


def test_the_description_can_be_read_as_text(recorded: dict[str, tuple[Path, int]]) -> None:
    path, _ = recorded["ended.parquet"]
    lines = (path / DESCRIPTION).read_bytes().splitlines()
    assert lines[:2] == [b"PAR1", b"{"]
    assert any(line.startswith(b' "ended": "2') for line in lines)


def _as_older(path: Path, older: Path) -> Path:
    shutil.copytree(path, older)
    (older / OLDER_DESCRIPTION).write_text(json.dumps(described(older)))
    (older / DESCRIPTION).unlink()
    (older / "_lock").touch()
    return older


def test_an_older_recording_is_read(recorded: dict[str, tuple[Path, int]], tmp_path: Path) -> None:
    path, _ = recorded["ended.parquet"]
    older = _as_older(path, tmp_path / "older.parquet")
    assert read(older).table.equals(read(path).table)
    assert read(older).about == read(path).about
    assert Folder(older).described()


def test_an_older_recording_that_was_killed_is_recovered_and_stays_an_older_one(tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.parquet", {}) as fed:
        fed.feed(LOG)
        older = _as_older(fed.path, tmp_path / "older.parquet")
        fed.finish({})
    table = read(older).table
    assert table.equals(read(tmp_path / "s.parquet").table)
    assert "recovered" in json.loads((older / OLDER_DESCRIPTION).read_text())
    assert sorted(file.name for file in older.iterdir()) == [OLDER_DESCRIPTION, "part-00000.parquet"]


def test_who_waited_for_a_recorder_that_has_ended_does_not_hold_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Folder.make(tmp_path / "s.parquet"), Folder(tmp_path / "s.parquet")
    flock = fcntl.flock

    def ended_meanwhile(descriptor: int, how: int) -> None:
        first.end()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", ended_meanwhile)
    assert not second.hold()
    monkeypatch.undo()
    assert second.hold()
    second.end()
