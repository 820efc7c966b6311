"""Pictures show every death and every name whole, from a frame of any engine."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

import sigtrace
from sigtrace.output import notebook, plot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa
    from matplotlib.figure import Figure

PICTURES = [plot.matrix, plot.timeline, plot.graph]
NAMES = ["$a$b$c$", "\x1b[31mred\x07", "W" * 15, "日本語の名", "a\\$", "\u202eevil", "\\xff" * 15, "mm mm & <b>"]

each_picture = pytest.mark.parametrize("picture", PICTURES, ids=["matrix", "timeline", "graph"])


def drawn(picture: Callable[[Any], Figure], frame: Any) -> Figure:
    figure = picture(frame)
    figure.savefig(BytesIO(), format="png")
    return figure


def texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


def killings(names: list[str], sigs: range) -> pa.Table:
    """Make a log in which each of `names` kills the next one, with one of `sigs` each, and the renamed rows of it."""
    lines = []
    for n, _ in enumerate(names):
        killer, victim, sig = 1000 + n, 2000 + n, sigs[n % len(sigs)]
        by, of = f"{f'k{n}':>16}-{killer:<7} ({killer:7}) [000]", f"{f'v{n}':>16}-{victim:<7} ({victim:7}) [000]"
        at = f"{n + 1:6}.0000"
        lines += [
            f"{by} d..1. {at}01: signal_generate: sig={sig} errno=0 code=0 comm=v{n} pid={victim} grp=1 res=0",
            f"{by} ...21 {at}02: bpf_trace_printk: PID {killer} (k{n}) sent signal {sig} ",
            f"{by} ...21 {at}03: bpf_trace_printk: to PID {victim}, ret = 0",
            f"{of} d..1. {at}04: signal_deliver: sig={sig} errno=0 code=0 sa_handler=0 sa_flags=0",
            f"{of} d..1. {at}05: sched_process_exit: comm=v{n} pid={victim} prio=120 group_dead=true",
        ]
    table = sigtrace.read("\n".join([*lines, ""]).encode()).table
    called = {f"k{n}": name for n, name in enumerate(names)} | {
        f"v{n}": name for n, name in enumerate([*names[1:], names[0]])
    }
    for column in ("comm", "target_comm"):
        renamed = [called.get(str(name), name) for name in table[column].to_pylist()]
        table = table.set_column(table.schema.get_field_index(column), column, [renamed])
    return table


@pytest.fixture
def evidence(fixtures: Path) -> pa.Table:
    return sigtrace.read(fixtures / "evidence_events.txt").table


@each_picture
def test_a_frame_of_any_engine_gives_the_same_picture(picture: Callable[[Any], Figure], evidence: pa.Table) -> None:
    connection = duckdb.connect()
    connection.register("events", evidence)
    frames = [
        evidence.to_pandas(),
        pl.from_arrow(evidence),
        pl.DataFrame(pl.from_arrow(evidence)).lazy(),
        connection.sql("SELECT * FROM events"),
    ]
    expected = texts(drawn(picture, evidence))
    assert [texts(drawn(picture, frame)) for frame in frames] == [expected] * len(frames)


def test_the_matrix_counts_every_death_but_those_by_exiting(evidence: pa.Table) -> None:
    said = texts(drawn(plot.matrix, evidence))
    assert "Who killed whom: 9 deaths, 8 more processes exited" in said
    axes = drawn(plot.matrix, evidence).axes[0]
    assert sum(int(text.get_text()) for text in axes.texts) == 9
    assert axes.get_yticklabels()[0].get_text() == "bash"
    assert {"the kernel's OOM killer", "a fault of its own", "night sleeper"} <= set(said)


def test_the_graph_says_with_what_signal_and_how_often(evidence: pa.Table) -> None:
    edges = [text.get_text() for text in drawn(plot.graph, evidence).axes[0].texts]
    once = ["SIGABRT, 1", *["SIGKILL, 1"] * 4, "SIGSEGV, 1", "SIGTERM, 1"]
    assert sorted(edges) == [*once, "SIGTERM, 2"]


def test_the_timeline_has_a_lane_for_each_signal_and_one_for_exits(evidence: pa.Table) -> None:
    lanes = [label.get_text() for label in drawn(plot.timeline, evidence).axes[0].get_yticklabels()]
    assert lanes[-1] == "exited"
    assert set(lanes) == {"SIGTERM", "SIGKILL", "SIGABRT", "SIGSEGV", "exited"}


def test_a_picture_of_a_lossy_log_says_that_what_is_missing_is_unknown(fixtures: Path) -> None:
    table = sigtrace.read(fixtures / "lossy.txt.gz").table
    assert any("do not say whether any process ended" in text for text in texts(drawn(plot.graph, table)))
    (loss,) = [text for text in texts(drawn(plot.timeline, table)) if "lost" in text]
    assert "18,176 events" in loss
    assert "may be missing" in loss


def test_numbers_that_are_no_signals_share_a_lane(fixtures: Path) -> None:
    figure = drawn(plot.timeline, sigtrace.read(fixtures / "lossy.txt.gz").table)
    assert "not a signal" in texts(figure)
    assert len(figure.axes[0].get_yticklabels()) < 70


@each_picture
def test_hostile_and_long_names_are_shown_whole_and_to_the_letter(picture: Callable[[Any], Figure]) -> None:
    figure = drawn(picture, killings(NAMES, range(1, 16)))
    inside, whole = figure.get_tightbbox(), figure.get_size_inches()
    assert (inside.x0 >= 0, inside.y0 >= 0) == (True, True)
    assert (inside.x1 <= whole[0], inside.y1 <= whole[1]) == (True, True)
    if picture is not plot.timeline:
        said = texts(figure)
        assert r"\$a\$b\$c\$" in said  # as matplotlib writes a plain dollar
        assert r"\x1b[31mred\x07" in said
        assert all(text.isprintable() or "\n" in text for text in said)


@each_picture
def test_of_too_many_names_the_rest_stand_together_and_are_counted(picture: Callable[[Any], Figure]) -> None:
    figure = drawn(picture, killings([f"n{n}" for n in range(101)], range(9, 10)))
    assert figure.get_size_inches().max() < 40
    if picture is plot.matrix:
        axes = figure.axes[0]
        assert "61 others, together" in texts(figure)
        assert sum(int(text.get_text()) for text in axes.texts) == 101


@each_picture
def test_rows_without_deaths_or_calls_give_a_sentence(picture: Callable[[Any], Figure], evidence: pa.Table) -> None:
    assert "There is nothing to draw in these rows." in texts(drawn(picture, evidence.slice(0, 0)))


@each_picture
def test_a_picture_is_kept_by_whoever_has_it_and_nobody_else(
    picture: Callable[[Any], Figure], evidence: pa.Table
) -> None:
    from matplotlib import pyplot as plt

    picture(evidence)
    assert plt.get_fignums() == []


@each_picture
def test_without_matplotlib_the_error_says_what_to_install(
    picture: Callable[[Any], Figure], evidence: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(sigtrace.Error, match=r"pip install 'sigtrace\[notebook\]'"):
        picture(evidence)


def test_a_shown_session_says_what_it_is_and_escapes_its_name(evidence: pa.Table, fixtures: Path) -> None:
    session = sigtrace.read(fixtures / "evidence_events.txt")
    shown = notebook.html(sigtrace.Session("<b>\x1b", evidence, session.accounting, {"host": "demo", "clock": "boot"}))
    for said in ("&lt;b&gt;\\x1b", "1 asked, 7 exited, 1 fault, 5 killed, 1 oom, 2 self", "nothing", "demo", "boot"):
        assert f"<td>{said}</td>" in shown


def test_a_shown_lossy_session_says_how_much_was_lost(fixtures: Path) -> None:
    session = sigtrace.read(fixtures / "lossy.txt.gz")
    shown = notebook.html(session)
    assert "18,176 events" in shown
    assert "host" not in shown
