"""Rules that several stages need: each stage decides the same."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import narwhals as nw
import pyarrow as pa
import pytest

import sigtrace
from sigtrace import Accounting, Session, analyze
from sigtrace.causes import feed
from sigtrace.causes.tracking.rows import KINDS
from sigtrace.facts.events import EVENTS, FOLDED, TRACKED
from sigtrace.facts.rules import ends_process, ends_process_expression
from sigtrace.facts.schema import PLAIN, VERSION
from sigtrace.output.sentence import unknown
from sigtrace.questions.database import Database
from sigtrace.store.recorder import Recorder
from tests.story import fork, leave, lost, witness

if TYPE_CHECKING:
    from pathlib import Path

EXITS = list(product([True, False, None], [100, 101], [100, None]))


@pytest.mark.parametrize(("group_dead", "tid", "pid"), EXITS)
def test_an_exit_is_a_processs_end_in_python_and_in_a_frame_alike(
    group_dead: bool | None,  # noqa: FBT001
    tid: int,
    pid: int | None,
) -> None:
    row = {"event": "sched_process_exit", "ts": 1, "tid": tid, "pid": pid, "group_dead": group_dead, "line": 1}
    table = pa.Table.from_pylist([row], PLAIN)
    expected = ends_process(group_dead, tid, pid)
    frame = nw.from_native(table).with_columns(ends=ends_process_expression())
    assert frame["ends"].to_list() == [expected]
    assert sum(analyze.timeline(table)["exits"].to_pylist()) == int(expected)
    assert analyze.deaths(table).num_rows == int(expected)


def test_the_tracker_knows_each_event_that_the_table_says_it_needs_and_reads_no_column_that_is_not_filled() -> None:
    assert set(KINDS) == set(TRACKED) == feed.FILLED.keys()
    filled = {event.name: set(" ".join(event.forms).split()) | {"time"} for event in EVENTS}
    for event, columns in feed.FILLED.items():
        more = {column for column, _ in FOLDED.get(event, ())}  # of other tools' lines
        assert set(columns) <= filled[event] | more, event


def test_an_event_that_the_tracker_does_not_know_is_passed_over_also_beside_a_loss() -> None:
    known = sigtrace.read((witness() + fork(100) + lost() + leave(100, ts=9.0)).encode()).table
    strange = {"event": "sched_switch", "ts": 1_500_000, "tid": 100, "pid": 100, "cpu": 0, "line": 3}
    table = pa.concat_tables([known, pa.Table.from_pylist([strange], PLAIN)])
    whole = analyze.deaths(table).to_pylist()
    assert len(whole) == 1
    with Database(Session("s", table, Accounting(), {**Accounting().to_dict(), "logs": [None]})) as database:
        assert database.rows("FROM deaths") == whole


def test_a_session_of_a_newer_sigtrace_is_read_and_the_report_says_what_may_be_missing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.parquet", {"schema": VERSION + 1}) as recorder:
        recorder.feed((witness() + fork(100) + leave(100)).encode())
        recorder.finish({})
    with Database(tmp_path / "s.parquet") as database:
        assert "a newer sigtrace wrote this session" in (unknown(database) or "").lower()
        assert len(database.rows("FROM deaths")) == 1
        assert database.rows("SELECT count(status) AS n FROM events") == [{"n": 0}]


def test_the_view_of_deaths_is_there_before_anybody_asks_and_full_when_somebody_does() -> None:
    session = sigtrace.read((witness() + fork(100) + leave(100)).encode())
    with Database(session) as database:
        assert {"events", "kills", "deaths"} <= {row["name"] for row in database.rows("SHOW TABLES")}
        assert database.rows("SELECT 'deaths' AS word FROM events LIMIT 1") == [{"word": "deaths"}]
        assert database.rows('SELECT verdict FROM "deaths"') == [{"verdict": "exited"}]
        assert database.rows("DESCRIBE deaths")[0]["column_name"] == "log"
