"""The load: a process whose calls show whether each was recorded once, and rightly paired."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

FIRST = 2_000_000_000

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def compiled(folder: Path) -> Path | None:
    """Compile load.c; None where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    made = folder / "load"
    subprocess.run([compiler, "-O2", "-o", str(made), str(Path(__file__).with_name("load.c"))], check=True)
    return made


@contextmanager
def running(load: Path, rate: int, seconds: int = 0) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([str(load), str(rate), str(seconds)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


class Found(NamedTuple):
    """What a session has of the load's calls: those that are whole, by number, and what is wrong."""

    numbers: Numbers
    wrong: list[str]


def found(table: pa.Table, pid: int) -> Found:
    """Find the load's calls in a session, and what is wrong with them."""
    event = np.asarray(table["event"].to_pandas())
    mine = np.asarray(table["pid"].to_pandas().fillna(-1)) == pid
    calls = table.filter(mine & (event == "kill"))
    halves = int((mine & (event == "kill_half")).sum())
    numbers = np.asarray(calls["target"].to_pandas(), dtype=np.int64) - FIRST
    signals = np.asarray(calls["sig"].to_pandas(), dtype=np.int64)
    results = np.asarray(calls["ret"].to_pandas(), dtype=np.int64)
    wrong = []
    if mispaired := int((signals != (7 * numbers + 3) % 65).sum()):
        wrong.append(f"{mispaired} calls have the signal of another")
    if (results != -3).any():  # ESRCH
        wrong.append("a call has a result that none had")
    if len(np.unique(numbers)) < len(numbers):
        wrong.append(f"{len(numbers) - len(np.unique(numbers))} calls come twice")
    if halves > 2:  # one was under way when it began, one when it ended
        wrong.append(f"{halves} calls are half")
    return Found(np.unique(numbers), wrong)


def unread(instance: Path, pid: int) -> Numbers:
    """Take away what a killed recorder had not read, and return the numbers of the load's calls in it."""
    blocks = []
    descriptor = os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (a path has no O_NONBLOCK)
        while block := file.read(1 << 16):
            blocks.append(block)
    targets = re.findall(rb"-%d +\[[^\n]*: to PID (2\d{9}), ret" % pid, b"".join(blocks))
    return np.unique(np.array(targets, dtype=np.int64)) - FIRST


def missing(numbers: Numbers) -> int:
    """Count the calls that lack between the first and the last."""
    return int(numbers.max() - numbers.min() + 1 - len(numbers)) if len(numbers) else 0
