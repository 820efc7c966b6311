"""Shelf: the sessions that a path stands for: a recording, a Parquet file, a raw log, a folder of these, or a glob."""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.errors import SessionError
from sigtrace.facts.schema import PLAIN
from sigtrace.store.conversion import convert
from sigtrace.store.flight import ledger
from sigtrace.store.folder import DESCRIPTION, OLDER_DESCRIPTION, Folder
from sigtrace.store.part import Part, n_rows, trusted
from sigtrace.store.part import read as read_part
from sigtrace.store.session import Session, is_parquet
from sigtrace.store.trust.contents import Contents
from sigtrace.store.trust.recovery import recover
from sigtrace.trace.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.store.flight.ledger import Ledger

_DESCRIPTIONS = frozenset((DESCRIPTION, OLDER_DESCRIPTION))


@dataclass
class Found:
    """A session as files of Parquet, or as rows where they are in no file; and what it says of itself.

    If there are `ledgers`, those of its segments, these ones' files were not looked at: see `looked_at`. `behind` are
    the files of the segments after the last that has one.
    """

    path: str
    about: dict[str, Any]
    files: list[str] = field(default_factory=list)
    rows: pa.Table | None = None
    ledgers: list[Ledger] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    def table(self) -> pa.Table:
        """Return all its rows."""
        return pa.concat_tables(read_part(Path(file)) for file in self.files) if self.rows is None else self.rows

    def n_rows(self) -> int:
        """Return how many rows it has."""
        return sum(n_rows(Path(file)) for file in self.files) if self.rows is None else len(self.rows)

    @property
    def logs(self) -> list[str | None]:
        """The names that its rows have for their log."""
        return self.about.get("logs") or [self.about.get("log")]


@dataclass(frozen=True)
class Damaged:
    """A session of which nothing can be read, and the error that says why."""

    path: str
    error: SessionError

    def told(self) -> dict[str, Any]:
        """Return which `file` cannot be read and `why`, as `Contents` tells it of a part."""
        text = str(self.error)
        abouts = (os.path.join(self.path, name) for name in (DESCRIPTION, OLDER_DESCRIPTION))  # noqa: PTH118  (as the error has it)
        file = next((about for about in abouts if text.startswith(about)), self.path)
        return {"file": file, "why": text.removeprefix(f"{file}: "), "after_line": None}


def find(
    source: str | os.PathLike[str] | Session, scratch: Path, since: datetime | None = None
) -> Iterator[Found | Damaged]:
    """Yield the sessions that a source stands for; a raw log is parsed into a file in the folder `scratch`.

    Recordings that ended before `since` are left out, but for the last one. Of those that have a ledger, the files are
    not looked at: `looked_at` does. Raises `SessionError` where there is none,
    and `LogError` where a log cannot be read.
    """
    if isinstance(source, Session):
        yield Found(source.name, source.about, rows=source.table)
        return
    for path in _later(list(_paths(os.fspath(source))), since):
        if isinstance(path, Damaged):
            yield path
        elif path == "-" or not Path(path).is_dir():
            yield _file(path, scratch)
        else:
            found = _booked(Path(path)) or _recording(Path(path), scratch)
            if not isinstance(found, Damaged) or os.path.lexists(path):  # else it has expired since it was found
                yield found


def looked_at(one: Found, scratch: Path) -> Found | Damaged:
    """Return a session of one segment after a look at its files; it keeps its ledger if nothing in it is damaged."""
    found = _recording(Path(one.path), scratch)
    same = not isinstance(found, Damaged) and (found.about, found.files) == (one.about, one.files)
    return replace(found, ledgers=one.ledgers) if same and isinstance(found, Found) else found


def _later(paths: list[str | Damaged], since: datetime | None) -> list[str | Damaged]:
    if since is None:
        return paths
    ends = [None if isinstance(path, Damaged) else _end(Path(path)) for path in paths]
    last = max((end for end in ends if end is not None), default=None)
    return [path for path, end in zip(paths, ends, strict=True) if end is None or end >= since or end == last]


def _end(path: Path) -> datetime | None:
    # None if it is not known, and so is none that ended before.
    if not path.is_dir():
        return None
    with suppress(SessionError):
        ended = Folder(path).description().get("ended")
        return None if ended is None else datetime.fromisoformat(ended)
    return None


