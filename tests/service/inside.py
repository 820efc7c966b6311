"""Inside: what is done in the machine, by a service of its systemd; it prints what `sigtrace who` says of each unit."""

from __future__ import annotations

import base64
import io
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from tests.kernels.findings import lines

HOME = Path("/var/lib/sigtrace")
SYSTEM = Path("/etc/systemd/system")
AGAIN = Path("/work/again")
"""Is there if the machine was started before."""

PACKAGE = Path("/work")
"""Where sigtrace's Debian package is, if it is to be installed."""

_SECONDS = 200
_IDLE_SECONDS = 60
_SLEEP = "/usr/bin/sleep 100000"
UNITS = {
    "polite": "ExecStart=/bin/sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.2; done'",
    "shot": f"ExecStart={_SLEEP}",
    "hungry": "ExecStart=/usr/bin/python3 -c 'b\"x\" * (200 << 20)'\nMemoryMax=24M",
    "watched": f"ExecStart={_SLEEP}\nWatchdogSec=5",
    "stubborn": "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.2; done'\nTimeoutStopSec=2",
    "crashed": "ExecStart=/usr/bin/python3 -c 'import ctypes; ctypes.string_at(0)'",
    "failed": "ExecStart=/bin/sh -c 'exit 3'",
}


def main() -> None:
    """Do it, and print what was found."""
    findings: dict[str, Any] = {}
    try:
        if packages := [str(path) for path in PACKAGE.glob("*.deb")]:
            _packaged(findings, *packages)
        else:
            _again(findings) if AGAIN.exists() else _first(findings)
    except Exception as error:  # noqa: BLE001  (whatever it is, the machine is to say it)
        findings["error"] = f"{type(error).__name__}: {error}"
        findings["unit"] = _run("journalctl", "--no-pager", "--lines=30")["out"]
    with Path("/dev/console").open("w") as console:
        for line in lines(findings):
            print(line, file=console, flush=True)
    _run("systemctl", "poweroff", "--force", "--force")


def _first(findings: dict[str, Any]) -> None:
    findings["install"] = _sigtrace("service", "install")
    if findings["install"]["code"] != 0:
        raise RuntimeError("the service does not start")
    _wait(lambda: _sigtrace("status")["code"] == 0)
    for name, what in UNITS.items():
        (SYSTEM / f"{name}.service").write_text(f"[Service]\n{what}\n")
    _run("systemctl", "daemon-reload")
    _run("systemctl", "start", *UNITS)
    _run("systemctl", "stop", "polite", "stubborn")
    pid = _run("systemctl", "show", "--property=MainPID", "--value", "shot")["out"].strip()
    _run("/bin/kill", "-KILL", pid)
    for name in UNITS:
        _wait(lambda name=name: _run("systemctl", "is-active", name)["out"].strip() in {"inactive", "failed"})
    time.sleep(5)
    findings["who"] = {name: _sigtrace("who", f"{name}.service") for name in UNITS}
    findings["witnessed"] = {name: _sigtrace("who", "--journal", name) for name in UNITS}
    journal = _run("journalctl", "--output=json", "--all", "--no-pager", "_PID=1", "+", "_TRANSPORT=kernel")["out"]
    findings["journal"] = base64.b64encode(lzma.compress(journal.encode())).decode()
    findings["status"] = _sigtrace("status", "--json")
    findings["unit"] = _run("systemctl", "status", "sigtrace")["out"]
    findings["modes"] = {str(path): oct(path.stat().st_mode) for path in (HOME, *HOME.glob("host=*"))}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:  # as a crash would leave it
        tar.add(HOME, "record")
    findings["record"] = base64.b64encode(packed.getvalue()).decode()


def _again(findings: dict[str, Any]) -> None:
    _wait(lambda: _sigtrace("status")["code"] == 0)
    findings["who"] = {name: _sigtrace("who", f"{name}.service") for name in UNITS}
    findings["nobody"] = _sigtrace("who", "4194301")
    findings["status"] = _sigtrace("status", "--json")
    findings["idle"] = _idle()
    findings["uninstall"] = _sigtrace("service", "uninstall")
    findings["stopped"] = _sigtrace("status")


def _idle() -> dict[str, float]:
    # What the recorder does in a minute in which nobody asks for anything.
    before = _woken()
    time.sleep(_IDLE_SECONDS)
    return {name: (n - before[name]) / _IDLE_SECONDS for name, n in _woken().items()}


def _woken() -> dict[str, int]:
    told = json.loads((HOME / "_status.json").read_text())
    tasks = Path(f"/proc/{told['pid']}/task").glob("*/status")
    switches = (line.split()[1] for task in tasks for line in task.read_text().splitlines() if "voluntary" in line[:9])
    return {"wakes": sum(map(int, switches)), "lines": told["lines"]}


def _packaged(findings: dict[str, Any], package: str) -> None:
    for name in ("sigtrace", "pyarrow", "duckdb", "narwhals"):  # which the image has for the other tries
        shutil.rmtree(f"/usr/lib/python3/dist-packages/{name}")
    _run("/bin/mount", "-o", "remount,size=90%", "/")  # half of the memory is too little
    apt = ("/usr/bin/apt-get", "-q", "-y")
    findings["install"] = _run(*apt, "install", package, seconds=1000)  # 300 MB are unpacked by an emulated machine
    findings["enable"] = _run("systemctl", "enable", "--now", "sigtrace")
    _wait(lambda: _run("/usr/bin/sigtrace", "status")["code"] == 0)
    (SYSTEM / "shot.service").write_text(f"[Service]\n{UNITS['shot']}\n")
    _run("systemctl", "daemon-reload")
    _run("systemctl", "start", "shot")
    pid = _run("systemctl", "show", "--property=MainPID", "--value", "shot")["out"].strip()
    _run("/bin/kill", "-KILL", pid)
    time.sleep(10)
    findings["who"] = _run("/usr/bin/sigtrace", "who", "shot.service")
    findings["remove"] = _run(*apt, "remove", "sigtrace")
    findings["record kept"] = _run("ls", str(HOME))
    findings["purge"] = _run(*apt, "purge", "sigtrace")
    findings["left"] = _run("find", "/var/lib", "/usr/lib", "/usr/bin", "-maxdepth", "1", "-name", "sigtrace")


def _wait(condition: Any) -> None:
    end = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(1)


def _sigtrace(*words: str) -> dict[str, Any]:
    return _run(sys.executable, "-m", "sigtrace", *words)


def _run(*command: str, seconds: int = _SECONDS) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=seconds, check=False)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


if __name__ == "__main__":
    main()
