"""Recording: the scenes under one `sigtrace record`, and what `sigtrace who` says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.truth import Truth

_SECONDS = 120
_HERE = Path(__file__).parent.parent


def record(folder: Path, scenes: Sequence[str] = ()) -> tuple[list[Truth], list[dict[str, Any]]]:
    """Record scenes, or all of them, into a folder; return their truths, and the answers of `who all --json`."""
    truths, session = folder / "truths.json", folder / "zoo.parquet"
    keep = [sys.executable, "-m", "zoo.keeper", str(truths), *scenes]
    _sigtrace("record", "-o", str(session), "--", *keep)
    return truth.read(truths), json.loads(_sigtrace("who", str(session), "all", "--json"))


def _sigtrace(*arguments: str) -> str:
    command = [sys.executable, "-m", "sigtrace", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(_HERE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout
