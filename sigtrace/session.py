"""Session: rows in Parquet with their account beside them, written whole or not at all, and opened again."""

from __future__ import annotations

import json
import os
import queue
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sigtrace import __version__
from sigtrace.accounting import Accounting
from sigtrace.errors import SessionError
from sigtrace.log import PARQUET_MAGIC, Log
from sigtrace.schema import PLAIN, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from sigtrace.log import Source

METADATA_KEY = "sigtrace"
"""The key of a Parquet file's metadata under which the account stands, as JSON."""

_SCHEMA_VERSION = 1
_INCREASING = ("ts", "time", "line")


@dataclass(frozen=True)
class Session:
    """The rows of a log or of a Parquet file, with the account of the lines that they came from.

    `table` is a pyarrow table with the columns of `sigtrace.schema.PLAIN`; pandas, polars, DuckDB and narwhals take it
    as it is, and the session itself wherever they take Arrow streams.
    """

    name: str
    table: pa.Table
    accounting: Accounting

    def __len__(self) -> int:
        return self.table.num_rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame of Arrow-backed columns, so that a null stays a null."""
        import pandas as pd

        return self.table.to_pandas(types_mapper=pd.ArrowDtype)


def read(source: Source) -> Session:
    """Read a Parquet file that sigtrace wrote, or a raw log, into a session.

    `source` is a path (`-` is standard input), bytes or a binary stream. Raises `LogError` for a log without an answer
    in it, and `SessionError` for a Parquet file that is not sigtrace's.
    """
    if isinstance(source, (str, os.PathLike)) and source != "-" and _is_parquet(Path(source)):
        return _read_parquet(Path(source))
    log = Log(source)
    table = pa.Table.from_batches(log, schema=SCHEMA).cast(PLAIN)
    return Session(log.name or "log", table, log.accounting)


def write(logs: Iterable[Log], path: Path) -> Accounting:
    """Parse logs into one Parquet file, in bounded memory; return the account of all.

    The file appears whole or not at all. Raises `SessionError` where it cannot be written, and what the logs raise.
    """
    logs = list(logs)
    try:
        with _replacing(path) as temporary, _Writer(temporary) as writer:
            account = Accounting()
            for log in logs:
                for batch in log:
                    writer.write(batch)
                account += log.accounting
            writer.metadata = {**account.to_dict(), "logs": [log.name for log in logs]}
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror or error}") from error
    return account


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET_MAGIC
    except OSError:
        return False  # Log says what is wrong with it


def _read_parquet(path: Path) -> Session:
    try:
        with pq.ParquetFile(path) as file:
            stored = (file.metadata.metadata or {}).get(METADATA_KEY.encode())
            if stored is None:
                raise SessionError(f"{path}: not written by sigtrace: make it with `sigtrace parse LOG -o OUT.parquet`")
            table = file.read().select(PLAIN.names).cast(PLAIN)
    except (OSError, pa.ArrowException) as error:
        raise SessionError(f"{path}: {error}") from error
    return Session(os.fspath(path), table, Accounting.from_dict(json.loads(stored)))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch()
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


class _Writer:
    """Encode batches in a thread of its own, so that the next ones are scanned meanwhile."""

    def __init__(self, path: Path) -> None:
        self.metadata: dict[str, Any] = {}
        self._writer = pq.ParquetWriter(
            path,
            SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in SCHEMA.names if name not in _INCREASING],  # type: ignore[arg-type]
            column_encoding=dict.fromkeys(_INCREASING, "DELTA_BINARY_PACKED"),
            store_schema=False,  # so that names come back as plain strings everywhere
        )
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(maxsize=2)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._encode, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._batches.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        stored = {"schema": _SCHEMA_VERSION, "sigtrace": __version__, **self.metadata}
        self._writer.add_key_value_metadata({METADATA_KEY: json.dumps(stored)})
        self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        if self._error is not None:
            raise self._error
        self._batches.put(batch)

    def _encode(self) -> None:
        while (batch := self._batches.get()) is not None:
            if self._error is None:
                try:
                    self._writer.write_batch(batch)
                except BaseException as error:  # noqa: BLE001  (raised again where the caller is)
                    self._error = error
