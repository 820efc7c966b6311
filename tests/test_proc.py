"""What /proc is asked when a recording begins: made-up trees of /proc and of control groups."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from sigtrace.capture import cgroup, proc, users

DOCKER = "/docker/4f1c0ffee"
SERVICE = "/system.slice/nginx.service"

LISTS = {
    "v2 alone": (f"0::{SERVICE}\n", SERVICE, SERVICE),
    "v1 alone": (f"12:pids:/\n4:memory:/\n2:cpu,cpuacct:/\n1:name=systemd:{SERVICE}\n", SERVICE, None),
    "v1 without systemd": (f"12:pids:{DOCKER}\n4:memory:{DOCKER}\n2:cpu,cpuacct:/\n", DOCKER, None),
    "v1, only cpu says it": (f"4:memory:/\n2:cpuacct,cpu:{DOCKER}\n", DOCKER, None),
    "v1, only others say it": (f"12:pids:{DOCKER}\n4:memory:/\n", "/", None),
    "hybrid, v2 empty": (f"4:memory:/x\n1:name=systemd:{SERVICE}\n0::/\n", SERVICE, "/"),
    "hybrid, systemd's too": (f"4:memory:{DOCKER}\n1:name=systemd:/\n0::/\n", DOCKER, "/"),
    "hybrid, both": (f"4:memory:/x\n1:name=systemd:/y\n0::{SERVICE}\n", SERVICE, SERVICE),
    "in a container": ("4:memory:/\n1:name=systemd:/\n0::/\n", "/", "/"),
    "seen from a container": (f"0::/../..{SERVICE}\n", f"/../..{SERVICE}", f"/../..{SERVICE}"),
    "a path with colons": ("0::/a:b:c\n", "/a:b:c", "/a:b:c"),
    "none": ("", None, None),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_control_group_is_what_the_first_hierarchy_says_that_says_anything(name: str) -> None:
    listed, path, v2 = LISTS[name]
    assert cgroup.path(listed) == path
    assert cgroup.v2_path(listed) == v2


def made_up(root: Path, pid: int, cgroups: str, status: str = "") -> None:
    folder = root / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_bytes(b"%d (a) b (\xff) S 7 " % pid + b"0 " * 17 + b"250 0\n")
    (folder / "cmdline").write_bytes(b"/usr/bin/app\0--password\0hunter 2\0")
    (folder / "status").write_text(f"Name:\tx\nUid:\t1000\t0\t0\t0\n{status}")
    (folder / "cgroup").write_text(cgroups)
    (folder / "exe").symlink_to("/opt/app/bin/app (deleted)")
    for tid, name in ((pid, "app"), (pid + 1, "worker 1")):
        (folder / "task" / str(tid)).mkdir(parents=True)
        (folder / "task" / str(tid) / "comm").write_text(f"{name}\n")


def test_a_process_is_told_with_all_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(tmp_path, 41, f"0::{SERVICE}\n", "NSpid:\t41\t12\t1\nThreads:\t2\n")
    monkeypatch.setattr(proc, "_PROC", tmp_path)
    (found,) = proc.snapshot({"/": 1, SERVICE: 4711})
    assert found == {
        "pid": 41,
        "ppid": 7,
        "comm": "a) b (\\xff",
        "command": "/usr/bin/app --password hunter 2",
        "executable": "/opt/app/bin/app (deleted)",
        "start_us": 250 * 1_000_000 // os.sysconf("SC_CLK_TCK"),
        "uid": 1000,
        "user": users.name(1000),
        "cgroup": SERVICE,
        "cgroup_id": 4711,
        "pidns": None,
        "ns_pid": 1,
        "threads": {42: "worker 1"},
    }
    (found,) = proc.snapshot(arguments=False)
    assert (found["command"], found["executable"]) == (None, "/opt/app/bin/app (deleted)")


def test_a_move_is_followed_in_v2_and_in_that_hierarchy_of_v1_that_says_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "_PROC", tmp_path)
    made_up(tmp_path, 41, "9:name=systemd:/\n4:memory:/\n2:cpu:/\n0::/\n")
    assert cgroup.followed() == "dst_root == 0 || dst_root == 9"
    made_up(tmp_path, 42, f"9:name=systemd:/\n4:memory:{DOCKER}\n2:cpu:/x\n0::/\n")
    assert cgroup.followed() == "dst_root == 0 || dst_root == 4"
    made_up(tmp_path, 43, f"9:name=systemd:{SERVICE}\n4:memory:/\n2:cpu:/\n0::/\n")
    assert cgroup.followed() == "dst_root == 0 || dst_root == 9"


def test_on_a_host_of_v2_alone_moves_are_followed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_PROC", tmp_path)
    made_up(tmp_path, 41, f"0::{SERVICE}\n")
    assert cgroup.followed() == "dst_root == 0"


def test_the_control_groups_there_are_have_their_folders_inodes_for_ids(tmp_path: Path) -> None:
    names = ["a.slice", ".hidden", "a.slice/b.service", os.fsdecode(b"caf\xe9")]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "a.slice" / "cgroup.procs").touch()
    ids = {name: (tmp_path / name).stat().st_ino for name in names}
    assert cgroup.existing(tmp_path) == {
        "/": tmp_path.stat().st_ino,
        "/a.slice": ids["a.slice"],
        "/.hidden": ids[".hidden"],
        "/a.slice/b.service": ids["a.slice/b.service"],
        "/caf\\xe9": ids[os.fsdecode(b"caf\xe9")],
    }


def test_control_groups_beyond_measure_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_FOLDERS", 3)
    for number in range(7):
        (tmp_path / str(number)).mkdir()
    assert len(cgroup.existing(tmp_path)) == 3


def test_the_v2_hierarchy_is_found_where_it_is_mounted(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "31 30 0:27 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
        "32 30 0:28 / /sys/fs/cgroup/uni\\040fied rw shared:10 - cgroup2 cgroup2 rw\n"
    )
    assert cgroup.mounted(mounts) == Path("/sys/fs/cgroup/uni fied")
    mounts.write_text("30 23 0:26 / / rw - ext4 /dev/vda rw\n")
    assert cgroup.mounted(mounts) is None


def test_a_user_has_its_name_or_its_number() -> None:
    root = pwd.getpwuid(0).pw_name
    assert users.name(0) == root
    assert users.name(2_000_000_011) == "2000000011"
    assert users.name(-7) == str(2**32 - 7)


def test_this_process_is_in_the_snapshot_as_ps_tells_it() -> None:
    (found,) = [one for one in proc.snapshot(cgroup.existing()) if one["pid"] == os.getpid()]
    told = subprocess.run(
        ["ps", "-o", "ppid=,uid=", "-p", str(os.getpid())], capture_output=True, text=True, check=True
    )
    assert [found["ppid"], found["uid"]] == [int(word) for word in told.stdout.split()]
    assert found["executable"] == str(Path("/proc/self/exe").readlink())
    assert found["ns_pid"] is not None
    assert found["pidns"] == Path("/proc/self/ns/pid").stat().st_ino


ENDS_OF_LINES = ["\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("end", ENDS_OF_LINES)
def test_a_control_group_named_over_several_lines_is_one(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forged = f"/user.slice/a{end}0::{SERVICE}"
    assert cgroup.path(f"1:name=systemd:/\n0::{forged}\n") == forged
    assert cgroup.v2_path(f"1:name=systemd:/\n0::{forged}\n") == forged
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_bytes(f"4:memory:/x{end}9:cpu:/y\n0::/\n".encode())
    monkeypatch.setattr(cgroup, "_PROC", tmp_path)
    assert cgroup.followed() == "dst_root == 0 || dst_root == 4"
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(f"25 1 0:22 / /sys/fs/{end}x rw - cgroup2 cgroup2 rw\n".encode())
    assert cgroup.mounted(mounts) == Path(f"/sys/fs/{end}x")
