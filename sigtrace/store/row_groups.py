"""Row groups: a part's rows sorted by their event, so that a reader skips the events that it does not ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from sigtrace.facts.events import CALLS, ROW_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW = 64  # names that are not worth it
_ROWS = 1 << 15  # half a batch of the recorder: of one that is mostly of one event, nothing waits
_BYTES = 1 << 25  # of names, as of hostile logs alone


class RowGroups:
    """Put batches in, and take row groups out: of the events that `sigtrace.facts.events` puts together."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[pa.RecordBatch]] = {}

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Take a batch of `sigtrace.facts.schema.SCHEMA`; yield the row groups that are full."""
        for event, rows in _by_event(batch):
            waiting = self._waiting.setdefault(event, [])
            waiting.append(rows)
            if sum(map(len, waiting)) >= _ROWS or sum(one.nbytes for one in waiting) >= _BYTES:
                yield _joined(self._waiting.pop(event))

    def rest(self) -> Iterator[pa.Table]:
        """Yield what still waits, the last row groups: of few rows one, for each costs some kilobytes."""
        groups = list(self._waiting.values())
        self._waiting = {}
        if sum(len(batch) for waiting in groups for batch in waiting) < _ROWS:
            groups = [[batch for waiting in groups for batch in waiting]] if groups else []
        yield from map(_joined, groups)


def _by_event(batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    column = cast("pa.DictionaryArray[Any, Any]", batch.column("event"))
    stored = cast("pa.Buffer", column.indices.buffers()[1]).to_pybytes()
    codes = stored[column.offset : column.offset + len(batch)]
    events = {code: str(event) for code, event in enumerate(column.dictionary.to_pylist()) if code in codes}
    if all(ROW_GROUPS.get(event) == CALLS for event in events.values()):
        return [(CALLS, batch)]  # what a plain log has stays as it came
    import pyarrow.compute as pc  # a plain log does without

    groups: dict[str, list[int]] = {}
    for code, event in events.items():
        groups.setdefault(ROW_GROUPS.get(event, event), []).append(code)
    return [
        (event, _compacted(batch.filter(pc.is_in(column.indices, pa.array(codes, pa.int8())))))
        for event, codes in groups.items()
    ]


def _compacted(batch: pa.RecordBatch) -> pa.RecordBatch:
    # The columns of names share one dictionary, and each would be written with all of it: names, paths, arguments.
    import pyarrow.compute as pc

    columns: list[pa.Array[Any]] = []
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray) and len(column.dictionary) > _FEW:
            used = pc.unique(column.indices).drop_null()
            codes = pc.index_in(column.indices, used).cast(column.type.index_type)
            columns.append(pa.DictionaryArray.from_arrays(codes, column.dictionary.take(used)))
        else:
            columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(batches)
    # A row group has one dictionary a column.
    return table if len(batches) == 1 else table.unify_dictionaries().combine_chunks()
