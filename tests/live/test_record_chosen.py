"""`sigtrace record --pid` and `--unit`: what concerns the chosen is as in a recording of all, and the rest is out."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import pytest
from calls import Caller, recording, sigtrace
from zoo.cgroup import cgroup

from sigtrace import analyze, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("live")

KILL, TERM = 9, 15

# Starts a process for each line that it reads, and prints its pid; the processes end with it.
MASTER = """
import subprocess, sys
for line in sys.stdin:
    print(subprocess.Popen(line.split()).pid, flush=True)
"""

# As many processes as it is told, of which each is killed by another one.
NOISE = """
import subprocess, sys
for _ in range(int(sys.argv[1])):
    one = subprocess.Popen(["sleep", "60"])
    subprocess.run(["sh", "-c", f"kill -9 {one.pid}; true"])
    one.wait()
"""


class Master:
    """A process that starts others when told. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", MASTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        self.start("true")  # so that it is there
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, command: str) -> int:
        """Start a process, and return its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def noise(many: int) -> None:
    subprocess.run([sys.executable, "-c", NOISE, str(many)], check=True)


def ended(path: Path) -> dict[int, dict[str, Any]]:
    """Return the endings of a session by pid, without what each trace instance counts for itself."""
    own = ("log", "lines", "ts", "time", "victim_start", "delay_us", "grace_us", "ns_pid")
    rows = analyze.deaths(read(path).table).to_pylist()
    return {row["victim_pid"]: {name: value for name, value in row.items() if name not in own} for row in rows}


def stopped(*recorders: subprocess.Popen[str]) -> list[str]:
    said = []
    for recorder in recorders:
        recorder.terminate()
        said.append(recorder.communicate()[1])
        assert recorder.returncode == 0, said
    return said


def test_all_of_a_chosen_process_is_recorded_with_its_killers_and_their_ancestors_and_nothing_else(
    tmp_path: Path,
) -> None:
    wide, narrow = tmp_path / "wide.parquet", tmp_path / "narrow.parquet"
    with Master() as master, Caller() as caller, recording(wide) as all_of_it:
        before = master.start("sleep 61")
        with recording(narrow, "--pid", str(master.pid)) as recorder:
            noise(13)
            victims = [before, *(master.start("sleep 62") for _ in range(6))]
            for victim in victims:
                caller.call(1, victim, KILL)
            asked = [master.start("sleep 63") for _ in range(5)]
            for victim in asked:
                subprocess.run(["sh", "-c", f"sh -c 'kill {victim}'; true"], check=True)
            noise(11)
            time.sleep(0.2)
            said, _ = stopped(recorder, all_of_it)
    assert "of others left out; nothing was lost." in said
    told, whole = ended(narrow), ended(wide)
    assert {told[pid]["verdict"] for pid in (*victims, *asked)} == {"killed"}
    assert {told[pid]["killer_pid"] for pid in victims} == {caller.pid}
    assert all(f"({os.getpid()})" in " ".join(told[pid]["ancestors"]) for pid in (*victims, *asked))
    assert told == {pid: whole[pid] for pid in told}
    names = {row["command"] for row in read(narrow).table.to_pylist() if row["command"]}
    assert not any("sleep 60" in name for name in names)
    assert any("sleep 60" in row["command"] for row in read(wide).table.to_pylist() if row["command"])
    assert read(narrow).about["chosen"] == {"pids": [master.pid], "units": []}


@contextlib.contextmanager
def unit(name: str) -> Iterator[Path]:
    """Make a control group that is called as systemd calls that of a unit."""
    with cgroup("chosen") as group:
        inner = group / name
        inner.mkdir()
        yield inner


def test_a_unit_is_recorded_who_was_in_it_before_and_who_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    enter = "echo $$ >$0/cgroup.procs; exec sleep 60"
    with unit("web.service") as group, Caller() as caller:
        early = subprocess.Popen(["sh", "-c", enter, str(group)])
        while str(early.pid) not in (group / "cgroup.procs").read_text().split():
            time.sleep(0.005)
        with recording(path, "--unit", "web") as recorder:
            noise(7)
            late = subprocess.Popen(["sh", "-c", enter, str(group)])
            while str(late.pid) not in (group / "cgroup.procs").read_text().split():
                time.sleep(0.005)
            other = subprocess.Popen(["sleep", "60"])
            for victim in (early, late, other):
                caller.call(1, victim.pid, TERM)
                victim.wait()
            time.sleep(0.2)
            stopped(recorder)
    told = ended(path)
    for victim in (early, late):
        assert (told[victim.pid]["verdict"], told[victim.pid]["killer_pid"]) == ("killed", caller.pid)
        assert told[victim.pid]["victim_unit"] == "web.service"
    assert other.pid not in told
    assert "only the processes of web were recorded" in sigtrace("report", path).stdout.replace("\n", " ")


def test_a_pid_that_nobody_has_is_an_error_of_one_line_before_anything_is_recorded(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = sigtrace("record", "--pid", str(gone.pid), "-o", tmp_path / "s.parquet")
    assert (done.returncode, done.stderr.count("\n"), list(tmp_path.iterdir())) == (1, 1, [])
