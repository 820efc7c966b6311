"""A report that is ended while other processes help it: it ends at once, and so do they."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from sigtrace import Database
from sigtrace.causes.endings import StoppedError
from sigtrace.questions import deaths

FLEET = Path(__file__).parent.with_name("notebooks") / "data" / "fleet"
SECONDS = 30  # in which a busy machine starts Python thrice
REPORT = f"""
import os, sys, time
from sigtrace.commands.line import main
from sigtrace.commands.streams import end_cleanly
from sigtrace.questions import deaths

class Endless:
    def __reduce__(self):
        return time.sleep, (600,)

if __name__ == "__main__":
    counted = deaths.counted
    deaths.counted = lambda database, _, processes, stop: counted(database, Endless(), processes, stop)
    deaths._WORTH_A_PROCESS = deaths._SHARE_BYTES = 1
    os.cpu_count = lambda: 2
    end_cleanly()
    sys.exit(main(["report", {str(FLEET)!r}]))
"""


def children(pid: int) -> set[int]:
    """The processes that a process has started, and that have not ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(path.parent.name))
    return found


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(holds: Any) -> bool:
    end = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(holds())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_a_report_that_is_ended_leaves_nobody_behind_who_helps_it(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    report = subprocess.Popen([sys.executable, script], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert until(lambda: len(children(report.pid)) >= 2), report.poll()
        time.sleep(1.0)  # they begin to count
        helping = children(report.pid)
        report.send_signal(number)
        began = time.monotonic()
        _, said = report.communicate(timeout=SECONDS)
        assert time.monotonic() - began < SECONDS / 3
        assert report.returncode == code
        assert number == signal.SIGKILL or said == ""  # then Python's own helper says what is left
        assert until(lambda: all(map(ended, helping)))
        assert number == signal.SIGKILL or list(scratch.iterdir()) == []
    finally:
        report.kill()


def test_counting_in_one_process_stops_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = deaths.Stop()
    follow = deaths.Deaths.follow

    def stopped(*what: Any) -> Any:
        stop.__exit__()
        return follow(*what)

    monkeypatch.setattr(deaths.Deaths, "follow", stopped)
    with Database(FLEET) as database, pytest.raises(StoppedError):
        deaths.counted(database, 10, 1, stop)


def test_a_line_to_who_helps_ends_when_it_is_to_stop() -> None:
    stop, seen = deaths.Stop(), Event()
    line = stop.line()

    def wait() -> None:
        line.poll(None)
        seen.set()

    Thread(target=wait, daemon=True).start()
    assert not seen.wait(0.1)
    stop.__exit__()
    assert seen.wait(SECONDS)
    assert stop.line().poll(SECONDS)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_query_that_is_ended_says_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    # DuckDB makes another exception of the one that a signal's handler raises.
    endless = "SELECT count(*) FROM events a, events b, events c, events d, events e WHERE a.line + e.line < b.line"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    query = subprocess.Popen(
        [sys.executable, "-m", "sigtrace", "query", str(FLEET), endless],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert until(lambda: list(scratch.iterdir()) or query.poll() is not None)
        time.sleep(2.0)  # it begins to ask
        assert query.poll() is None
        query.send_signal(number)
        _, said = query.communicate(timeout=SECONDS)
        assert (query.returncode, said, list(scratch.iterdir())) == (code, "", [])
    finally:
        query.kill()
