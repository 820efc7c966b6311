"""Batch: the columns that the scanner has filled become a record batch."""

from __future__ import annotations

from array import array
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.facts.events import ROWS
from sigtrace.facts.rules import FIRST_TIME, LAST_TIME
from sigtrace.facts.schema import PLAIN, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_EVENTS = list(dict.fromkeys(event for event, _ in ROWS))
_HANDLERS = ["default", "ignored", "handled"]
# The scanner's columns in which others are: no row fills two of those that share one.
_HELD_IN = {
    "res": "small",
    "status": "code",
    "uid": "code",
    "command": "filename",
    "cgroup": "filename",
    "cgroup_id": "lost",
}
# Each table is by a byte, and most are by shape, of which each kind of row has four. A flag is the digit 0 or 1.
_EVENT_OF_SHAPE = bytes(_EVENTS.index(event) for event, _ in ROWS for _ in range(4)).ljust(256)
_HANDLER_OR_0 = bytes(code if code < len(_HANDLERS) else 0 for code in range(256))
_ALWAYS = ("event", "line")
_NEVER = b"0" * 256
_EVERY = b"1" * 256
_FLAG = b"1"[0]
_SET = b"0" + b"1" * 255


def _shapes_that_fill(column: str) -> bytes:
    unknown = {"pid": 1, "comm": 2}.get(column, 0)
    fills = [column in filled.split() and not shape & unknown for _, filled in ROWS for shape in range(4)]
    return b"".join(b"1" if one else b"0" for one in fills).ljust(256, b"0")


_FILLED = {name: _shapes_that_fill("ts" if name == "time" else name) for name in SCHEMA.names if name not in _ALWAYS}


def batch(
    columns: Mapping[str, memoryview],
    n: int,
    names: Sequence[str],
    log: str | None,
    *,
    utc: bool,
    user_of: Callable[[int], str] | None = None,
) -> pa.RecordBatch:
    """Return the first `n` rows of a scanner's columns as a record batch of `SCHEMA`, sharing their memory.

    `names` are what the codes in the columns stand for. `log` names the log; without it that column is null. Unless
    `utc`, the column `time` is null. `user_of` names the user of a uid; without it the column `user` is null.
    """
    shapes = bytes(columns["shape"][:n])
    here = bytes(shape for shape in range(4 * len(ROWS)) if shape in shapes)
    known = {"event": _strings(_EVENTS), "handler": _strings(_HANDLERS), "log": _strings([log or ""])}
    strings = _strings(names)
    filled = {**_FILLED, "log": _NEVER if log is None else _EVERY, "time": _FILLED["time"] if utc else _NEVER}
    if user_of is None:
        filled["user"] = _NEVER
    arrays: list[pa.Array[Any]] = []
    for name, type_ in zip(SCHEMA.names, SCHEMA.types, strict=True):
        fills = filled.get(name, _EVERY)
        flags_here = here.translate(fills)
        if b"1" not in flags_here:
            arrays.append(_nulls(type_, n))
            continue
        bits = None if b"0" not in flags_here else _bitmap(_flags(shapes, fills), n)
        if name == "event":
            values: Any = shapes.translate(_EVENT_OF_SHAPE)
        elif name == "handler":
            values = bytes(columns["small"][:n]).translate(_HANDLER_OR_0)
        elif name == "log":
            values = bytes(4 * n)
        elif name == "user" and user_of is not None:
            values, known["user"] = _users(columns["code"], shapes.translate(fills), user_of)
        elif type_ == pa.bool_():
            values = _bitmap(_flags(shapes, fills) & _flags(bytes(columns["bit"][:n]), _SET), n)
        else:
            values = columns[_HELD_IN.get(name, name)]
        if isinstance(type_, pa.DictionaryType):
            codes = _array(type_.index_type, n, values, bits)
            arrays.append(pa.DictionaryArray.from_arrays(codes, known.get(name, strings)))
        else:
            arrays.append(_array(type_, n, values, bits))
    return _dated(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))


def of_rows(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows of Python's as a record batch of `SCHEMA`; what they do not name is null."""
    plain = pa.RecordBatch.from_pylist(rows, schema=PLAIN)
    # The event's codes are 8 bits wide, and arrow encodes in 32 only.
    columns = [
        column if column.type == type_ else column.dictionary_encode().cast(type_)
        for column, type_ in zip(plain.columns, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _users(uids: memoryview, flags: bytes, user_of: Callable[[int], str]) -> tuple[memoryview, pa.StringArray]:
    codes = array("i", bytes(4 * len(flags)))
    places: dict[int, int] = {}
    for row, flag in enumerate(flags):
        if flag == _FLAG:
            codes[row] = places.setdefault(uids[row], len(places))
    return memoryview(codes), _strings([user_of(uid) for uid in places])


def _dated(rows: pa.RecordBatch) -> pa.RecordBatch:
    # A moment before the year 1 or after 9999 is none that Python could tell.
    times = rows.column("time")
    if times.null_count == len(rows):
        return rows
    import pyarrow.compute as pc

    stored = times.cast(pa.int64())
    bounds: dict[str, int] = pc.min_max(stored).as_py()  # type: ignore[assignment]
    if bounds["min"] >= FIRST_TIME and bounds["max"] <= LAST_TIME:
        return rows
    first, last = pa.scalar(FIRST_TIME, pa.int64()), pa.scalar(LAST_TIME, pa.int64())
    held = pc.and_(pc.greater_equal(stored, first), pc.less_equal(stored, last))
    dated = pc.if_else(held, times, pa.scalar(None, times.type))
    return rows.set_column(SCHEMA.get_field_index("time"), SCHEMA.field("time"), dated)


# Half of a plain log's columns are nothing but null.
_nulls = lru_cache(maxsize=16)(lambda type_, n: pa.nulls(n, type_))


# One bit a row, made without numpy: int() reads a number of base 2 in the time of its length.


def _flags(values: bytes, flagged: bytes) -> int:
    return int(values.translate(flagged)[::-1], 2)


def _bitmap(flags: int, n: int) -> bytes:
    return flags.to_bytes((n + 7) // 8, "little")


# pa.array would import pandas, which costs more than all the rest of a short log.


def _array(type_: pa.DataType, n: int, values: bytes | memoryview, bits: bytes | None = None) -> pa.Array[Any]:
    return pa.Array.from_buffers(type_, n, [None if bits is None else pa.py_buffer(bits), pa.py_buffer(values)])


def _strings(names: Sequence[str]) -> pa.StringArray:
    encoded = [name.encode() for name in names]
    offsets = memoryview(array("i", accumulate(map(len, encoded), initial=0)))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
