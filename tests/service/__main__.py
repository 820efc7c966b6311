"""`python -m tests.service`: have a real systemd run the flight recorder in a virtual machine.

The machine is started, started again with the record of the first time, and started as one on which apt installs the
Debian package.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

from tests.kernels import image
from tests.kernels.__main__ import FOLDER, KERNELS, booted
from tests.kernels.packages import RefusedError, Suite, unpack
from tests.service import debian
from tests.service.inside import UNITS

if TYPE_CHECKING:
    from pathlib import Path

_KERNEL = KERNELS["bookworm-cloud"]
_REFUSED = 75  # sysexits.h: EX_TEMPFAIL
_IDLE_WAKES = 1.25  # a second: one, and for the call every ten seconds by which a recorder sees that it hears
_PACKAGES = ("systemd", "systemd-sysv", "passwd", "dbus")
_MASKED = (
    *("getty.target", "systemd-logind.service", "systemd-udevd.service", "systemd-udev-trigger.service"),
    *("systemd-networkd.service", "systemd-timesyncd.service", "systemd-resolved.service", "console-getty.service"),
    *("systemd-remount-fs.service", "dbus-org.freedesktop.login1.service"),
)
_TRY = """\
[Unit]
After=basic.target
[Service]
Environment=PYTHONPATH=/work
ExecStart=/usr/bin/python3 -m tests.service.inside
WorkingDirectory=/
[Install]
WantedBy=multi-user.target
"""
# An initramfs cannot be left behind by what makes a namespace of its own, as systemd does for a service.
_INIT = """\
#!/bin/sh
mount -t proc proc /proc
mkdir -p /whole
mount --bind / /whole
cd /whole
mount --move . /
exec chroot . /usr/lib/systemd/systemd
"""
_WANTED = {
    "polite": r"sh \(\d+, polite\.service\) exited with status 0, .* handled SIGTERM from systemd \(1, init\.scope\)",
    "shot": r"sleep \(\d+, shot\.service\) was killed by kill \(\d+, try\.service\) for python3 \(\d+\) with SIGKILL",
    "hungry": r"python3 \(\d+, hungry\.service\) was ended by the OOM killer",
    "watched": r"sleep \(\d+, watched\.service\) was killed by systemd \(1, init\.scope\) with SIGABRT",
    "stubborn": r"sh \(\d+, stubborn\.service\) was killed by systemd \(1, init\.scope\) with SIGKILL",
    "crashed": r"python3 \(\d+, crashed\.service\) was ended by SIGSEGV for a fault of its own",
    "failed": r"sh \(\d+, failed\.service\) exited with status 3",
}


def main() -> int:
    """Return 0 if all is right, 75 if the mirror does not give what is needed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        first = _booted("first")
        again = _booted("again", first["record"]) if "record" in first else {}
        packaged = _booted("packaged")
    except RefusedError as error:
        print(f"not tried: {error}")
        return _REFUSED
    wrong = [*_faults("first", first), *_faults("after the restart", again), *_faults_of_restart(again)]
    wrong += _faults_of_package(packaged)
    for complaint in wrong:
        print(f"WRONG: {complaint}")
    print(f"{len(UNITS)} units, asked before and after a restart, and a package: {'wrong' if wrong else 'all right'}")
    return 1 if wrong else 0


def _faults(when: str, findings: dict[str, Any]) -> list[str]:
    if "who" not in findings:
        said = [str(findings.get(name, "")) for name in ("error", "install", "unit")]
        return [f"{when}: " + (" ".join(said).strip() or "the machine has said nothing")]
    print(f"{when}:")
    faults = []
    for name, wanted in _WANTED.items():
        said = findings["who"][name]
        print("  " + (said["out"] or said["err"]).strip().replace("\n", "\n  "))
        if not re.search(wanted, said["out"]):
            faults.append(f"{when}: {name}: {said}")
    status = json.loads(findings["status"]["out"])
    if not status["recording"] or status["lost"]:
        faults.append(f"{when}: status: {status}")
    return faults


