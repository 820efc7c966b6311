"""Who a process is, in a session: `sigtrace record`, and what is read from it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from calls import record, recording, sigtrace, wait_for
from test_context import FORGED, own_cgroup

from sigtrace import analyze, read
from sigtrace.capture import cgroup

pytestmark = pytest.mark.usefixtures("live")

USER = pwd.getpwuid(os.getuid()).pw_name
NAMED = next(user for user in pwd.getpwall() if user.pw_uid > 0)


def rows(path: Path, event: str) -> list[dict[str, Any]]:
    return [row for row in read(path).table.to_pylist() if row["event"] == event]


def test_who_ran_what_and_with_which_status_it_ended_is_in_the_session(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    script = f"import os; print(os.getpid(), flush=True); os.setuid({NAMED.pw_uid}); os._exit(259 & 255)"
    done = record(path, sys.executable, "-c", script)
    assert done.returncode == 3
    pid = int(done.stdout)
    first, *_, last = [row for row in rows(path, "args") if row["pid"] == pid]
    assert (first["uid"], first["user"], first["cgroup_id"]) == (os.getuid(), USER, own_cgroup())
    assert first["command"] == f"{sys.executable} -c {script}"
    assert (last["uid"], last["user"], last["command"]) == (NAMED.pw_uid, NAMED.pw_name, None)
    assert {row["filename"] for row in rows(path, "exec") if row["pid"] == pid} == {sys.executable}
    assert [row["status"] for row in rows(path, "sys_enter_exit_group") if row["pid"] == pid] == [3]


def test_who_ran_when_the_recording_began_is_in_the_session(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with subprocess.Popen(["sleep", "1234.5"]) as victim:
        assert record(path, "true").returncode == 0
        victim.terminate()
    (row,) = [row for row in rows(path, "process") if row["pid"] == victim.pid]
    assert row["command"] == "sleep 1234.5"
    assert Path(row["filename"]).name in {"sleep", "coreutils", "busybox"}
    assert (row["uid"], row["user"], row["cgroup_id"]) == (os.getuid(), USER, own_cgroup())
    assert row["ns_pid"] is not None
    known = {one["cgroup_id"]: one["cgroup"] for one in rows(path, "cgroup")}
    assert known[own_cgroup()].startswith("/")


def test_the_arguments_can_be_left_out_of_all_that_a_session_holds(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)", "hunter2"]) as before:
        done = sigtrace("record", "--no-arguments", "-o", path, "--", "sh", "-c", "sh -c 'exit 5' hunter2", "hunter2")
        before.terminate()
    assert done.returncode == 5
    session = read(path)
    assert "hunter2" not in str(session.table.to_pylist())
    assert "hunter2" not in str(session.about)
    assert session.about["arguments"] is False
    assert before.pid in {row["pid"] for row in rows(path, "process")}
    assert {row["user"] for row in rows(path, "args")} >= {USER}


def test_without_evidence_nothing_but_calls_is_in_the_session(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    assert sigtrace("record", "--no-evidence", "-o", path, "--", "sh", "-c", "kill -0 $$").returncode == 0
    assert {row["event"] for row in read(path).table.to_pylist()} == {"kill"}


def test_an_executable_whose_path_holds_whole_records_leaves_no_false_row(tmp_path: Path) -> None:
    folder = tmp_path / FORGED.decode().replace("/", "")
    folder.mkdir()
    shutil.copy("/bin/true", folder / "true")
    path = tmp_path / "s.parquet"
    assert record(path, folder / "true", FORGED.decode()).returncode == 0
    session = read(path)
    assert not [row for row in session.table.to_pylist() if row["target"] == 777777 or row["ts"] == 9_999_000_001]
    assert rows(path, "lost") == []
    assert session.accounting.lost == 0
    assert not session.accounting.losses_of_unknown_size
    assert {row["filename"] for row in rows(path, "exec")} >= {str(folder / "true").replace("\n", "?")}


def test_a_user_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path) as recorder:
        subprocess.run([sys.executable, "-c", "import os; os.setuid(2_000_000_011)"], check=True)
        recorder.terminate()
        assert recorder.wait() == 0
    assert {row["user"] for row in rows(path, "args") if row["uid"] == 2_000_000_011} == {"2000000011"}


def test_the_control_group_of_who_was_born_meanwhile_is_read_in_the_hierarchy_that_says_it(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with recording(path) as recorder:
        with subprocess.Popen(["sleep", "1234.5"]) as victim:
            wait_for(lambda: Path(f"/proc/{victim.pid}/comm").read_text() == "sleep\n")
            victim.kill()
        recorder.terminate()
        assert recorder.wait() == 0
    deaths = analyze.deaths(read(path).to_pandas())
    (found,) = deaths.loc[deaths["victim_pid"] == victim.pid, "cgroup"]
    assert found == cgroup.path(Path("/proc/self/cgroup").read_text())
