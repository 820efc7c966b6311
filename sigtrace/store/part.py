"""Part: a Parquet file of a session, encoded beside the scanning, and there whole or not at all."""

from __future__ import annotations

import json
import os
import queue
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sigtrace import __version__
from sigtrace.errors import SessionError
from sigtrace.facts.rules import FIRST_TIME, LAST_TIME
from sigtrace.store.disk.place import Place
from sigtrace.store.trust import checksum, description, regular
from sigtrace.trace.parser import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

METADATA_KEY = "sigtrace"
"""The key of a Parquet file's metadata under which the account stands, as JSON."""

_DELTAS = ("ts", "time", "cpu", "line")  # smaller so than by a dictionary; cpu is larger, for a third of the time
_QUICK_DELTAS = ("sig", "ret")  # larger, for half of the time
# By which readers skip row groups; of the rest, statistics cost time only.
_SOUGHT = ("event", "ts", "time", "line", "pid", "target")
_PAGE_ROWS = 1 << 16
_BUFFER = 1 << 16
_WAITING = 2  # batches, while one is encoded
_DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112 -- a door is light


class Part:
    """A part that is being written: rows go in, and `close` makes it whole.

    They are encoded in a thread of its own, which imports pyarrow first, so that the next ones are scanned meanwhile.
    Until `close` only a temporary file is there, which `abandon` removes. What is `kept` is small; what can be made
    again at will is written in less time. `place` is the folder of `path`, held open, if somebody holds it. Raises
    `SessionError` if the disk does not take it.
    """

    def __init__(self, path: Path, *, kept: bool = True, place: Place | None = None) -> None:
        self.path = path
        self.rows = 0
        self._kept = kept
        self._temporary = f".{path.name}.{os.getpid()}"
        self._error: BaseException | None = None
        self._begun = False
        # Simple queues, which are C: an interrupt in a lock of Python's own leaves it locked (Condition.__enter__). And
        # Python 3.11 takes a thread for ended whose join was interrupted.
        self._queue: queue.SimpleQueue[pa.RecordBatch | Rows | dict[str, Any] | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_WAITING):
            self._room.put(None)
        self._finished: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._done = False
        try:
            # First this, which may wait for the import of pyarrow: an interrupt in it finds no file to leave behind.
            threading.Thread(target=self._work, daemon=True).start()
            with _explained(path), ExitStack() as undo:
                self._place = place or undo.enter_context(closing(Place(path.parent, private=False)))
                undo.callback(self._remove)
                # No name is opened twice: another file may lie there then.
                self._file = undo.enter_context(open(self._place.create(self._temporary), "r+b"))  # noqa: PTH123
                self._undo = undo.pop_all()
        except BaseException:
            self._queue.put(None)
            raise

    def write(self, rows: pa.RecordBatch | Rows) -> None:
        """Take a batch of `SCHEMA`, or rows that become one."""
        self._check()
        self.rows += len(rows)
        # Once pyarrow is imported, the batch is made here: encoding takes longer than scanning.
        self._put(rows.batch() if self._begun and isinstance(rows, Rows) else rows)

    def close(self, metadata: dict[str, Any]) -> None:
        """Make the part whole, with metadata under `METADATA_KEY`; after this it survives a power cut."""
        try:
            self._put(metadata)
            self._wait()
            self._check()
            with _explained(self.path):
                checksum.seal(self.path, self._file.fileno())
                os.fsync(self._file.fileno())
                self._place.replace(self._temporary, self.path.name)
        except BaseException:
            self.abandon()
            raise
        self._undo.close()

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._queue.put(None)
        self._wait()
        self._undo.close()

    def _remove(self) -> None:
        with suppress(OSError):
            self._place.unlink(self._temporary)

    def _put(self, what: pa.RecordBatch | Rows | dict[str, Any] | None) -> None:
        while not self._done:
            with suppress(queue.Empty):
                self._room.get(timeout=0.1)
                self._queue.put(what)
                return

    def _take(self) -> pa.RecordBatch | Rows | dict[str, Any] | None:
        what = self._queue.get()
        self._room.put(None)
        return what

    def _wait(self) -> None:
        while not self._done:
            with suppress(queue.Empty):
                self._finished.get(timeout=0.1)

    def _check(self) -> None:
        if self._error is not None:
            self.abandon()
            with _explained(self.path):
                raise self._error

    def _work(self) -> None:
        try:
            self._encode()
        except BaseException as error:  # noqa: BLE001  (raised again by write or close)
            self._error = error
        finally:
            self._done = True
            self._finished.put(None)

    def _opened(self) -> pa.NativeFile:
        import pyarrow as pa

        with self._place.acting():
            if not os.path.isdir(_DESCRIPTORS):  # noqa: PTH112 -- /dev leads to /proc, which some containers lack
                return pa.PythonFile(open(os.dup(self._file.fileno()), "wb"), "w")  # noqa: PTH123 -- a descriptor
            return pa.OSFile(f"{_DESCRIPTORS}/{self._file.fileno()}", "wb")

    def _encode(self) -> None:
        import pyarrow as pa

        from sigtrace.facts.schema import PANDAS, VERSION
        from sigtrace.store.row_groups import RowGroups

        self._begun = True
        groups = RowGroups()
        rows = self._take()
        if rows is None:
            return
        with (
            # Arrow's own: for every few pages, a file of Python's would wait for the interpreter's lock.
            self._opened() as unbuffered,
            pa.BufferedOutputStream(unbuffered, _BUFFER) as file,
            closing(_writer(file, kept=self._kept)) as writer,
        ):
            while isinstance(rows, (pa.RecordBatch, Rows)):
                for group in groups.add(rows.batch() if isinstance(rows, Rows) else rows):
                    writer.write_table(group)
                rows = self._take()
            if rows is not None:
                for group in groups.rest():
                    writer.write_table(group)
                stored = {"schema": VERSION, "sigtrace": __version__, **rows}
                said = {METADATA_KEY: json.dumps(stored), "pandas": PANDAS, checksum.KEY: checksum.UNKNOWN}
                writer.add_key_value_metadata(said)


