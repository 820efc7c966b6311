"""The schema: what the columns of a session are."""

from __future__ import annotations

import pyarrow as pa

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
