"""What README.md shows is what happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sigtrace.capture.doctor import checks
from tests.shown import ROOT, blocks, clone, commands, printed_by, run, same

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
_COMMANDS = [shown for shown in commands(README) if shown[0] != "make test"]  # which runs this


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.mark.parametrize(("command", "shown"), _COMMANDS, ids=[command for command, _ in _COMMANDS])
def test_a_command_of_the_readme_prints_what_the_readme_shows(command: str, shown: str, place: Path) -> None:
    if command == "make demo":
        _needs_recording()
    got = printed_by(command, ROOT if command.startswith("make") else place)
    assert same(shown, got), f"{command} printed:\n{got}"


def _needs_recording() -> None:
    # Elsewhere the demo shows its stored log, and says so.
    missing = [check.detail for check in checks() if check.needed and not check.ok]
    if missing and os.environ.get("SIGTRACE_LIVE") != "required":
        pytest.skip("; ".join(missing))


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_the_python_of_the_readme_runs(code: str, place: Path) -> None:
    assert run(code, place)


def test_the_readme_opens_with_the_demo_and_the_tests() -> None:
    assert [text.splitlines()[0] for text in blocks(README, "console")[:2]] == ["$ make demo", "$ make test"]


def test_the_readme_has_150_lines_at_most() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_picture_in_the_readme_is_a_png_of_less_than_300_kilobytes() -> None:
    picture = (ROOT / "docs" / "report.png").read_bytes()
    assert "](docs/report.png)" in README.read_text()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000
