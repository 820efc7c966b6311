"""Service: install the flight recorder as a service of systemd, and take it back."""

from __future__ import annotations

import grp
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.commands.flight import unit
from sigtrace.errors import Error
from sigtrace.output.terminal import escaped
from sigtrace.store.flight import home

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACE = Path("/etc/systemd/system") / unit.NAME
_RUNNING = Path("/run/systemd/system")


def show(options: Sequence[str]) -> None:
    """Print the unit."""
    print(unit.text(list(options), home.GROUP), end="")


def install(options: Sequence[str]) -> None:
    """Write the unit, enable and start it, and say what was done. Raises `Error` if a step fails."""
    _check()
    try:
        grp.getgrnam(home.GROUP)
    except KeyError:
        _run("groupadd", "--system", home.GROUP)
        print(f"Made the group {home.GROUP}: its members may read the record (usermod -aG {home.GROUP} USER).")
    _PLACE.write_text(unit.text(list(options), home.GROUP))
    print(f"Wrote {_PLACE}.")
    _run("systemctl", "daemon-reload")
    _run("systemctl", "enable", "--now", unit.NAME)
    print("Enabled and started it. Now ask it: sigtrace status")


def uninstall() -> None:
    """Stop and disable the service and remove the unit; the record stays. Raises `Error` if a step fails."""
    _check()
    if not _PLACE.exists():
        raise Error(f"{_PLACE}: is not there: `sigtrace service install` writes it")
    _run("systemctl", "disable", "--now", unit.NAME)
    _PLACE.unlink()
    _run("systemctl", "daemon-reload")
    print(f"Stopped it and removed {_PLACE}. The record stays in {home.folder(None)}.")


def _check() -> None:
    if not _RUNNING.is_dir():
        raise Error(f"{_RUNNING}: systemd does not run here: `sigtrace service install --print` prints the unit alone")
    if os.geteuid() != 0:
        raise Error("a service of the system is installed by root: run it with sudo")


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise Error(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Error(f"{' '.join(command)}: {escaped(said[-1])}")
