"""What `report --perfetto` writes, as Perfetto itself reads it. No registry of packages has its trace_processor:

SIGTRACE_TRACE_PROCESSOR=FILE .venv/bin/python -m pytest tests/trace_processor.py
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

from sigtrace.cli import main
from tests.test_perfetto import FLEET, HOSTILE, SCENE, STATUSES, endings, ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[str, str], list[dict[str, Any]]]:
    """Return a function that writes a session as a trace, has trace_processor open it, and asks that in SQL."""
    config = TraceProcessorConfig(bin_path=os.environ["SIGTRACE_TRACE_PROCESSOR"], load_timeout=120)

    def ask(session: str, sql: str) -> list[dict[str, Any]]:
        assert main(["report", session, "--perfetto", str(tmp_path / "t.pftrace")]) == 0
        with TraceProcessor(trace=str(tmp_path / "t.pftrace"), config=config) as processor:
            return [dict(vars(row)) for row in processor.query(sql)]

    return ask


_SLICES = """
    SELECT slice.name, ts, dur, track.name AS track, parent.name AS log,
        extract_arg(arg_set_id, 'debug.verdict') AS verdict, extract_arg(arg_set_id, 'debug.sentence') AS sentence
    FROM slice JOIN track ON track_id = track.id LEFT JOIN track AS parent ON track.parent_id = parent.id
    WHERE dur > 0"""
_FLOWS = """
    SELECT sender.name AS sent, sender_track.name AS killer, victim_track.name AS victim
    FROM flow JOIN slice AS sender ON slice_out = sender.id JOIN slice AS victim ON slice_in = victim.id
    JOIN track AS sender_track ON sender.track_id = sender_track.id
    JOIN track AS victim_track ON victim.track_id = victim_track.id"""
_ERRORS = "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0"


@pytest.mark.parametrize("session", [SCENE, FLEET, HOSTILE, STATUSES])
def test_perfetto_reads_a_trace_without_an_error(
    session: str, asked: Callable[[str, str], list[dict[str, Any]]]
) -> None:
    assert asked(session, _ERRORS) == []


@pytest.mark.parametrize("session", [SCENE, FLEET])
def test_perfetto_finds_each_ending_on_a_track_of_its_log(
    session: str, asked: Callable[[str, str], list[dict[str, Any]]]
) -> None:
    found = asked(session, _SLICES)
    told = sorted((one["track"], one["verdict"], one["ts"] + one["dur"], one["sentence"] is not None) for one in found)
    deaths = endings(session)
    named = [f"{one['victim_comm']} ({one['victim_pid']})" for one in deaths]
    expected = [(name, one["verdict"], ns(one["time"]), True) for name, one in zip(named, deaths, strict=True)]
    assert told == sorted(expected)
    assert {one["log"] for one in found} == {one["log"] or session for one in deaths}


def test_perfetto_finds_who_sent_the_signal_that_ended_whom(asked: Callable[[str, str], list[dict[str, Any]]]) -> None:
    sent = [one for one in endings(SCENE) if one["killer_pid"] is not None and one["delay_us"] is not None]
    assert len(sent) >= 9
    expected = [
        (f"{one['killer_comm']} ({one['killer_pid']})", f"{one['victim_comm']} ({one['victim_pid']})") for one in sent
    ]
    assert sorted((one["killer"], one["victim"]) for one in asked(SCENE, _FLOWS)) == sorted(expected)
