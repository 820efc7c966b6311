"""`sigtrace record`: the tests cause the events themselves, and count them."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from calls import (
    NOBODY,
    SIGTRACE,
    SLOW_KILLS,
    Caller,
    compiled_kills,
    record,
    recording,
    sigtrace,
    started,
    wait_for,
)

from sigtrace import read
from sigtrace.capture import tracefs

pytestmark = pytest.mark.usefixtures("live")

FIRST = 2_000_000_000  # where the targets of kills.c begin


def calls(path: Path) -> list[dict[str, Any]]:
    return [row for row in read(path).table.to_pylist() if row["event"] == "kill"]


def calls_by(pid: int, path: Path) -> int:
    return sum(row["pid"] == pid for row in calls(path))


def instances_of(pid: int) -> list[Path]:
    return list((tracefs.find() / "instances").glob(f"sigtrace-{pid}-*"))


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], int]:
    """Return a command that says its pid and makes calls, and how many calls a thread it makes in a few seconds."""
    compiled = compiled_kills(tmp_path_factory.mktemp("kills"))
    command, each = (compiled, 500_000) if compiled else ([sys.executable, "-c", SLOW_KILLS], 40_009)
    return ["sh", "-c", 'echo $$; exec "$@"', "sh", *command], each


THREADS = """
import ctypes, os, pathlib, signal, sys, threading
libc = ctypes.CDLL(None)
TKILL, TGKILL = {"x86_64": (200, 234), "aarch64": (130, 131)}[os.uname().machine]
def run(name, number):
    pathlib.Path("/proc/thread-self/comm").write_bytes(name)
    for _ in range(101):
        libc.kill(2_000_000_011 + number, 0)
    for _ in range(43):
        libc.syscall(TKILL, 2_000_000_011 + number, signal.SIGUSR1)
    for _ in range(47):
        libc.syscall(TGKILL, 7, 2_000_000_011 + number, signal.SIGUSR2)
    for _ in range(53):
        libc.kill(os.getpid(), 0)
    for _ in range(59):
        libc.kill(os.getpid(), 65)
