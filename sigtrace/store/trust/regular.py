"""Regular: a session's files are read only if they are files: a link may lead anywhere, and a pipe may never end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from sigtrace.errors import SessionError

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def opened(path: Path) -> int:
    """Open a file to read, and return its descriptor.

    Raises `SessionError` where it is no regular file or cannot be read, and `FileNotFoundError` where nothing is.
    """
    try:
        # Looked at before as well: some devices act when they are opened.
        _refuse(path, os.lstat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror}") from error
    try:
        _refuse(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def content(path: Path, most: int) -> bytes:
    """Return what a file holds. Raises as `opened` does, and `SessionError` where that is more than `most` bytes."""
    with os.fdopen(opened(path), "rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise SessionError(f"{path}: larger than the {most:,} bytes that it may have")
    return found


def own(folder: int) -> bool:
    """Tell whether a folder, open as a descriptor, and all in it are this user's, and nobody else may write there.

    In any other, a name may become a link to something else between one look and the next.
    """
    try:
        found = [os.stat(name, dir_fd=folder, follow_symlinks=False) for name in os.listdir(folder)]
        itself = os.fstat(folder)
    except OSError:
        return False
    return (
        not itself.st_mode & _OTHERS_WRITE
        and all(one.st_uid == os.geteuid() for one in (itself, *found))
        and all(stat.S_ISREG(one.st_mode) and one.st_nlink == 1 for one in found)
    )


def _refuse(path: Path, found: os.stat_result) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise SessionError(f"{path}: {_KINDS.get(kind, 'something else')} instead of a file, which is not read")