def _paths(source: str) -> Iterator[str | Damaged]:
    if source == "-" or Path(source).is_file():
        yield source
    elif Path(source).is_dir():
        yield from _sessions_in(Path(source))
    elif glob.has_magic(source):
        # A part of a recording stands for all of it.
        found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        matches = dict.fromkeys(_of_its_session(one) for one in found if ledger.FOLDERS.isdisjoint(Path(one).parts))
        if not matches:
            raise SessionError(
                f"{source}: nothing is there: give a recording, a Parquet file, a log, or a folder of them"
            )
        for match in matches:
            yield from _paths(match)
    else:
        yield source  # whoever opens it says what is wrong with it


def _of_its_session(path: str) -> str:
    parent = Path(path).parent
    return os.fspath(parent) if Folder(parent).described() else path


def _sessions_in(folder: Path) -> Iterator[str | Damaged]:
    if Folder(folder).described():
        yield os.fspath(folder)
        return
    found = 0
    closed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=closed.append):
        if not _DESCRIPTIONS.isdisjoint(files):
            folders.clear()
            files = []  # noqa: PLW2901  (its parts are not sessions of their own)
            found += 1
            yield place
        elif Folder(Path(place)).lost_its_description():
            files = []  # noqa: PLW2901
            found += 1
            yield _damaged(place, f"parts of a recording without its {DESCRIPTION}: copy that as well")
        # What has expired, and what is no session.
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ledger.FOLDERS)
        for name in sorted(files):
            if name.endswith(".parquet") and not name.startswith((".", "_")):
                found += 1
                path = os.path.join(place, name)  # noqa: PTH118  (as os.walk gives it)
                yield path if Path(path).is_file() else _damaged(path, "no file, so nothing is read from it")
    for error in closed:
        found += 1
        yield _damaged(error.filename, f"{error.strerror}: what is in it is unknown")
    if not found:
        raise SessionError(
            f"{folder}: no session of sigtrace in it: `sigtrace record -o` and `sigtrace parse -o` make them"
        )


def _damaged(path: str, why: str) -> Damaged:
    return Damaged(path, SessionError(f"{path}: {why}"))


def _booked(path: Path) -> Found | None:
    folder = Folder(path)
    place = ledger.place(path)
    if place is None or not os.path.lexists(place):
        return None
    try:
        about = folder.description()
    except SessionError:
        return None
    found = ledger.of(folder, about)
    if found is None:
        return None
    files = [os.fspath(folder.part(number)) for number, _, _ in found.seals]
    return Found(os.fspath(path), about, files, ledgers=[found]) if files else None


def _recording(path: Path, scratch: Path) -> Found | Damaged:
    try:
        return _readable(path, scratch)
    except SessionError as error:
        return Damaged(os.fspath(path), error)


def _readable(path: Path, scratch: Path) -> Found:
    folder = Folder(path)
    recover(folder)
    contents = Contents(folder)
    if folder.journals():  # its recorder goes on, or the folder is another's
        files = [piece if isinstance(piece, Path) else _written(piece, scratch) for piece in contents.pieces()]
    else:
        contents.look()
        files = contents.files
    rows = None if files else PLAIN.empty_table()  # its recorder was killed before it had read anything
    return Found(os.fspath(path), contents.about, [os.fspath(file) for file in files], rows)


def _written(rows: list[pa.RecordBatch], scratch: Path) -> Path:
    part = Part(_new_file(scratch), kept=False)
    for batch in rows:
        part.write(batch)
    part.close({})
    return part.path


def _new_file(scratch: Path) -> Path:
    return scratch / f"{len(list(scratch.iterdir()))}.parquet"


def _file(path: str, scratch: Path) -> Found | Damaged:
    if path != "-" and is_parquet(Path(path)):
        try:
            return Found(path, trusted(Path(path).resolve()), [path])
        except SessionError as error:
            return Damaged(path, error)
    file = _new_file(scratch)
    accounting = convert([Log(path)], file)
    return Found(path, {**accounting.to_dict(), "logs": [Log(path).name]}, [os.fspath(file)])
