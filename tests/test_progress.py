"""How far a long command has got is shown on a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import select
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigtrace.output import progress
from sigtrace.output.progress import Progress
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from tests.pseudo_terminal import in_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 30
DATA = Path(__file__).parents[1] / "notebooks" / "data"


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Have stderr be a terminal, and yield the end from which what it shows is read."""
    ours, theirs = pty.openpty()
    with monkeypatch.context() as patch, os.fdopen(theirs, "w", encoding="utf-8") as stderr:
        patch.setattr(sys, "stderr", stderr)
        patch.setenv("TERM", "xterm")
        yield ours
    os.close(ours)


def shown(screen: int, until: str) -> str:
    """Return what a terminal shows, up to some text."""
    found = b""
    while until.encode() not in found:
        assert select.select([screen], [], [], _SECONDS)[0], found
        found += os.read(screen, 1 << 16)
    return found.decode()


def test_a_bar_says_how_far_it_is_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 0)
    with terminal(monkeypatch) as screen:
        with Progress("following", 200) as bar:
            shown(screen, "0%")
            bar.advance(50)
            bar.advance(50)
            assert "following" in shown(screen, "50%")
        # The cursor is back, and the line is empty.
        assert shown(screen, "\x1b[?25h").rstrip("\r\n").endswith("\x1b[2K")


def test_what_is_short_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 60)
    with terminal(monkeypatch) as screen:
        with Progress("following", 200) as bar:
            bar.advance(200)
        assert not select.select([screen], [], [], 0)[0]


def test_where_stderr_is_no_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 0)
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress("following", 200) as bar:
        bar.advance(100)
        time.sleep(0.1)
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("session", ["scene.parquet", "fleet"])
def test_all_that_is_to_be_followed_is_told_as_it_was(session: str) -> None:
    told: list[int] = []
    with Database(DATA / session) as database:
        database.fed = told.append
        summary(database)
        assert sum(told) == database.work() > 0


def test_an_answer_in_a_terminal_has_no_bar_in_it() -> None:
    answer = in_a_terminal(80, "report", str(DATA / "scene.parquet"))
    assert answer.startswith(str(DATA / "scene.parquet"))
    assert "━" not in answer
