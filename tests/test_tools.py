"""Tools: what `make` installs on a machine, and what it says of that."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.shown import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with install.sh and a list, on a Debian where one is root and apt-get only notes what it was told."""
    shutil.copy(ROOT / "tools" / "install.sh", tmp_path)
    (tmp_path / "packages.txt").write_text(
        f"# A note.\nbrowser tests a-browser\nheaders tests {tmp_path}/*/headers.h\nbcc recording a-bcc\n"
    )
    (tmp_path / "bin").mkdir()
    command(tmp_path, "id", "echo 0")
    command(tmp_path, "apt-get", f'echo "$@" >>{tmp_path}/told')
    for name in ("sh", "dirname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    return tmp_path


def command(place: Path, name: str, text: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def said(place: Path, *who: str) -> str:
    words = ["sh", str(place / "install.sh"), *who]
    done = subprocess.run(words, env={"PATH": str(place / "bin")}, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def installed(place: Path) -> list[str]:
    if not (place / "told").exists():
        return []
    words = [word for line in (place / "told").read_text().splitlines() for word in line.split()]
    return [word for word in words if word in {"browser", "headers", "bcc"}]


def test_what_is_missing_is_installed_and_told_in_a_line(place: Path) -> None:
    assert said(place, "tests") == "Installing with apt-get, for tests: browser headers\n"
    assert installed(place) == ["browser", "headers"]


def test_what_is_there_is_not_installed_again(place: Path) -> None:
    command(place, "a-browser", "")
    assert said(place, "tests", "recording") == "Installing with apt-get, for tests recording: headers bcc\n"
    assert installed(place) == ["headers", "bcc"]


def test_where_all_is_there_nothing_is_said(place: Path) -> None:
    command(place, "a-browser", "")
    (place / "1.2").mkdir()
    (place / "1.2" / "headers.h").touch()
    assert said(place, "tests") == ""
    assert installed(place) == []


def test_what_apt_does_not_have_is_told_and_the_rest_is_installed(place: Path) -> None:
    command(place, "apt-get", f'case "$*" in *browser*) exit 1;; *) echo "$@" >>{place}/told;; esac')
    assert said(place, "tests").splitlines()[1:] == ["apt-get cannot install browser; what needs it will say so."]
    assert installed(place) == ["headers"]


def test_who_is_not_root_or_has_no_apt_installs_nothing(place: Path) -> None:
    command(place, "id", "echo 1000")
    assert said(place, "tests", "recording") == ""
    command(place, "id", "echo 0")
    (place / "bin" / "apt-get").unlink()
    assert said(place, "tests", "recording") == ""
    assert installed(place) == []


def test_the_list_names_a_package_who_needs_it_and_a_sign_of_it() -> None:
    lines = [line.split() for line in (ROOT / "tools" / "packages.txt").read_text().splitlines() if line[0] != "#"]
    assert {who for _, who, _ in lines} == {"setup", "recording", "tests", "kernels", "foreign"}
