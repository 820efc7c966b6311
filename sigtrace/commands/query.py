"""Query: what SQL over sessions gives, as a table, CSV, JSON or Parquet on stdout."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import tempfile
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import IO, TYPE_CHECKING, Any

from sigtrace.commands.streams import interrupting
from sigtrace.errors import Error
from sigtrace.output import terminal
from sigtrace.output.text import json_text
from sigtrace.questions.database import Database
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from sigtrace.commands.flight.asked import Asked

_MOST = 1_000
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are the wide ones


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
        if form == "parquet" and sys.stdout.isatty():
            raise Error("refusing to write Parquet to a terminal: redirect it to a file, > answer.parquet")
        with tempfile.TemporaryFile(prefix="sigtrace-") as answer:  # a query that fails midway prints nothing
            _FORMS[form](schema, batches, answer)
            answer.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(answer, sys.stdout.buffer)


def _print(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    rows: list[list[str]] = []
    for batch in batches:
        rows += [[_value_text(value) for value in row] for row in _rows(batch)]
        if len(rows) > _MOST:
            break
    names = [terminal.escaped(name) for name in schema.names]
    numbers = [str(field.type) in _NUMBERS or str(field.type).startswith("decimal") for field in schema]
    over = terminal.count(len(rows), "row")
    if len(rows) > _MOST:
        over = f"The first {_MOST:,} rows; --csv, --json and --parquet print all"
    terminal.write_table(over, names, rows[:_MOST], numbers)


_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {"double", "float"}


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    # Two columns may have one name, so that a row as an object would lack one.
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    text = io.TextIOWrapper(to, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, schema.names))
    for batch in batches:
        writer.writerows(map(_cell, row) for row in _rows(batch))
    text.detach()


def _cell(value: Any) -> Any:  # noqa: ANN401  (whatever a query gives)
    if value is None or isinstance(value, (int, float, Decimal)):
        return str(value).lower() if isinstance(value, bool) else value
    return _text_cell(value if isinstance(value, str) else _value_text(value))


@lru_cache(maxsize=1 << 12)
def _text_cell(text: str) -> str:
    # A spreadsheet takes for a formula what begins so, whatever is quoted; the mark before it says that it is text.
    return terminal.escaped(f"'{text}" if text.lstrip().startswith(_FORMULA) else text)


def _json(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    before = b"[\n  "
    for batch in batches:
        for row in _rows(batch):
            one = dict(zip(schema.names, map(_json_value, row), strict=True))
            to.write(before + json_text(one).encode())
            before = b",\n  "
    to.write(b"[]\n" if before.startswith(b"[") else b"\n]\n")


def _json_value(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # of which JSON has none
    if isinstance(value, dict):
        return {key: _json_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(each) for each in value]
    return value if value is None or isinstance(value, (str, int, float)) else _value_text(value)


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(to, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


_FORMS = {"csv": _csv, "json": _json, "parquet": _parquet}


def _value_text(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_value_text, value))
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)
