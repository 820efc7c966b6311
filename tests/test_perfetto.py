"""The trace for Perfetto: each life is a slice, and each signal that ended one is a flow from its sender."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

from sigtrace.cli import main
from sigtrace.questions.database import Database
from sigtrace.questions.who import who
from tests.story import fork, kill, leave

if TYPE_CHECKING:
    from datetime import datetime

DATA = Path(__file__).parents[1] / "notebooks" / "data"
SCENE, FLEET = str(DATA / "scene.parquet"), str(DATA / "fleet")
FIXTURES = Path(__file__).parent / "fixtures"
HOSTILE, STATUSES = str(FIXTURES / "hostile.txt"), str(FIXTURES / "exit_status_and_cgroups.txt")


class Trace:
    """A trace as Perfetto reads it: packets in the order of their times."""

    def __init__(self, path: Path) -> None:
        packets = protos.Trace.FromString(path.read_bytes()).packet
        descriptors = [packet.track_descriptor for packet in packets if packet.HasField("track_descriptor")]
        self.tracks = {one.uuid: one.name for one in descriptors}
        self.parents = {one.uuid: one.parent_uuid for one in descriptors}
        assert len(self.tracks) == len(descriptors)
        events = sorted((packet for packet in packets if packet.HasField("track_event")), key=lambda one: one.timestamp)
        self.slices: list[tuple[str, int, int, dict[str, Any]]] = []
        self.flows: dict[int, list[str]] = defaultdict(list)
        open_: dict[int, Any] = {}
        for packet in events:
            event = packet.track_event
            if event.type == protos.TrackEvent.TYPE_SLICE_BEGIN:
                assert event.track_uuid not in open_
                open_[event.track_uuid] = packet
            elif event.type == protos.TrackEvent.TYPE_SLICE_END:
                begun = open_.pop(event.track_uuid)
                notes = {note.name: _value(note) for note in begun.track_event.debug_annotations}
                self.slices.append((self.tracks[event.track_uuid], begun.timestamp, packet.timestamp, notes))
            for flow in (*event.flow_ids, *event.terminating_flow_ids):
                self.flows[flow].append(self.tracks[event.track_uuid])
        assert not open_


def _value(note: Any) -> Any:
    return getattr(note, note.WhichOneof("value"))


def written(tmp_path: Path, *arguments: str) -> Trace:
    out = tmp_path / "t.pftrace"
    assert main(["report", *arguments, "--perfetto", str(out)]) == 0
    return Trace(out)


def endings(session: str) -> list[dict[str, Any]]:
    with Database(session) as database:
        return who(database)


@pytest.mark.parametrize("session", [SCENE, FLEET])
def test_every_ending_is_a_slice_with_what_is_known_of_it(session: str, tmp_path: Path) -> None:
    trace = written(tmp_path, session)
    deaths = endings(session)
    assert len(trace.slices) == len(deaths)
    for track, begun, ended, notes in trace.slices:
        assert begun <= ended
        assert track == f"{notes['victim_comm']} ({notes['victim_pid']})"
    told = sorted((notes["victim_pid"], notes["verdict"], ended) for _, _, ended, notes in trace.slices)
    assert told == sorted((one["victim_pid"], one["verdict"], ns(one["time"])) for one in deaths)


def ns(time: datetime) -> int:
    return round(time.timestamp() * 1e6) * 1000


def test_the_statuses_of_exits_are_told_also_if_they_are_0(tmp_path: Path) -> None:
    told = [notes.get("exit_status") for *_, notes in written(tmp_path, STATUSES).slices]
    assert Counter(told) == Counter(one["exit_status"] for one in endings(STATUSES))
    assert 0 in told


def test_every_signal_that_ended_somebody_is_a_flow_from_its_sender(tmp_path: Path) -> None:
    trace = written(tmp_path, SCENE)
    sent = [one for one in endings(SCENE) if one["killer_pid"] is not None and one["delay_us"] is not None]
    assert len(sent) >= 9
    expected = [
        [f"{one['killer_comm']} ({one['killer_pid']})", f"{one['victim_comm']} ({one['victim_pid']})"] for one in sent
    ]
    assert sorted(trace.flows.values()) == sorted(expected)
    names = list(trace.tracks.values())
    assert len(names) == len(set(names))  # who sent and was ended is one


def test_whoever_has_the_same_pid_later_has_a_track_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(
        fork(50, ts=1.0)
        + kill(100, 9, by=50, ts=2.0)
        + leave(50, ts=3.0)
        + fork(50, ts=4.0)
        + kill(101, 9, by=50, ts=5.0)
        + leave(50, ts=6.0)
    )
    trace = written(tmp_path, str(log))
    assert len([name for name in trace.tracks.values() if name.endswith(" (50)")]) == 2
    assert len(trace.slices) == 4


def test_of_several_logs_each_has_its_own_tracks(tmp_path: Path) -> None:
    trace = written(tmp_path, FLEET)
    logs = {uuid for uuid, parent in trace.parents.items() if not parent}
    assert len(logs) == 6
    assert {parent for parent in trace.parents.values() if parent} == logs


def test_only_a_period_is_written_if_one_is_asked_for(tmp_path: Path) -> None:
    some = written(tmp_path, SCENE, "--since", "2026-11-22T14:02:47.5")
    assert 0 < len(some.slices) < len(written(tmp_path, SCENE).slices)


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    trace = written(tmp_path, HOSTILE)
    assert all(name.isprintable() for name in trace.tracks.values())


def test_without_the_package_the_way_to_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace", None)
    assert main(["report", SCENE, "--perfetto", str(tmp_path / "t.pftrace")]) == 1
    assert (
        capsys.readouterr().err == "sigtrace: the package perfetto is not installed: pip install 'sigtrace[perfetto]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_trace_that_cannot_be_written_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", SCENE, "--perfetto", "/nowhere/t.pftrace"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
