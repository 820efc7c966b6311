"""The schema: what the columns of a session are, and how those that the scanner filled become a record batch."""

from __future__ import annotations

from array import array
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
"""The version of the schema: a session says by which it was written."""

_NAME = pa.dictionary(pa.int32(), pa.string())

_NEVER_NULL = ("event", "line")

SCHEMA = pa.schema(
    pa.field(name, type_, nullable=name not in _NEVER_NULL)
    for name, type_ in [
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
        ("target_comm", _NAME),
        ("filename", _NAME),
        ("code", pa.int32()),
        ("grp", pa.bool_()),
        ("res", pa.int8()),
        ("handler", pa.dictionary(pa.int8(), pa.string())),
        ("group_dead", pa.bool_()),
        ("cgroup", _NAME),
        ("pidns", pa.int64()),
        ("lost", pa.int64()),
        ("line", pa.int64()),
        ("log", _NAME),
    ]
)
"""The columns of a batch; docs/schema.md says of each its unit and when it is null. Names are dictionary-encoded."""

PLAIN = pa.schema([f.with_type(f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in SCHEMA])
"""The same columns as a frame has them: names are plain strings."""

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


def processes(snapshot: Sequence[dict[str, Any]], log: str, utc_offset_us: int | None) -> pa.RecordBatch:
    """Return what `sigtrace.processes.snapshot` found as rows of the event `process`.

    `ts` is when it started, `target` its parent, and `filename` its command line; `line` is 0, for no line says it.
    """
    rows = [
        {
            "ts": one["start_us"],
            "time": None if utc_offset_us is None else one["start_us"] + utc_offset_us,
            "event": "process",
            "tid": one["pid"],
            "pid": one["pid"],
            "comm": one["comm"],
            "target": one["ppid"],
            "filename": one["command"],
            "cgroup": one["cgroup"],
            "pidns": one["pidns"],
            "line": 0,
            "log": log,
        }
        for one in snapshot
    ]
    plain = pa.RecordBatch.from_pylist(rows, schema=PLAIN)
    # The event's codes are 8 bits wide, and arrow encodes in 32 only.
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(plain.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


# pa.array would import pandas, which costs more than all the rest of a short log.


def _array(
    type_: pa.DataType, n: int, values: bytes | bytearray | memoryview, bits: bytearray | None = None
) -> pa.Array[Any]:
    return pa.Array.from_buffers(type_, n, [None if bits is None else pa.py_buffer(bits), pa.py_buffer(values)])


def _strings(names: Sequence[str]) -> pa.StringArray:
    encoded = [name.encode() for name in names]
    offsets = memoryview(array("i", accumulate(map(len, encoded), initial=0)))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
