"""Made-up histories: whatever way their rows come to the tracker, compiled or not, it tells the same."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sigtrace import Accounting, Session, analyze
from sigtrace.causes import endings, feed, victims
from sigtrace.causes.judging import verdict
from sigtrace.causes.tracking import tracker
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import counted
from sigtrace.store.part import Part
from tests.history import History

if TYPE_CHECKING:
    from types import ModuleType


@st.composite
def histories(draw: st.DrawFn, logs: list[str | None] | None = None) -> Session:
    """Draw a session of one log or two, which may have no name; or of these."""
    dice = draw(st.randoms(use_true_random=False))
    kinds: list[list[str | None]] = [[None], ["a"], ["a", "b"], [None, "b"]]
    logs = logs or draw(st.sampled_from(kinds))
    old, forgetful, lossy = (draw(st.booleans()) for _ in range(3))
    steps = draw(st.sampled_from([8, 25, 60]))
    rows = [row for log in logs for row in History(dice, log, old, forgetful, lossy).play(steps)]
    return Session("made up", pa.Table.from_pylist(rows, PLAIN), Accounting(), {**Accounting().to_dict(), "logs": logs})


def said(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(map(repr, rows))


def parts(session: Session, folder: Path) -> list[str]:
    """Write the rows of a session as a recorder does, in parts of few rows; return their files."""
    files = []
    rows = session.table.sort_by([("line", "ascending")])
    for number, start in enumerate(range(0, len(rows), 20)):
        part = Part(folder / f"part-{number:05}.parquet")
        part.write(encoded(rows.slice(start, 20)))
        part.close(Accounting().to_dict())
        files.append(str(part.path))
    return files


def encoded(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(batch.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


@settings(max_examples=40)
@given(session=histories())
def test_deaths_of_a_database_are_those_of_the_table(session: Session) -> None:
    whole = analyze.deaths(session.table).to_pylist()
    with Database(session) as database:
        assert said(database.rows("FROM deaths")) == said(whole)
        assert counted(database, 1_000).verdicts == Counter(death["verdict"] for death in whole)


@settings(max_examples=40)
@given(session=histories(logs=["a"]))
def test_rows_of_parts_are_followed_as_those_of_a_table(session: Session) -> None:
    lossy = "lost" in session.table["event"].to_pylist()
    whole = endings.endings(session.table).to_pylist()
    witnessed = feed.witnessed(session.table["event"].to_pylist())
    with tempfile.TemporaryDirectory() as folder:
        rows = feed.Parts(parts(session, Path(folder)), lossy=lossy, witnessed=witnessed)
        of_parts = endings.of_log("a", rows)
        hit = victims.of_log("a", rows)
    assert said(endings.table(iter(of_parts), endings.SCHEMA).to_pylist()) == said(whole)
    assert said(endings.table(iter(hit), victims.SCHEMA).to_pylist()) == said(
        victims.victims(session.table).to_pylist()
    )


@settings(max_examples=60)
@given(session=histories())
def test_the_interpreted_tracker_gives_what_the_compiled_one_gives(session: Session, interpreted: ModuleType) -> None:
    for log, rows in feed.tables(session.table):
        found = []
        for module in (endings, interpreted):
            assert (module is endings) == (module.Tracker is tracker.Tracker)
            ended: list[dict[str, Any]] = []
            hit: list[dict[str, Any]] = []
            module.track(
                rows,
                lambda *death, ended=ended: ended.append(verdict.Judge().ending(*death)),
                settled=lambda signal, hit=hit: hit.append(victims.victim(signal)),
            )
            found.append((ended, hit))
        assert found[0] == found[1], log


@settings(max_examples=40)
@given(session=histories())
def test_escalations_looked_for_among_few_are_those_of_all(session: Session) -> None:
    with mock.patch("sigtrace.questions.database.FEW", -1), Database(session) as database:
        found = pa.table(database.calls.escalations()).to_pylist()
    assert said(found) == said(analyze.escalations(session.table).to_pylist())