names = [bytes.fromhex(name) for name in sys.argv[1:]]
threads = [threading.Thread(target=run, args=(name, number)) for number, name in enumerate(names)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(os.getpid())
"""
NAMES = [b"a b", b") sent signal 9", b"\x1b[31mred", b"caf\xe9", b"[001] 1.2: x", b"two\nlines", b"to PID 1, ret=0"]


def test_every_call_of_seven_threads_with_odd_names_is_a_row_whatever_the_system_call_and_its_result(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.parquet"
    done = record(path, sys.executable, "-c", THREADS, *(name.hex() for name in NAMES))
    assert done.returncode == 0
    pid = int(done.stdout)
    found = collections.Counter(
        (row["comm"], row["sig"], row["target"], row["ret"]) for row in calls(path) if row["pid"] == pid
    )
    expected = collections.Counter[tuple[str, int, int, int]]()
    for number, name in enumerate(NAMES):
        comm = name.decode("utf-8", "backslashreplace")
        expected[comm, 0, NOBODY + number, -3] = 101
        expected[comm, int(signal.SIGUSR1), NOBODY + number, -3] = 43
        expected[comm, int(signal.SIGUSR2), NOBODY + number, -3] = 47
        expected[comm, 0, pid, 0] = 53
        expected[comm, 65, pid, -22] = 59
    assert found == expected
    session = read(path)
    assert session.accounting.lost == 0
    assert sum(session.accounting.lines_by_kind.values()) == session.accounting.lines


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_of_the_command_is_passed_on(tmp_path: Path, code: int) -> None:
    done = record(tmp_path / "s.parquet", "sh", "-c", f"kill -0 $$; echo $$; exit {code}")
    assert done.returncode == code
    assert calls_by(int(done.stdout), tmp_path / "s.parquet") == 1
    said = done.stderr.splitlines()
    assert re.fullmatch(r".*s\.parquet: \d+ calls?, \d+ rows; nothing was lost\.", said[0])
    assert said[1:] == [f"Now ask it: sigtrace report {tmp_path / 's.parquet'}"]


def test_a_command_that_dies_of_a_signal_gives_128_and_its_number(tmp_path: Path) -> None:
    with started("record", "-o", str(tmp_path / "s.parquet"), "--", "sh", "-c", "echo $$; exec sleep 60") as recorder:
        assert recorder.stdout is not None
        pid = int(recorder.stdout.readline())
        os.kill(pid, signal.SIGUSR1)
        assert recorder.wait() == 128 + signal.SIGUSR1
    assert [row["sig"] for row in calls(tmp_path / "s.parquet") if row["target"] == pid] == [signal.SIGUSR1]


def test_the_command_has_the_environment_of_sigtrace_alone(tmp_path: Path) -> None:
    mine = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}  # Python sets LC_CTYPE where LC_ALL is not
    done = sigtrace("record", "-o", tmp_path / "s.parquet", "--", "env", env=mine)
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == mine  # no BCC_KERNEL_SOURCE


def test_a_recording_ends_when_its_time_is_up(tmp_path: Path) -> None:
    began = time.monotonic()
    assert sigtrace("record", "-o", tmp_path / "s.parquet", "--duration", "0.7").returncode == 0
    assert time.monotonic() - began > 0.7
    assert "ended" in read(tmp_path / "s.parquet").about


def test_a_command_may_outlive_the_recording_and_its_exit_code_is_still_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    ended = f"""until grep -q '"ended"' {path}/_session.parquet; do sleep 0.05; done"""
    command = ["sh", "-c", f"kill -0 $$; {ended}; kill -0 $$; echo $$; exit 7"]
    done = sigtrace("record", "-o", path, "--duration", "1", "--", *command)
    assert done.returncode == 7
    assert calls_by(int(done.stdout), path) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_recording_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, recording(path) as recorder:
        assert len(instances_of(recorder.pid)) == 1
        caller.call(101)
        recorder.send_signal(number)
        _, said = recorder.communicate()
        assert recorder.returncode == 0
        assert len(said.splitlines()) == 2
        assert instances_of(recorder.pid) == []
        assert "ended" in read(path).about
        assert calls_by(caller.pid, path) == 101
    assert sorted(file.name[:5] for file in path.iterdir()) == ["_sess", "part-", "part-"]


def test_told_to_end_while_it_sets_up_it_leaves_nothing(tmp_path: Path) -> None:
    with started("record", "-o", str(tmp_path / "s.parquet")) as recorder:
        wait_for(lambda: instances_of(recorder.pid))
        recorder.terminate()
        assert recorder.wait() in {0, 128 + signal.SIGTERM}
        assert instances_of(recorder.pid) == []


def test_a_sigterm_is_passed_on_to_the_command_and_the_recording_ends_with_that(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    command = "trap 'kill -0 $$; exit 5' TERM; echo $$; while :; do sleep 0.05; done"
    with started("record", "-o", str(path), "--", "sh", "-c", command) as recorder:
        assert recorder.stdout is not None
        pid = int(recorder.stdout.readline())
        recorder.terminate()
        assert recorder.wait() == 5
    assert calls_by(pid, path) == 1
    assert [row["sig"] for row in calls(path) if row["target"] == pid] == [signal.SIGTERM, 0]


# The terminal becomes the controlling one, so that its ^C is a signal.
IN_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A terminal with sigtrace in it."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-c", IN_A_TERMINAL, *SIGTRACE, *arguments]
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.printed = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, pattern: str) -> str:
        while not (found := re.search(pattern, self.printed)):
            self.printed += os.read(self._ours, 65536).decode()
        return found[0]

    def end(self) -> int:
        with contextlib.suppress(OSError):  # EIO where the other side is closed
            while block := os.read(self._ours, 65536):
                self.printed += block.decode()
        os.close(self._ours)
        return self._process.wait()


def test_ctrl_c_goes_to_the_command_and_the_recording_goes_on_until_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    command = "trap 'kill -0 $$; kill -0 $$; kill -0 $$; exit 5' INT; echo pid $$; while :; do sleep 0.05; done"
    terminal = Terminal("record", "-o", str(path), "--", "sh", "-c", command)
    pid = int(terminal.read_until(r"pid \d+").split()[1])
    terminal.type("\x03")
    assert terminal.end() == 5
    assert calls_by(pid, path) == 3


def test_on_a_terminal_it_says_how_it_gets_on_and_takes_it_back_in_the_end(tmp_path: Path) -> None:
    terminal = Terminal("record", "-o", str(tmp_path / "s.parquet"))
    for _ in range(2):  # also where nothing happens
        terminal.read_until(r"[\d,]+ events/s  [\d,]+ rows?  [\d,.]+ MB  0 lost")
        terminal.printed = ""
    terminal.type("\x03")
    assert terminal.end() == 0
    *_, shown, now_ask = terminal.printed.splitlines()
    assert re.search(r"\r?\x1b\[K.*s\.parquet: [\d,]+ calls?, [\d,]+ rows?; nothing was lost\.$", shown)
    assert now_ask == f"Now ask it: sigtrace report {tmp_path / 's.parquet'}"


@pytest.mark.parametrize("closed", ["2>&-", "2> >(exec true)"])
def test_who_reads_what_it_says_may_be_gone(tmp_path: Path, closed: str) -> None:
    path = tmp_path / "s.parquet"
    command = " ".join(SIGTRACE) + f" record -o {path} -- sh -c 'sleep 0.1; kill -0 $$; echo $$; exit 7' {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert calls_by(int(done.stdout), path) == 1
    assert "ended" in read(path).about


def test_two_recorders_side_by_side_each_see_every_call_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    with Caller() as caller, recording(first) as one, recording(second) as other:
        caller.call(101)
        one.terminate()
        assert one.wait() == 0
        caller.call(103)
        other.terminate()
        assert other.wait() == 0
    assert calls_by(caller.pid, first) == 101
    assert calls_by(caller.pid, second) == 101 + 103


def test_the_time_of_a_row_is_utc(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, recording(path) as recorder:
        before = time.time()
        caller.call(3)
        after = time.time()
        recorder.terminate()
        assert recorder.wait() == 0
    times = [row["time"] for row in calls(path) if row["pid"] == caller.pid]
    assert [when.tzname() for when in times] == ["UTC"] * 3
    assert all(before - 1 < when.timestamp() < after + 1 for when in times)


@pytest.mark.parametrize("command", ["no-such-command", "garbage", "text"])
def test_a_command_that_cannot_be_run_is_an_error_in_a_line_and_leaves_no_session(tmp_path: Path, command: str) -> None:
    for name, mode in (("garbage", 0o755), ("text", 0o644)):
        (tmp_path / name).write_text("no program")
        (tmp_path / name).chmod(mode)
    done = record(tmp_path / "s.parquet", tmp_path / command)
    assert done.returncode == (127 if command == "no-such-command" else 126)
    assert done.stderr.startswith(f"sigtrace: {tmp_path / command}: ")
    assert done.stderr.endswith(": nothing was recorded\n")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "s.parquet").exists()


def test_a_name_that_is_there_already_is_an_error_and_the_command_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_text("mine")
    done = record(tmp_path / "s.parquet", "touch", tmp_path / "ran")
    assert done.returncode == 1
    assert done.stderr.endswith("s.parquet: is there already: give another name with -o, or remove it\n")
    assert done.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["s.parquet"]


def to_lines(log: bytes) -> set[int]:
    return {int(target) for target in re.findall(rb"to PID (2\d{9}), ret", log)}


def test_a_recorder_killed_in_a_burst_has_kept_all_that_it_read_and_the_next_removes_its_instance(
    tmp_path: Path, kills: tuple[list[str], int]
) -> None:
    path = tmp_path / "s.parquet"
    command, each = kills[0], min(kills[1], 150_000)
    with recording(path) as recorder:
        with subprocess.Popen([*command, "2", str(each)], stdout=subprocess.PIPE) as burst:
            wait_for(lambda: sum(to_lines_in(spool) for spool in path.glob("_spool*")) > 20_000)
            recorder.kill()
            recorder.wait()
            burst.wait()
        [instance] = instances_of(recorder.pid)
        unread = drained(instance / "trace_pipe")
    done = sigtrace("report", path, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["calls"] > 20_000
    session = read(path)
    assert session.accounting.lost == 0
    assert sum(session.accounting.lines_by_kind.values()) == session.accounting.lines
    was_read = {row["target"] for row in calls(path) if row["pid"] == burst.pid}
    # What it had not read is in its instance still: between the two, nothing is missing.
    for thread in range(2):
        mine = range(FIRST + thread * each, FIRST + (thread + 1) * each)
        seen = {target for target in was_read | to_lines(unread) if target in mine}
        assert seen == set(range(mine.start, max(seen) + 1))
    assert record(tmp_path / "next.parquet", "true").returncode == 0
    assert not instance.exists()


def to_lines_in(spool: Path) -> int:
    return spool.read_bytes().count(b": to PID 2")


def drained(pipe: Path) -> bytes:
    blocks = []
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (a path has no O_NONBLOCK)
        while block := file.read(1 << 16):
            blocks.append(block)
    return b"".join(blocks)


def test_of_two_threads_that_call_kill_as_fast_as_they_can_every_call_is_recorded_and_none_is_false(
    tmp_path: Path, kills: tuple[list[str], int]
) -> None:
    path = tmp_path / "s.parquet"
    command, each = kills
    with started("record", "-o", str(path), "--", *command, "2", str(each)) as recorder:
        peak, printed = peak_memory(recorder)
        assert recorder.returncode == 0
    assert peak <= 300e6
    session = read(path)
    assert session.accounting.lost == 0
    assert session.about["buffer_mb"] <= 192
    frame = session.to_pandas()
    assert "kill_half" not in set(frame["event"])
    ours = frame["pid"].eq(int(printed.split()[0]))
    burst = frame.loc[ours & frame["event"].eq("kill"), ["sig", "target", "ret"]].astype(int)
    assert burst["target"].sort_values().tolist() == list(range(FIRST, FIRST + 2 * each))
    assert burst["sig"].eq(burst["target"] % 65).all()
    assert burst["ret"].eq(-3).all()


def peak_memory(process: subprocess.Popen[str]) -> tuple[float, str]:
    # Not the rusage of wait4: that begins with the peak of the process that forked.
    peak = 0
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.extend(process.communicate()))
    reader.start()
    while reader.is_alive():
        with contextlib.suppress(OSError, TypeError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            peak = int(found[1]) * 1024 if found else peak
        time.sleep(0.01)
    return peak, printed[0]


def test_a_full_disk_ends_the_recording_in_a_line_and_what_was_read_is_there_once_there_is_room(
    tmp_path: Path, kills: tuple[list[str], int]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=True)
    try:
        command, each = kills
        done = record(disk / "s.parquet", *command, "2", str(min(each, 100_003)))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"sigtrace: {disk / 's.parquet'}: No space left on device: ")
        assert len(done.stderr.splitlines()) <= 2
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        session = read(disk / "s.parquet")
        assert "recovered" in session.about
        assert len(session) > 30_000
        assert sum(session.accounting.lines_by_kind.values()) == session.accounting.lines
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
