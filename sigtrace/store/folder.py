"""Folder: a recorded session on disk, `NAME.parquet/` of parts, which says of itself what it is.

`_session.parquet` describes the session; it has no rows, because polars passes over no name. Once the recorder has
ended, nothing but Parquet is in the folder. Until then `_lock` is held by the recorder, and journals hold what is in no
part yet: most readers pass over names that begin with `_` or `.`.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sigtrace.errors import SessionError
from sigtrace.store.disk.place import Place
from sigtrace.store.trust import description as descriptions
from sigtrace.store.trust import regular

if TYPE_CHECKING:
    from datetime import datetime

DESCRIPTION = "_session.parquet"
"""The file in which a session says what it is."""

OLDER_DESCRIPTION = "_session.json"
"""The file in which an older one does, as text: its parts may have other columns than a Parquet file of ours."""

_LOCK = "_lock"
# Anything else could be another folder, or be read as an escape; and readers pass over names that begin with . or _
_LONGEST_DESCRIPTION = 1 << 26
_PART = re.compile(r"part-(\d{5,15})\.parquet", re.ASCII)
_JOURNAL = re.compile(r"_spool-(\d{5,15})\.log", re.ASCII)
_OURS = ("part-", "_spool-")
_NO_PART_OF_A_PATH = re.compile(r"^[._]|[^A-Za-z0-9._-]")


def placed(path: Path, host: str, began: datetime) -> Path:
    """Return the path with its placeholders filled: `{host}`, and of `began` `{date}` and `{time}`.

    The date is as in 2026-11-22, the time as in 152037. A character of the host's name that is not safe in a path
    becomes `-`. Raises `SessionError` where braces hold anything else.
    """
    filled = os.fspath(path)
    known = {
        "{host}": _NO_PART_OF_A_PATH.sub("-", host) or "-",
        "{date}": f"{began:%Y-%m-%d}",
        "{time}": f"{began:%H%M%S}",
    }
    for placeholder, value in known.items():
        filled = filled.replace(placeholder, value)
    if "{" in filled or "}" in filled:
        raise SessionError(f"{path}: braces are for placeholders, and these are {', '.join(known)}")
    return Path(filled)


class Folder:
    """A session's folder, held by this process from `make`, `hold` or `take` until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = path
        self._lock: int | None = None
        self._place: Place | None = None

    @classmethod
    def make(cls, path: Path, mode: int = 0o700) -> Self:
        """Make a new folder and hold it. Raises `SessionError` where it is there already, or cannot be made."""
        try:
            place = Place.make(path, mode)
        except FileExistsError:
            raise SessionError(f"{path}: is there already: give another name with -o, or remove it") from None
        except OSError as error:
            raise SessionError(f"{path}: {error.strerror}: give a path in a folder that can be written") from error
        folder = cls(path)
        folder._place = place
        folder.hold()
        return folder

    def hold(self) -> bool:
        """Hold the folder; False where a recorder still does, or where it cannot be written."""
        try:
            self._lock = self.place.open(_LOCK)
        except OSError:
            self.release()
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        if not self.place.leads_to(_LOCK, self._lock):  # who held it has ended meanwhile
            self.release()
            return False
        return True

    def take(self) -> bool:
        """Hold the folder as `hold` does, but only if nobody except this user can have put anything into it.

        What is read and written from then on is in the folder that was looked at, wherever its path leads meanwhile.
        """
        try:
            itself = self.place.descriptor
        except OSError:
            return False
        self._at = Path(f"/proc/self/fd/{itself}")
        if self._at.is_dir() and regular.own(itself) and self.hold():  # /proc is not everywhere
            return True
        self.release()
        return False

    def end(self) -> None:
        """Let go of a folder in which nothing is left to do."""
        with suppress(OSError):
            self.place.unlink(_LOCK)
        self.release()

    def release(self) -> None:
        """Let others hold it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._place is not None:
            self._place.close()
            self._place = None
        self._at = self.path

    @property
    def place(self) -> Place:
        """The folder, held open: there its files are made. Raises `OSError`."""
        if self._place is None:
            self._place = Place(self.path, private=True)
        return self._place

    def part(self, number: int) -> Path:
        """Return the path of a part."""
        return self._at / f"part-{number:05}.parquet"

    def parts(self) -> list[int]:
        """Return the numbers of the parts that are whole, in their order."""
        return sorted(int(found[1]) for name in self._names() if (found := _PART.fullmatch(name)))

    def journals(self) -> dict[int, Path]:
        """Return the journals by number, in its order: none where its recorder ended well."""
        found = (found for name in sorted(self._names()) if (found := _JOURNAL.fullmatch(name)))
        return {int(one[1]): self._at / one[0] for one in found}

    def strays(self) -> list[str]:
        """Return the names that no recorder gives, and that look as if one had."""
        return sorted(
            name
            for name in self._names()
            if name.startswith(_OURS) and not _PART.fullmatch(name) and not _JOURNAL.fullmatch(name)
        )

    def described(self) -> bool:
        """Tell whether the folder is a session."""
        return any(os.path.lexists(self.path / name) for name in (DESCRIPTION, OLDER_DESCRIPTION))

    def describe(self, description: dict[str, Any]) -> None:
        """Write what the session says of itself, whole or not at all. Raises `SessionError` where it cannot."""
        try:
            name = self._description.name
            with open(self.place.create(f".{name}"), "wb") as file:  # noqa: PTH123 -- a descriptor
                sealed = descriptions.sealed(description)
                file.write(sealed.encode() if name == OLDER_DESCRIPTION else descriptions.parquet(sealed))
                file.flush()
                os.fsync(file.fileno())
            self.place.replace(f".{name}", name)
        except OSError as error:
            raise SessionError(f"{self.path}: {error.strerror}: give a path in a folder that can be written") from error

    def description(self) -> dict[str, Any]:
        """Return what the session says of itself. Raises `SessionError` where the folder is no session."""
        path = self._description
        try:
            data = regular.content(path, _LONGEST_DESCRIPTION)
        except FileNotFoundError as error:
            raise SessionError(f"{self.path}: no session of sigtrace: `sigtrace record -o` makes one") from error
        return descriptions.read(path, data)

    def size(self) -> int:
        """Return the bytes of its parts, the one that is being written with them."""
        return sum(size for name, size in self.place.sizes().items() if "part-" in name)

    def unfinished(self) -> list[Path]:
        """Return what a recorder has begun, and given no name yet: it goes on, or was killed."""
        return [self._at / name for name in self._names() if name.startswith((".part-", "._"))]

    def sweep(self) -> None:
        """Remove what is unfinished. For who holds the folder."""
        for path in self.unfinished():
            path.unlink()

    def remove(self) -> None:
        """Remove the folder, and release it."""
        self.place.remove(self.path)
        self.release()

    def lost_its_description(self) -> bool:
        """Tell whether it holds parts as a recording does, and nothing that says of which."""
        return bool(self.parts()) and not self.described()

    @property
    def _description(self) -> Path:
        older = self.path / OLDER_DESCRIPTION
        newer = self.path / DESCRIPTION
        return older if os.path.lexists(older) and not os.path.lexists(newer) else newer

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in os.scandir(self._at)]
        except OSError as error:
            raise SessionError(f"{self.path}: {error.strerror}") from error
