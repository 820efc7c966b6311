"""Batch: the columns that the scanner has filled become a record batch."""

from __future__ import annotations

from array import array
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.facts.schema import SCHEMA
from sigtrace.trace import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENTS = list(dict.fromkeys(event for event, _ in scan.ROWS))
_HANDLERS = ["default", "ignored", "handled"]
# By shape, of which each kind of row has four.
_EVENT_OF_SHAPE = bytes(_EVENTS.index(event) for event, _ in scan.ROWS for _ in range(4)).ljust(256)
_ALWAYS = ("cpu", "event", "line")


def _shapes_that_fill(column: str) -> bytes:
    unknown = {"pid": 1, "comm": 2}.get(column, 0)
    return bytes(column in filled.split() and not shape & unknown for _, filled in scan.ROWS for shape in range(4))


_FILLED = {name: _shapes_that_fill("ts" if name == "time" else name) for name in SCHEMA.names if name not in _ALWAYS}
_NEVER = bytes(4 * len(scan.ROWS))
_EVERY = bytes([1]) * (4 * len(scan.ROWS))


def batch(columns: scan.Columns, log: str | None, *, utc: bool) -> pa.RecordBatch:
    """Return the rows that the scanner has filled as a record batch of `SCHEMA`, sharing their memory.

    `log` names the log, and is null without. `utc` says that the column `time` is UTC; else that is null.
    """
    n = columns.rows
    shapes = bytes(columns["shape"][:n])
    here = [shape for shape in range(len(_EVERY)) if shape in shapes]
    known = {"event": _strings(_EVENTS), "handler": _strings(_HANDLERS), "log": _strings([log or ""])}
    names = _strings(columns.names)
    filled = {**_FILLED, "log": _NEVER if log is None else _EVERY, "time": _FILLED["time"] if utc else _NEVER}
    arrays: list[pa.Array[Any]] = []
    for name, type_ in zip(SCHEMA.names, SCHEMA.types, strict=True):
        fills = filled.get(name, _EVERY)
        if not any(fills[shape] for shape in here):
            arrays.append(_nulls(type_, n))
            continue
        bits = None if all(fills[shape] for shape in here) else columns.bits(fills)
        if name == "event":
            values: Any = shapes.translate(_EVENT_OF_SHAPE)
        elif name == "handler":
            values = bytes(columns["small"][:n]).translate(_HANDLER_OR_0)
        elif name == "log":
            values = bytes(4 * n)
        elif type_ == pa.bool_():
            values = columns.bits(fills, of_bit=True)
        else:
            values = columns["small" if name == "res" else name]
        if isinstance(type_, pa.DictionaryType):
            codes = _array(type_.index_type, n, values, bits)
            arrays.append(pa.DictionaryArray.from_arrays(codes, known.get(name, names)))
        else:
            arrays.append(_array(type_, n, values, bits))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


_HANDLER_OR_0 = bytes(code if code < len(_HANDLERS) else 0 for code in range(256))

# Half of a plain log's columns are nothing but null.
_nulls = lru_cache(maxsize=16)(lambda type_, n: pa.nulls(n, type_))


# pa.array would import pandas, which costs more than all the rest of a short log.


def _array(
    type_: pa.DataType, n: int, values: bytes | bytearray | memoryview, bits: bytearray | None = None
) -> pa.Array[Any]:
    return pa.Array.from_buffers(type_, n, [None if bits is None else pa.py_buffer(bits), pa.py_buffer(values)])


def _strings(names: Sequence[str]) -> pa.StringArray:
    encoded = [name.encode() for name in names]
    offsets = memoryview(array("i", accumulate(map(len, encoded), initial=0)))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
