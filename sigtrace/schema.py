"""The schema: what the columns of a session are, and how those that the scanner filled become a record batch."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sigtrace import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Values = np.ndarray[Any, Any]

_NAME = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        ("ts", pa.int64()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("cpu", pa.int32()),
        ("event", pa.dictionary(pa.int8(), pa.string())),
        ("tid", pa.int32()),
        ("pid", pa.int32()),
        ("comm", _NAME),
        ("sig", pa.int32()),
        ("target", pa.int32()),
        ("ret", pa.int32()),
        ("lost", pa.int64()),
        ("line", pa.int64()),
        ("log", _NAME),
    ]
)
"""The columns of a batch; docs/schema.md says of each its unit and when it is null. Names are dictionary-encoded."""

PLAIN = pa.schema([pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in SCHEMA])
"""The same columns as a frame has them: names are plain strings."""

_EVENTS = sorted(set(scan.SHAPES), key=scan.SHAPES.index)
_EVENT_OF_SHAPE = np.array([_EVENTS.index(event) for event in scan.SHAPES], np.int8)

# Which columns a shape of row fills, in the order of scan.SHAPES; the columns that are not here are always filled.
_FILLED = {
    "ts": np.array([1, 1, 1, 0], np.bool_),
    "tid": np.array([1, 1, 1, 0], np.bool_),
    "pid": np.array([1, 1, 1, 0], np.bool_),
    "comm": np.array([1, 1, 1, 0], np.bool_),
    "sig": np.array([1, 1, 0, 0], np.bool_),
    "target": np.array([1, 0, 1, 0], np.bool_),
    "ret": np.array([1, 0, 1, 0], np.bool_),
    "lost": np.array([0, 0, 0, 1], np.bool_),
}
# And where the scanner says by a negative number that it does not know.
_NEGATIVE_IS_NULL = {"pid", "comm", "lost"}


def batch(scanner: scan.Scanner, log: str | None, utc_offset_us: int | None) -> pa.RecordBatch:
    """Return the rows that the scanner holds as a record batch of `SCHEMA`, sharing its memory.

    `log` names the log, and `utc_offset_us` is added to `ts` to have UTC; where either is None its column is null.
    """
    n = scanner.rows
    shapes = np.frombuffer(scanner.event, np.int8, n)
    columns: dict[str, pa.Array[Any]] = {
        "event": _dictionary(_array(pa.int8(), _EVENT_OF_SHAPE[shapes]), _EVENTS),
        "log": _dictionary(
            _array(pa.int32(), np.zeros(n, np.int32), None if log else np.zeros(n, np.bool_)), [log or ""]
        ),
        "time": pa.nulls(n, pa.timestamp("us", tz="UTC")),
    }
    for name in ("ts", "cpu", "tid", "pid", "comm", "sig", "target", "ret", "lost", "line"):
        type_ = pa.int32() if name == "comm" else SCHEMA.field(name).type
        values = np.frombuffer(getattr(scanner, name), type_.to_pandas_dtype(), n)
        valid = _valid(name, shapes, values)
        columns[name] = _array(type_, values, valid)
        if name == "ts" and utc_offset_us is not None:
            columns["time"] = _array(SCHEMA.field("time").type, values + utc_offset_us, valid)
    columns["comm"] = _dictionary(columns["comm"], scanner.names)
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _valid(name: str, shapes: _Values, values: _Values) -> _Values | None:
    if name not in _FILLED:
        return None
    valid = _FILLED[name][shapes]
    if name in _NEGATIVE_IS_NULL:
        valid &= values >= 0
    return None if valid.all() else valid


# pa.array would import pandas, which costs more than all the rest of a short log.


def _array(type_: pa.DataType, values: _Values, valid: _Values | None = None) -> pa.Array[Any]:
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").data)
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(values.data)])


def _dictionary(codes: pa.Array[Any], names: Sequence[str]) -> pa.DictionaryArray[Any, Any]:
    encoded = [name.encode() for name in names]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32, len(encoded) + 1)
    strings = pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets.data), pa.py_buffer(b"".join(encoded)))
    return pa.DictionaryArray.from_arrays(codes, strings)