def _writer(file: pa.BufferedOutputStream, *, kept: bool) -> pq.ParquetWriter:
    from sigtrace.facts.schema import SCHEMA

    deltas = _DELTAS if kept else _DELTAS + _QUICK_DELTAS
    how: dict[str, Any] = {
        "compression": "ZSTD" if kept else None,
        "use_dictionary": [name for name in SCHEMA.names if name not in deltas],
        "column_encoding": dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
        "write_statistics": list(_SOUGHT),
        "write_batch_size": _PAGE_ROWS,
        "store_schema": False,  # so that names come back as plain strings everywhere
        "writer_engine_version": "V2",
    }
    try:
        # Private: around the public one come clients for S3 and TLS, a quarter of a short log's time.
        from pyarrow._parquet import ParquetWriter

        return ParquetWriter(file, SCHEMA, **how)  # type: ignore[return-value]  # it has the methods that are called
    except (ImportError, TypeError):
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, SCHEMA, **how)


def read(path: Path) -> pa.Table:
    """Return the rows of a part as a table of `PLAIN`. Raises `SessionError` where it cannot be read."""
    import pyarrow.parquet as pq

    from sigtrace.facts.schema import complete

    with _refused(path), pq.ParquetFile(path) as file:
        return complete(file.read())


def trusted(path: Path) -> dict[str, Any]:
    """Return the metadata of a part that is as it was written.

    Raises `SessionError` where it does not match its checksum, is no file or not Parquet, or is not sigtrace's.
    """
    import pyarrow.parquet as pq

    descriptor = regular.opened(path)
    try:
        with _refused(path):
            checksum.verify(path, descriptor)
            # By no name: /proc is not everywhere, and another file may lie there meanwhile.
            with open(descriptor, "rb", closefd=False) as itself:
                file = pq.read_metadata(itself)
            about = _about(path, file)
            _check_columns(path, file)
    finally:
        os.close(descriptor)
    return about


def n_rows(path: Path) -> int:
    """Return how many rows a part has. Raises `SessionError` as `read` does."""
    import pyarrow.parquet as pq

    with _refused(path):
        return int(pq.read_metadata(path).num_rows)


def place(about: dict[str, Any], number: int, told: list[int]) -> dict[str, Any]:
    """Return as metadata of a part to which recording it belongs, which part it is, and which ones there are so far."""
    # A part may be read by itself.
    said: dict[str, Any] = {key: about[key] for key in ("clock", "signals", "chosen") if key in about}
    return {"log": about.get("log"), "part": number, "parts": told, **said} if "parts" in about else {}


def _about(path: Path, file: pq.FileMetaData) -> dict[str, Any]:
    try:
        about = json.loads((file.metadata or {}).get(METADATA_KEY.encode(), b""))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or "lines" not in about:
        raise SessionError(f"{path}: not written by sigtrace: make it with `sigtrace parse LOG -o OUT.parquet`")
    return description.checked(path, about)


def _check_columns(path: Path, file: pq.FileMetaData) -> None:
    from sigtrace.facts.schema import ADDED, PLAIN, alike

    stored = file.schema.to_arrow_schema()
    for ours in PLAIN:
        if ours.name in stored.names:
            found = stored.field(ours.name).type
            if not alike(found, ours.type):
                raise SessionError(f"{path}: its column {ours.name} is of type {found}, and not {ours.type}")
        elif ours.name not in ADDED.names:
            raise SessionError(f"{path}: it lacks the column {ours.name}")
    number = file.schema.names.index("time")
    for group in map(file.row_group, range(file.num_row_groups)):
        known = group.column(number).statistics
        # As stored: Python has no time that is later.
        if known is not None and known.has_min_max and not _has_dates(known.min_raw, known.max_raw):
            raise SessionError(f"{path}: its times lead beyond the years 1 to 9999")


def _has_dates(*times: Any) -> bool:  # noqa: ANN401  (whatever a file's statistics are)
    return all(isinstance(time, int) and FIRST_TIME <= time <= LAST_TIME for time in times)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, _of_arrow()) as error:
        raise SessionError(f"{path}: {' '.join(str(error).split())}") from error  # Arrow's have lines


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, _of_arrow()) as error:
        said = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise SessionError(f"{path}: {said}: give a path in a folder that can be written and has room") from error


def _of_arrow() -> type[Exception]:
    # Asked only where something was raised, for a part is begun before pyarrow is imported.
    import pyarrow as pa

    return pa.ArrowException
