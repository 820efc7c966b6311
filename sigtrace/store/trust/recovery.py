"""Recovery: what is in a journal and in no part becomes one, if the recorder is gone and the folder is the reader's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.capture import users
from sigtrace.capture.proc import host
from sigtrace.errors import SessionError
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.store import journal as journals
from sigtrace.store import part as parts
from sigtrace.store.part import Part
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.choosing.selection import Selection
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sigtrace.store.folder import Folder

NO_STATE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a parser raises that goes on from what is no state of a parser."""


def recover(folder: Folder) -> None:
    """Make parts of the journals of a session whose recorder is gone.

    Nothing is changed if somebody else could have put something into the folder, if a journal is damaged, or if there
    is no room: then the journals stay, and are read as they are.
    """
    if not (folder.journals() or folder.unfinished()) or not folder.take():
        return
    try:
        _recover(folder, folder.description())
    except (SessionError, FileNotFoundError):
        folder.release()
    except BaseException:
        folder.release()
        raise
    else:
        folder.end()


def _recover(folder: Folder, about: dict[str, Any]) -> None:
    waiting = folder.journals()
    if not waiting:
        folder.sweep()
        return
    told = set(about.get("parts", ()))
    for number in folder.parts():
        if (found := _trusted(folder, number, about)) is not None:
            told.update([number, *found.get("parts", ())])
    for path in waiting.values():
        told.update(journals.parts(path))
    for number, path in waiting.items():
        if number not in told or _trusted(folder, number, about) is None:
            told.add(number)
            read = _part_of(folder, number, path, about, sorted(told), last=number == max(waiting))
            about = {**about, **account(about, read), "recovered": datetime.now(UTC).isoformat(timespec="microseconds")}
    if "parts" in about:
        about = {**about, "parts": sorted(told)}
    folder.describe(about)
    for path in waiting.values():
        path.unlink()
    folder.sweep()


def _trusted(folder: Folder, number: int, about: dict[str, Any]) -> dict[str, Any] | None:
    from sigtrace.store.trust.contents import trusted

    try:
        return trusted(folder, number, about)
    except (SessionError, FileNotFoundError):
        return None


def _part_of(
    folder: Folder, number: int, journal: Path, about: dict[str, Any], told: list[int], *, last: bool
) -> dict[str, Any]:
    reading = parser(about)
    part = Part(folder.part(number), place=folder.place)
    try:
        for batch in rows(about, reading, journal, last=last):
            part.write(batch)
        read = reading.accounting.to_dict()
        part.close({**read, **parts.place(about, number, told)})
    except BaseException:
        part.abandon()
        raise
    return read


def account(about: dict[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    """Return the account of a session, of which a part says what was `read` of the log up to its end."""
    found = Accounting.from_dict({**Accounting().to_dict(), **read})
    # A segment goes on where another ended.
    return (found.since(Accounting.from_dict(about["before"])) if "before" in about else found).to_dict()


def parser(about: dict[str, Any]) -> Parser:
    """Return a parser for the journals of a session that says `about` of itself."""
    # Another host gives its users' numbers other names.
    user_of = users.name if about.get("host") == host() else None
    return Parser(about.get("log"), utc_offset_us=about.get("utc_offset_us"), user_of=user_of)


def rows(about: dict[str, Any], reading: Parser, path: Path, *, last: bool) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a journal; after the `last` one come the halves that are pending.

    Raises `SessionError` if it is damaged, and `FileNotFoundError` if it is no more.
    """
    with journals.opened(path) as (state, blocks):
        if state.get("log", about.get("log")) != about.get("log"):
            raise SessionError(f"{path}: it is of another recording")
        try:
            reading.resume(state)
            batches = _batches(reading, blocks, last=last)
            yield from batches if "chosen" not in about else _selected(batches, about["chosen"], state)
        except NO_STATE as error:
            # What the scanner goes on from is whatever stood there.
            raise SessionError(f"{path}: damaged: its first line is no state of a parser") from error


def _batches(reading: Parser, blocks: Iterable[bytes], *, last: bool) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        yield from reading.feed(block)
    if last:
        yield from reading.finish()
    elif (batch := reading.take()) is not None:
        yield batch


def _selected(
    batches: Iterable[pa.RecordBatch], chosen: dict[str, Any], state: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    selection = Selection.of(chosen)
    selection.resume(state["selection"])
    for batch in batches:
        yield from selection.kept(batch)


def plain(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return batches as a table."""
    return pa.Table.from_batches(batches, schema=SCHEMA).cast(PLAIN)
