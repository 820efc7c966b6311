"""Made: rows that a reader made as objects, which become a record batch when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.trace.parser import Rows

if TYPE_CHECKING:
    import pyarrow as pa


class Made(Rows):
    """Rows as objects, which become a record batch when asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._made = rows

    def __len__(self) -> int:
        return len(self._made)

    def batch(self) -> pa.RecordBatch:
        """Return them as a record batch of `SCHEMA`."""
        import pyarrow as pa

        from sigtrace.facts.schema import SCHEMA

        return pa.RecordBatch.from_pylist(self._made, schema=SCHEMA)
