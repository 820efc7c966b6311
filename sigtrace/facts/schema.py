"""The schema: what the columns of a session are."""

from __future__ import annotations

import json

import pyarrow as pa

from sigtrace.facts.events import SCHEMA_VERSION

VERSION = SCHEMA_VERSION
"""The version of the schema: a session says by which it was written."""

_NAME = pa.dictionary(pa.int32(), pa.string())

_NEVER_NULL = ("event", "line")

_OF_VERSION_1 = [
    ("time", pa.timestamp("us", tz="UTC")),
    ("ts", pa.int64()),
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
_SINCE_VERSION_2 = [
    ("status", pa.int32()),
    ("uid", pa.int32()),
    ("user", _NAME),
    ("command", _NAME),
    ("cgroup_id", pa.int64()),
    ("ns_pid", pa.int32()),
]

SCHEMA = pa.schema(
    pa.field(name, type_, nullable=name not in _NEVER_NULL) for name, type_ in [*_OF_VERSION_1, *_SINCE_VERSION_2]
)
"""The columns of a batch; docs/schema.md says of each its unit and when it is null. Names are dictionary-encoded."""

PLAIN = pa.schema([f.with_type(f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in SCHEMA])
"""The same columns as a frame has them: names are plain strings."""

ADDED = pa.schema([PLAIN.field(name) for name, _ in _SINCE_VERSION_2])
"""The columns that a session of version 1 does not have."""


_PANDAS_TYPES = {"bool": "boolean", "int8": "Int8", "int32": "Int32", "int64": "Int64"}

PANDAS = json.dumps(
    {
        "index_columns": [],
        "column_indexes": [],
        "columns": [
            {"name": f.name, "field_name": f.name, "pandas_type": str(f.type), "numpy_type": type_, "metadata": None}
            for f in PLAIN
            if f.nullable and (type_ := _PANDAS_TYPES.get(str(f.type)))
        ],
        "pandas_version": "2.2.0",
    }
)
"""What a Parquet file says to pandas: that a number stays whole where others are null. It would make floats of them."""

_SINCE_BOOT = ("boot", "mono", "mono_raw", "local", "global", "perf")


def with_clock(table: pa.Table, clock: str | None, unit: str) -> pa.Table:
    """Return a session's table whose field `ts` says since when it counts, by which trace clock, and in which unit."""
    units = {"us": "microseconds", "ticks": "ticks"}.get(unit, "microseconds or ticks")
    if unit == "day":
        return _described(table, "microseconds since midnight where the tool ran, whose day and time zone are unknown")
    if unit == "utc":
        return _described(table, "microseconds since 1970 in UTC, as the column time")
    since = " since boot" if clock in _SINCE_BOOT else ""
    said = f"{units}{since} by the trace clock {clock}" if clock else f"{units} of the trace clock"
    return _described(table, said)


def _described(table: pa.Table, said: str) -> pa.Table:
    number = table.schema.get_field_index("ts")
    field = table.schema.field(number).with_metadata({"description": said})
    return table.set_column(number, field, table.column(number))


def complete(table: pa.Table) -> pa.Table:
    """Return a session's table with the columns of `PLAIN`; those that its version did not have are null.

    Raises `KeyError` if it lacks a column that every version has.
    """
    for field in ADDED:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(PLAIN.names).cast(PLAIN)


def alike(stored: pa.DataType, ours: pa.DataType) -> bool:
    """Tell whether a column may be stored as this type: other writers have wider numbers, and more kinds of text."""
    if pa.types.is_dictionary(stored):
        stored = stored.value_type
    texts = (pa.string(), pa.large_string(), pa.string_view())
    if ours in texts:
        return stored in texts
    kinds = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_timestamp)
    return any(is_one(ours) and is_one(stored) for is_one in kinds)
