"""Counts: the calls of a session, counted when it was whole, so that a report need not count them again.

A row is the calls by who sent what to whom with what result, as in `sigtrace.analyze.sent`. Those that asked a process
to end or killed it, and reached it, stand alone, for a question about their order in time. Rows without calls say whom
a signal of that sender hit, by `target_comm`: its call may be in another session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sigtrace.facts.rules import ASKING_OR_KILLING, STORM_CALLS, STORM_GAP_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

MOST_ROWS = 1 << 18
"""So many rows there are at most: a session of which there are more has hardly two calls alike."""

_KEY = ("pid", "comm", "sig", "target", "ret")
_SUMMED = {
    "calls": "sum",
    "first_ts": "min",
    "last_ts": "max",
    "first_time": "min",
    "first_line": "min",
    "target_comm": "min",
}
_READ = ["event", "ts", "time", "line", "tid", "pid", "comm", "sig", "target", "ret", "code", "target_comm"]
_EVENTS = ("kill", "signal_generate")
_WAITING_ROWS = 1 << 17
_MOST_BYTES = 1 << 28  # so many rows have a tenth of that
# A fleet has hundreds of these, small as they are: what is read soon is worth more than what is small.
_HOW: dict[str, Any] = {"compression": "SNAPPY", "store_schema": False, "write_statistics": False}


def table_schema() -> pa.Schema:
    """Return the columns of counted calls."""
    import pyarrow as pa

    from sigtrace.facts.schema import PLAIN

    like = {"calls": "line", "first_ts": "ts", "last_ts": "ts", "first_time": "time", "first_line": "line"}
    key = [(name, PLAIN.field(name).type) for name in ("log", *_KEY)]
    return pa.schema([*key, *((name, PLAIN.field(like.get(name, name)).type) for name in _SUMMED)])


def hold(about: object) -> bool:
    """Tell whether what a ledger says of its counted calls can be so: None if they were not counted."""
    if about is None:
        return True
    if not isinstance(about, dict):
        return False
    size, times = about.get("bytes"), {type(about.get(name)) for name in ("first_ts", "last_ts")}
    return (
        isinstance(size, int)
        and 0 <= size <= _MOST_BYTES
        and isinstance(about.get("dense"), bool)
        and times in ({int}, {type(None)})
        and isinstance(about.get("crc32"), str)
    )


def written(path: Path, temporary: str, log: str | None, files: Sequence[str], mode: int) -> dict[str, Any] | None:
    """Write the counted calls of a session, and return what a ledger says of them; None if they are too many to count.

    Keys: `bytes` and `crc32` of the file; `dense`, whether so many calls come so fast that some may be a storm;
    `first_ts` and `last_ts` of all, null if there are none. Raises `OSError` and what pyarrow raises.
    """
    import pyarrow as pa

    from sigtrace.store.disk.sealed import Sealed

    counter = _Counter()
    for file in files:
        for rows in _rows(file):
            counter.add(rows)
            if counter.n > MOST_ROWS:
                path.unlink(missing_ok=True)
                return None
    schema = table_schema()
    counted = counter.table()
    counted = counted.append_column("log", pa.array([log] * len(counted), pa.string())).select(schema.names)
    with Sealed(path, temporary, schema, _HOW, mode) as sealed:
        sealed.write(counted.cast(schema))
        size, crc = sealed.seal({})
    return {**counter.about(), "bytes": size, "crc32": crc}


class _Counter:
    """Counts calls, of which rows are added in the order in which they stand in a session."""

    def __init__(self) -> None:
        import pyarrow as pa

        self.n = 0
        self._kinds: list[pa.Table] = []
        self._alone: list[pa.Table] = []
        self._waiting = 0
        self._times: pa.Array[Any] = pa.array([], pa.int64())
        self._dense = False
        self._span: list[int] = []

    def add(self, rows: pa.Table) -> Self:
        pc = _compute()

        rows = rows.set_column(rows.schema.get_field_index("pid"), "pid", pc.coalesce(rows["pid"], rows["tid"]))
        calls = rows.filter(pc.equal(rows["event"], "kill"))
        hits = rows.filter(pc.equal(rows["event"], "signal_generate"))
        self._time(calls["ts"].drop_null().combine_chunks())
        alone = pc.and_(pc.equal(calls["ret"], 0), pc.is_in(calls["sig"], _numbers(ASKING_OR_KILLING)))
        alone = pc.fill_null(alone, fill_value=False)
        self._alone.append(_counted(calls.filter(alone), 1))
        self._kinds += _grouped([_counted(calls.filter(pc.invert(alone)), 1)]), _grouped([_hit(hits)])
        self.n += sum(map(len, (self._alone[-1], *self._kinds[-2:])))
        self._waiting += sum(map(len, self._kinds[-2:]))
        if self._waiting and (self._waiting > _WAITING_ROWS or self.n > MOST_ROWS):
            self._group()
        return self

    def table(self) -> pa.Table:
        import pyarrow as pa

        empty = table_schema().remove(0).empty_table()
        self._kinds.append(empty)
        self._group()
        return pa.concat_tables([empty, *(one.cast(empty.schema) for one in (*self._alone, *self._kinds))])

    def about(self) -> dict[str, Any]:
        first, last = self._span or (None, None)
        return {"dense": self._dense, "first_ts": first, "last_ts": last}

    def _group(self) -> None:
        grouped = _grouped(self._kinds)
        self.n += len(grouped) - sum(map(len, self._kinds))
        self._kinds, self._waiting = [grouped], 0

    def _time(self, times: pa.Array[Any]) -> None:
        import pyarrow as pa

        pc = _compute()

        if len(times):
            around = pc.min_max(times).as_py()
            self._span = [min([around["min"], *self._span[:1]]), max([around["max"], *self._span[1:]])]
        # The rows before, for a storm that is in two row groups.
        times = pa.concat_arrays([self._times, times])
        self._dense = self._dense or _is_dense(times)
        self._times = times[-STORM_CALLS:]


def _is_dense(times: pa.Array[Any]) -> bool:
    # Of a storm the last call is within so many gaps of the first, whosever came between; but for those that stand a
    # little out of order. Calls whose CPUs were put one behind the other may all be one.
    pc = _compute()

    took = pc.subtract(times[STORM_CALLS - 1 :], times[: max(len(times) - STORM_CALLS + 1, 0)])
    back = pc.subtract(times[:-1], times[1:])
    return bool(
        pc.any(pc.less_equal(took, STORM_CALLS * STORM_GAP_US)).as_py()
        or pc.any(pc.greater(back, STORM_GAP_US)).as_py()
    )


def _rows(path: str) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        event = file.schema_arrow.names.index("event")
        for number in range(file.metadata.num_row_groups):
            known: Any = file.metadata.row_group(number).column(event).statistics
            if known is None or not known.has_min_max or any(known.min <= one <= known.max for one in _EVENTS):
                yield file.read_row_group(number, _READ, use_threads=False)


def _counted(rows: pa.Table, calls: int) -> pa.Table:
    import pyarrow as pa

    same: dict[str, Any] = {name: rows[name] for name in _KEY}
    times = {"first_ts": rows["ts"], "last_ts": rows["ts"], "first_time": rows["time"], "first_line": rows["line"]}
    columns = {**same, "calls": pa.array([calls] * len(rows), pa.int64()), **times}
    return pa.table({**columns, "target_comm": pa.nulls(len(rows), pa.string())})


def _hit(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    pc = _compute()

    by_a_call = pc.fill_null(pc.less_equal(rows["code"], 0), fill_value=True)
    named = rows.filter(pc.and_(by_a_call, pc.is_valid(rows["target_comm"])))
    kinds = _counted(named, 0)
    for name in ("ret", "first_ts", "last_ts", "first_time", "first_line"):
        number = kinds.schema.get_field_index(name)
        kinds = kinds.set_column(number, name, pa.nulls(len(kinds), kinds.schema.field(number).type))
    return kinds.set_column(kinds.schema.get_field_index("target_comm"), "target_comm", named["target_comm"])


def _grouped(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    whole = pa.concat_tables(tables)
    sums: list[Any] = list(_SUMMED.items())
    found = whole.group_by(list(_KEY), use_threads=False).aggregate(sums)
    return found.rename_columns([*_KEY, *_SUMMED] if found.column_names[0] == _KEY[0] else [*_SUMMED, *_KEY])


def _compute() -> Any:  # noqa: ANN401 -- what is written of its types does not know that it takes Python's values
    import pyarrow.compute

    return pyarrow.compute


def _numbers(values: Sequence[int]) -> pa.Array[Any]:
    import pyarrow as pa

    return pa.array(values, pa.int32())
