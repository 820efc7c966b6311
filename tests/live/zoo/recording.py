"""Recording: the scenes under one `sigtrace record`, and what `sigtrace who` says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import catalogue, keeper, truth
from zoo.judge import CAUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.truth import Truth

_SECONDS = 600  # an emulated machine takes some minutes
_HERE = Path(__file__).parent.parent
_WINDOW = "--asked-within"

Answers = dict[float | None, list[dict[str, Any]]]
"""What `who all --json` answers, by the window within which a signal must have come to have asked for an exit."""


def record(folder: Path, scenes: Sequence[str] = ()) -> tuple[list[Truth], Answers]:
    """Record scenes, or all of them, into a folder; return their truths, and the answers of `who all --json`."""
    session = folder / "zoo.parquet"
    names = list(scenes or catalogue.SCENES)
    before = [name for name in names if name.endswith(catalogue.BEFORE)]
    command = [sys.executable, "-m", "zoo.keeper"]
    early = subprocess.Popen([*command, keeper.BEFORE, str(folder), *before], env=_environment()) if before else None
    try:
        while early and not (folder / keeper.PREPARED).exists():
            if early.poll() is not None:
                raise RuntimeError("the keeper of the scenes that begin before the recording failed")
            time.sleep(0.01)
        during = [name for name in names if name not in before]
        _sigtrace("record", "-o", str(session), "--", *command, keeper.DURING, str(folder), *during)
        if early:
            early.wait(_SECONDS)
    finally:
        if early:
            early.kill()
    truths = {told.scene: told for kept in (keeper.DURING, keeper.BEFORE) for told in _read(folder / kept)}
    windows = {None, *(told.window for told in truths.values() if CAUSES)}
    return [truths[name] for name in names], {window: _who(session, window) for window in windows}


def _read(path: Path) -> list[Truth]:
    return truth.read(path) if path.exists() else []


def _who(session: Path, window: float | None) -> list[dict[str, Any]]:
    options = [] if window is None else [_WINDOW, str(window)]
    answers: list[dict[str, Any]] = json.loads(_sigtrace("who", str(session), "all", "--json", *options))
    return answers


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_HERE), os.environ.get("PYTHONPATH", "")]).rstrip(":")}


def _sigtrace(*arguments: str) -> str:
    command = [sys.executable, "-m", "sigtrace", *arguments]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout
