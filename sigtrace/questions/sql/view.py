"""View: the rows of Parquet files as SQL, with the columns of the newest schema."""

from __future__ import annotations

from sigtrace.facts.schema import ADDED, PLAIN, VERSION
from sigtrace.questions.sql.lock import pattern, quoted

_TYPES = {"int32": "INTEGER", "int64": "BIGINT", "string": "VARCHAR"}
_NULLS = {field.name: f"NULL::{_TYPES[str(field.type)]}" for field in ADDED}


def columns(log: str, version: int) -> str:
    """Return the columns to select from rows of a version of the schema; `log` is SQL for the name of their log."""
    values = {"log": log} if version >= VERSION else {"log": log, **_NULLS}
    return ", ".join(f"{values.get(name, name)} AS {name}" for name in PLAIN.names)


def parquet(files: list[str]) -> str:
    """Return what to select from to have the rows of Parquet files."""
    names = (quoted(pattern(file)) for file in files)
    return f"read_parquet([{', '.join(names)}], hive_partitioning = false)"
