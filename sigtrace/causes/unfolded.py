"""Unfolded: a row that says of an event what the kernel says by two becomes two rows, as the tracker knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from sigtrace.facts.events import FOLDED

if TYPE_CHECKING:
    from collections.abc import Iterator

_AFTER = "args"  # that stands behind the event that it says more of: all others stand before
_DIED = "signal_deliver"


def unfolded(batch: pa.RecordBatch, event: str | None) -> pa.RecordBatch:
    """Return the rows of a record batch, all of one `event` or of any, each in the words of the kernel's events.

    It is the batch itself if no row says more, as in all that the kernel prints.
    """
    more = {row: told for told, rows in _more(batch, event) for row in rows}
    if not more:
        return batch
    own: list[str] = [event] * len(batch) if event is not None else _column(batch, "event").to_pylist()
    taken: list[int] = []
    told: list[str] = []
    for row, name in enumerate(own):
        names = [name] if row not in more else [name, more[row]] if more[row] == _AFTER else [more[row], name]
        taken += [row] * len(names)
        told += names
    rows = batch.take(cast("Any", pa.array(taken)))
    columns: dict[str, Any] = dict(zip(rows.schema.names, rows.columns, strict=True))
    before = columns["handler"].to_pylist() if "handler" in columns else [None] * len(told)
    made = [name == _DIED != own[row] for row, name in zip(taken, told, strict=True)]
    handlers = ["default" if died else handler for died, handler in zip(made, before, strict=True)]
    return pa.RecordBatch.from_pydict({**columns, "event": pa.array(told), "handler": pa.array(handlers, pa.string())})


def _more(batch: pa.RecordBatch, event: str | None) -> Iterator[tuple[str, list[int]]]:
    import pyarrow.compute as pc

    for folded in FOLDED if event is None else FOLDED.keys() & {event}:
        for name, told in FOLDED[folded]:
            if name not in batch.schema.names or batch.column(name).null_count == len(batch):
                continue
            says: Any = pc.is_valid(_column(batch, name))
            if event is None:
                says = pc.and_(says, pc.equal(_column(batch, "event"), cast("Any", folded)))
            yield told, cast("Any", pc.indices_nonzero(says)).to_pylist()


def _column(batch: pa.RecordBatch, name: str) -> Any:  # noqa: ANN401  (an array of Arrow's)
    return batch.column(name)
