"""Session: rows in Parquet with their account beside them, written whole or not at all, and opened again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from sigtrace.errors import Error
from sigtrace.facts.events import CALLS, EVENTS
from sigtrace.facts.schema import SCHEMA, with_clock
from sigtrace.store.folder import Folder
from sigtrace.store.part import read as read_part
from sigtrace.store.part import trusted
from sigtrace.store.trust.contents import Contents
from sigtrace.store.trust.recovery import plain, recover
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.log import PARQUET, Log

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import polars as pl

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
    asked: ClassVar[Callable[[Session, str], pa.Table] | None] = None
    """What answers SQL: `sigtrace.output.notebook` sets it."""

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
        """Return the rows as a pandas frame: of Arrow's types, so that a null stays a null; names are categories."""
        table = self.table
        for number, field in enumerate(table.schema):
            if pa.types.is_dictionary(SCHEMA.field(field.name).type):
                table = table.set_column(number, field.name, table.column(number).dictionary_encode())
        return in_pandas(table)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a polars frame. Raises `Error` without polars."""
        try:
            import polars as pl
        except ModuleNotFoundError:
            raise Error("polars is not installed: pip install 'sigtrace[polars]'") from None
        return pl.DataFrame(self.table)

    def to_arrow(self) -> pa.Table:
        """Return the rows as a pyarrow table; its field `ts` says by which clock it counts, and since when."""
        return self.table

    def sql(self, query: str) -> pd.DataFrame:
        """Return what DuckDB's SQL over the views `events`, `kills` and `deaths` gives, as a pandas frame.

        The query may only ask, as in a `sigtrace.Database`. Raises `Error` if DuckDB cannot run it.
        """
        if Session.asked is None:
            raise Error("nothing is there to answer SQL: import sigtrace, and take its Session")
        return in_pandas(Session.asked(self, query))


def in_pandas(table: pa.Table) -> pd.DataFrame:
    """Return a table as a pandas frame: of Arrow's types, and dictionaries as categories."""
    import pandas as pd

    return table.to_pandas(types_mapper=lambda type_: None if pa.types.is_dictionary(type_) else pd.ArrowDtype(type_))


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
            about = trusted(path.resolve())
            table = read_part(path)
            return _session(os.fspath(path), _in_order(table, about), about)
    log = Log(source)
    table = plain(log)
    return _session(log.name or "log", table, log.accounting.to_dict())


def is_parquet(path: Path) -> bool:
    """Tell whether a file can be read, and is Parquet by its first bytes."""
    if not path.is_file():
        return False  # of a pipe, the bytes would be gone
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET
    except OSError:
        return False  # Log says what is wrong with it


def _read_folder(folder: Folder) -> Session:
    recover(folder)
    found = Contents(folder)
    table = found.table()
    about = found.about
    return _session(os.fspath(folder.path), _in_order(table, about), about)


def _session(name: str, table: pa.Table, about: dict[str, Any]) -> Session:
    accounting = Accounting.from_dict(about)
    return Session(name, with_clock(table, about.get("clock"), accounting.ts_unit), accounting, about)


def _in_order(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    # A part has its rows by event (sigtrace.row_groups).
    import pyarrow.compute as pc

    if not pc.any(pc.is_in(table["event"], pa.array(_KERNEL_EVENTS))).as_py():
        return table
    which = pc.index_in(table["log"], pa.array(about.get("logs") or [], pa.string()))
    order = pa.Table.from_arrays([which, table["line"], table["ts"]], ["log", "line", "ts"])
    return table.take(pc.sort_indices(order, [("log", "ascending"), ("line", "ascending"), ("ts", "ascending")]))
