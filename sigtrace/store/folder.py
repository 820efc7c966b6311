"""Folder: a recorded session on disk, `NAME.parquet/` of parts, which says of itself what it is.

Names that begin with `_` or `.` are passed over by every reader of Parquet folders: `_session.json` describes the
session, `_lock` is held by its recorder, and journals hold what is in no part yet.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sigtrace.errors import SessionError
from sigtrace.store.disk.place import Place

if TYPE_CHECKING:
    from datetime import datetime

_DESCRIPTION = "_session.json"
_LOCK = "_lock"
# Anything else could be another folder, or be read as an escape; and readers pass over names that begin with . or _
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
    """A session's folder, held by this process from `make` or `hold` until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._place: Place | None = None

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make a new folder and hold it. Raises `SessionError` where it is there already, or cannot be made."""
        try:
            place = Place.make(path)
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
        return True

    def release(self) -> None:
        """Let others hold it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._place is not None:
            self._place.close()
            self._place = None

    @property
    def place(self) -> Place:
        """The folder, held open: there its files are made. Raises `OSError`."""
        if self._place is None:
            self._place = Place(self.path, private=True)
        return self._place

    def part(self, number: int) -> Path:
        """Return the path of a part."""
        return self.path / f"part-{number:05}.parquet"

    def parts(self) -> list[int]:
        """Return the numbers of the parts that are whole, in their order."""
        return sorted(int(path.stem.removeprefix("part-")) for path in self.path.glob("part-*.parquet"))

    def described(self) -> bool:
        """Tell whether the folder is a session."""
        return (self.path / _DESCRIPTION).is_file()

    def waiting(self) -> bool:
        """Tell whether rows are in no part yet: its recorder goes on, or was killed."""
        return any(self.path.glob("_spool-*.log"))

    def describe(self, description: dict[str, Any]) -> None:
        """Write what the session says of itself, whole or not at all. Raises `SessionError` where it cannot."""
        try:
            with open(self.place.create(f".{_DESCRIPTION}"), "w") as file:  # noqa: PTH123 -- a descriptor
                json.dump(description, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            self.place.replace(f".{_DESCRIPTION}", _DESCRIPTION)
        except OSError as error:
            raise SessionError(f"{self.path}: {error.strerror}: give a path in a folder that can be written") from error

    def description(self) -> dict[str, Any]:
        """Return what the session says of itself. Raises `SessionError` where the folder is no session."""
        try:
            described: dict[str, Any] = json.loads((self.path / _DESCRIPTION).read_bytes())
        except (OSError, ValueError) as error:
            raise SessionError(f"{self.path}: no session of sigtrace: `sigtrace record -o` makes one") from error
        return described

    def size(self) -> int:
        """Return the bytes of its parts, the one that is being written with them."""
        return sum(size for name, size in self.place.sizes().items() if "part-" in name)

    def sweep(self) -> None:
        """Remove what a killed recorder did not finish. For who holds the folder."""
        for unfinished in (*self.path.glob(".part-*"), *self.path.glob("._*")):
            unfinished.unlink()

    def remove(self) -> None:
        """Remove the folder, and release it."""
        self.place.remove(self.path)
        self.release()
