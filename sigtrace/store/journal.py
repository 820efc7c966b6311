"""Journal: what a recorder has read and no part of the session holds yet, as a raw log beside the parts.

A journal's first line is the parser's state where it begins, so that it can be read without the ones before. The rest
is as the kernel printed it, and after that zeros, which are nothing: room for more. Journal N becomes part N. Its file
is called a spool, as in older recordings.
"""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from sigtrace.errors import SessionError
from sigtrace.store.trust import description, regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sigtrace.store.folder import Folder

_BLOCK = 1 << 20
_WINDOW = 1 << 22
_LEAST_ROOM = 1 << 21
_LONGEST_STATE = 1 << 26
_MADV_POPULATE_WRITE = 23  # Linux 5.14; mmap has no name for it
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class Journal:
    """A journal that is being written. Raises `SessionError` if the disk does not take it."""

    def __init__(self, folder: Folder, number: int, state: dict[str, Any]) -> None:
        self.number = number
        self.size = self._synced = 0
        self._folder = folder
        self.name = f"_spool-{number:05}.log"
        temporary = f".{self.name}"
        with _explained(folder.path), contextlib.ExitStack() as undo:
            self._file = open(folder.place.create(temporary), "w+b")  # noqa: PTH123, SIM115 -- a descriptor; remove()
            undo.callback(folder.place.unlink, temporary)
            undo.callback(self._file.close)
            self._begin = self._file.write(json.dumps(state).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            folder.place.replace(temporary, self.name)
            undo.pop_all()
        self._window: mmap.mmap | bytearray = bytearray()
        self._window_at = self._begin

    def room(self) -> memoryview:
        """Return the place of the bytes that `append` is given next, 2 MB at least.

        It is the file itself: what the kernel has copied there, a kill of this process leaves there.
        """
        if len(self._left()) < _LEAST_ROOM:
            with _explained(self._folder.path):
                self._move_window()
        return self._left()

    def append(self, chunk: bytes) -> None:
        """Keep bytes; from here on they survive the death of this process, as those do that stand in the room."""
        with _explained(self._folder.path):
            while chunk:
                written = os.pwrite(self._file.fileno(), chunk, self._begin + self.size)
                self.size += written
                chunk = chunk[written:]

    def sync(self) -> None:
        """Have what was appended survive a power cut as well. Raises `SessionError` if somebody has removed it."""
        with _explained(self._folder.path):
            if self._synced < self.size:
                os.fdatasync(self._file.fileno())
                self._synced = self.size
            removed = self._folder.place.is_removed()
            if removed or os.fstat(self._file.fileno()).st_nlink == 0:
                what = "was removed" if removed else f"{self.name} in it was removed"
                said = f"{what} while it was recorded: recording ended; record anew, what was in it is gone"
                raise SessionError(f"{self._folder.path}: {said}")

    def close(self) -> None:
        """Leave the journal where it is, for whoever opens the session next, with what stands in the room."""
        self.size += len(self._left().tobytes().rstrip(b"\0"))
        with contextlib.suppress(OSError):
            os.ftruncate(self._file.fileno(), self._begin + self.size)
        self._let_go()

    def remove(self) -> None:
        """Remove the journal: a part holds it now. What the disk does not remove, the next open does."""
        self._let_go()
        with contextlib.suppress(OSError):
            self._folder.place.unlink(self.name)

    def _let_go(self) -> None:
        self._window = bytearray()  # the mapping keeps the file, too
        self._file.close()

    def _left(self) -> memoryview:
        return memoryview(self._window)[self._begin + self.size - self._window_at :]

    def _move_window(self) -> None:
        end = self._begin + self.size
        self._window_at = end - end % mmap.ALLOCATIONGRANULARITY
        try:
            # Without blocks of its own, a page of a full disk would be a SIGBUS; not yet in memory, a kill would
            # interrupt the kernel's copy to it.
            os.posix_fallocate(self._file.fileno(), self._window_at, _WINDOW)
            self._window = mmap.mmap(self._file.fileno(), _WINDOW, offset=self._window_at)
            with contextlib.suppress(OSError):
                self._window.madvise(_MADV_POPULATE_WRITE)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._window = bytearray(_WINDOW)  # a filesystem without such mappings: `append` alone keeps


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
    """Give a journal's state, and its bytes in blocks.

    Raises `SessionError` where it is no journal, and `FileNotFoundError` where it is none any more.
    """
    with os.fdopen(regular.opened(path), "rb") as file:
        yield state(file, path), _blocks(file)


def state(file: BinaryIO, path: Path) -> dict[str, Any]:
    """Return the state in a journal's first line. Raises `SessionError` where there is none."""
    try:
        told = json.loads(file.readline(_LONGEST_STATE))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise SessionError(f"{path}: damaged: its first line is no object of JSON")
    return told


def parts(path: Path) -> list[int]:
    """Return the numbers of the parts that there were when a journal began. Raises as `opened` does."""
    with opened(path) as (begun, _):
        told = begun.get("parts")
    return told if isinstance(told, list) and description.is_parts(told) else []


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    zeros = 0
    while block := file.read(_BLOCK):
        read = block.rstrip(b"\0")
        if read:
            yield bytes(zeros) + read
            zeros = 0
        zeros += len(block) - len(read)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.strerror}: recording ended; what was read is kept, and the next open finds it"
        raise SessionError(f"{folder}: {what}") from error
