"""Feed: the rows of a session, out of a table or of Parquet files, as chunks in the order of their lines."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sigtrace.causes.tracking.rows import HANDLERS, KINDS, NAMES, NO_TIME, NONE, NUMBERS, OTHER, Chunk
from sigtrace.causes.unfolded import unfolded
from sigtrace.errors import SessionError
from sigtrace.facts.rules import NO_TS
from sigtrace.facts.schema import PLAIN
from sigtrace.facts.witness import losses_untold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sigtrace.causes.tracking.rows import Follower
    from sigtrace.store.sessions import Found

ALWAYS = ("ts", "tid", "pid", "line")
FILLED = {
    "process": ("comm", "target", "filename", "cgroup", "user", "command", "ns_pid"),
    "lost": ("cpu",),
    "kill": ("time", "cpu", "comm", "sig", "target", "ret"),
    "kill_half": ("time", "cpu", "comm", "sig", "target", "ret"),
    "signal_generate": ("time", "cpu", "comm", "sig", "target", "target_comm", "code", "grp", "res"),
    "signal_deliver": ("time", "cpu", "comm", "sig", "code", "handler"),
    "sched_process_fork": ("target", "target_comm"),
    "sched_process_exec": ("target", "filename", "command"),
    "sched_process_exit": ("time", "cpu", "comm", "group_dead", "sig", "status"),
    "mark_victim": ("time", "cpu", "comm", "target", "target_comm", "command"),
    "sys_enter_exit_group": ("status",),
    "sys_enter_exit": ("status",),
    "exec": ("target", "filename"),
    "args": ("uid", "user", "command", "cgroup_id"),
    "cgroup_attach_task": ("target", "cgroup"),
    "cgroup_mkdir": ("cgroup", "cgroup_id"),
    "cgroup": ("cgroup", "cgroup_id"),
    "thread": (),
}
"""The columns that the tracker reads of each event, beside `ALWAYS`. To read one costs, also if it is null."""

_ALL = {"event", *ALWAYS, *(name for filled in FILLED.values() for name in filled)}
COLUMNS = [name for name in PLAIN.names if name in _ALL]
"""The columns that the tracker reads at all, but for `log`."""

_ROWS = 1 << 16
_LAST = 1 << 62
_ARROW = {"q": pa.int64(), "i": pa.int32(), "B": pa.uint8()}
_NULLS = {"line": 0, "ts": NO_TS, "cpu": 0, "tid": 0, "time": NO_TIME, "small": 255, "flag": 2}
_NULLS |= {"pid": -1, "cgroup_id": -1}
_NULLS |= dict.fromkeys(("sig", "target", "ret", "code", "status", "uid", "ns_pid"), NONE)


def tables(
    events: pa.Table, missing: Sequence[int] = (), *, losses_told: bool = True, signals: Collection[int] = ()
) -> Iterator[tuple[str | None, Table]]:
    """Yield each log of a table of events, with its rows; the options are those of `Table`, of all of them."""
    # Of pandas without Arrow's types, a column with nulls comes as floats.
    names = [name for name in (*COLUMNS, "log") if name in events.column_names]  # older sessions have fewer
    ordered = events.select(names).cast(pa.schema([PLAIN.field(name) for name in names]))
    ordered = ordered.sort_by([("log", "ascending"), ("line", "ascending")])
    counted = cast("list[dict[str, Any]]", ordered["log"].value_counts().to_pylist())  # type: ignore[misc]
    counts = {row["values"]: row["counts"] for row in counted}
    start = 0
    for log in [*sorted(log for log in counts if log is not None), *([None] if None in counts else [])]:
        yield log, Table(ordered.slice(start, counts[log]), missing, losses_told=losses_told, signals=signals)
        start += counts[log]


def witnessed(events: Collection[str | None]) -> bool:
    """Tell by the events of a log whether it would show a signal and its delivery, if there were one.

    The processes that ran at the start are of a recording that has both events on.
    """
    return "process" in events or {"signal_generate", "signal_deliver"} <= set(events)


def exits_told(events: Collection[str | None], enabled: Collection[str] = ()) -> bool:
    """Tell by the events of a log, and by those that were on, whether it would show each call to exit.

    A call of a 32-bit program is not among these events: where no call is told at all, all may be of such programs.
    """
    both = "sys_enter_exit" in events or "sys_enter_exit" in enabled or "process" in events
    return "sys_enter_exit_group" in events and both


class Table:
    """The rows of one log, in a table in the order of their lines.

    `missing` are lines after which there were more. `losses_told`: whether the log would tell of lost events. `signals`
    are those that alone were recorded, if not all were.
    """

    def __init__(
        self,
        table: pa.Table,
        missing: Sequence[int] = (),
        *,
        losses_told: bool = True,
        signals: Collection[int] = (),
    ) -> None:
        self._table = table
        self._losses_told = losses_told
        self.missing = missing
        self.signals = signals
        self._events = set(table["event"].unique().to_pylist())

    @property
    def lossy(self) -> bool:
        """Whether the kernel said that events were lost."""
        return "lost" in self._events

    @property
    def witnessed(self) -> bool:
        """Whether the log would show a signal and its delivery, if there were one."""
        return self._losses_told and witnessed(self._events)

    @property
    def exits_told(self) -> bool:
        """Whether the log would show each call to exit."""
        return exits_told(self._events)

    def feed(self, follower: Follower) -> None:
        """Have a follower follow all rows."""
        for batch in self._table.combine_chunks().to_batches(max_chunksize=_ROWS):
            follower.follow(chunk(batch), _LAST)


class Parts:
    """The rows of one log in Parquet files, however many and large: few row groups are in memory at a time.

    `missing` are the lines after which there were more, in files that could not be read. `signals` are those that alone
    were recorded, if not all were. If they are `mixed`, rows of a file may have lines before those of an earlier one.
    `fed` is called with the bytes of each file that was followed.
    """

    def __init__(
        self,
        files: Sequence[str],
        *,
        lossy: bool,
        witnessed: bool,
        exits_told: bool = False,
        missing: Sequence[int] = (),
        signals: Collection[int] = (),
        mixed: bool = False,
    ) -> None:
        self._files = files
        self._mixed = mixed
        self.missing = missing
        self.signals = signals
        self.lossy = lossy
        self.witnessed = witnessed
        self.exits_told = exits_told
        self.fed: Callable[[int], object] | None = None

    def size(self) -> int:
        """Return how many bytes the files have."""
        return size(self._files)

    def feed(self, follower: Follower) -> None:
        """Have a follower follow all rows. Raises `SessionError` if a file cannot be read."""
        for files in [self._files] if self._mixed else [[file] for file in self._files]:
            with _explained(files[0] if len(files) == 1 else str(Path(files[0]).parent)), ExitStack() as stack:
                opened = [stack.enter_context(closing(_File(path, anew=self._mixed))) for path in files]
                _feed(opened, follower)
                if self.fed is not None:
                    self.fed(size(files))


def size(files: Sequence[str]) -> int:
    """Return how many bytes files have."""
    return sum(Path(file).stat().st_size for file in files)


def of_session(one: Found, logs: Sequence[str | None]) -> Iterator[tuple[str | None, Table | Parts]]:
    """Yield the logs of a session by the names that they have here, with their rows."""
    missing = [line for left_out in one.about.get("damaged", ()) if (line := left_out["after_line"]) is not None]
    if one.rows is None and len(logs) == 1:
        yield (
            logs[0],
            Parts(
                one.files,
                lossy=lossy(one),
                missing=missing,
                **told(one),
            ),
        )
        return
    names = dict(zip(one.logs, logs, strict=True))
    signals = one.about.get("signals", ())
    for log, rows in tables(one.table(), missing, losses_told=not losses_untold(one.about), signals=signals):
        yield names.get(log, log if len(logs) > 1 else logs[0]), rows


def told(one: Found) -> dict[str, Any]:
    """Return whether a session is `witnessed`, and `exits_told`, and which `signals` it has, as of `Parts`."""
    kinds, recorded = one.about["lines_by_kind"], _recorded(one)
    return {
        "signals": list(one.about.get("signals", ())),
        "mixed": "chosen" in one.about,
        "witnessed": not losses_untold(one.about) and witnessed([*kinds, *recorded]),
        "exits_told": exits_told(kinds, recorded),
    }


def lossy(one: Found) -> bool:
    """Tell whether a session holds losses, so that its rows are followed twice."""
    return bool(one.about["lines_by_kind"].get("lost"))


def _recorded(one: Found) -> list[str]:
    # The events that were on, whether or not one came.
    return [event.rsplit(":", 1)[-1] for event in one.about.get("events", ())]


class _File:
    # A part. Of a recording that is mixed, each is opened anew for each row group: a long one has more parts than a
    # process may hold open.
    def __init__(self, path: str, *, anew: bool) -> None:
        self.path = path
        self._anew = anew
        with _explained(path):
            self.metadata = pq.read_metadata(path)
            self._file = self._opened()
            self.names = self._file.schema_arrow.names
        if anew:
            self.close()

    def read(self, number: int, columns: list[str]) -> pa.Table:
        if not self._anew:
            return self._file.read_row_group(number, columns, use_threads=False).combine_chunks()
        with self._opened() as file:
            return file.read_row_group(number, columns, use_threads=False).combine_chunks()

    def close(self) -> None:
        self._file.close()

    def _opened(self) -> pq.ParquetFile:
        encoded = [name for name in (*NAMES, "event", "handler") if name in self.metadata.schema.names]
        return pq.ParquetFile(self.path, metadata=self.metadata, read_dictionary=encoded)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise SessionError(f"{path}: {' '.join(str(error).split())}") from error


def _feed(files: Sequence[_File], follower: Follower) -> None:
    # A part has its rows by event, so row groups lie side by side: each is opened when its first line comes.
    groups = sorted((group for file in files for group in _groups(file)), key=lambda group: group[0])
    open_: list[Chunk] = []
    while groups or open_:
        while groups and (not open_ or groups[0][0] <= min(one.line[one.at] for one in open_)):
            _, file, number, event, columns = groups.pop(0)
            with _explained(file.path):
                opened = _chunk_of(file, number, event, columns)
            if opened.rows:
                open_.append(opened)
        if open_:
            follower.follow_all(open_, groups[0][0] if groups else _LAST)
            open_ = [one for one in open_ if one.at < one.rows]


def _groups(file: _File) -> Iterator[tuple[int, _File, int, str | None, list[str]]]:
    # The first line of each row group that is followed, its number, its event if it has one only, and what to read.
    names = file.names
    line, event = names.index("line"), names.index("event")
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        first_event, last_event = _range(group.column(event))
        of_one = first_event is not None and first_event == last_event
        if of_one and first_event not in FILLED:
            continue
        wanted = (*ALWAYS, *FILLED[first_event]) if of_one else COLUMNS
        first_line, _ = _range(group.column(line))
        yield first_line or 0, file, number, first_event if of_one else None, [name for name in names if name in wanted]


def _range(column: pq.ColumnChunkMetaData) -> tuple[Any, Any]:
    known = column.statistics
    return (known.min, known.max) if known is not None and known.has_min_max else (None, None)


def _chunk_of(file: _File, number: int, event: str | None, columns: list[str]) -> Chunk:
    table = file.read(number, columns)
    (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    opened = chunk(batch, event)
    if not opened.is_sorted():
        order = pc.sort_indices(batch, [("line", "ascending"), ("ts", "ascending")])
        opened = chunk(batch.take(order), event)
    return opened


def chunk(batch: pa.RecordBatch, event: str | None = None) -> Chunk:
    """Return the rows of a record batch, all of one `event` or of any; it may lack columns that none of them fills."""
    told = unfolded(batch, event)
    if told is not batch:
        batch, event = told, None
    n = batch.num_rows
    numbers = {
        name: _constant("B", KINDS.index(event), n)
        if name == "kind" and event is not None
        else _numbers(name, type_, _column(batch, name), n)
        for name, type_ in NUMBERS.items()
    }
    codes: dict[str, memoryview] = {}
    names: dict[str, list[str]] = {}
    for name in NAMES:
        codes[name], names[name] = _names(_column(batch, name), n)
    return Chunk(n, numbers, codes, names)


def _column(batch: pa.RecordBatch, name: str) -> Any:  # noqa: ANN401  (an array of Arrow's, or None)
    if name == "kind":
        return _coded(batch.column("event"), {event: kind for kind, event in enumerate(KINDS)}, OTHER)
    if name == "small":
        handlers = {handler: code for code, handler in enumerate(HANDLERS)}
        handler = _coded(_column(batch, "handler"), handlers, 255)
        return _either(handler, _column(batch, "res"))
    if name == "flag":
        return _either(_column(batch, "grp"), _column(batch, "group_dead"))
    if name == "tid" and "pid" in batch.schema.names and batch.column(name).null_count:
        # A tool that names the process only: to follow it, a thread of it is as good as another.
        return pc.coalesce(batch.column(name), batch.column("pid"))
    return batch.column(name) if name in batch.schema.names else None


def _either(first: Any, second: Any) -> Any:  # noqa: ANN401  (an array of Arrow's, or None)
    found = [one.cast(pa.uint8()) for one in (first, second) if one is not None]
    return None if not found else found[0] if len(found) == 1 else pc.coalesce(*found)


def _coded(array: Any, codes: dict[str, int], other: int) -> Any:  # noqa: ANN401  (an array of Arrow's, or None)
    if array is None:
        return None
    if not isinstance(array, pa.DictionaryArray):
        array = array.dictionary_encode()
    known = pa.array([codes.get(name, other) for name in array.dictionary.to_pylist()], pa.uint8())
    return known.take(array.indices)


def _numbers(name: str, type_: str, array: Any, n: int) -> memoryview:  # noqa: ANN401
    wanted = _ARROW[type_]
    if array is None:
        return _constant(type_, _NULLS[name], n)
    if array.type != wanted:
        array = array.cast(wanted)
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(_NULLS[name], wanted))
    return _view(array, type_)


def _constant(type_: str, value: int, n: int) -> memoryview:
    # Most events fill few columns.
    return _many(type_, value, 1 << max(n, 1 << 16).bit_length())[:n]


@lru_cache(maxsize=32)
def _many(type_: str, value: int, n: int) -> memoryview:
    return _view(cast("Any", pa).repeat(pa.scalar(value, _ARROW[type_]), n), type_)


def _names(array: Any, n: int) -> tuple[memoryview, list[str]]:  # noqa: ANN401
    if array is None:
        return _constant("i", -1, n), []
    if not isinstance(array, pa.DictionaryArray):
        array = array.dictionary_encode()
    indices = array.indices.cast(pa.int32())
    if indices.null_count:
        indices = pc.fill_null(indices, -1)
    return _view(indices, "i"), array.dictionary.to_pylist()


def _view(array: Any, type_: str) -> memoryview:  # noqa: ANN401
    size = {"q": 8, "i": 4, "B": 1}[type_]
    data = memoryview(array.buffers()[1])[array.offset * size : (array.offset + len(array)) * size]
    return data.cast("B").cast(cast("Literal['i']", type_))
