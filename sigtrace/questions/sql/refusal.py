"""Refusal: what DuckDB and pyarrow raise, in one line."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from sigtrace.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def explained() -> Iterator[None]:
    """Have what DuckDB and pyarrow raise over a query be an `Error`: a context manager."""
    import duckdb

    try:
        yield
    except duckdb.PermissionException as error:
        raise Error(f"the query may read its sessions alone: {reason(error)}: --unsafe allows it") from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise Error(f"the query cannot be run: {reason(error)}") from error


def of_engines() -> tuple[type[Exception], ...]:
    """Return what DuckDB and pyarrow raise."""
    # What they find in a file is not known before they read it. Only DuckDB that was started can have raised.
    duckdb = sys.modules.get("duckdb")
    return (pa.ArrowException,) if duckdb is None else (pa.ArrowException, duckdb.Error)


def reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    # In one line, and without the SQL that was made of the query.
    return " ".join(re.split(r"\n+LINE \d+:", str(error))[0].split())
