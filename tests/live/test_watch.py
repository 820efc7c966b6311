"""`sigtrace watch`, `doctor` and `demo`: what they print of calls that the tests make."""

from __future__ import annotations

import collections
import json
import os
import re
import select
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from calls import NOBODY, Caller, sigtrace, started

from sigtrace import read

pytestmark = pytest.mark.usefixtures("live")

LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} +(\d+) (.{16}) (.{12}) +(\S.*) (\S+( \d+)?)\n")
CALLS = {  # of which caller, signal and result: how many, primes all
    ("one", "signal 0", "ESRCH"): 11,
    ("one", "SIGURG", "ok"): 13,
    ("one", "signal 0", "ok"): 7,
    ("other", "SIGTERM", "ESRCH"): 5,
}


class Watching:
    """A `sigtrace watch`, from when it watches."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready
        header = process.stdout.readline()
        assert header.split() == ["TIME", "PID", "COMM", "SIGNAL", "TARGET", "RESULT"], process.communicate()

    def end(self) -> list[str]:
        self.process.send_signal(signal.SIGINT)
        printed, said = self.process.communicate()
        assert self.process.returncode == 0, said
        return printed.splitlines(keepends=True)


def make_calls(one: Caller, other: Caller) -> None:
    one.call(11, NOBODY)
    one.call(13, 0, signal.SIGURG)  # ignored by who does not ask for it
    one.call(7, 0)
    other.call(5, NOBODY, signal.SIGTERM)


def found_in(lines: list[str], names: dict[int, str]) -> dict[tuple[str, str, str], int]:
    matched = [match for line in lines if (match := LINE.fullmatch(line))]  # others' names may be any
    rows = [(int(match[1]), match[3].rstrip(), match[5]) for match in matched]
    return collections.Counter((names[pid], number, result) for pid, number, result in rows if pid in names)


def test_each_call_is_a_line_as_it_happens_and_the_switches_of_killsnoop_choose_among_them() -> None:
    with Caller() as one, Caller() as other, ExitStack() as stack:
        switches = {
            "all": [],
            "of a sender": ["-p", str(one.pid)],
            "to a target": ["-T", str(NOBODY)],
            "of signals": ["-s", "SIGTERM,23"],
            "failed": ["-x"],
            "both": ["-x", "-p", str(other.pid)],
        }
        processes = {
            name: stack.enter_context(started("watch", "--buffer", "64", *more)) for name, more in switches.items()
        }
        watching = {name: Watching(process) for name, process in processes.items()}
        make_calls(one, other)
        names = {one.pid: "one", other.pid: "other"}
        found = {name: found_in(watched.end(), names) for name, watched in watching.items()}
    assert found == {
        "all": CALLS,
        "of a sender": {call: n for call, n in CALLS.items() if call[0] == "one"},
        "to a target": {call: n for call, n in CALLS.items() if call[2] == "ESRCH"},
        "of signals": {call: n for call, n in CALLS.items() if call[1] in {"SIGURG", "SIGTERM"}},
        "failed": {call: n for call, n in CALLS.items() if call[2] == "ESRCH"},
        "both": {call: n for call, n in CALLS.items() if call[0] == "other"},
    }


def test_as_json_there_are_the_signals_that_none_of_the_three_calls_sent() -> None:
    with subprocess.Popen(["sleep", "60"]) as victim, started("watch", "--json", "-T", str(victim.pid)) as process:
        descriptor = os.pidfd_open(victim.pid)
        try:
            assert process.stdout is not None
            found: list[dict[str, Any]] = []
            while len(found) < 7:  # no header says that it watches
                signal.pidfd_send_signal(descriptor, signal.SIGURG)  # ignored by who does not ask for it
                if select.select([process.stdout], [], [], 0.1)[0]:
                    found.append(json.loads(process.stdout.readline()))
        finally:
            os.close(descriptor)
            victim.kill()
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 0
    assert {(one["event"], one["signal"], one["pid"]) for one in found} == {("signal_generate", "SIGURG", os.getpid())}
    assert {one["target_comm"] for one in found} == {"sleep"}


def test_a_line_is_there_within_a_second_and_says_who_what_to_whom_and_with_which_result() -> None:
    with Caller() as caller, started("watch", "-p", str(caller.pid)) as process:
        watching = Watching(process)
        caller.call(1, NOBODY, signal.SIGKILL)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 1)
        assert ready
        line = process.stdout.readline()
        assert watching.end() == []
    assert line.split()[1:5] == [
        str(caller.pid),
        Path(f"/proc/{os.getpid()}/comm").read_text().strip(),
        "SIGKILL",
        str(NOBODY),
    ]
    assert "ESRCH" in line


def test_what_is_watched_can_be_recorded_at_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as one, Caller() as other, started("watch", "-x", "-p", str(one.pid), "-o", str(path)) as process:
        watching = Watching(process)
        make_calls(one, other)
        assert len(watching.end()) == 11
        rows = [row for row in read(path).table.to_pylist() if row["event"] == "kill"]
    assert sum(row["pid"] == one.pid for row in rows) == 31
    assert sum(row["pid"] == other.pid for row in rows) == 5
    assert "ended" in read(path).about


def test_when_nobody_watches_any_more_it_ends_and_the_session_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, started("watch", "-p", str(caller.pid), "-o", str(path)) as process:
        Watching(process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        caller.call(101)
        said = process.stderr.read().splitlines()
        assert process.wait() == 0
    assert len(said) == 2
    assert said[-1] == f"Now ask it: sigtrace report {path}"
    session = read(path)
    assert "ended" in session.about
    assert sum(row["pid"] == caller.pid for row in session.table.to_pylist() if row["event"] == "kill") == 101


def test_it_ends_when_its_time_is_up() -> None:
    assert sigtrace("watch", "--duration", "0.3").returncode == 0


def test_a_signal_that_does_not_exist_is_wrong_usage() -> None:
    done = sigtrace("watch", "-s", "SIGNONE")
    assert done.returncode == 2
    assert "SIGNONE" in done.stderr


def test_the_doctor_says_of_each_thing_that_recording_needs_that_it_is_there() -> None:
    done = sigtrace("doctor")
    assert done.returncode == 0
    names = re.findall(r"^ok +(\S+|trace instance): \S", done.stdout, re.MULTILINE)
    assert {"rights", "bcc", "tracefs", "trace instance", "BPF", "syscalls:sys_exit_kill"} <= set(names)


def test_the_demo_records_a_scene_and_explains_it(tmp_path: Path) -> None:
    done = sigtrace("demo", env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0
    assert re.search(r"worker \(\d+\) was killed by reaper \(\d+\) with SIGKILL", done.stdout)
    [path] = tmp_path.glob("*/demo.parquet")
    assert f"Now ask it: sigtrace report {path}" in done.stderr
    kills = [row for row in read(path).table.to_pylist() if row["event"] == "kill" and row["comm"] == "reaper"]
    assert [row["sig"] for row in kills] == [0, signal.SIGTERM, signal.SIGKILL]
