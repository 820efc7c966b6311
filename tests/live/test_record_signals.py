"""`sigtrace record -s`: the kernel drops the other signals, and no answer denies what was dropped."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from calls import NOBODY, Caller, recording, sigtrace, wait_for

from sigtrace import read
from sigtrace.capture import guard
from sigtrace.capture.probe import Probe
from sigtrace.facts.events import evidence

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("live")

KILL, USR1, SEGV, TERM = (int(one) for one in (signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGTERM))

# Handles SIGTERM and SIGUSR1 until it is killed.
HANDLES = """
import signal, time
for number in (signal.SIGTERM, signal.SIGUSR1): signal.signal(number, lambda *_: None)
print("ready", flush=True)
while True: time.sleep(60)
"""

# Starts as many processes as it is told, ends each by a signal, and prints signal and pid.
ENDS = """
import subprocess, sys
for times, number in zip(*[iter(map(int, sys.argv[1:]))] * 2):
    for _ in range(times):
        one = subprocess.Popen(["sleep", "60"] if number else ["true"])
        if number: one.send_signal(number)
        one.wait()
        print(number, one.pid)
"""


def test_of_the_calls_and_signals_the_chosen_ones_and_sigkill_are_recorded_each_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path, "-s", "TERM") as recorder, Caller() as caller:
        target = subprocess.Popen([sys.executable, "-c", HANDLES], stdout=subprocess.PIPE, text=True)
        with target:
            assert target.stdout is not None
            assert target.stdout.readline() == "ready\n"
            caller.call(7, target.pid, TERM)
            caller.call(11, target.pid, USR1)
            caller.call(13, target.pid, 0)
            caller.call(17, NOBODY, TERM)
            caller.call(10_007, NOBODY, USR1)
            caller.call(5, target.pid, TERM)
            caller.call(1, target.pid, KILL)
        recorder.terminate()
        assert recorder.wait() == 0
    session = read(path)
    assert session.about["signals"] == [KILL, TERM]
    assert session.about["disturbed"] == []
    assert session.accounting.lost == 0
    rows = [row for row in session.table.to_pylist() if row["pid"] == caller.pid]
    of = {name: [row for row in rows if row["event"] == name] for name in ("kill", "kill_half", "signal_generate")}
    called = collections.Counter((row["sig"], row["target"], row["ret"]) for row in of["kill"])
    assert called == {(TERM, target.pid, 0): 12, (TERM, NOBODY, -3): 17, (KILL, target.pid, 0): 1}
    assert not of["kill_half"]
    generated = collections.Counter((row["sig"], row["target"]) for row in of["signal_generate"])
    assert generated == {(TERM, target.pid): 12, (KILL, target.pid): 1}
    (death,) = answers(path, target.pid)
    assert (death["verdict"], death["sig"], death["killer_pid"]) == ("killed", KILL, caller.pid)


def answers(path: Path, pid: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sigtrace("who", path, str(pid), "--json").stdout)
    return found


def test_who_died_of_another_signal_is_unknown_and_who_exited_has_exited(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    wanted = {USR1: 5, SEGV: 3, TERM: 2, KILL: 7, 0: 11}
    numbers = [str(number) for sig, times in wanted.items() for number in (times, sig)]
    done = sigtrace("record", "-s", "TERM,KILL", "-o", path, "--", sys.executable, "-c", ENDS, *numbers)
    assert done.returncode == 0
    found = collections.Counter[tuple[int, str, str | None, int | None]]()
    for sig, pid in (map(int, line.split()) for line in done.stdout.splitlines()):
        (death,) = answers(path, pid)
        found[sig, death["verdict"], death["how"], death["sig"]] += 1
    assert found == {
        # A deadly signal that dumps no core is delivered as SIGKILL.
        (USR1, "unknown", "not recorded", KILL): 5,
        (SEGV, "unknown", "not recorded", SEGV): 3,
        (TERM, "killed", None, TERM): 2,
        (KILL, "killed", None, KILL): 7,
        (0, "exited", None, None): 11,
    }
    said = sigtrace("report", path).stdout
    assert "only SIGKILL and SIGTERM were recorded" in said
    assert "Nothing was lost." not in said


def test_the_kernel_has_the_filters_and_the_guard_hears_its_own_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_QUIET_SECONDS", 0.2)
    monkeypatch.setattr(guard, "_ANSWER_SECONDS", 0.4)
    chunks: list[bytes] = []
    with Probe(buffer_mb=16, signals={TERM}) as probe, Caller() as caller:
        assert probe.instance is not None
        for event in ("signal:signal_generate", "signal:signal_deliver"):
            file = probe.instance / "events" / event.replace(":", "/") / "filter"
            assert file.read_text().strip() == evidence({KILL, TERM})[event]
        reader = threading.Thread(target=lambda: chunks.extend(probe))
        reader.start()
        caller.call(101, caller.pid, 0)
        wait_for(lambda: b"to PID %d, ret = 0\n" % os.getpid() in b"".join(chunks))
        file = probe.instance / "events/signal/signal_generate/filter"
        time.sleep(1)
        assert probe.disturbed == []
        file.write_text("sig == 1")
        wait_for(lambda: "filter of signal:signal_generate has changed" in probe.disturbed)
        wait_for(lambda: file.read_text().strip() == "sig == 9 || sig == 15")
        probe.stop()
        reader.join()
    before, *_ = b"".join(chunks).split(b"[LOST EVENTS]\n")
    assert b"PID %d (" % caller.pid not in before


def test_a_recorder_of_all_signals_beside_it_misses_none(tmp_path: Path) -> None:
    wide, narrow = tmp_path / "wide.parquet", tmp_path / "narrow.parquet"
    with recording(wide) as one, recording(narrow, "-s", "TERM") as another, Caller() as caller:
        caller.call(23, NOBODY, USR1)
        caller.call(29, NOBODY, TERM)
        for recorder in (another, one):
            recorder.terminate()
            assert recorder.wait() == 0

    def called(path: Path) -> dict[int, int]:
        rows = read(path).table.to_pylist()
        return collections.Counter(row["sig"] for row in rows if (row["event"], row["pid"]) == ("kill", caller.pid))

    assert called(wide) == {USR1: 23, TERM: 29}
    assert called(narrow)[TERM] == 29  # and what the other one's program prints comes along
