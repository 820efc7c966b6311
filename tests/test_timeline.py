"""Timelines: ticks in UTC and in the reader's zone, drawn by matplotlib, and by altair to zoom and point at."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import sigtrace
from sigtrace import analyze, plot
from sigtrace.output.timeline.moments import Moments
from tests.story import call, fork, kill, lost

if TYPE_CHECKING:
    from pathlib import Path

SCENE = "notebooks/data/scene.parquet"  # 14:02:47.086528Z to 14:02:47.996
MIME = "application/vnd.vegalite.v5+json"
STORY = fork(100) + kill(100) + fork(101, ts=1.25) + kill(101, 9, ts=1.5) + call(7, 10, ret=-3, ts=2.0)


@pytest.fixture
def scene(root: Path) -> sigtrace.Session:
    return sigtrace.read(root / SCENE)


@pytest.fixture
def root(fixtures: Path) -> Path:
    return fixtures.parents[1]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def dated(log: str, began: datetime) -> pa.Table:
    """Return the rows of a log whose clock began at a time in UTC."""
    table = sigtrace.read(log.encode()).table
    offset = round(began.timestamp() * 1e6)
    times = pa.array([None if ts is None else ts + offset for ts in table["ts"].to_pylist()], pa.int64())
    column = table.schema.get_field_index("time")
    return table.set_column(column, "time", times.cast(pa.timestamp("us", tz="UTC")))


def ticks(frame: Any) -> tuple[list[str], str]:
    axes = plot.timeline(frame).axes[0]
    return [label.get_text() for label in axes.get_xticklabels()], axes.get_xlabel()


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
def test_the_ticks_are_in_utc_and_below_in_the_zone_of_this_machine(zone: str, scene: sigtrace.Session) -> None:
    assert zone
    labels, title = ticks(scene)
    assert labels == [f"14:02:47.{n}\n15:02:47.{n}" for n in (2, 4, 6, 8)]
    assert title == "UTC, 2026-11-22; below: CET"


@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_where_that_is_utc_it_stands_once(zone: str, scene: sigtrace.Session) -> None:
    assert zone
    assert ticks(scene) == ([f"14:02:47.{n}" for n in (2, 4, 6, 8)], "UTC, 2026-11-22")


@pytest.mark.parametrize("zone", ["Asia/Kolkata"], indirect=True)
def test_days_stand_where_there_are_several_or_the_zone_is_in_another(zone: str) -> None:
    assert zone
    labels, title = ticks(dated(STORY, datetime(2026, 11, 22, 23, 59, 58, 500_000, UTC)))
    assert labels[0] == "11-22 23:59:59.6\n11-23 05:29:59.6"
    assert labels[-1].startswith("11-23 00:00:00.4\n")
    assert title == "UTC; below: IST"
    labels, title = ticks(dated(STORY, datetime(2026, 11, 22, 20, 0, tzinfo=UTC)))
    assert labels[0] == "20:00:01.0\n11-23 01:30:01.0"
    assert title == "UTC, 2026-11-22; below: IST"


@pytest.mark.parametrize("zone", ["America/New_York"], indirect=True)
def test_ticks_of_days_say_what_time_midnight_is_here(zone: str) -> None:
    assert zone
    log = fork(100) + kill(100, ts=1.0) + call(7, 10, ret=-3, ts=1.0 + 6 * 86_400)
    labels, _ = ticks(dated(log, datetime(2026, 11, 22, 12, 0, tzinfo=UTC)))
    assert labels[0] == "11-23\n11-22 19:00"


def test_a_tick_stands_where_its_moment_is(scene: sigtrace.Session) -> None:
    shown = Moments(scene)
    assert shown.first is not None
    assert shown.offset_us is not None
    at = plot.timeline(scene).axes[0].get_xticks()[0]
    moment = datetime.fromtimestamp((shown.first + shown.offset_us + round(at * 1e6)) / 1e6, UTC)
    assert f"{moment:%H:%M:%S.%f}" == "14:02:47.200000"


def test_rows_that_do_not_know_the_time_of_day_have_seconds_since_the_first(scene: sigtrace.Session) -> None:
    assert ticks(sigtrace.read(STORY.encode()))[1] == "seconds since the first"
    table = scene.table
    another = table.set_column(table.schema.get_field_index("log"), "log", pa.array(["b"] * len(table), pa.string()))
    two = pa.concat_tables([table, another])  # whose clocks may have nothing in common
    assert ticks(two)[1] == "seconds since the first"


def test_a_frame_of_any_engine_knows_the_time_of_day(scene: sigtrace.Session) -> None:
    connection = duckdb.connect()
    connection.register("events", scene.table)
    lazy = pl.DataFrame(pl.from_arrow(scene.table)).lazy()
    for frame in (scene, scene.table, scene.to_pandas(), scene.to_polars(), lazy, connection.sql("FROM events")):
        assert ticks(frame)[1].startswith("UTC, 2026-11-22")


# Interactive


def specification(frame: Any) -> dict[str, Any]:
    pytest.importorskip("altair")
    found: dict[str, Any] = plot.interactive(frame).to_dict()  # which altair holds to Vega-Lite's schema
    return found


def rows_of(said: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    data = said["layer"][layer]["data"]
    found: list[dict[str, Any]] = data["values"] if "values" in data else said["datasets"][data["name"]]
    return found


def test_the_chart_holds_each_death_and_each_call_of_the_static_picture(scene: sigtrace.Session) -> None:
    said = specification(scene)
    bars, dead = rows_of(said, 0), rows_of(said, 1)
    assert sum(bar["calls"] for bar in bars) == len(analyze.calls(scene)) == 14
    assert sum(bar["kind"] == "failed calls" for bar in bars) == 1
    assert Counter(mark["verdict"] for mark in dead) == Counter(analyze.deaths(scene)["verdict"])
    drawn = {group.get_label(): group for group in plot.timeline(scene).axes[0].collections}
    first = min(mark["at"] for mark in dead)
    for verdict in {mark["verdict"] for mark in dead}:
        offsets: list[list[float]] = sorted(np.asarray(drawn[verdict].get_offsets()).tolist())
        wanted = sorted([mark["at"] - first, mark["lane"]] for mark in dead if mark["verdict"] == verdict)
        assert np.allclose(offsets, wanted)


def test_a_mark_says_what_happened_when_to_the_microsecond_and_by_which_lines(scene: sigtrace.Session) -> None:
    (mark,) = [one for one in rows_of(specification(scene), 1) if one["what"].startswith("web-2 ")]
    assert mark["when"] == "2026-11-22 14:02:47.613366Z"
    assert "was killed by deployer (13554) with SIGKILL" in mark["what"]
    assert mark["lines"] == "75, 76, 90, 91, 93, 94"
    assert mark["at"] == pytest.approx(14 * 3600 + 2 * 60 + 47.613366, abs=1e-9)  # seconds since midnight


def test_one_can_zoom_in_time_and_every_mark_tells(scene: sigtrace.Session) -> None:
    said = specification(scene)
    (zoom,) = [one for one in said["params"] if one["name"] == "zoom"]
    assert (zoom["bind"], zoom["select"]["encodings"]) == ("scales", ["x"])
    told = [[one["field"] for one in layer["encoding"]["tooltip"]] for layer in said["layer"]]
    assert told == [["when", "calls", "signal", "kind"], ["when", "what", "lines"]]


def test_its_axis_is_in_utc_and_in_the_readers_zone_if_the_rows_know_the_time_of_day(scene: sigtrace.Session) -> None:
    axis = specification(scene)["layer"][1]["encoding"]["x"]["axis"]
    midnight = round(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1e3)
    assert f"utcFormat(({midnight} + " in axis["labelExpr"]
    assert f"timeFormat(({midnight} + " in axis["labelExpr"]
    x = specification(sigtrace.read(STORY.encode()))["layer"][1]["encoding"]["x"]
    assert x["title"] == "seconds since the first"
    assert "labelExpr" not in x["axis"]


def test_its_colors_are_those_of_the_page(root: Path) -> None:
    log = STORY + lost(0)
    said = specification(sigtrace.read(log.encode()))
    css = (root / "sigtrace/output/html/colors.css").read_text()
    color = said["layer"][1]["encoding"]["color"]["scale"]
    for verdict, of_verdict in zip(color["domain"], color["range"], strict=True):
        assert f"--{verdict}: {of_verdict};" in css
    assert "at least 4 events were lost" in said["title"]["subtitle"][0]


def test_a_name_that_is_hostile_is_escaped_in_what_a_mark_says() -> None:
    log = fork(100) + kill(100, name="\x1b[31mred")
    (mark,) = rows_of(specification(sigtrace.read(log.encode())), 1)
    assert r"\x1b[31mred (50)" in mark["what"]


def test_jupyterlab_is_given_what_it_draws_without_a_network(scene: sigtrace.Session) -> None:
    pytest.importorskip("altair")
    bundle = plot.interactive(scene)._repr_mimebundle_()
    assert set(bundle) == {MIME, "text/plain"}
    assert bundle[MIME]["$schema"].endswith("/v5.json")
    addresses = re.findall(r"https?://[^\"']+", str(bundle))
    assert addresses == ["https://vega.github.io/schema/vega-lite/v5.json"]  # a name, which nobody asks for


def test_rows_without_deaths_or_calls_give_a_sentence(scene: sigtrace.Session) -> None:
    assert specification(scene.table.slice(0, 0))["title"]["subtitle"] == ["There is nothing to draw in these rows."]


def test_without_altair_the_error_says_what_to_install(
    scene: sigtrace.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sigtrace.output.timeline.chart", raising=False)
    monkeypatch.delattr("sigtrace.output.timeline.chart", raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(sigtrace.Error, match=r"needs altair: pip install 'sigtrace\[interactive\]'"):
        plot.interactive(scene)
