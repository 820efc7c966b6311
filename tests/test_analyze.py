"""Every question, on every engine, of every kind of session: the same answer, in a frame of the same kind."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import sigtrace
from sigtrace import analyze
from sigtrace.facts.schema import PLAIN
from tests.story import call, events, execute, fork, kill, leave, lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

FIXTURES = Path(__file__).parent / "fixtures"
SCENE = Path(__file__).parents[1] / "notebooks" / "data" / "scene.parquet"

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(analyze, name) for name in analyze.__all__},
    "ancestors": lambda frame: analyze.ancestors(frame, 5579),
    "blast_radius": lambda frame: analyze.blast_radius(frame, 5567),
    "compare": lambda frame: analyze.compare(frame, frame),
    "compare_deaths": lambda frame: analyze.compare_deaths(frame, frame),
    "cycles": lambda frame: analyze.cycles(frame, least=2),
    "restarts": lambda frame: analyze.restarts(frame, least=2),
    "storms": lambda frame: analyze.storms(frame, least=2),
    "timeline": lambda frame: analyze.timeline(frame, step_us=100_000),
}
ENGINES = ["pandas", "pandas of numpy", "pyarrow", "polars", "polars, lazy", "duckdb", "pyspark"]


def _first_rows_of_the_lossy_log() -> pa.Table:
    table = sigtrace.read(FIXTURES / "lossy.txt.gz").table
    at = table["event"].to_pylist().index("lost")
    return table.slice(max(at - 100, 0), 400)


def _two_logs() -> pa.Table:
    """Return two logs of which one has no name, with the same pids, and the same pids at the border between them."""
    story = (
        fork(100)
        + execute(100, "/srv/worker")
        + call(100, 0)
        + call(100, 15)
        + lost(0)
        + lost(0, None)
        + kill(100, 9, ts=1.5)
        + fork(100, ts=2.0)
        + execute(100, "/srv/worker", ts=2.0)
        + lost(1)
        + kill(100, 9, ts=2.5)
        + leave(50, ts=3.0)
        + call(7, 0, ts=3.0)
        + call(-7, 1000, ret=-22, ts=3.0)
    )
    unnamed = events(story)
    return pa.concat_tables([unnamed, _named(unnamed, "web-2")])


def _named(table: pa.Table, log: str) -> pa.Table:
    at = table.schema.get_field_index("log")
    return table.set_column(at, "log", pa.array([log] * len(table), pa.string()))


SESSIONS: dict[str, Callable[[], pa.Table]] = {
    "evidence": lambda: pa.concat_tables(sigtrace.read(one).table for one in (FIXTURES / "evidence_events.txt", SCENE)),
    "a plain log": lambda: sigtrace.read(FIXTURES / "default.txt").table,
    "a lossy log": _first_rows_of_the_lossy_log,
    "two logs": _two_logs,
    "no rows": PLAIN.empty_table,
}


@cache
def session(name: str) -> pa.Table:
    return SESSIONS[name]()


@cache
def frame(engine: str, of: str, spark: SparkSession | None) -> Any:
    table = session(of)
    if engine == "pyspark":
        assert spark is not None
        # PySpark 4.3 drops what comes after an empty chunk, and a recording begins with one.
        return spark.createDataFrame(table.combine_chunks()).cache()
    made: dict[str, Callable[[], Any]] = {
        "pandas": lambda: table.to_pandas(types_mapper=pd.ArrowDtype),
        "pandas of numpy": table.to_pandas,
        "pyarrow": lambda: table,
        "polars": lambda: pl.DataFrame(table),
        "polars, lazy": lambda: pl.LazyFrame(table),
        "duckdb": lambda: duckdb.from_arrow(table),
    }
    return made[engine]()


def rows(native: Any) -> list[dict[str, Any]]:
    """Return the rows of an answer of any engine."""
    if isinstance(native, pa.Table):
        return native.to_pylist()
    if hasattr(native, "toArrow"):
        found: list[dict[str, Any]] = native.toArrow().to_pylist()
        return found
    if isinstance(native, pd.DataFrame):
        return pa.Table.from_pandas(native, preserve_index=False).to_pylist()
    lazy = nw.from_native(native).lazy()
    return lazy.collect("pyarrow").to_native().to_pylist()  # type: ignore[no-any-return]


def multiset(answer: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(_plain(value) for value in row.values()) for row in answer)


def _plain(value: Any) -> Any:
    # numpy has no null but NaN, and Python a zone of its own for UTC.
    if isinstance(value, float):
        return None if value != value else round(value, 6)  # noqa: PLR0124 -- NaN
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value


@cache
def expected(question: str, of: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = QUESTIONS[question](session(of)).to_pylist()
    return found


def listed(question: str) -> list[str]:
    """Return the columns that a question's docstring lists: after "Columns:", or one bullet or more a column."""
    doc = inspect.getdoc(getattr(analyze, question)) or ""
    if found := re.search(r"Columns: ([^.]+)\.", doc):
        told = " ".join(found[1].split())
        if told == "those of the session":
            return PLAIN.names
        if other := re.fullmatch("those of `(.+)`", told):
            return listed(other[1])
        return told.split(", ")
    bullets = re.findall(r"^- ([^:]+?): ", re.sub(r" \(.*?\)", "", doc, flags=re.DOTALL), re.MULTILINE)
    return [name for bullet in bullets for name in " ".join(bullet.split()).split(", ")]


def test_no_question_is_forgotten() -> None:
    public = {
        name
        for name, value in vars(analyze).items()
        if not name.startswith("_") and callable(value) and value.__module__.startswith("sigtrace")
    }
    assert set(analyze.__all__) == public == set(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_documented_by_a_sentence_and_its_columns(question: str) -> None:
    doc = inspect.getdoc(getattr(analyze, question)) or ""
    assert re.match(r"Return [^.]+\.\n\n", doc)
    assert listed(question)


@pytest.fixture
def spark_of(engine: str, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("spark") if engine == "pyspark" else None


@pytest.mark.parametrize("of", SESSIONS)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_question_has_the_same_answer_on_every_engine(
    engine: str, question: str, of: str, spark_of: SparkSession | None
) -> None:
    given = frame(engine, of, spark_of)
    before = given.copy() if isinstance(given, pd.DataFrame) else None
    answer = QUESTIONS[question](given)
    assert type(answer) is type(given)
    assert list(answer.columns if not isinstance(answer, (pa.Table, pl.LazyFrame)) else _names(answer)) == listed(
        question
    )
    assert multiset(rows(answer)) == multiset(expected(question, of))
    if before is not None:
        pd.testing.assert_frame_equal(given, before)


def _names(answer: pa.Table | pl.LazyFrame) -> list[str]:
    return answer.column_names if isinstance(answer, pa.Table) else answer.collect_schema().names()


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"halves"}))
def test_each_question_has_an_answer_somewhere(question: str) -> None:
    assert any(expected(question, of) for of in SESSIONS if of != "no rows")
