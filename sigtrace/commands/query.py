"""Query: what SQL over sessions gives, as a table, CSV, JSON or Parquet on stdout."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.errors import Error
from sigtrace.output import terminal
from sigtrace.questions.database import Database
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_MOST = 1_000
_FORMATS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY", "parquet": "FORMAT parquet"}


def query(sessions: Sequence[str], sql: str, form: str | None = None) -> None:
    """Print what a query over the views of a `sigtrace.Database` gives.

    `form` is csv, json or parquet; without one, a table of at most 1,000 rows. Raises `Error` if DuckDB cannot run
    the query, and if Parquet would go to a terminal.
    """
    asked = sql.strip().rstrip("; \n\t")
    if not asked:
        raise Error('the query is empty: write one, such as "FROM deaths"')
    with Database(*sessions) as database:
        terminal.write_warnings(damage.texts(database.abouts))
        if form is None:
            # Its last line may end in a comment.
            found = database.answer(f"FROM ({asked}\n) LIMIT {_MOST + 1}" if _selects(asked) else asked)
            _print(found)
            return
        if form == "parquet" and sys.stdout.isatty():
            raise Error("refusing to write Parquet to a terminal: redirect it to a file, > answer.parquet")
        with tempfile.TemporaryDirectory(prefix="sigtrace-") as folder:
            file = Path(folder) / "answer"
            database.answer(f"COPY ({asked}\n) TO '{file}' ({_FORMATS[form]})")
            sys.stdout.flush()
            with file.open("rb") as stored:
                shutil.copyfileobj(stored, sys.stdout.buffer)


def _selects(sql: str) -> bool:
    return sql.lstrip(" \n\t(").lower().startswith(("select", "from", "with"))


def _print(found: pa.Table) -> None:
    names = [terminal.escaped(name) for name in found.column_names]
    numbers = [str(field.type) in _NUMBERS or str(field.type).startswith("decimal") for field in found.schema]
    rows = [[_value_text(value) for value in row.values()] for row in found.slice(0, _MOST).to_pylist()]
    over = terminal.count(len(rows), "row")
    if found.num_rows > _MOST:
        over = f"The first {_MOST:,} rows; --csv, --json and --parquet print all"
    terminal.write_table(over, names, rows, numbers)


_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {"double", "float"}


def _value_text(value: Any) -> str:  # noqa: ANN401  (whatever a query gives)
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_value_text, value))
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)
