"""The zoo: the verdict of `sigtrace who` on each way to die is what the one who did it knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import difference
import pytest
from zoo.catalogue import SCENES
from zoo.judge import judge
from zoo.recording import record

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.judge import Judgement


@pytest.fixture(scope="module")
def recorded(live: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Judgement]]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("zoo")
    truths, answers = record(folder)
    return folder, {truth.scene: judge(truth, answers) for truth in truths}


@pytest.mark.parametrize("scene", SCENES)
def test_who_tells_the_truth_of(scene: str, recorded: tuple[Path, dict[str, Judgement]]) -> None:
    judgement = recorded[1][scene]
    if judgement.skipped and os.environ.get("SIGTRACE_LIVE") == "required":
        pytest.fail(judgement.skipped)
    if judgement.skipped:
        pytest.skip(judgement.skipped)
    assert judgement.wrong == []


def test_the_plain_judge_agrees_on_all_scenes(recorded: tuple[Path, dict[str, Judgement]]) -> None:
    rows, said = difference.of_zoo(recorded[0])
    assert said == ""
    assert rows > 1000
