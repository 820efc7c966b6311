"""Spool: what a recorder has read and no part of the session holds yet, as a raw log beside the parts.

A spool's first line is the parser's state where it begins, so that it can be read without the ones before; the rest is
as the kernel printed it. Spool N becomes part N.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sigtrace.errors import SessionError
from sigtrace.part import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20


class Spool:
    """A spool that is being written. Raises `SessionError` where the disk does not take it."""

    def __init__(self, folder: Path, number: int, state: dict[str, Any]) -> None:
        self.number = number
        self.size = 0
        self._path = folder / f"_spool-{number:05}.log"
        temporary = folder / f".{self._path.name}"
        try:
            self._file = temporary.open("wb", buffering=0)
            self._file.write(json.dumps(state).encode() + b"\n")
            os.fsync(self._file.fileno())
            temporary.replace(self._path)
            sync_folder(folder)
        except OSError as error:
            raise SessionError(_full(self._path, error)) from error

    def append(self, chunk: bytes) -> None:
        """Keep bytes; from here on they survive the death of this process."""
        try:
            while chunk:
                written = self._file.write(chunk)
                self.size += written
                chunk = chunk[written:]
        except OSError as error:
            raise SessionError(_full(self._path, error)) from error

    def sync(self) -> None:
        """Have what was appended survive a power cut as well."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Leave the spool where it is, for whoever opens the session next."""
        self._file.close()

    def remove(self) -> None:
        """Remove the spool: a part holds it now."""
        self._file.close()
        self._path.unlink()


def spools(folder: Path) -> list[tuple[int, Path]]:
    """Return the spools of a session by number: none where its recorder ended well."""
    return sorted((int(path.stem.removeprefix("_spool-")), path) for path in folder.glob("_spool-*.log"))


def read(path: Path) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Return a spool's state, and its bytes in blocks."""
    file = path.open("rb")
    state = json.loads(file.readline())

    def blocks() -> Iterator[bytes]:
        with file:
            while block := file.read(_BLOCK):
                yield block

    return state, blocks()


def _full(path: Path, error: OSError) -> str:
    return f"{path.parent}: {error.strerror}: recording ended; what was read is kept, and the next open finds it"
