"""Lock: a DuckDB that reads its sessions and nothing else, and a query that only asks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

_NO_MORE = """
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET allow_community_extensions = false;
SET allow_persistent_secrets = false;
SET python_enable_replacements = false;
SET enable_external_access = false;
SET lock_configuration = true;
"""
_EXPLAIN = re.compile(r"\s*EXPLAIN(?:\s+ANALYZE|\s*\([^()]*\))*\s", re.IGNORECASE)
_DESCRIBES = re.compile(r"PRAGMA\s+(?:table_info|show_tables)\b[^;]*", re.IGNORECASE)
_ASKING = frozenset({("SELECT",), ("MULTI",), ("CREATE", "SELECT")})  # the last two are a PIVOT
_NAME = re.compile(rb'"?(\w+)')
# They run SQL that stands in a value, or read memory at an address that a value gives.
_RUN_VALUES = frozenset(
    {
        *("query", "query_table", "json_execute_serialized_sql", "import_database", "python_map_function"),
        *("arrow_scan", "arrow_scan_dumb", "python_arrow_scan", "pandas_scan"),
    }
)


def lock(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """Leave a connection nothing to reach but these files: no other file, no network, no extension, no setting."""
    # An allowed file is looked for by the pattern that stands for it alone, and opened by its name.
    allowed = {name for file in files for name in (os.fspath(Path(file).absolute()), pattern(file))}
    connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, sorted(allowed)))}]; {_NO_MORE}")


def asking(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return a query in a form that can only ask. Raises `Error` if it is none, and what DuckDB raises."""
    asked = sql.strip().rstrip("; \n\t")
    if not asked:
        raise Error('the query is empty: write one, such as "FROM deaths"')
    if _DESCRIBES.fullmatch(asked):
        return asked
    head = found[0] if (found := _EXPLAIN.match(asked)) else ""
    kinds = _kinds(connection, asked[len(head) :])
    # What DuckDB 2 lets a query do besides asking, such as COPY in a WITH, it lets no query do in a FROM. What is
    # asked ends in a line of its own: its last may end in a comment.
    within = f"FROM ({asked[len(head) :]}\n)"
    if kinds not in _ASKING or _kinds(connection, within) != kinds:
        what = next((kind for kind in kinds if kind != "SELECT"), "more than one statement")
        raise Error(f"the query may only ask, and this is {what}: --unsafe runs it")
    if used := _RUN_VALUES.intersection(_names(asked)):
        raise Error(f"the query may only ask, and {min(used)} may do anything: --unsafe runs it")
    return head + within


def _kinds(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    return tuple(one.type.name for one in connection.extract_statements(sql))


def pattern(file: str) -> str:
    """Return the pattern by which DuckDB finds one file, whatever is in its name."""
    return re.sub(r"([*?[])", r"[\1]", os.fspath(Path(file).absolute()))


def quoted(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def _names(sql: str) -> Iterable[str]:
    import duckdb

    text = sql.encode()
    tokens = duckdb.tokenize(sql)  # where each begins, in bytes; comments go with the word before
    ends = [start for start, _ in tokens[1:]] + [len(text)]
    for (start, _), end in zip(tokens, ends, strict=True):
        if word := _NAME.match(text[start:end].strip()):
            yield word[1].decode(errors="replace").lower()
