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
_TEXT = b"\x18"
_LONGEST_NUMBER = 5
_BEFORE = KEY.encode() + _TEXT + b"\x08"
_BLOCK = 1 << 20
_LONGEST_FOOTER = 1 << 28
_TAIL = 8  # the length of the footer, and PAR1


def seal(path: Path, descriptor: int) -> None:
    """Write a file's checksum into it, where `UNKNOWN` stands."""
    place = _place(descriptor)
    if place is None:
        raise SessionError(f"{path}: this pyarrow leaves no place for a checksum: install another version")
    os.pwrite(descriptor, _without(descriptor, place), place)


def verify(path: Path, file: int | bytes) -> None:
    """Raise `SessionError` if a file, open as a descriptor or as its bytes, is not as it was when it was sealed.

    One that never was may hold anything.
    """
    place = _place(file)
    if place is not None and _read(file, len(UNKNOWN), place) != _without(file, place):
        raise SessionError(f"{path}: damaged: it does not match its checksum")


def found(file: int | bytes) -> str | None:
    """Return the checksum that a file carries, whether or not it matches; None if it was never sealed."""
    place = _place(file)
    if place is None:
        return None
    stands = _read(file, len(UNKNOWN), place).decode("ascii", "replace")
    return None if stands == UNKNOWN else stands


def stored(file: int | bytes, key: str) -> bytes | None:
    """Return the text that stands under a key of a Parquet file's metadata; of the rest of the file, nothing is read.

    A reader of Parquet takes a millisecond for the footer, which a fleet has hundreds of. None if there is no such key.
    """
    _, footer = _footer(file)
    at = footer.rfind(key.encode() + _TEXT)
    if at < 0:
        return None
    at += len(key.encode() + _TEXT)
    length = shift = 0
    for byte in footer[at : at + _LONGEST_NUMBER]:  # seven bits in each, the least first, and a bit that more follow
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return footer[at : at + length]
    return None


def text(data: bytes) -> str:
    """Return the checksum of bytes as it is written."""
    return f"{zlib.crc32(data):08x}"


def _place(file: int | bytes) -> int | None:
    begin, footer = _footer(file)
    found = footer.rfind(_BEFORE)
    return None if found < 0 else begin + found + len(_BEFORE)


def _footer(file: int | bytes) -> tuple[int, bytes]:
    size = len(file) if isinstance(file, bytes) else os.fstat(file).st_size
    length = int.from_bytes(_read(file, 4, max(size - _TAIL, 0)), "little")
    if not 0 < length <= min(size - _TAIL, _LONGEST_FOOTER):
        return -1, b""  # whoever reads it as Parquet says so
    begin = size - _TAIL - length
    return begin, _read(file, length, begin)


def _read(file: int | bytes, n: int, at: int) -> bytes:
    return file[at : at + n] if isinstance(file, bytes) else os.pread(file, n, at)


def _without(file: int | bytes, place: int) -> bytes:
    # The checksum of all bytes but the eight at a place.
    if isinstance(file, bytes):
        data = memoryview(file)
        return f"{zlib.crc32(data[place + len(UNKNOWN) :], zlib.crc32(data[:place])):08x}".encode()
    block = memoryview(bytearray(_BLOCK))
    found = at = 0
    while True:
        room = block[: place - at] if at < place else block
        n = os.preadv(file, [room], at)
        if n == 0:
            return f"{found:08x}".encode()
        found = zlib.crc32(block[:n], found)
        at += n
        if at == place:
            at += len(UNKNOWN)
