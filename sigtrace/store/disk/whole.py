"""Whole: a file that is there whole or not at all, and that no link leads astray."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OF_OURS = re.compile(r"/proc/(self|thread-self|\d+(/task/\d+)?)/fd")
_LONGEST = 100  # bytes


class Whole:
    """A new file beside `path`, to be written at `beside`: `make` makes it, `keep` renames it to `path`.

    So a link at `path` is replaced, and what it leads to stays as it was. A device, a pipe and a descriptor such as
    /dev/stdout are written as they are. Raises `OSError` where neither can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._streams = streams(path)
        # The name may be as long as a folder takes.
        short = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
        self.beside = path if self._streams else path.with_name(f".{short}.{secrets.token_hex(8)}")

    def make(self) -> None:
        """Make the file, which nobody else has made before."""
        if not self._streams:
            os.close(os.open(self.beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))

    def keep(self) -> None:
        """Put the file in its place; after this it survives a power cut."""
        if self._streams:
            return
        with self.beside.open("rb") as file:
            os.fsync(file.fileno())
        self.beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self) -> None:
        """Leave nothing behind."""
        if not self._streams:
            self.beside.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises `OSError` where it cannot be written."""
    file = Whole(path)
    try:
        file.make()
        file.beside.write_bytes(content)
        file.keep()
    except BaseException:
        file.drop()
        raise


def streams(path: Path) -> bool:
    """Tell whether a path is a device, a pipe or a descriptor, which has to be written as it is.

    Raises `OSError` if nothing can be written there: to a folder, a disk or a socket.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISBLK(kind) or stat.S_ISSOCK(kind):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(path))
    # Of links, only to a descriptor: another may be somebody's who wants to see another file written.
    named = {path, path.parent / path.readlink()} if stat.S_ISLNK(kind) else {path}
    ours = any(_OF_OURS.fullmatch(os.path.realpath(one.parent)) for one in named)
    return ours or stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)
