"""How far a long command has got is shown on a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import sys
import time
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

DATA = Path(__file__).parents[1] / "notebooks" / "data"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Have stderr be a terminal, and return the end from which what it shows is read."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setenv("TERM", "xterm")
        yield ours
    os.close(ours)


def shown(terminal: int, until: str) -> str:
    """Return what a terminal shows, up to some text."""
    found = b""
    while until.encode() not in found:
        found += os.read(terminal, 1 << 16)
    return found.decode()


def test_a_bar_says_how_far_it_is_and_is_gone_at_the_end(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 0)
    with Progress("following", 200) as bar:
        shown(terminal, "0%")
        bar.advance(50)
        bar.advance(50)
        assert "following" in shown(terminal, "50%")
    # The cursor is back, and the line is empty.
    assert shown(terminal, "\x1b[?25h").endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_what_is_short_shows_nothing(terminal: int) -> None:
    with Progress("following", 200) as bar:
        bar.advance(200)
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal, 1)


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
    assert "\x1b[?25l" not in in_a_terminal(80, "report", str(DATA / "scene.parquet"))
