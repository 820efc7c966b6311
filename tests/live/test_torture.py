"""The recorder under torture: after each, the session opens, what was read is in it once, and nothing is false."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from calls import SIGTRACE, Caller, recording, started, wait_for
from torture.kills import rounds
from torture.load import compiled, found, missing, running

from sigtrace import read
from sigtrace.capture import bpf, tracefs
from sigtrace.capture.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("live")

USER = 4242


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = compiled(tmp_path_factory.mktemp("load"))
    if made is None:
        pytest.skip("nothing here compiles C")
    return made


def calls_by(pid: int, path: Path) -> int:
    return sum(row["pid"] == pid for row in read(path).table.to_pylist() if row["event"] == "kill")


def instance_of(pid: int) -> Path:
    (instance,) = (tracefs.find() / "instances").glob(f"sigtrace-{pid}-*")
    return instance


def test_recorders_killed_at_random_moments_under_load_have_kept_each_call_once(load: Path, tmp_path: Path) -> None:
    with running(load, 20_000) as process:
        done = list(rounds(10, process.pid, tmp_path))
    assert [complaint for one in done for complaint in one.wrong] == []
    assert sum(one.calls for one in done) > 1000


def test_a_recorder_that_is_stopped_and_continued_under_load_has_every_call(load: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path) as recorder, running(load, 20_000) as process:
        time.sleep(0.3)
        recorder.send_signal(signal.SIGSTOP)
        time.sleep(3)
        recorder.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        process.terminate()
        made = int(process.communicate()[0])
        recorder.terminate()
        _, said = recorder.communicate()
    assert recorder.returncode == 0
    assert "nothing was lost" in said
    numbers, wrong = found(read(path).table, process.pid)
    assert wrong == []
    assert (len(numbers), missing(numbers)) == (made, 0)


def test_a_trace_instance_that_is_recorded_from_cannot_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, recording(path) as recorder:
        with pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
            instance_of(recorder.pid).rmdir()
        caller.call(101)
        recorder.terminate()
        _, said = recorder.communicate()
    assert recorder.returncode == 0
    assert "nothing was lost" in said
    assert calls_by(caller.pid, path) == 101


def test_a_folder_that_is_read_only_is_said_and_the_command_does_not_run(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=True)
    try:
        with started("record", "-o", str(disk / "s.parquet"), "--", "touch", str(tmp_path / "ran")) as recorder:
            _, said = recorder.communicate()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert recorder.returncode == 1
    where = f"{disk / 's.parquet'}: Read-only file system"
    assert said == f"sigtrace: {where}: give a path in a folder that can be written\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("load")
def test_a_clock_that_is_set_back_changes_no_time_of_a_row(tmp_path: Path) -> None:
    shim, back = tmp_path / "clock.so", tmp_path / "back"
    source = Path(__file__).with_name("torture") / "clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(shim), "CLOCK_BACK": str(back)}
    path = tmp_path / "s.parquet"
    command = [*SIGTRACE, "record", "-o", str(path)]
    with Caller() as caller, subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as recorder:
        wait_for(lambda: list(path.glob(".part-*")) or recorder.poll() is not None)
        caller.call(3)
        back.touch()
        caller.call(5)
        recorder.terminate()
        recorder.communicate()
    assert recorder.returncode == 0
    session = read(path)
    assert session.about["ended"] < session.about["started"]  # what the clock said
    _near_now(path, caller.pid, 8)


def test_in_a_time_namespace_the_time_of_a_row_is_utc_and_of_a_process_when_it_began(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    command = ["unshare", "--time", "--boottime", "1000000", "--monotonic", "2000000", *SIGTRACE]
    with Caller() as caller:
        with subprocess.Popen([*command, "record", "-o", str(path)], stderr=subprocess.PIPE) as recorder:
            wait_for(lambda: list(path.glob(".part-*")) or recorder.poll() is not None)
            caller.call(7)
            recorder.terminate()
            recorder.communicate()
        assert recorder.returncode == 0
        _near_now(path, caller.pid, 7)
        (began,) = [
            row["time"]
            for row in read(path).table.to_pylist()
            if row["event"] == "process" and row["pid"] == os.getpid()
        ]
        assert time.time() - 86400 < began.timestamp() < time.time()


def _near_now(path: Path, pid: int, number: int) -> None:
    rows = [row for row in read(path).table.to_pylist() if row["event"] == "kill" and row["pid"] == pid]
    assert len(rows) == number
    assert all(abs(row["time"].timestamp() - time.time()) < 120 for row in rows)


def test_what_another_recorders_programs_print_before_ones_own_are_there_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_program = bpf.Loader.load
    with Caller() as caller, recording(tmp_path / "s.parquet"):

        def preceded(*arguments: object, **named: object) -> object:
            caller.call(11)
            return load_program(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(bpf.Loader, "load", preceded)
        with Probe(buffer_mb=4) as probe:
            caller.call(13)
            probe.stop()
            log = b"".join(probe)
    assert log.count(b": bpf_trace_printk: PID %d (" % caller.pid) == 13


@contextmanager
def given_to(user: int, *files: Path) -> Iterator[None]:
    before = [(file, file.stat()) for file in files]
    for file in files:
        os.chown(file, user, -1)
    try:
        yield
    finally:
        for file, about in before:
            os.chown(file, about.st_uid, about.st_gid)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not there")
def test_another_user_records_with_two_capabilities_and_some_files_of_tracefs(tmp_path: Path) -> None:
    root = tracefs.find()
    with tracefs.setting_up(root):
        others = tracefs.sweep(root)  # of what those leave that were killed here, nothing is in use
    if others:
        pytest.skip("another sigtrace records here, and only root can record beside it")
    points = [*bpf.attach_points(bpf.PROBE).values(), *bpf.attach_points(bpf.CONTEXT).values()]
    numbers = [root / "events" / event.replace(":", "/") / "id" for event in points]
    place = tmp_path / "place"
    place.mkdir()
    os.chown(place, USER, USER)
    # What the user needs of Python may be in a folder of root's: it is mounted where it can be reached.
    packages = Path(bpf.__file__).parents[3], Path(np.__file__).parents[1], Path(sys.base_prefix)
    mounts = ["mount -t tmpfs -o mode=755 tmpfs /mnt", "mkdir /mnt/0 /mnt/1 /mnt/2 /mnt/place"]
    mounts += [f"mount --bind {folder} /mnt/{number}" for number, folder in enumerate((*packages, place))][:3]
    mounts += [f"mount --bind {place} /mnt/place", "cd /mnt/place"]
    capabilities = "-all,+bpf,+perfmon"
    python = f"/mnt/2/bin/{Path(sys.executable).resolve().name}"
    environment = f"env HOME=/mnt/place PYTHONPATH=/mnt/0:/mnt/1 LD_LIBRARY_PATH=/mnt/2/lib {python} -B -m sigtrace"
    become = (
        f"exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps {capabilities}"
        f" --ambient-caps {capabilities} --bounding-set {capabilities} {environment}"
    )
    mode = root.stat().st_mode & 0o7777
    root.chmod(0o755)
    try:
        with given_to(USER, root / "instances", root / "events/bpf_trace/bpf_trace_printk/enable", *numbers):
            command = f"{become} record -o s.parquet -- sh -c 'kill -0 $$; echo $$; id -u'"
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", " && ".join([*mounts, command])],
                capture_output=True,
                text=True,
                check=False,
            )
    finally:
        root.chmod(mode)
    assert done.returncode == 0, done.stderr
    pid, user = map(int, done.stdout.split())
    assert user == USER
    assert calls_by(pid, place / "s.parquet") == 1
    assert (place / "s.parquet").stat().st_uid == USER
