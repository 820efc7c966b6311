"""The schema: what the columns of a session are, and how those that the scanner filled become a record batch."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
"""The version of the schema: a session says by which it was written."""

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

PLAIN = pa.schema([pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in SCHEMA])
"""The same columns as a frame has them: names are plain strings."""

_EVENTS = list(dict.fromkeys(event for event, _ in scan.ROWS))
_HANDLERS = ["default", "ignored", "handled"]
# By shape, of which each kind of row has four.
_EVENT_OF_SHAPE = bytes(_EVENTS.index(event) for event, _ in scan.ROWS for _ in range(4)).ljust(256)
_ALWAYS = ("cpu", "event", "line")
_NOT_SCANNED = ("log", "cgroup", "pidns")


def _shapes_that_fill(column: str) -> bytes:
    unknown = {"pid": 1, "comm": 2}.get(column, 0)
    return bytes(column in filled.split() and not shape & unknown for _, filled in scan.ROWS for shape in range(4))


_FILLED = {name: _shapes_that_fill("ts" if name == "time" else name) for name in SCHEMA.names if name not in _ALWAYS}
_NEVER = bytes(4 * len(scan.ROWS))
_EVERY = bytes([1]) * (4 * len(scan.ROWS))


def batch(scanner: scan.Scanner, log: str | None, *, utc: bool) -> pa.RecordBatch:
    """Return the rows that the scanner holds as a record batch of `SCHEMA`, sharing its memory.

    `log` names the log, and is null without. `utc` says that the scanner's `time` is UTC; else that is null.
    """
    n = scanner.rows
    shapes = bytes(scanner.shape[:n])
    here = {0} if shapes.count(0) == n else set(shapes)  # of calls alone, mostly
    zeros = bytes(8 * n)
    names = _strings(scanner.names)
    filled = {**_FILLED, "log": _NEVER if log is None else _EVERY, "time": _FILLED["time"] if utc else _NEVER}
    columns: dict[str, pa.Array[Any]] = {}
    for name, type_ in zip(SCHEMA.names, SCHEMA.types, strict=True):
        fills = filled.get(name, _EVERY)
        bits = _bits(scanner, fills, here)
        if name == "event":
            columns[name] = pa.DictionaryArray.from_arrays(
                _array(pa.int8(), n, shapes.translate(_EVENT_OF_SHAPE)), _strings(_EVENTS)
            )
        elif name == "handler":
            codes = zeros if _none(fills, here) else bytes(scanner.small[:n]).translate(_HANDLER_OR_0)
            columns[name] = pa.DictionaryArray.from_arrays(_array(pa.int8(), n, codes, bits), _strings(_HANDLERS))
        elif name in _NOT_SCANNED:
            of_zeros = _array(pa.int32() if type_ == _NAME else type_, n, zeros, bits)
            columns[name] = (
                pa.DictionaryArray.from_arrays(of_zeros, _strings([log or ""])) if type_ == _NAME else of_zeros
            )
        elif type_ == _NAME:
            # Parquet stores the whole dictionary, whether or not a row has a name of it.
            known = _strings([""]) if _none(fills, here) else names
            columns[name] = pa.DictionaryArray.from_arrays(_array(pa.int32(), n, getattr(scanner, name), bits), known)
        elif type_ == pa.bool_():
            columns[name] = _array(type_, n, zeros if _none(fills, here) else scanner.bits(fills, of_bit=True), bits)
        else:
            columns[name] = _array(type_, n, getattr(scanner, "small" if name == "res" else name), bits)
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


_HANDLER_OR_0 = bytes(code if code < len(_HANDLERS) else 0 for code in range(256))


def _bits(scanner: scan.Scanner, fills: bytes, here: set[int]) -> bytearray | None:
    if all(fills[shape] for shape in here):
        return None
    return bytearray((scanner.rows + 7) // 8) if _none(fills, here) else scanner.bits(fills)


def _none(fills: bytes, here: set[int]) -> bool:
    return not any(fills[shape] for shape in here)


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
