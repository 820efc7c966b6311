"""Debian: what dpkg of the machine knows to be installed, and sigtrace's own package beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernels import image

if TYPE_CHECKING:
    from collections.abc import Iterable

NEEDED = ("apt", "diffutils", "dpkg")
"""What installs a package."""


def know(packages: Iterable[Path], root: Path) -> None:
    """Write into a system that these packages, which were unpacked, are installed."""
    known = root / "var" / "lib" / "dpkg"
    for name in ("info", "updates", "triggers"):
        (known / name).mkdir(parents=True, exist_ok=True)
    entries = []
    for package in packages:
        about = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
        name = about.partition("\n")[0].removeprefix("Package: ")
        (known / "info" / f"{name}.list").touch()
        entries.append(about.replace("\n", "\nStatus: install ok installed\n", 1))
    (known / "status").write_text("\n".join(entries))
    (known / "available").touch()


def build(folder: Path) -> Path:
    """Build sigtrace's package of this checkout into a folder, and return it."""
    with tempfile.TemporaryDirectory() as wheels:
        wheel = [sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "-w", wheels, str(image.ROOT)]
        subprocess.run(wheel, check=True)
        (built,) = Path(wheels).glob("*.whl")
        script = image.ROOT / "packaging" / "deb" / "build.sh"
        environment = {**os.environ, "PYTHON": sys.executable, "WHEEL": str(built)}
        subprocess.run(["sh", script, folder], check=True, stdout=subprocess.DEVNULL, env=environment)
    (package,) = folder.glob("sigtrace_*.deb")
    return package
