"""Rights: the recorder keeps none that it does not need, and what it writes is the invoking user's."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from calls import Caller, recording, sigtrace, started, wait_for

from sigtrace import read

pytestmark = pytest.mark.usefixtures("live")

USER = 4242


def capabilities(pid: int) -> dict[str, set[str]]:
    """Return what each thread of a process may do, now and by asking for it: the sets of all of them, by thread."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        status = (thread / "status").read_text()
        found[thread.name] = set(re.findall(r"^Cap(?:Prm|Eff|Amb):\t0*([0-9a-f]+)$", status, re.MULTILINE))
    return found


def test_once_it_records_no_thread_of_it_has_a_capability_and_it_still_restores_the_trace_instance(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, recording(path) as recorder:
        wait_for(lambda: set().union(*capabilities(recorder.pid).values()) == {"0"}, 5)
        (instance,) = Path("/sys/kernel/tracing/instances").glob(f"sigtrace-{recorder.pid}-*")
        (instance / "tracing_on").write_text("0")
        wait_for(lambda: (instance / "tracing_on").read_text() == "1\n")
        caller.call(101)
        recorder.terminate()
        assert recorder.wait() == 0
    assert not instance.exists()
    assert sum(row["pid"] == caller.pid for row in read(path).table.to_pylist() if row["event"] == "kill") == 101


def test_the_command_has_all_the_rights_that_the_recorder_was_started_with(tmp_path: Path) -> None:
    own = re.findall(r"^Cap.*$", Path("/proc/self/status").read_text(), re.MULTILINE)
    done = sigtrace("record", "-o", tmp_path / "s.parquet", "--", "sh", "-c", "grep ^Cap /proc/self/status; id -u")
    assert done.stdout.splitlines() == [*own, str(os.geteuid())]


def test_watch_gives_its_rights_away_too() -> None:
    with started("watch") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("TIME")
        wait_for(lambda: capabilities(watching.pid)[str(watching.pid)] == {"0"}, 5)


def test_under_sudo_a_recording_is_the_invoking_users_to_its_last_file(tmp_path: Path) -> None:
    environment = {**os.environ, "SUDO_UID": str(USER), "SUDO_GID": str(USER)}
    where = tmp_path / "fleet/host={host}/date={date}/s.parquet"
    done = sigtrace("record", "-o", where, "--", "sh", "-c", "kill -0 $$; id -u", env=environment)
    assert (done.returncode, done.stdout) == (0, "0\n")
    made = list(tmp_path.rglob("*"))
    assert {(one.stat().st_uid, one.stat().st_gid) for one in made} == {(USER, USER)}
    assert {one.stat().st_mode & 0o777 for one in made} == {0o700, 0o600}
    (session,) = tmp_path.glob("fleet/host=*/date=*/s.parquet")
    assert sum(row["event"] == "kill" for row in read(session).table.to_pylist()) >= 1


def test_a_folder_that_is_removed_while_it_is_recorded_ends_the_recording_soon_and_in_a_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.parquet"
    with recording(path) as recorder:
        wait_for(lambda: list(path.glob(".part-00001*")))  # the last that it makes before it reads
        shutil.rmtree(path)
        _, said = recorder.communicate(timeout=10)  # about two seconds where nobody else wants the CPU
        assert recorder.returncode == 1
    what = "was removed while it was recorded: recording ended; record anew, what was in it is gone"
    assert said == f"sigtrace: {path}: {what}\n"
    assert list(tmp_path.iterdir()) == []
