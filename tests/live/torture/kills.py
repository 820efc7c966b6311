"""Kills: a recorder under load that is killed with SIGKILL at a random moment, and what its session holds."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sigtrace import SessionError, read
from sigtrace.capture import tracefs
from torture.load import Numbers, found, missing, unread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SETTING_UP = 0.1  # of the rounds are killed in the first second, mostly while the recorder sets itself up
_LONGEST = 1.0


class Round(NamedTuple):
    """One round: after how many seconds it was killed, how many calls its session has, and what is wrong."""

    after: float
    calls: int
    wrong: list[str]


def rounds(number: int, pid: int, folder: Path, seed: int = 0) -> Iterator[Round]:
    """Record the load `pid` in `folder` that many times, and kill the recorder each time."""
    dice = random.Random(seed)  # noqa: S311  (the same moments each time)
    for turn in range(number):
        path = folder / f"{turn}.parquet"
        yield _killed(path, pid, dice)
        shutil.rmtree(path, ignore_errors=True)


def _killed(path: Path, pid: int, dice: random.Random) -> Round:
    command = [sys.executable, "-m", "sigtrace", "record", "-o", str(path)]
    early = dice.random() < _SETTING_UP
    began = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE) as recorder:
        while not early and recorder.poll() is None and not list(path.glob("_spool*")):
            time.sleep(0.002)
        time.sleep(dice.random() * _LONGEST)
        recorder.kill()
        _, said = recorder.communicate()
    after = time.monotonic() - began
    rest: Numbers = np.array([], dtype=np.int64)
    for instance in (tracefs.find() / "instances").glob(f"sigtrace-{recorder.pid}-*"):
        rest = unread(instance, pid)
        with contextlib.suppress(OSError):
            instance.rmdir()
    if b"locked for" in said and not path.exists():  # by others who set themselves up on this machine
        return Round(after, 0, [])
    if said:
        return Round(after, 0, [f"it said: {said.decode(errors='replace')}"])
    if not (path / "_session.parquet").exists():
        kept = list(path.glob("_spool*")) + list(path.glob("part-*"))
        return Round(after, 0, [f"{path.name} is no session, and holds {kept}"] if kept else [])
    return Round(after, *_held(path, pid, rest))


def _held(path: Path, pid: int, rest: Numbers) -> tuple[int, list[str]]:
    try:
        session, again = read(path), read(path)
    except SessionError as error:
        return 0, [f"it does not open: {error}"]
    numbers, wrong = found(session.table, pid)
    if not again.table.equals(session.table):
        wrong.append("it has other rows when it is opened again")
    if session.accounting.lost:
        wrong.append(f"{session.accounting.lost} events were lost")
    if twice := len(np.intersect1d(numbers, rest)):
        wrong.append(f"{twice} calls are in the session, and unread as well")
    if lacking := missing(np.union1d(numbers, rest)):
        wrong.append(f"{lacking} calls are neither in the session nor unread")
    return len(numbers), wrong
