"""Checksum: a Parquet file carries the CRC-32 of all its bytes but those of the checksum itself.

The checksums that Parquet has for pages are not enough: DuckDB does not look at them, and nothing guards the footer,
by which readers skip row groups.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

from sigtrace.errors import SessionError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sigtrace.crc32"
"""The key of a Parquet file's metadata under which the checksum stands."""

UNKNOWN = "." * 8
"""What stands there until the file is sealed."""

# As Thrift's compact protocol has it: the key, and a second field, which is a text of eight bytes. In JSON, no control
# character can be, so this stands nowhere else.
_BEFORE = KEY.encode() + b"\x18\x08"
_BLOCK = 1 << 20
_LONGEST_FOOTER = 1 << 28
_TAIL = 8  # the length of the footer, and PAR1


def seal(path: Path, descriptor: int) -> None:
    """Write a file's checksum into it, where `UNKNOWN` stands."""
    place = _place(descriptor)
    if place is None:
        raise SessionError(f"{path}: this pyarrow leaves no place for a checksum: install another version")
    os.pwrite(descriptor, _without(descriptor, place), place)


def verify(path: Path, descriptor: int) -> None:
    """Raise `SessionError` if a file is not as it was when it was sealed. One that never was may hold anything."""
    place = _place(descriptor)
    if place is not None and os.pread(descriptor, len(UNKNOWN), place) != _without(descriptor, place):
        raise SessionError(f"{path}: damaged: it does not match its checksum")


def found(descriptor: int) -> str | None:
    """Return the checksum that a file carries, whether or not it matches; None if it was never sealed."""
    place = _place(descriptor)
    if place is None:
        return None
    stands = os.pread(descriptor, len(UNKNOWN), place).decode("ascii", "replace")
    return None if stands == UNKNOWN else stands


def text(data: bytes) -> str:
    """Return the checksum of bytes as it is written."""
    return f"{zlib.crc32(data):08x}"


def _place(descriptor: int) -> int | None:
    size = os.fstat(descriptor).st_size
    length = int.from_bytes(os.pread(descriptor, 4, max(size - _TAIL, 0)), "little")
    if not 0 < length <= min(size - _TAIL, _LONGEST_FOOTER):
        return None  # whoever reads it as Parquet says so
    begin = size - _TAIL - length
    found = os.pread(descriptor, length, begin).rfind(_BEFORE)
    return None if found < 0 else begin + found + len(_BEFORE)


def _without(descriptor: int, place: int) -> bytes:
    # The checksum of all bytes but the eight at a place.
    block = memoryview(bytearray(_BLOCK))
    found = at = 0
    while True:
        room = block[: place - at] if at < place else block
        n = os.preadv(descriptor, [room], at)
        if n == 0:
            return f"{found:08x}".encode()
        found = zlib.crc32(block[:n], found)
        at += n
        if at == place:
            at += len(UNKNOWN)