def _faults_of_restart(again: dict[str, Any]) -> list[str]:
    if "who" not in again:
        return []
    gaps = [gap["why"] for gap in json.loads(again["status"]["out"])["gaps"]]
    faults = [] if gaps == ["rebooted"] else [f"gaps: {gaps}"]
    if "the machine was restarted" not in again["nobody"]["err"]:
        faults.append(f"of nobody: {again['nobody']}")
    idle = again["idle"]
    print(f"  with nothing to do it woke {idle['wakes']:.2f} times and read {idle['lines']:.2f} lines a second")
    if idle["wakes"] > _IDLE_WAKES + idle["lines"]:
        faults.append(f"with nothing to do: {idle}")
    if again["uninstall"]["code"] != 0 or again["stopped"]["code"] != 1:
        faults.append(f"uninstall: {again['uninstall']}, then status: {again['stopped']}")
    return faults


def _faults_of_package(packaged: dict[str, Any]) -> list[str]:
    print("as a package:")
    for name, said in packaged.items():
        print(f"  {name}: {said}")
    wanted = {
        "install": r"Setting up sigtrace \(",
        "who": _WANTED["shot"],
        "remove": r"Removing sigtrace \(",
        "record kept": r"host=",
        "purge": r"Purging configuration files for sigtrace",
        "left": r"^$",
    }
    return [
        f"as a package: {name}: {said}"
        for name, pattern in wanted.items()
        if (said := packaged.get(name)) is None or said["code"] != 0 or not re.search(pattern, said["out"])
    ] + [f"as a package: {packaged[name]}" for name in packaged.keys() & {"error", "unit"}]


def _booted(name: str, record: str | None = None) -> dict[str, Any]:
    system = _system(Suite(image.USERLAND, _KERNEL.architecture, FOLDER), record, packaged=name == "packaged")
    try:
        return booted(f"service-{name}", _KERNEL, system)
    except ValueError as error:
        return {"error": str(error)}


def _system(suite: Suite, record: str | None, *, packaged: bool) -> Path:
    root = FOLDER / "system"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in suite.with_all_they_need(*_PACKAGES, *(debian.NEEDED if packaged else ())):
        unpack(package, root)
    if packaged:
        debian.know(suite.with_all_they_need(*image.PACKAGES, *_PACKAGES, *debian.NEEDED), root)
        (root / "work").mkdir()
        debian.build(root / "work")
    for name in ("usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / name, ignore_errors=True)
    system = root / "etc" / "systemd" / "system"
    wants = system / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name in _MASKED:
        _link(system / name, "/dev/null")
    _link(system / "default.target", "/usr/lib/systemd/system/multi-user.target")
    (system / "try.service").write_text(_TRY)
    _link(wants / "try.service", "../try.service")
    (root / "etc" / "machine-id").write_text("0123456789abcdef" * 2 + "\n")
    groups = "root:x:0:\nnogroup:x:65534:\nmessagebus:x:101:\n"
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    for name in ("__init__.py", "inside.py"):
        target = root / "work" / "tests" / "service" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.ROOT / "tests" / "service" / name, target)
    if record is not None:
        groups += "sigtrace:x:999:\n"
        (root / "work" / "again").touch()
        (root / "var" / "lib").mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(record)), mode="r:xz") as tar:
            tar.extractall(root / "var" / "lib", filter="fully_trusted")  # noqa: S202 -- our own machine made it
        (root / "var" / "lib" / "record").rename(root / "var" / "lib" / "sigtrace")
        unit = [sys.executable, "-c", _PRINT_UNIT]
        printed = subprocess.run(unit, cwd=image.ROOT, check=True, capture_output=True, text=True)
        (system / "sigtrace.service").write_text(printed.stdout)
        _link(wants / "sigtrace.service", "../sigtrace.service")
    (root / "etc" / "group").write_text(groups)
    return root


_PRINT_UNIT = """
from sigtrace.commands.flight import unit
print(unit.text(["--keep", "14d"], "sigtrace", ["/usr/bin/python3", "-m", "sigtrace"]), end="")
"""


def _link(place: Path, target: str) -> None:
    place.unlink(missing_ok=True)
    place.symlink_to(target)


if __name__ == "__main__":
    sys.exit(main())
