"""`python -m tests.kernels [NAME...]`: try sigtrace on kernels, and write what was found into docs/kernels.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.kernels import image, machine, table
from tests.kernels.findings import found
from tests.kernels.packages import RefusedError, Suite, unpack

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = image.ROOT / "build" / "kernels"
DOCUMENT = image.ROOT / "docs" / "kernels.md"

_SECONDS = {"amd64": 1500.0, "arm64": 2400.0}
_REFUSED = 75  # sysexits.h: EX_TEMPFAIL


class Kernel(NamedTuple):
    """A kernel: the suite that has it, for which architecture, and the package that depends on its newest image."""

    suite: str
    architecture: str
    package: str


KERNELS = {
    f"{suite}{flavour and '-' + flavour}{'' if architecture == 'amd64' else '-' + architecture}": Kernel(
        suite, architecture, f"linux-image-{flavour and flavour + '-'}{architecture}"
    )
    for architecture in ("amd64", "arm64")
    for suite in ("bullseye", "bookworm", "trixie", "sid")
    for flavour in ("", "cloud")
}
"""The kernels by name; the one at hand is `here`."""

HERE = "here"


def main() -> int:
    """Return 0 if all is right on each kernel, 75 if the mirror does not give what is needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(KERNELS)}, {HERE}; else all")
    parser.add_argument("--check", action="store_true", help="leave docs/kernels.md as it is, and fail if it differs")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - {*KERNELS, HERE}
    if unknown:
        parser.error(f"no kernel is called {', '.join(sorted(unknown))}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for name in chosen.names or [*KERNELS, HERE]:
        began = time.monotonic()
        try:
            findings = _here() if name == HERE else booted(name, KERNELS[name])
        except RefusedError as error:
            print(f"{name}: not tried: {error}")
            return _REFUSED
        except (ValueError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: not tried: {error}")
            wrong += 1
            continue
        complaints = _complaints(name, findings, check=chosen.check)
        for complaint in complaints:
            print(f"{name}: {complaint}")
        wrong += bool(complaints)
        verdict = "wrong" if complaints else "right"
        print(f"{name} ({findings['release']}): {verdict}; {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def _complaints(name: str, findings: dict[str, Any], *, check: bool) -> list[str]:
    """Keep what was found, write its row or compare it with the old one, and say what is wrong."""
    (FOLDER / f"{name}.json").write_text(json.dumps(findings, indent=1))
    complaints = table.faults(findings)
    if table.failed(findings):
        return complaints
    (FOLDER / f"{name}.txt").write_bytes(findings["log"]["played"].encode("latin-1"))
    row = table.row(name, findings)
    if check:
        return complaints + table.differs(table.rows(DOCUMENT.read_text())[name], row)
    table.write(DOCUMENT, [*KERNELS, HERE], {name: row})
    return complaints


def booted(name: str, kernel: Kernel, more: Path | None = None) -> dict[str, Any]:
    """Boot a kernel with the image, over which lies what is in the folder `more`, and return what was found there.

    What the console said is kept by the name. Raises `ValueError` if the findings are not whole.
    """
    package = Suite(kernel.suite, kernel.architecture, FOLDER).kernel(kernel.package)
    unpacked = FOLDER / "kernel"
    subprocess.run(["rm", "-rf", unpacked], check=True)
    unpacked.mkdir()
    unpack(package, unpacked)
    # Since 7.x it is no longer in boot.
    (binary,) = [*unpacked.glob("boot/vmlinu*"), *unpacked.glob("usr/lib/modules/*/vmlinu*")]
    made = image.image(Suite(image.USERLAND, kernel.architecture, FOLDER), FOLDER, more)
    try:
        said = machine.run(kernel.architecture, binary, made, _SECONDS[kernel.architecture])
    finally:
        made.unlink()
    (FOLDER / f"{name}.console").write_text("".join(said))
    try:
        return found(said)
    except ValueError as error:
        raise ValueError(f"{error}; see {FOLDER / name}.console") from None


def _here() -> dict[str, Any]:
    path = os.pathsep.join([str(image.ROOT), str(image.ROOT / "tests" / "live")])
    command = [sys.executable, "-m", "tests.kernels.inside"]
    done = subprocess.run(
        command, cwd=image.ROOT, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    return found(done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main())
