"""Shown: what a document shows, its commands with what they print and its Python; and what happens."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.commands.line.parser import parser

if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).parent.parent
COMMANDS: dict[str, argparse.ArgumentParser] = next(
    dict(action.choices)
    for action in parser()._actions  # noqa: SLF001 -- it has no other way to its commands
    if isinstance(action.choices, dict)
)
"""The parsers of the commands, by name."""

_FENCED = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language, in their order."""
    return [match[2] for match in _FENCED.finditer(document.read_text()) if match[1] == language]


def commands(document: Path) -> list[tuple[str, str]]:
    """Return each command of the console blocks, with what the document says it prints."""
    parts = [part.partition("\n") for text in blocks(document, "console") for part in text.split("$ ")[1:]]
    return [(command, printed) for command, _, printed in parts]


def clone(folder: Path) -> Path:
    """Make a folder with what the commands of the documents read, where they may write."""
    for part in ("tests/fixtures", "notebooks/data"):
        shutil.copytree(ROOT / part, folder / part)
    return folder


def printed_by(command: str, folder: Path) -> str:
    """Return what a command prints, on stdout and on stderr."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    return done.stdout + done.stderr


def same(shown: str, printed: str) -> bool:
    """Tell whether a command printed what is shown of it, where `...` stands for anything."""
    return doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


def run(code: str, folder: Path) -> str:
    """Run Python in a process of its own, warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
