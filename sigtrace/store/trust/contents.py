"""Contents: what a recording's folder holds: what can be read, and what was left out because it is damaged."""

from __future__ import annotations

import os
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.errors import SessionError
from sigtrace.facts.schema import PLAIN
from sigtrace.store import journal as journals
from sigtrace.store import part as parts
from sigtrace.store.trust import recovery
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace.store.folder import Folder

_BEFORE_ALL = -1


class Contents:
    """What a folder holds, part by part in the order of their lines; nothing in it is changed.

    `about` is what the session says of itself, with the account of its lines, and under `damaged`, if there is any,
    what was left out: of each `file` the `why`, and the line after which rows are missing as `after_line`, or None if
    they are not missing. `files` are the parts that can be read. Raises `SessionError` if the folder is no session.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._described = folder.description()
        self._account: dict[str, Any] = {}
        self._lines: dict[int, int] = {}
        self._expected = set(self._described.get("parts", ()))
        self._damaged: list[dict[str, Any]] = []
        self.files: list[Path] = []

    @property
    def about(self) -> dict[str, Any]:
        """What the session says of itself."""
        account = {} if "lines" in self._described else recovery.account(self._described, self._account)
        told = {key: value for key, value in self._described.items() if key != "damaged"}
        damaged = {"damaged": self._damaged} if self._damaged else {}
        return {**told, **account, **damaged}

    def look(self) -> None:
        """Look at all parts."""
        for number in sorted({*self._folder.parts(), *self._expected}):
            self._look_at(number, None)
        self._end()

    def table(self) -> pa.Table:
        """Return the rows of all parts, and of journals that are in no part yet."""
        tables = [parts.read(piece) if isinstance(piece, Path) else recovery.plain(piece) for piece in self.pieces()]
        return pa.concat_tables(tables or [PLAIN.empty_table()])

    def pieces(self) -> Iterator[Path | list[pa.RecordBatch]]:
        """Yield all parts, and the rows of journals that are in no part yet, in their order."""
        # Where a recorder goes on, a journal becomes a part between one look and the next: the journals first.
        waiting = self._folder.journals()
        for number in sorted({*waiting, *self._folder.parts(), *self._expected}):
            if self._look_at(number, waiting.get(number)):
                yield self._folder.part(number)
            elif number in waiting and (rows := self._of_journal(number, waiting[number])) is not None:
                yield rows
        self._end()

    def _look_at(self, number: int, journal: Path | None) -> bool:
        # Whether there is a part that can be read. What a journal tells as well is not missing.
        path = self._folder.part(number)
        if journal is not None and not os.path.lexists(path):
            return False
        try:
            self._take(number, trusted(self._folder, number, self._described))
        except FileNotFoundError:
            self._leave_out(path.name, "it is not there", self._line_before(number))
        except SessionError as error:
            if journal is None:
                self._leave_out(path.name, str(error).removeprefix(f"{path}: "), self._line_before(number))
        else:
            self.files.append(path)
            return True
        return False

    def _of_journal(self, number: int, path: Path) -> Path | list[pa.RecordBatch] | None:
        parser = recovery.parser(self._described)
        try:
            batches = list(recovery.rows(self._described, parser, path, last=False))
            self._expected.update(journals.parts(path))
        except FileNotFoundError:
            # None of a journal without rows, which becomes no part.
            there = os.path.lexists(self._folder.part(number))
            return self._folder.part(number) if there and self._look_at(number, None) else None
        except SessionError as error:
            self._leave_out(path.name, str(error).removeprefix(f"{path}: "), self._line_before(number))
            return None
        self._take(number, parser.accounting.to_dict())
        return batches

    def _take(self, number: int, found: dict[str, Any]) -> None:
        self._account = Accounting.from_dict(found).to_dict()
        self._lines[number] = found["lines"]
        self._expected.update(found.get("parts", ()))

    def _leave_out(self, name: str, why: str, after_line: int | None) -> None:
        self._damaged.append({"file": self._named(name), "why": why, "after_line": after_line})

    def _line_before(self, number: int) -> int:
        # They are taken in the order of their numbers.
        before = bisect_left(list(self._lines), number)
        first = self._described["before"]["lines"] if "before" in self._described else _BEFORE_ALL
        return list(self._lines.values())[before - 1] if before else first

    def _named(self, name: str) -> str:
        return os.fspath(self._folder.path / name)

    def _end(self) -> None:
        # A part names all that came before it, and so does a journal.
        left_out = {one["file"] for one in self._damaged}
        for number in sorted(self._expected - self._lines.keys()):
            if self._named(name := self._folder.part(number).name) not in left_out:
                self._leave_out(name, "it is not there", self._line_before(number))
        for name in self._folder.strays():
            self._leave_out(name, "no recorder gives such a name", None)


def trusted(folder: Folder, number: int, about: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a part of a session that says `about` of itself.

    Raises `SessionError` if it is damaged or in a wrong place, and `FileNotFoundError` if there is none.
    """
    path = folder.part(number)
    found = parts.trusted(path)
    # Older recordings have parts that do not say whose they are.
    if "parts" in about and (found.get("log"), found.get("part")) != (about.get("log"), number):
        raise SessionError(f"{path}: it is of another recording, or of another place in this one")
    return found
