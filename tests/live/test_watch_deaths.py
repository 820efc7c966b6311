"""`sigtrace watch --deaths`: who ends, as it happens, told of processes that the tests start."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from calls import SECONDS, sigtrace, started

from sigtrace import Database
from sigtrace.questions.who import who

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("live")

HANDLES = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(3))\nprint(flush=True)\nsignal.pause()"
PROBE = "import time\nprint(flush=True)\ntime.sleep(60)"


@contextmanager
def watching(*switches: str) -> Iterator[subprocess.Popen[str]]:
    """Watch, from when an ending is told."""
    with started("watch", "--deaths", *switches) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        assert ready
        assert process.stdout.readline().split() == ["TIME", "ENDING"], process.communicate()
        yield process
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0


def told_of(process: subprocess.Popen[str], pid: int, seconds: float) -> str | None:
    """Return the sentence about a process, if it comes in time."""
    assert process.stdout is not None
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if ready and f" ({pid}" in (line := process.stdout.readline()).split(" was ")[0].split(" exited ")[0]:
            return line
    return None


def patient(program: str = PROBE) -> subprocess.Popen[bytes]:
    made = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert made.stdout is not None
    assert made.stdout.readline() == b"\n"
    return made


def test_each_ending_is_a_sentence_within_a_second() -> None:
    with patient() as older, watching() as process, patient(HANDLES) as asked:
        asked.terminate()
        said = told_of(process, asked.pid, 1)
        assert said is not None
        assert "exited with status 3" in said
        assert " after it handled SIGTERM from " in said
        older.kill()  # it ran before
        said = told_of(process, older.pid, 1)
        assert said is not None
        assert " was killed by " in said
        assert f" ({os.getpid()}" in said
        assert " with SIGKILL" in said


def test_the_switches_choose_among_the_endings() -> None:
    with patient() as first, patient() as second, patient() as third:
        with watching("-T", str(second.pid), "-s", "KILL,INT") as process:
            first.kill()
            second.kill()
            assert told_of(process, second.pid, 1) is not None
        with watching("-T", str(third.pid), "-s", "TERM", "-p", str(os.getpid())) as process:
            third.terminate()
            assert told_of(process, third.pid, 1) is not None
    with patient() as fourth, watching("-p", "1") as process:
        fourth.kill()
        assert told_of(process, fourth.pid, 1) is None


def test_what_is_watched_can_be_recorded_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with watching("-o", str(path)) as process, patient() as victim:
        victim.kill()
        assert told_of(process, victim.pid, 2) is not None
    with Database(path) as database:
        (death,) = who(database, str(victim.pid))
    assert death["verdict"] == "killed"


@pytest.mark.parametrize("switch", ["-x", "--no-evidence"])
def test_what_makes_no_sense_for_endings_is_refused(switch: str) -> None:
    done = sigtrace("watch", "--deaths", switch, "--duration", "1")
    assert done.returncode in {1, 2}
    assert "--deaths" in done.stderr
