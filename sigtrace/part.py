"""Part: a Parquet file of a session, encoded beside the scanning, and there whole or not at all."""

from __future__ import annotations

import json
import os
import queue
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from sigtrace import __version__
from sigtrace.errors import SessionError
from sigtrace.row_groups import RowGroups
from sigtrace.schema import PLAIN, SCHEMA, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"PAR1"
"""The first bytes of a Parquet file."""

METADATA_KEY = "sigtrace"
"""The key of a Parquet file's metadata under which the account stands, as JSON."""

_DELTAS = ("ts", "time", "cpu", "line")  # smaller so than by a dictionary; cpu is larger, for a third of the time
# By which readers skip row groups; of the rest, statistics cost time only.
_SOUGHT = ("event", "ts", "time", "line", "pid", "target")
_PAGE_ROWS = 1 << 16
_BUFFER = 1 << 16


class Part:
    """A part that is being written: batches go in, and `close` makes it whole.

    Batches are encoded in a thread of its own, so that the next ones are scanned meanwhile. Until `close` only a
    temporary file is there, which `abandon` removes. `compression` is one of Parquet's: zstd for what is kept and
    carried, snappy for what is made again at will: a sixth larger, in a sixth less of the time. Raises `SessionError`
    where the disk does not take it.
    """

    def __init__(self, path: Path, *, compression: Literal["zstd", "snappy"] = "zstd") -> None:
        self.path = path
        self.rows = 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._error: BaseException | None = None
        with _told(path):
            # Arrow's own: for every few pages, a file of Python's would wait for the lock that the scanning holds.
            file = pa.OSFile(os.fsencode(self._temporary), "wb")  # type: ignore[arg-type]  # a path may be any bytes
            self._file = pa.BufferedOutputStream(file, _BUFFER)
        self._writer = pq.ParquetWriter(
            self._file,
            SCHEMA,
            compression=compression,
            use_dictionary=[name for name in SCHEMA.names if name not in _DELTAS],  # type: ignore[arg-type]
            column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
            write_statistics=list(_SOUGHT),
            write_batch_size=_PAGE_ROWS,
            store_schema=False,  # so that names come back as plain strings everywhere
        )
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(maxsize=2)
        self._thread = threading.Thread(target=self._encode, daemon=True)
        self._thread.start()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch of `SCHEMA`."""
        self._check()
        self.rows += batch.num_rows
        self._batches.put(batch)

    def close(self, metadata: dict[str, Any]) -> None:
        """Make the part whole, with metadata under `METADATA_KEY`; after this it survives a power cut."""
        self._join()
        self._check()
        with _told(self.path):
            try:
                stored = {"schema": VERSION, "sigtrace": __version__, **metadata}
                self._writer.add_key_value_metadata({METADATA_KEY: json.dumps(stored)})
                self._writer.close()
                self._file.close()
                with self._temporary.open("rb") as file:
                    os.fsync(file.fileno())
                self._temporary.replace(self.path)
                sync_folder(self.path.parent)
            except BaseException:
                self.abandon()
                raise

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._join()
        with suppress(OSError, pa.ArrowException):  # of a full disk, say
            self._writer.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _check(self) -> None:
        if self._error is not None:
            self.abandon()
            with _told(self.path):
                raise self._error

    def _join(self) -> None:
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()

    def _encode(self) -> None:
        groups = RowGroups()
        while True:
            batch = self._batches.get()
            if self._error is None:
                try:
                    for group in groups.rest() if batch is None else groups.add(batch):
                        self._writer.write_table(group)
                except BaseException as error:  # noqa: BLE001  (raised again by write or close)
                    self._error = error
            if batch is None:
                return


def read(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a part as a table of `PLAIN`, and its metadata.

    Raises `SessionError` where it is not Parquet, or not sigtrace's.
    """
    try:
        with pq.ParquetFile(path) as file:
            about = _about(path, file.metadata)
            return file.read().select(PLAIN.names).cast(PLAIN), about
    except (OSError, KeyError, pa.ArrowException) as error:
        raise SessionError(f"{path}: {error}") from error


def metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a part alone. Raises `SessionError` as `read` does."""
    try:
        return _about(path, pq.read_metadata(path))
    except (OSError, pa.ArrowException) as error:
        raise SessionError(f"{path}: {error}") from error


def _about(path: Path, file: pq.FileMetaData) -> dict[str, Any]:
    try:
        about = json.loads((file.metadata or {}).get(METADATA_KEY.encode(), b""))
    except ValueError:
        about = None
    if not isinstance(about, dict) or "lines" not in about:
        raise SessionError(f"{path}: not written by sigtrace: make it with `sigtrace parse LOG -o OUT.parquet`")
    return about


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        said = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise SessionError(f"{path}: {said}: give a path in a folder that can be written and has room") from error
