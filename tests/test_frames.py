"""Frames: a session as pandas, polars, Arrow and SQL have it, and as the questions take it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigtrace import Error, Log, analyze, read
from sigtrace.facts.schema import PLAIN
from sigtrace.store.conversion import convert
from sigtrace.store.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = dict(zip(PLAIN.names, PLAIN.types, strict=True))
LOG = Path(__file__).with_name("fixtures") / "evidence_events.txt"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "a.parquet"
    convert([Log(LOG)], path)
    return path


def test_names_are_categories_in_pandas(written: Path) -> None:
    session = read(written)
    frame = session.to_pandas()
    for name in [name for name, type_ in COLUMNS.items() if type_ == pa.string()]:
        assert frame.dtypes[name] == "category"
        assert [None if pd.isna(value) else value for value in frame[name]] == session.table[name].to_pylist()


def test_numbers_stay_whole_in_a_plain_read_of_pandas(written: Path) -> None:
    frame = pd.read_parquet(written)
    wholes = {"int8": "Int8", "int32": "Int32", "int64": "Int64", "bool": "boolean"}
    for name, type_ in COLUMNS.items():
        if str(type_) in wholes and name != "line":
            assert frame.dtypes[name] == wholes[str(type_)], name
    assert frame.dtypes["line"] == "int64"
    assert Counter(frame["sig"].dropna()) == Counter(read(written).table["sig"].drop_null().to_pylist())


@pytest.mark.parametrize("read_it", [pd.read_parquet, lambda path: read(path).to_pandas(), read])
def test_a_question_is_answered_alike_of_a_session_and_of_any_frame_of_pandas(
    read_it: Callable[[Path], Any], written: Path
) -> None:
    asked, expected = read_it(written), read(written).table
    for name in analyze.__all__:
        question = getattr(analyze, name)
        more = {"pid": 100} if name in {"ancestors", "blast_radius"} else {}
        frames = 2 if name.startswith("compare") else 1
        found = question(*[asked] * frames, **more)
        table = question(*[expected] * frames, **more)
        assert isinstance(found, pd.DataFrame)
        assert list(found.columns) == table.column_names
        rows = pa.Table.from_pandas(found, preserve_index=False).cast(table.schema).to_pylist()
        assert sorted(map(str, rows)) == sorted(map(str, table.to_pylist())), name


def test_a_question_takes_a_session_by_the_name_of_its_frame(written: Path) -> None:
    session = read(written)
    assert analyze.storms(events=session, least=1).equals(analyze.storms(session, least=1))


def test_a_session_is_a_frame_of_polars_and_a_table_of_arrow(written: Path) -> None:
    session = read(written)
    assert session.to_arrow().equals(session.table)
    assert session.to_polars().to_arrow().cast(session.table.schema).equals(session.table)
    assert pl.read_parquet(written).columns == session.to_polars().columns


def test_without_polars_the_error_says_what_to_install(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = read(written)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(Error, match=r"^polars is not installed: pip install 'sigtrace\[polars\]'$"):
        session.to_polars()


def test_a_session_answers_sql_and_the_query_may_only_ask(written: Path, tmp_path: Path) -> None:
    session = read(written)
    found = session.sql("SELECT verdict, count(*) AS n FROM deaths GROUP BY verdict ORDER BY verdict")
    assert isinstance(found, pd.DataFrame)
    assert dict(zip(found["verdict"], found["n"], strict=True)) == Counter(analyze.deaths(session)["verdict"])
    assert len(session.sql("FROM kills")) == len(analyze.calls(session)) > 0
    with pytest.raises(Error, match="the query may only ask, and this is COPY"):
        session.sql(f"COPY kills TO '{tmp_path}/x.csv'")


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("boot", b"microseconds since boot by the trace clock boot"),
        ("local", b"microseconds since boot by the trace clock local"),
        ("tai", b"microseconds by the trace clock tai"),
        (None, b"microseconds of the trace clock"),
    ],
)
def test_ts_says_by_which_clock_it_counts(tmp_path: Path, clock: str | None, said: bytes) -> None:
    with Recorder(tmp_path / "s.parquet", {} if clock is None else {"clock": clock}) as fed:
        fed.feed(LOG.read_bytes())
        fed.finish({})
    assert (read(fed.path).to_arrow().schema.field("ts").metadata or {})[b"description"] == said
    account = json.loads((pq.read_metadata(fed.path / "part-00000.parquet").metadata or {})[b"sigtrace"])
    assert account.get("clock") == clock
