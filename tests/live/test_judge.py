"""The judge of the zoo: it finds each answer that is not the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from zoo import judge
from zoo.truth import Death, Truth

DEPLOYER, TINI = "deployer (7)", "tini (8)"


@pytest.fixture(params=[True, False], ids=["told", "not told"])
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(judge, "CAUSES", request.param)
    return bool(request.param)


def truth(**more: Any) -> Truth:
    facts: dict[str, Any] = {
        "killer_pid": 8,
        "killer_comm": "tini",
        "actor": "tini",
        "first_pid": 7,
        "first_comm": "deployer",
    }
    facts |= {"hops": [DEPLOYER, TINI], "exit_status": 3} | more
    return Truth("scene", [Death(9, "web", "asked", "SIGTERM", 3 << 8, 10.0, **facts)], {9: "web"}, 5.0, 15.0)


def answer(**more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "victim_pid": 9,
        "victim_comm": "web",
        "verdict": "asked",
        "signal": "SIGTERM",
        "source": "call",
    }
    said |= {"killer_pid": 8, "killer_comm": "tini", "actor_comm": "tini", "group": False, "lost": False, "lines": [1]}
    said |= {"first_pid": 7, "first_comm": "deployer", "hops": [DEPLOYER, TINI], "exit_status": 3}
    return said | {"time": datetime.fromtimestamp(10, UTC).isoformat()} | more


def old_answer(**more: Any) -> dict[str, Any]:
    said = answer(verdict="exited", signal=None, source=None, killer_pid=None, killer_comm=None, actor_comm=None)
    return {name: value for name, value in said.items() if name not in {"exit_status", "hops"}} | more


def wrong(scene: Truth, *answers: dict[str, Any]) -> list[str]:
    return judge.judge(scene, {None: answers}).wrong


@pytest.mark.usefixtures("told")
def test_the_truth_is_right() -> None:
    assert wrong(truth(), answer()) == []


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("verdict", "exited"),
        ("signal", "SIGINT"),
        ("killer_pid", 7),
        ("killer_comm", "deployer"),
        ("actor_comm", "bash"),
        ("first_pid", 8),
        ("first_comm", "tini"),
        ("hops", [TINI]),
        ("hops", None),
        ("exit_status", 0),
        ("exit_status", None),
        ("group", True),
        ("source", "terminal"),
        ("victim_comm", "sh"),
        ("lost", True),
        ("lines", []),
        ("time", datetime.fromtimestamp(12, UTC).isoformat()),
    ],
)
def test_an_answer_that_is_wrong_in_one_column_is_wrong(column: str, value: object) -> None:
    assert wrong(truth(), answer(**{column: value}))


def test_an_answer_without_causes_is_wrong_if_they_must_be_told(*, told: bool) -> None:
    assert bool(wrong(truth(), old_answer())) is told


@pytest.mark.usefixtures("told")
def test_silence_is_wrong() -> None:
    assert wrong(truth())


@pytest.mark.usefixtures("told")
def test_one_who_lives_must_not_be_killed() -> None:
    assert wrong(Truth("scene", [], {9: "web"}, 5.0, 15.0), answer(verdict="killed"))


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("verdict", "right"), [("asked", True), ("exited", True), ("unknown", True), ("killed", False)]
)
def test_what_no_trace_can_tell_is_right_if_it_is_no_death_by_a_signal(verdict: str, *, right: bool) -> None:
    scene = truth(blind="nobody saw it")
    assert (wrong(scene, answer(verdict=verdict)) == []) is right
    assert wrong(scene, answer(verdict=verdict, exit_status=4))


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("column", ["victim_user", "killer_user", "victim_unit", "victim_container", "victim_pod"])
def test_who_they_are_is_compared_if_the_scene_knows(column: str) -> None:
    scene = truth(user="a", killer_user="b", unit="c", container="d", pod="e")
    right = {"victim_user": "a", "killer_user": "b", "victim_unit": "c", "victim_container": "d", "victim_pod": "e"}
    assert wrong(scene, answer(**right)) == []
    assert wrong(scene, answer(**(right | {column: "x"})))


@pytest.mark.parametrize(
    ("column", "value"), [("verdict", "exited"), ("verdict", "killed"), ("how", None), ("signal", "SIGKILL")]
)
def test_of_a_signal_that_the_kernel_does_not_print_the_answer_is_that_no_call_to_exit_is_told(
    column: str, value: object
) -> None:
    scene = Truth("scene", [Death(9, "web", "unknown", None, 9, 10.0, how="no exit call")], {9: "web"}, 5.0, 15.0)
    said = old_answer(verdict="unknown", how="no exit call", exit_status=None)
    assert wrong(scene, said) == []
    assert wrong(scene, said | {column: value})


@pytest.mark.parametrize("window", [None, 0.5])
def test_a_scene_with_a_window_is_judged_by_the_answers_for_it(
    window: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "CAUSES", True)
    scene = truth()
    scene.window = window
    answers = {None: [answer()], 0.5: [answer(verdict="exited")]}
    assert (judge.judge(scene, answers).wrong == []) is (window is None)
