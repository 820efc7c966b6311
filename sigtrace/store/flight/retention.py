"""Retention: how much of the record is kept. What is older goes, whole segments at a time."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from sigtrace.store.flight import ledger, segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sigtrace.store.flight.segments import Segment

_EXPIRED = ".expired-"
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Retention(NamedTuple):
    """What is kept: no more than `age`, no more than `size` bytes, and no more than leaves `free` of the disk free."""

    age: timedelta
    size: int
    free: float

    def expired(self, found: Sequence[Segment], now: datetime, room: float) -> list[Segment]:
        """Return which of the segments, given oldest first, are to go; the last one is being written, and stays.

        `room` is which part of the disk is free, and is asked for again after each that goes.
        """
        total = sum(one.size for one in found)
        gone: list[Segment] = []
        for one in found[:-1]:
            if not (now - one.ended > self.age or total > self.size or (room < self.free and not gone)):
                break
            gone.append(one)
            total -= one.size
        return gone


def of(age_text: str, size_text: str, share_text: str) -> Retention:
    """Return what is kept, as texts such as `14d`, `2G` and `5%` say it. Raises `ValueError` if one means nothing."""
    return Retention(age(age_text), size(size_text), share(share_text))


def keep(home: Path, retention: Retention) -> None:
    """Remove from a flight recorder's folder what is not to be kept."""
    while gone := retention.expired(segments.find(home), datetime.now(UTC), _room(home)):
        for one in gone:
            _remove(one.path)


def sweep(home: Path) -> None:
    """Remove what a recorder that was killed had begun to remove."""
    for path in home.glob(f"host=*/date=*/{_EXPIRED}*"):
        ledger.remove(path.with_name(path.name.removeprefix(_EXPIRED)))
        shutil.rmtree(path, ignore_errors=True)


def age(text: str) -> timedelta:
    """Return the age that a text such as `14d` or `36h` means. Raises `ValueError` if it means none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if found is None:
        raise ValueError(f"{text}: give an age such as 14d, 36h or 2w")
    return timedelta(seconds=float(found[1]) * _AGES[found[2]])


def size(text: str) -> int:
    """Return the bytes that a text such as `2G` or `500M` means. Raises `ValueError` if it means none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)i?B?", text)
    if found is None:
        raise ValueError(f"{text}: give a size such as 2G or 500M")
    return int(float(found[1]) * _SIZES[found[2]])


def share(text: str) -> float:
    """Return the share that a text such as `5%` means. Raises `ValueError` if it means none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    if found is None or float(found[1]) > 100:
        raise ValueError(f"{text}: give a share of the disk such as 5%")
    return float(found[1]) / 100


def _remove(path: Path) -> None:
    # First it loses its name: who finds it afterwards finds nothing, and not a half of it; and who writes its tables
    # meanwhile sees that they are to go too.
    doomed = path.with_name(f"{_EXPIRED}{path.name}")
    path.rename(doomed)
    ledger.remove(path)
    shutil.rmtree(doomed, ignore_errors=True)
    for folder in path.parents[:2]:  # date=, host=
        with suppress(OSError):
            folder.rmdir()


def _room(home: Path) -> float:
    disk = os.statvfs(home)
    return disk.f_bavail / disk.f_blocks if disk.f_blocks else 1.0
