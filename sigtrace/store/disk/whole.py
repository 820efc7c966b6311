"""Whole: a file that is there whole or not at all, and that no link leads astray."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from sigtrace.errors import Error
from sigtrace.store.disk.place import Place

if TYPE_CHECKING:
    from pathlib import Path

_OF_OURS = re.compile(r"/proc/(self|thread-self|\d+(/task/\d+)?)/fd")
_LONGEST = 100  # bytes


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; after this it survives a power cut.

    A link at `path` is replaced, and what it leads to stays as it was. A device, a pipe and a descriptor such as
    /dev/stdout are written as they are. Raises `Error` where neither can be.
    """
    try:
        _write(path, content)
    except OSError as error:
        raise Error(f"{path}: {error.strerror}: give a path in a folder that can be written") from error


def _write(path: Path, content: bytes) -> None:
    if streams(path):
        path.write_bytes(content)
        return
    # The name may be as long as a folder takes.
    short = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    beside = f".{short}.{secrets.token_hex(8)}"
    with closing(Place(path.parent, private=False)) as place:
        try:
            with open(place.create(beside), "wb") as file:  # noqa: PTH123 -- a descriptor
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            place.replace(beside, path.name)
        except BaseException:
            place.unlink(beside)
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
