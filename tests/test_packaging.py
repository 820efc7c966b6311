"""Packaging: the unit, the DaemonSet and the Debian package are what their systems take, and say the same."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from sigtrace import __version__
from sigtrace.capture.proc import host
from sigtrace.cli import main
from sigtrace.commands.flight import service, unit
from sigtrace.commands.flight.notify import Notifier
from sigtrace.commands.line import parser
from sigtrace.store.flight import home
from tests.service import debian
from tests.shown import ROOT, blocks

PACKAGING = ROOT / "packaging"
UNIT = (PACKAGING / "sigtrace.service").read_text()
KEPT = ["--keep", "14d", "--keep-size", "2G", "--keep-free", "5%"]
OBJECTS = list(yaml.safe_load_all((PACKAGING / "daemonset.yaml").read_text()))
POD = OBJECTS[1]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")


def test_the_unit_of_the_packages_is_the_one_that_install_writes() -> None:
    assert unit.text(KEPT, "sigtrace", ["/usr/bin/sigtrace"]) == UNIT


def test_the_unit_that_is_printed_has_the_options_and_runs_this_sigtrace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", "--print", "--keep", "3d", "--keep-free", "10%", "--no-arguments"]) == 0
    (command,) = re.findall("^ExecStart=(.*)$", capsys.readouterr().out, re.MULTILINE)
    assert command.endswith("record --flight --keep 3d --keep-size 2G --keep-free 10%% --no-arguments")
    assert Path(command.split()[0]).parent == Path(sys.executable).parent


@needs_systemd
def test_systemd_takes_the_unit_and_finds_little_that_an_attacker_could_use(tmp_path: Path) -> None:
    # It looks whether the command is there, and this one is installed nowhere.
    place = tmp_path / "sigtrace.service"
    place.write_text(unit.text(KEPT, "root", [sys.executable]))
    done = subprocess.run(["systemd-analyze", "verify", place], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    looked = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", place],
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.returncode == 0, looked.stdout


@pytest.mark.parametrize("what", OBJECTS, ids=lambda what: str(what["kind"]))
def test_kubernetes_takes_what_the_daemonset_says(what: dict[str, object]) -> None:
    kubernetes_validate.validate(what, "1.37", strict=True)


def test_a_pod_has_the_capabilities_of_the_service_and_no_others() -> None:
    (bounding,) = re.findall("^CapabilityBoundingSet=(.*)$", UNIT, re.MULTILINE)
    capabilities = CONTAINER["securityContext"]["capabilities"]
    assert {f"CAP_{name}" for name in capabilities["add"]} == set(bounding.split())
    assert capabilities["drop"] == ["ALL"]
    assert "privileged" not in CONTAINER["securityContext"]


def test_a_container_of_the_docs_has_what_a_pod_has() -> None:
    (run,) = [text for text in blocks(ROOT / "docs/install.md", "sh") if "podman run" in text]
    words = shlex.split(run.partition("podman run")[2].partition("sudo podman exec")[0])
    assert {word.removeprefix("--cap-add=") for word in words if word.startswith("--cap-add=")} == set(
        CONTAINER["securityContext"]["capabilities"]["add"]
    )
    assert {"--pid=host", "--cap-drop=ALL", "--memory=512m"} <= set(words)
    places = {volume["name"]: volume["hostPath"]["path"] for volume in POD["volumes"] if "hostPath" in volume}
    assert {word for before, word in pairwise(words) if before == "--volume"} == {
        f"{places[mount['name']]}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"
        for mount in CONTAINER["volumeMounts"]
        if mount["name"] in places
    }


def test_what_the_container_runs_is_a_command_of_sigtrace() -> None:
    containerfile = (PACKAGING / "Containerfile").read_text()
    assert 'ENTRYPOINT ["sigtrace"]\nCMD ["record", "--flight"]\n' in containerfile
    for words in (CONTAINER["args"], CONTAINER["livenessProbe"]["exec"]["command"][1:]):
        assert parser().parse_args(words)


def test_a_pod_names_its_node_as_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    (variable,) = CONTAINER["env"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
    assert host() == os.uname().nodename
    monkeypatch.setenv(variable["name"], "node-7")
    assert host() == "node-7"


def test_a_service_tells_systemd_that_it_is_ready_and_alive_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notifier = Notifier()
        notifier.ready()
        notifier.alive()
        notifier.alive()
        notifier.stopping()
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_systemd_a_service_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "_RUNNING", tmp_path / "none")
    for what in ("install", "uninstall"):
        assert main(["service", what]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "`sigtrace service install --print` prints the unit alone" in said


SYSTEMCTL = '#!/bin/sh\necho "$0 $*" >>"$SAID"\n[ "$1" != "$FAILS" ] || { echo "no: $1" >&2; exit 1; }\n'


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for systemctl and groupadd, and write down what they are told."""
    for name in ("systemctl", "groupadd"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(SYSTEMCTL)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    monkeypatch.setenv("FAILS", "-")
    monkeypatch.setattr(service, "_RUNNING", tmp_path)
    monkeypatch.setattr(service, "_PLACE", tmp_path / "sigtrace.service")
    monkeypatch.setattr(home, "GROUP", "no-such-group")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path / "said"


def test_a_service_is_installed_and_taken_back_and_each_step_is_told(
    tmp_path: Path, said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install"]) == 0
    assert "Group=no-such-group\n" in (tmp_path / "sigtrace.service").read_text()
    assert capsys.readouterr().out.endswith("Enabled and started it. Now ask it: sigtrace status\n")
    assert main(["service", "uninstall"]) == 0
    assert not (tmp_path / "sigtrace.service").exists()
    assert "The record stays in" in capsys.readouterr().out
    steps = [line.split("/")[-1] for line in said.read_text().splitlines()]
    assert steps == [
        "groupadd --system no-such-group",
        "systemctl daemon-reload",
        "systemctl enable --now sigtrace.service",
        "systemctl disable --now sigtrace.service",
        "systemctl daemon-reload",
    ]


@pytest.mark.usefixtures("said")
def test_a_step_that_fails_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", "enable")
    assert main(["service", "install"]) == 1
    assert capsys.readouterr().err == "sigtrace: systemctl enable --now sigtrace.service: no: enable\n"


def test_a_release_has_a_wheel_for_each_python_that_the_metadata_names_and_tests_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["project"]["classifiers"]))
    release = project["tool"]["cibuildwheel"]
    assert release["build"] == [f"cp3{minor}-*" for minor in named]
    assert project["project"]["requires-python"] == f">=3.{named[0]}"
    tested = re.findall(r"tests/\S+", " ".join(release["test-command"]))
    assert tested
    for path in (*release["test-sources"], *tested):
        assert (ROOT / path).exists()
    # Beside the sources the tests would not try the wheel.
    assert "sigtrace" not in release["test-sources"]


