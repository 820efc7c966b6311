"""What README.md shows is what happens."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.doctor import checks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
_FENCED = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_BLOCKS = [(match[1], match[2]) for match in _FENCED.finditer(README)]


def _commands() -> list[tuple[str, str]]:
    """Each command of the console blocks but `make test`, which runs this, with what the README says it prints."""
    found = []
    for language, text in _BLOCKS:
        if language == "console":
            for part in text.split("$ ")[1:]:
                command, _, printed = part.partition("\n")
                if command != "make test":
                    found.append((command, printed))
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands read, where they may write."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "tests").mkdir()
    shutil.copytree(ROOT / "tests" / "fixtures", folder / "tests" / "fixtures")
    return folder


def _run(command: str, folder: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("command", "printed"), _commands(), ids=[command for command, _ in _commands()])
def test_a_command_of_the_readme_prints_what_the_readme_shows(command: str, printed: str, clone: Path) -> None:
    if command == "make demo":
        _needs_recording()
    folder = ROOT if command.startswith("make") else clone
    got = _run(command, folder)
    same = doctest.OutputChecker().check_output(printed, got, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert same, f"{command} printed:\n{got}"


def _needs_recording() -> None:
    # Elsewhere the demo shows its stored log, and says so.
    missing = [check.detail for check in checks() if check.needed and not check.ok]
    if missing and os.environ.get("SIGTRACE_LIVE") != "required":
        pytest.skip("; ".join(missing))


@pytest.mark.parametrize("code", [text for language, text in _BLOCKS if language == "python"])
def test_the_python_of_the_readme_runs(code: str, clone: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_readme_opens_with_the_demo_and_the_tests() -> None:
    consoles = [text for language, text in _BLOCKS if language == "console"]
    assert [text.splitlines()[0] for text in consoles[:2]] == ["$ make demo", "$ make test"]
