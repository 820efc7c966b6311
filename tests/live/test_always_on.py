"""Always on: the flight recorder, as people have it run and ask it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from calls import Caller, sigtrace, started, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("live")

ROOT = Path(__file__).parents[2]
DAEMONSET = list(yaml.safe_load_all((ROOT / "packaging" / "daemonset.yaml").read_text()))[1]
MOST_RESIDENT = 60 << 20
IMAGE = os.environ.get("SIGTRACE_IMAGE")
"""The root of an image that was built from the Containerfile: docs/reliability.md says how."""


@contextlib.contextmanager
def flying(home: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run the flight recorder, from when it says that it records."""
    before = (home / "_status.json").stat().st_mtime_ns if home.exists() else 0
    with started("record", "--flight", str(home), *more) as recorder:
        wait_for(lambda: (home / "_status.json").exists() or recorder.poll() is not None)
        wait_for(lambda: (home / "_status.json").stat().st_mtime_ns > before or recorder.poll() is not None)
        assert recorder.poll() is None, recorder.communicate()
        yield recorder


def victim_of(number: int) -> int:
    """Start a process, end it by a signal of this one, and return its pid."""
    process = subprocess.Popen(["sleep", "1000"])
    process.send_signal(number)
    process.wait()
    return process.pid


def said_of(home: Path, pid: int) -> str:
    done = sigtrace("who", str(pid), "--dir", home)
    unseen = f"no row names pid {pid}" in done.stderr  # yet, or because nobody recorded
    assert done.returncode == (1 if unseen else 0), done.stderr
    return done.stderr if unseen else done.stdout


def killed(pid: int) -> str:
    return f"sleep ({pid}) was killed by "


def test_a_death_is_known_while_the_recorder_goes_on_and_after_it_was_killed_and_started_anew(tmp_path: Path) -> None:
    home = tmp_path / "flight"
    with flying(home) as recorder:
        first = victim_of(signal.SIGKILL)
        wait_for(lambda: killed(first) in said_of(home, first))
        second = sigtrace("record", "--flight", home, "--", "true")
        assert second.returncode == 1
        assert f"another recorder records here (pid {recorder.pid}, since " in second.stderr
        recorder.kill()
        recorder.wait()
    unseen = victim_of(signal.SIGKILL)
    with flying(home) as recorder:
        third = victim_of(signal.SIGTERM)
        wait_for(lambda: killed(third) in said_of(home, third))
        recorder.terminate()
        assert recorder.wait() == 0
    assert killed(first) in said_of(home, first)
    told = said_of(home, unseen)
    assert f"no row names pid {unseen}. Unknown: " in told
    assert "the recorder was killed" in told
    found = json.loads(sigtrace("status", "--dir", home, "--json").stdout)
    assert [gap["why"] for gap in found["gaps"]] == ["killed"]
    assert not found["recording"]


def test_a_recorder_of_years_needs_little_memory_and_nothing_large_is_in_it(tmp_path: Path) -> None:
    home = tmp_path / "flight"
    with flying(home) as recorder, Caller() as caller:
        caller.call(10_007)
        wait_for(lambda: json.loads(sigtrace("status", "--dir", home, "--json").stdout)["lines"] > 20_014)
        resident = int(Path(f"/proc/{recorder.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert resident < MOST_RESIDENT
        assert not {"libarrow", "libbcc", "libLLVM"} & {
            Path(line.split()[-1]).name.split(".")[0].split("-")[0]
            for line in Path(f"/proc/{recorder.pid}/maps").read_text().splitlines()
        }
        recorder.terminate()
        assert recorder.wait() == 0
    done = sigtrace("query", home, f"FROM kills SELECT count(*) AS n WHERE pid = {caller.pid}", "--csv")
    assert done.stdout == "n\n10007\n"


def spec(home: Path, command: list[str]) -> dict[str, Any]:
    """Return a container as the DaemonSet describes it, with the root of an image, or this machine's files."""
    container = DAEMONSET["spec"]["template"]["spec"]["containers"][0]
    capabilities = [f"CAP_{name}" for name in container["securityContext"]["capabilities"]["add"]]
    ours = [Path(name) for name in ("/usr", "/bin", "/lib", "/lib64", "/etc", "/root", "/opt") if Path(name).exists()]
    borrowed = set() if IMAGE else {*ours, *own_folders()}
    mounts = [(str(folder), str(folder), ["rbind", "ro"]) for folder in borrowed]
    volumes = {
        one["name"]: one["hostPath"]["path"]
        for one in DAEMONSET["spec"]["template"]["spec"]["volumes"]
        if "hostPath" in one
    }
    for one in container["volumeMounts"]:
        if one["name"] in volumes and one["name"] != "users":
            source = home if one["name"] == "record" else volumes[one["name"]]
            mounts.append((str(source), one["mountPath"], ["rbind", "ro" if one.get("readOnly") else "rw"]))
    return {
        "ociVersion": "1.0.2",
        "root": {"path": IMAGE or "rootfs", "readonly": False},
        "hostname": "pod",
        "process": {
            "args": ["sigtrace", *command] if IMAGE else [sys.executable, "-m", "sigtrace", *command],
            "env": ["PATH=/usr/local/bin:/usr/bin:/bin", "SIGTRACE_HOST=node-7", f"PYTHONPATH={'' if IMAGE else ROOT}"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": not container["securityContext"]["allowPrivilegeEscalation"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        },
        "linux": {"namespaces": [{"type": kind} for kind in ("mount", "ipc", "uts", "network")]},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},  # noqa: S108
            {"destination": "/sys", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            *({"source": source, "destination": place, "options": how} for source, place, how in mounts),
        ],
    }


def own_folders() -> set[Path]:
    """Return where Python and sigtrace are, if they are not in the folders of a distribution."""
    found = {Path(sys.prefix), Path(sys.base_prefix), ROOT}
    return {one for one in found if not str(one).startswith(("/usr", "/root", "/opt"))}


@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not there")
def test_a_container_with_the_rights_of_the_daemonset_records_what_is_killed_outside_it(tmp_path: Path) -> None:
    home = tmp_path / "flight"
    for folder in (tmp_path / "rootfs", home):
        folder.mkdir()
    (tmp_path / "config.json").write_text(json.dumps(spec(home, ["record", "--flight"])))
    runc = ["runc", "--root", str(tmp_path / "state")]
    name = f"sigtrace-{os.getpid()}"
    command = [*runc, "run", "--bundle", str(tmp_path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pod:
        try:
            wait_for(lambda: (home / "_status.json").exists() or pod.poll() is not None)
            assert pod.poll() is None, pod.communicate()
            victim = victim_of(signal.SIGKILL)
            wait_for(lambda: killed(victim) in said_of(home, victim))
            assert list(home.glob("host=node-7/date=*/*.parquet"))
        finally:
            subprocess.run([*runc, "kill", name, "TERM"], check=False, capture_output=True)
            pod.wait(timeout=60)
    assert pod.returncode == 0