needs_debian = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None or os.geteuid() != 0 or not Path("/usr/bin/python3").exists(),
    reason="dpkg-deb, root, or the distribution's Python is not there",
)


@needs_debian
def test_the_debian_package_holds_all_it_needs_and_runs_with_debians_python(tmp_path: Path) -> None:
    package = debian.build(tmp_path)
    about = subprocess.run(["dpkg-deb", "--info", package], check=True, capture_output=True, text=True).stdout
    assert f" Version: {__version__}\n" in about
    assert "python3-bpfcc" in about
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "tree"], check=True)
    assert (tmp_path / "tree/usr/lib/systemd/system/sigtrace.service").read_text() == UNIT
    for name in (
        *("bash-completion/completions/sigtrace", "zsh/vendor-completions/_sigtrace"),
        *("fish/vendor_completions.d/sigtrace.fish", "man/man1/sigtrace.1.gz", "man/man1/sigtrace-who.1.gz"),
    ):
        assert (tmp_path / "tree/usr/share" / name).stat().st_size > 0
    # As if it were installed, and nothing on this machine changes.
    mount = f"mkdir -p /usr/lib/sigtrace && mount --bind {tmp_path}/tree/usr/lib/sigtrace /usr/lib/sigtrace"
    asked = ROOT / "notebooks/data/scene.parquet"
    script = (
        f"{mount} && {tmp_path}/tree/usr/bin/sigtrace who {asked} web-2 && rmdir /usr/lib/sigtrace 2>/dev/null; true"
    )
    found = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "was killed by deployer (13554) with SIGKILL" in found.stdout, found.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="root is not there, who can hide /proc")
def test_where_proc_is_not_a_session_is_read_and_a_log_is_parsed(tmp_path: Path) -> None:
    script = """
        mount -t tmpfs none /proc
        "$0" -m sigtrace who notebooks/data/scene.parquet web-2
        "$0" -m sigtrace parse tests/fixtures/default.txt -o "$1"
        "$0" -m sigtrace query "$1" "SELECT count(*) AS n FROM kills" --csv
    """
    command = ["unshare", "--mount", "sh", "-ec", script, sys.executable, str(tmp_path / "s.parquet")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "was killed by deployer (13554) with SIGKILL" in done.stdout
    assert done.stdout.endswith("\nn\n276\n")
