"""The zoo: the verdict of `sigtrace who` on each way to die is what the one who did it knows."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import difference
import pytest
from zoo.catalogue import SCENES
from zoo.judge import judge
from zoo.recording import record

from sigtrace.store.flight import ledger
from tests.booked import answers, book, holding

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


def test_the_answers_about_all_scenes_are_the_same_with_their_endings_beside_them(
    recorded: tuple[Path, dict[str, Judgement]], tmp_path: Path
) -> None:
    session = tmp_path / "host=zoo" / "date=2026-11-22" / "zoo.parquet"
    shutil.copytree(recorded[0] / "zoo.parquet", session)
    assert book(session)
    assert holding(tmp_path) == [True]
    found = answers(tmp_path)
    shutil.rmtree(tmp_path / ledger.FOLDER)
    assert answers(tmp_path) == found


def test_the_plain_judge_agrees_on_all_scenes(recorded: tuple[Path, dict[str, Judgement]]) -> None:
    rows, said = difference.of_zoo(recorded[0])
    assert said == ""
    assert rows > 1000
