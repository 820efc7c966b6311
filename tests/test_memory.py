"""A tracker goes on from what another one knew, as if it had followed all rows itself."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import twins
from made_up_lives import Lives

from sigtrace.causes import feed
from sigtrace.causes.ledgers import following
from sigtrace.facts.schema import PLAIN
from tests.story import call, events, fork, hit, leave, take

if TYPE_CHECKING:
    from types import ModuleType

WAYS = {"compiled": following, "interpreted": twins.interpreted("sigtrace.causes.ledgers.following")}


def rows(number: int) -> pa.Table:
    found = [row for row in Lives(number).rows if row["event"] != "lost"]
    return pa.Table.from_pylist(found, PLAIN).sort_by("line")


def endings(way: ModuleType, table: pa.Table, cuts: list[int]) -> list[dict[str, Any]]:
    """Follow rows, and at each cut leave the rest to a new tracker; return the endings and what they rest on."""
    found: list[dict[str, Any]] = []
    judge = way.Judge()

    def tracker() -> Any:
        return way.Tracker(
            lambda process, lost: found.append(
                {**judge.ending(process, lost), "evidence": judge.evidence(process, lost)}
            ),
            exits_told=True,
        )

    follower = tracker()
    for start, end in zip([0, *cuts], [*cuts, len(table)], strict=True):
        if start in cuts:
            known = json.loads(json.dumps(way.memory.of(follower)))
            follower = tracker()
            way.memory.recall(follower, known)
            assert json.loads(json.dumps(way.memory.of(follower))) == known
        feed.Table(table.slice(start, end - start)).feed(follower)
    follower.end()
    return found


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_log_that_is_left_to_another_tracker_has_the_same_endings(way: ModuleType) -> None:
    told = 0
    for number in range(0, 10_000, 250):
        table = rows(number)
        dice = random.Random(number)  # noqa: S311 -- the same cuts each time
        cuts = sorted(dice.sample(range(1, len(table)), min(len(table) - 1, dice.choice([1, 3, 7]))))
        whole = endings(way, table, [])
        assert endings(way, table, cuts) == whole, (number, cuts)
        told += any(one["verdict"] == "killed" for one in whole)
    assert told > 20


def test_a_log_that_is_left_to_another_tracker_at_each_row_has_the_same_endings() -> None:
    table = rows(17)
    for name, way in WAYS.items():
        assert endings(way, table, list(range(1, len(table)))) == endings(way, table, []), name


def test_all_that_is_known_of_processes_and_signals_is_remembered() -> None:
    way = WAYS["interpreted"]
    memory = way.memory
    process = memory.Process()
    process.begin(1, 0, None)
    row = memory.Row()
    row.fill(feed.chunk(pa.RecordBatch.from_pylist([{"event": "kill", "ts": 1, "line": 1, "tid": 2}], PLAIN)), 0)
    signal = memory.Signal(row, process, process, in_exit=False)
    assert set(vars(row)) == set(memory.ROW)
    for one in (process, signal):
        kind = type(one)
        known = {*memory.PLAIN[kind], *memory.ROWS[kind], *memory.PROCESSES[kind]}
        assert set(vars(one)) == known | ({*memory.SETS, "images", "signals", "ended_by"} if one is process else set())


def test_all_that_a_tracker_without_gaps_knows_is_remembered() -> None:
    way = WAYS["interpreted"]
    tracker = way.Tracker(print)
    told = {"_ended", "_settled", "_gaps", "_all_endings", "_live", "_exits_told", "_lossy", "_kept_pid", "processes"}
    apart = {"_known", "_zombies", "_pid_of", "_were_there", "_cgroups", "_parents_to_come", "_unsettled", "_waiting"}
    assert set(vars(tracker)) == told | apart | set(way.memory.COUNTS)


def test_the_open_endings_are_those_that_the_end_of_the_log_would_tell() -> None:
    way: ModuleType = following
    found = set()
    for number in range(0, 10_000, 250):
        table = rows(number)
        for length in range(0, len(table), 3):
            told: list[bool] = []
            tracker = way.Tracker(lambda *_, told=told: told.append(True))
            feed.Table(table.slice(0, length)).feed(tracker)
            pending = way.memory.pending(tracker)
            told.clear()
            tracker.end()
            assert pending == len(told), (number, length)
            found.add(pending)
    assert len(found) > 2


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_line_of_parents_that_is_too_long_for_the_stack_is_refused(way: ModuleType) -> None:
    tracker = way.Tracker(lambda *_: None)
    feed.Table(rows(17)).feed(tracker)
    known = json.loads(json.dumps(way.memory.of(tracker)))
    first, n = len(known["processes"]), 20_000
    plain = known["processes"][0][0]
    for above in [*range(first + 1, first + n), None]:
        known["processes"].append([plain, [None] * 4, [above, None], [None] * 3, None, None, None])
    with pytest.raises(ValueError, match="above one another"):
        way.memory.recall(way.Tracker(lambda *_: None), known)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "nonsense",
    [
        {"_died": 1 << 20},
        {"_died": -1},
        {"pids": [3, []]},
        {"pids": [4096, [[5000, 0]]]},
        {"pids": [4096, [[7, 0], [7, 0]]]},
        {"pids": [4096, [[7, 12345]]]},
        {"zombies": [[1 << 20, 0]]},
        {"waiting": [12345]},
        {"signals": [[[9, 1, False, False, True, False, False, False, "pending"], [None, None, None], [0, 0]]]},
        {"signals": [[[9, 1, False, False, True, False, False, False, "pending"], [0, None, None], [0, None]]]},
        {"rows": [[1]]},
        {"processes": None},
        {"pids": [1 << 31, []]},
        {"pids": [1 << 60, []]},
    ],
    ids=str,
)
def test_what_no_tracker_can_know_is_refused(way: ModuleType, nonsense: dict[str, Any]) -> None:
    table = rows(17)
    tracker = way.Tracker(lambda *_: None)
    feed.Table(table).feed(tracker)
    known = json.loads(json.dumps({**way.memory.of(tracker), **nonsense}))
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        way.memory.recall(way.Tracker(lambda *_: None), known)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_shells_that_are_each_others_parents_are_asked_once(way: ModuleType) -> None:
    born = fork(49, parent=48, comm="bash", ts=1.0) + fork(50, parent=49, comm="bash", ts=1.1) + fork(100, ts=1.2)
    sent = hit(100, 9, name="bash", ts=2.0) + call(100, 9, name="bash", ts=2.0)
    table = events(born + sent + take(100, 9, ts=2.1) + leave(100, ts=2.2))
    before = way.Tracker(lambda *_: None)
    feed.Table(table.slice(0, 3)).feed(before)
    known = json.loads(json.dumps(way.memory.of(before)))
    places = {plain[0]: n for n, (plain, *_) in enumerate(known["processes"])}
    plain, _, above, *_ = known["processes"][places[48]]
    plain[way.memory.PLAIN[way.memory.Process].index("comm")] = "bash"
    plain[way.memory.PLAIN[way.memory.Process].index("start")] = 5
    above[0] = places[49]
    judge, found = way.Judge(), []
    tracker = way.Tracker(lambda process, lost: found.append(judge.ending(process, lost)))
    way.memory.recall(tracker, known)
    feed.Table(table.slice(3)).feed(tracker)
    tracker.end()
    assert [(one["verdict"], one["killer_pid"]) for one in found] == [("killed", 50)]
