"""A command that is recorded keeps its exit code, whatever becomes of standard input, output and error."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sigtrace import read

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("live")

RECORD = f"{sys.executable} -m sigtrace record --buffer 4"


def sh(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("where", [">&-", ">/dev/full", "| true; exit ${PIPESTATUS[0]}", "<&- >&- 2>&-", "2>/dev/full"])
def test_the_exit_code_is_the_commands_whatever_became_of_the_streams(where: str, tmp_path: Path) -> None:
    done = sh(f"{RECORD} -o s.parquet -- sh -c 'sleep 0.2; kill -0 $$; exit 7' {where}", tmp_path)
    assert done.returncode == 7
    assert "Traceback" not in done.stderr
    assert "sigtrace: " not in done.stderr
    assert len(read(tmp_path / "s.parquet")) > 0


def test_what_is_closed_is_closed_for_the_command_too_and_no_file_takes_its_place(tmp_path: Path) -> None:
    done = sh(f"{RECORD} -o s.parquet -- sh -c 'echo hello' >&-", tmp_path)
    assert done.returncode != 0  # as without sigtrace: sh cannot write
    assert len(read(tmp_path / "s.parquet")) > 0


@pytest.mark.parametrize(("command", "code"), [("./plain", 126), ("no-such-command", 127)])
def test_a_command_that_cannot_be_run_is_told_as_a_shell_tells_it(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    done = sh(f"{RECORD} -o s.parquet -- {command}", tmp_path)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "s.parquet").exists()
