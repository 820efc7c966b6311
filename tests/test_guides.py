"""The man pages and the completions that the packages bring: man and the shells take them, and they lack nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.shown import COMMANDS, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guides")
    environment = {**os.environ, "COLUMNS": "40"}  # which changes nothing
    subprocess.run([sys.executable, ROOT / "tools" / "guides.py", folder], check=True, cwd=folder, env=environment)
    return folder / "share"


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not there")
    return found


def told(*command: str, **more: str) -> str:
    """Return what a command prints; it is to complain of nothing."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_bash_completes_commands_options_choices_and_files(share: Path) -> None:
    script = f"""
        source {share}/bash-completion/completions/sigtrace
        complete -p sigtrace
        try() {{
            COMP_WORDS=(sigtrace "$@") COMP_CWORD=$# COMPREPLY=()
            _shtab_sigtrace sigtrace "${{@: -1}}"
            echo "${{COMPREPLY[*]}}"
        }}
        try re; try who --js; try service ''; try help w; try report notebooks/data/scene.p; try status --dir noteb
    """
    assert told("bash", "-c", script).splitlines() == [
        "complete -o bashdefault -F _shtab_sigtrace sigtrace",
        *("record report", "--json", "install uninstall", "watch who", "notebooks/data/scene.parquet", "notebooks"),
    ]


def test_zsh_finds_the_completion_where_it_is_installed(share: Path, tmp_path: Path) -> None:
    zsh = needs("zsh")
    told(zsh, "-n", str(share / "zsh/site-functions/_sigtrace"))
    script = f"fpath=({share}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; echo $_comps[sigtrace]"
    assert told(zsh, "-f", "-c", f"{script}; autoload +X _sigtrace", HOME=str(tmp_path)) == "_sigtrace\n"


def test_fish_completes_commands_and_options(share: Path, tmp_path: Path) -> None:
    script = f"source {share}/fish/vendor_completions.d/sigtrace.fish; complete -C 'sigtrace re'"
    printed = told(needs("fish"), "-c", f"{script}; complete -C 'sigtrace who --js'", HOME=str(tmp_path))
    assert [line.split("\t")[0] for line in printed.splitlines()] == ["record", "report", "--json"]


def page(path: Path) -> str:
    return told(needs("man"), "--warnings", "-E", "UTF-8", "-l", str(path), LC_ALL="C.UTF-8", MANWIDTH="200")


@pytest.mark.parametrize("command", COMMANDS)
def test_man_shows_the_page_of_a_command_with_all_that_it_takes_and_its_examples(share: Path, command: str) -> None:
    shown = page(share / f"man/man1/sigtrace-{command}.1")
    described = COMMANDS[command]
    assert described.description is not None
    assert described.epilog is not None
    assert f"sigtrace-{command} - {described.description[0].lower()}{described.description[1:-1]}\n" in shown
    lines = [line.strip() for line in shown.splitlines()]
    for action in described._actions:  # noqa: SLF001
        if action.dest != "help":
            names = (*action.option_strings, str(action.metavar or action.dest))
            assert any(line.startswith(names) for line in lines), names
    assert lines[lines.index("EXAMPLES") + 1 :][: described.epilog.count("\n")] == [
        line.strip() for line in described.epilog.splitlines()[1:]
    ]


def test_the_page_of_the_command_line_has_every_command_in_it(share: Path) -> None:
    shown = page(share / "man/man1/sigtrace.1")
    assert "sigtrace - who killed whom, with what, and how do you know?" in shown
    assert "\nEXIT CODE\n" in shown
    assert re.findall(r"^COMMAND 'sigtrace (\w+)'$", shown, re.MULTILINE) == list(COMMANDS)
    assert {path.name for path in (share / "man/man1").iterdir()} == {
        "sigtrace.1",
        *(f"sigtrace-{command}.1" for command in COMMANDS),
    }
