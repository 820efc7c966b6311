"""Table: rows as CSV, JSON or Parquet on stdout."""

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

from sigtrace.errors import Error
from sigtrace.output import terminal
from sigtrace.output.text import json_text, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are the wide ones


def write(schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: str) -> None:
    """Print rows as `form`, which is csv, json or parquet; nothing, if they raise midway.

    Raises `Error` if Parquet would go to a terminal.
    """
    if form == "parquet" and sys.stdout.isatty():
        raise Error("refusing to write Parquet to a terminal: redirect it to a file, > answer.parquet")
    with tempfile.TemporaryFile(prefix="sigtrace-") as answer:
        _FORMS[form](schema, batches, answer)
        answer.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(answer, sys.stdout.buffer)


def write_answers(answers: Sequence[dict[str, Any]], form: str) -> None:
    """Print what `sigtrace.who` answers as `form`, which is csv, json or parquet."""
    import pyarrow as pa

    from sigtrace.causes.endings import SCHEMA

    if form == "json":
        write_json(answers)
        return
    # What is null in all rows has no type of its own.
    kinds = {**dict(zip(SCHEMA.names, SCHEMA.types, strict=True)), "signal": pa.string()}
    names = list(dict.fromkeys(name for one in answers for name in one)) or list(kinds)
    found = pa.Table.from_arrays(
        [pa.array([one.get(name) for one in answers], kinds.get(name)) for name in names], names
    )
    write(found.schema, found.to_batches(), form)


def rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a batch."""
    # Two columns may have one name, so that a row as an object would lack one.
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def value_text(value: Any) -> str:  # noqa: ANN401
    """Return a value as text; of a list, its values."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(value_text, value))
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    text = io.TextIOWrapper(to, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, schema.names))
    for batch in batches:
        writer.writerows(map(_cell, row) for row in rows(batch))
    text.detach()


def _cell(value: Any) -> Any:  # noqa: ANN401  (whatever a query gives)
    if value is None or isinstance(value, (int, float, Decimal)):
        return str(value).lower() if isinstance(value, bool) else value
    return _text_cell(value if isinstance(value, str) else value_text(value))


@lru_cache(maxsize=1 << 12)
def _text_cell(text: str) -> str:
    # A spreadsheet takes for a formula what begins so, whatever is quoted; the mark before it says that it is text.
    return terminal.escaped(f"'{text}" if text.lstrip().startswith(_FORMULA) else text)


def _json(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    before = b"[\n  "
    for batch in batches:
        for row in rows(batch):
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
    return value if value is None or isinstance(value, (str, int, float)) else value_text(value)


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(to, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


_FORMS = {"csv": _csv, "json": _json, "parquet": _parquet}
