"""Query: what SQL over sessions gives, as a table, CSV, JSON or Parquet on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.commands import table
from sigtrace.commands.streams import interrupting
from sigtrace.output import terminal
from sigtrace.questions.database import Database
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from sigtrace.commands.flight.asked import Asked

_MOST = 1_000
_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {"double", "float"}


def query(asked: Asked, sql: str, form: str | None = None, *, unsafe: bool = False) -> None:
    """Print what a query over the views of a `sigtrace.Database` gives.

    `form` is csv, json or parquet; without one, a table of at most 1,000 rows. If `unsafe`, the query may do whatever
    DuckDB can. Raises `Error` if DuckDB cannot run the query, and if Parquet would go to a terminal.
    """
    opened = Database(*asked.sessions, since=asked.first, unsafe=unsafe)
    with opened as database, interrupting(database.interrupt):
        database.within(asked.since, asked.until)
        terminal.write_warnings(damage.texts(database.abouts, database.left_out))
        schema, batches = database.batches(sql)
        if form is None:
            _print(schema, batches)
            return
        table.write(schema, batches, form)


def _print(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    rows: list[list[str]] = []
    for batch in batches:
        rows += [[table.value_text(value) for value in row] for row in table.rows(batch)]
        if len(rows) > _MOST:
            break
    names = [terminal.escaped(name) for name in schema.names]
    numbers = [str(field.type) in _NUMBERS or str(field.type).startswith("decimal") for field in schema]
    over = terminal.count(len(rows), "row")
    if len(rows) > _MOST:
        over = f"The first {_MOST:,} rows; --csv, --json and --parquet print all"
    terminal.write_table(over, names, rows[:_MOST], numbers)
