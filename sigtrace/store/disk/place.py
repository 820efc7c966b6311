"""Place: a folder held open, in which files are made, renamed and removed, and nothing laid there is followed."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PRIVATE = 0o700
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Place:
    """The folder that `path` leads to now, wherever that leads later.

    If it is `private`, as a session's is, its files are as open as the folder itself, and root makes them as the
    folder's owner would: they are the owner's, and nothing is reached that the owner may not reach. Raises `OSError`.
    """

    def __init__(self, path: Path, *, private: bool, descriptor: int | None = None) -> None:
        self.descriptor = os.open(path, _FOLDER) if descriptor is None else descriptor
        about = os.fstat(self.descriptor)
        self.owner = (about.st_uid, about.st_gid)
        """The uid and gid of the folder."""
        self._mode = about.st_mode & 0o666 if private else 0o666
        self._another = private and os.geteuid() == 0 and about.st_uid != 0

    @classmethod
    def make(cls, path: Path, mode: int = _PRIVATE) -> Place:
        """Make a private folder, and what lacks of those above it; if sudo made us root, for the invoking user.

        `mode` may let a group read it: that of the folder above it, if that has its set-group-ID bit. Then it is nobody
        else's, for it is made in a folder of this user's.
        """
        missing = [path]
        while not os.path.lexists(missing[-1].parent):
            missing.append(missing[-1].parent)
        descriptor = os.open(missing[-1].parent, _FOLDER)
        owner = _rights().invoker() if mode == _PRIVATE else None
        for one in reversed(missing):
            try:
                made = _made(one.name, descriptor, owner, mode, above=one is not path)
            finally:
                os.close(descriptor)
            descriptor = made
        return cls(path, private=True, descriptor=descriptor)

    def create(self, name: str) -> int:
        """Make a file, in place of one that was left there, and return its descriptor."""
        with self.acting():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.descriptor)
            return os.open(name, _NEW, self._mode, dir_fd=self.descriptor)

    def open(self, name: str) -> int:
        """Open a file, and make it if it is not there; return its descriptor."""
        with self.acting():
            return os.open(name, _NEW & ~os.O_EXCL, self._mode, dir_fd=self.descriptor)

    def replace(self, name: str, new: str) -> None:
        """Give a file another name, in place of what has that; the name survives a power cut."""
        with self.acting():
            os.replace(name, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            os.fsync(self.descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self.acting(), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def leads_to(self, name: str, descriptor: int) -> bool:
        """Tell whether a name is still that of an open file."""
        try:
            with self.acting():
                found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(descriptor))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file."""
        with self.acting(), os.scandir(self.descriptor) as entries:
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}

    def is_removed(self) -> bool:
        """Tell whether somebody has removed the folder."""
        return os.fstat(self.descriptor).st_nlink == 0

    def remove(self, path: Path) -> None:
        """Remove all in it, and the folder itself, which is at `path`, as far as that goes."""
        with contextlib.suppress(OSError):
            for name in self.sizes():
                self.unlink(name)
        for who in (self.acting(), contextlib.nullcontext()):
            with who, contextlib.suppress(OSError):
                path.rmdir()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self.descriptor)

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Act as the folder's owner, if that is another than we are."""
        with _rights().acting_as(*self.owner) if self._another else contextlib.nullcontext():
            yield


def _rights() -> ModuleType:
    # Imported where it is needed: what parses a log is not kept waiting for it.
    from sigtrace.capture import rights

    return rights


def _made(name: str, parent: int, owner: tuple[int, int] | None, mode: int, *, above: bool) -> int:
    # Returns the new folder's descriptor. One above the session's may have been made by another recorder meanwhile.
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        if not above:
            raise
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    about = os.fstat(descriptor)
    # Who may write in the parent can have laid another folder there meanwhile: that is not ours to give away.
    open_to = stat.S_IMODE(about.st_mode) & ~mode & 0o777
    if about.st_uid != os.geteuid() or open_to or os.listdir(descriptor):  # noqa: PTH208
        os.close(descriptor)
        raise FileExistsError(name)
    if owner is not None:
        with contextlib.suppress(OSError):  # a filesystem that knows no owners
            os.fchown(descriptor, *owner)
    return descriptor
