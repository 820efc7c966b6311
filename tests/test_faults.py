"""A recorder that dies, or whose disk breaks, at each step that changes a file: what was read is there exactly once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sigtrace import Parser, read
from sigtrace.facts.schema import PLAIN, SCHEMA
from tests.faults.steps import CHUNK, MODES

HERE = Path(__file__).parent
STORED = HERE / "fixtures" / "default.txt"
LOG = STORED.read_bytes()


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("nothing here compiles C")
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    source = HERE / "faults" / "faults.c"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"], check=True)
    return made


def holds(path: Path, log: bytes) -> bool:
    parser = Parser()
    rows = pa.Table.from_batches([*parser.feed(log), *parser.finish()], schema=SCHEMA).cast(PLAIN)
    session = read(path)
    return bool(session.table.drop_columns(["log", "user"]).equals(rows.drop_columns(["log", "user"]))) and (
        session.accounting == parser.accounting
    )


def check(path: Path, step: dict[str, Any]) -> None:
    status, acknowledged = step["status"], step["acknowledged"]
    assert status in {0, 1, 9}, step["said"]
    if status == 1:
        assert step["said"].startswith(str(path))
        assert "\n" not in step["said"]
    if not path.exists() or not (path / "_session.parquet").exists():
        assert acknowledged == 0
        assert status != 0
        assert status == 9 or not path.exists() or step["stays"]  # where nothing can be removed either
        return
    kept = [acknowledged] if status == 0 else [acknowledged, acknowledged + 1]  # the one under way may be there
    assert any(holds(path, LOG[: many * CHUNK]) for many in kept), step
    first, again = read(path), read(path)
    assert again.table.equals(first.table)
    # Nothing is left over; a lock is not made where its file cannot be.
    assert {name[:5] for name in os.listdir(path)} - {"part-", "_lock"} == {"_sess"}  # noqa: PTH208


@pytest.mark.parametrize("mode", MODES)
def test_at_every_step_a_recorder_that_dies_or_cannot_write_keeps_all_that_it_had_read(
    faults: Path, tmp_path: Path, mode: str
) -> None:
    command = [sys.executable, str(HERE / "faults" / "steps.py"), str(STORED), str(tmp_path), mode]
    environment = {**os.environ, "LD_PRELOAD": str(faults), "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 50
    for step in steps:
        check(tmp_path / f"{step['at']:04}.parquet", {**step, "stays": MODES[mode][1]})
    *broken, whole = steps
    assert whole["status"] == 0
    if mode == "killed":
        assert {step["status"] for step in broken} == {9}
    else:
        assert sum(step["status"] == 1 for step in broken) > 50
