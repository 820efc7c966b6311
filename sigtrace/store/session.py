"""Session: rows in Parquet with their account beside them, written whole or not at all, and opened again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from sigtrace.capture import users
from sigtrace.errors import SessionError
from sigtrace.facts.events import CALLS, EVENTS
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.store.folder import Folder
from sigtrace.store.journal import journals
from sigtrace.store.journal import read as read_journal
from sigtrace.store.part import Part
from sigtrace.store.part import read as read_part
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.log import PARQUET, Log
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from sigtrace.store.disk.place import Place
    from sigtrace.trace.log import Source

_KERNEL_EVENTS = [event.name for event in EVENTS if event.row_group != CALLS]


@dataclass(frozen=True)
class Session:
    """The rows of a recording, of a Parquet file or of a log, with the account of the lines that they came from.

    `table` is a pyarrow table with the columns of `sigtrace.facts.schema.PLAIN`; pandas, polars, DuckDB and narwhals
    take it as it is, and the session itself wherever they take Arrow streams. `about` is what a recording says of
    itself: host, kernel, clock, events, when it began and ended; of anything else, only the account.
    """

    name: str
    table: pa.Table
    accounting: Accounting
    about: dict[str, Any]
    drawn: ClassVar[Callable[[Session], str] | None] = None
    """What draws a session in a notebook: `sigtrace.output.notebook` sets it."""

    def __len__(self) -> int:
        return self.table.num_rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<Session {self.name!r}: {len(self):,} rows of {self.accounting.lines:,} lines>"

    def _repr_html_(self) -> str | None:
        return None if Session.drawn is None else Session.drawn(self)

    @property
    def lost_by_kernel_count(self) -> int:
        """Events that the kernel counted as lost, by its own counters, at the end of the recording."""
        return sum(self.about.get("lost_by_kernel_count", {}).values())

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame of Arrow-backed columns, so that a null stays a null."""
        import pandas as pd

        return self.table.to_pandas(types_mapper=pd.ArrowDtype)


def read(source: Source) -> Session:
    """Read a recording, a Parquet file that sigtrace wrote, or a raw log, into a session.

    `source` is a path (`-` is standard input), bytes or a binary stream. A recording whose recorder was killed is
    recovered; one that goes on is read up to now. Raises `LogError` for a log without an answer in it, and
    `SessionError` for a folder or Parquet file that is not sigtrace's.
    """
    if isinstance(source, (str, os.PathLike)) and source != "-":
        path = Path(source)
        if path.is_dir():
            return _read_folder(Folder(path))
        if is_parquet(path):
            table, about = read_part(path)
            return Session(os.fspath(path), _in_order(table, about), Accounting.from_dict(about), about)
    log = Log(source)
    table = _plain(log)
    return Session(log.name or "log", table, log.accounting, log.accounting.to_dict())


def is_parquet(path: Path) -> bool:
    """Tell whether a file can be read, and is Parquet by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET
    except OSError:
        return False  # Log says what is wrong with it


def _plain(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema=SCHEMA).cast(PLAIN)


def _read_folder(folder: Folder) -> Session:
    about = folder.description()
    if folder.hold():
        try:
            about = _recovered(folder, about)
        except SessionError:
            pass  # no room for a part: the journals stay, and are read as they are
        finally:
            folder.release()
    # Where a recorder goes on, a journal becomes a part between one look and the next: the journals first.
    waiting = dict(journals(folder.path))
    tables = []
    account = Accounting().to_dict()
    for number in sorted({*waiting, *folder.parts()}):
        found = _rows(folder.part(number), waiting.get(number), _parser(about))
        if found is not None:
            tables.append(found[0])
            account = found[1]
    about = {**about, **account}
    table = pa.concat_tables(tables or [PLAIN.empty_table()])
    return Session(os.fspath(folder.path), _in_order(table, about), Accounting.from_dict(about), about)


def _in_order(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    # A part has its rows by event (sigtrace.row_groups).
    import pyarrow.compute as pc

    if not pc.any(pc.is_in(table["event"], pa.array(_KERNEL_EVENTS))).as_py():
        return table
    which = pc.index_in(table["log"], pa.array(about.get("logs") or [], pa.string()))
    order = pa.Table.from_arrays([which, table["line"], table["ts"]], ["log", "line", "ts"])
    return table.take(pc.sort_indices(order, [("log", "ascending"), ("line", "ascending"), ("ts", "ascending")]))


def _rows(part: Path, journal: Path | None, parser: Parser) -> tuple[pa.Table, dict[str, Any]] | None:
    # None of a journal without rows, which becomes no part.
    if journal is not None and not part.exists():
        try:
            return _plain(_journalled(parser, journal, last=False)), parser.accounting.to_dict()
        except FileNotFoundError:
            if not part.exists():
                return None
    return read_part(part)


def _recovered(folder: Folder, about: dict[str, Any]) -> dict[str, Any]:
    # Its recorder is gone, for we hold the folder: what is in a journal and in no part becomes one.
    waiting = journals(folder.path)
    for number, path in waiting:
        if not folder.part(number).exists():
            account = _part_of(folder.part(number), folder.place, path, _parser(about), last=number == waiting[-1][0])
            about = {**about, **account, "recovered": datetime.now(UTC).isoformat(timespec="microseconds")}
    if waiting:
        folder.describe(about)
        for _, path in waiting:
            path.unlink()
    folder.sweep()
    return about


def _part_of(path: Path, place: Place, journal: Path, parser: Parser, *, last: bool) -> dict[str, Any]:
    part = Part(path, place=place)
    try:
        for batch in _journalled(parser, journal, last=last):
            part.write(batch)
        part.close(parser.accounting.to_dict())
    except BaseException:
        part.abandon()
        raise
    return parser.accounting.to_dict()


def _parser(about: dict[str, Any]) -> Parser:
    # Another host gives its users' numbers other names.
    user_of = users.name if about.get("host") == os.uname().nodename else None
    return Parser(about.get("log"), utc_offset_us=about["utc_offset_us"], user_of=user_of)


def _journalled(parser: Parser, path: Path, *, last: bool) -> Iterator[pa.RecordBatch]:
    state, blocks = read_journal(path)
    parser.resume(state)
    for block in blocks:
        yield from parser.feed(block)
    if last:
        yield from parser.finish()
    elif (batch := parser.take()) is not None:
        yield batch
