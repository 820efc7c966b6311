"""The zoo: the verdict of `sigtrace who` on each way to die is what the one who did it knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from zoo.catalogue import SCENES
from zoo.judge import judge
from zoo.recording import record

if TYPE_CHECKING:
    from zoo.judge import Judgement


@pytest.fixture(scope="module")
def judgements(live: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judgement]:  # noqa: ARG001
    truths, answers = record(tmp_path_factory.mktemp("zoo"))
    return {truth.scene: judge(truth, answers) for truth in truths}


@pytest.mark.parametrize("scene", SCENES)
def test_who_tells_the_truth_of(scene: str, judgements: dict[str, Judgement]) -> None:
    judgement = judgements[scene]
    if judgement.skipped and os.environ.get("SIGTRACE_LIVE") == "required":
        pytest.fail(judgement.skipped)
    if judgement.skipped:
        pytest.skip(judgement.skipped)
    assert judgement.wrong == []
