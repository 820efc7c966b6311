"""Image: the machine's whole system as an initramfs: Debian's userland, sigtrace, and the zoo. It needs no module."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.kernels.packages import Suite, unpack

ROOT = Path(__file__).parents[2]

USERLAND = "bookworm"
"""The suite of all but the kernel: its bcc, 0.26, is the oldest that sigtrace is used with."""

_PYTHON = "3.11"  # USERLAND's
PACKAGES = (
    *("base-files", "libc-bin", "bash", "dash", "coreutils", "findutils", "grep", "sed", "mount", "util-linux"),
    *("python3", "python3-bpfcc"),
    *("procps", "psmisc", "gcc", "libc6-dev", "make", "dumb-init", "tini"),  # which scenes use
)
"""What is unpacked into each image, with all that it needs."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux2014")
_LEFT_OUT = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "usr/share/perl")
_MODULES = "usr/lib/python3/dist-packages"
_INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin HOME=/root PYTHONUNBUFFERED=1
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 groups /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
ln -s /proc/self/fd /dev/fd
mkdir /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts
cd /work
python3 -m tests.kernels.inside
echo o >/proc/sysrq-trigger
sleep 60
"""


def image(suite: Suite, folder: Path, more: Path | None = None) -> Path:
    """Make the image for a suite's architecture; the part that is not of this repository is kept in the folder.

    What is in the folder `more` lies over it.
    """
    base = _base(suite, folder)
    own = folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    modules = own / _MODULES
    for source in [*(ROOT / "sigtrace").rglob("*.*"), *(ROOT / "sigtrace").rglob("py.typed")]:
        if "__pycache__" not in source.parts and source.is_file():
            _copy(source, modules / source.relative_to(ROOT))
    shutil.copytree(ROOT / "tests" / "live" / "zoo", own / "work" / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "findings.py", "inside.py", "scene.py"):
        _copy(ROOT / "tests" / "kernels" / name, own / "work" / "tests" / "kernels" / name)
    made = folder / f"{suite.architecture}.cpio"
    shutil.copy(base, made)
    with made.open("ab") as file:  # the kernel unpacks one archive after another
        file.write(_archived(own))
        if more is not None:
            file.write(_archived(more))
    shutil.rmtree(own)
    return made


def _base(suite: Suite, folder: Path) -> Path:
    packages = suite.with_all_they_need(*PACKAGES)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = (ROOT / "requirements-dev.txt").read_text()
    parts = [*(package.name for package in packages), *wanted, pinned, Path(__file__).read_text()]
    made_of = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    base = folder / f"{suite.architecture}-{made_of}.base"
    if base.exists():
        return base
    for old in folder.glob(f"{suite.architecture}-*.base"):
        old.unlink()
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        unpack(package, root)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    pip += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", _PYTHON]
    for platform in _PLATFORMS:
        pip += ["--platform", f"{platform}_{_MACHINES[suite.architecture]}"]
    pip += ["--target", str(root / _MODULES), "-c", str(ROOT / "requirements-dev.txt")]
    subprocess.run([*pip, *wanted], check=True, stdout=subprocess.DEVNULL)
    for name in _LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    if sys.version.startswith(f"{_PYTHON}."):  # else the emulated Python compiles all that it imports
        compiled = [sys.executable, "-m", "compileall", "-q", "-s", str(root), "-p", "/"]
        subprocess.run([*compiled, *(root / "usr" / "lib").glob("python3*")], check=False, stdout=subprocess.DEVNULL)
    # What the scripts of the packages would make.
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "tmp").chmod(0o1777)
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    base.with_suffix(".part").write_bytes(_archived(root))
    shutil.rmtree(root)
    return base.with_suffix(".part").rename(base)


def _archived(folder: Path) -> bytes:
    names = subprocess.run(["find", ".", "-print0"], cwd=folder, capture_output=True, check=True).stdout
    command = ["cpio", "--create", "--null", "--quiet", "--format=newc", "--owner=0:0"]
    return subprocess.run(command, cwd=folder, input=names, capture_output=True, check=True).stdout


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
