"""Sealed: a Parquet file that carries its checksum, and has its name when it is whole."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sigtrace.store.disk.place import Place
from sigtrace.store.trust import checksum

if TYPE_CHECKING:
    from pathlib import Path


class Sealed:
    """A file that is being written: tables go in, each as a row group, and `seal` makes it whole.

    A context manager: without `seal`, nothing is left of it. What lacks of its folders is made with a `mode`, and
    `temporary` is its name until then. `how` is as of `pyarrow.parquet.ParquetWriter`. Raises `OSError`.
    """

    def __init__(self, path: Path, temporary: str, schema: pa.Schema, how: dict[str, Any], mode: int) -> None:
        self.groups = 0
        self._path = path
        self._temporary = temporary
        self._schema = schema
        self._how = how
        self._mode = mode

    def __enter__(self) -> Self:
        self._place = self._folder()
        self._file = open(self._place.create(self._temporary), "w+b")  # noqa: PTH123 -- a descriptor
        self._writer = pq.ParquetWriter(pa.PythonFile(self._file, "w"), self._schema, **self._how)
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._place):
            for one in (self._writer, self._file):
                with suppress(OSError, pa.ArrowException):  # the disk may be full: then there is an error already
                    one.close()
            self._place.unlink(self._temporary)

    def write(self, rows: pa.Table) -> None:
        """Write a row group."""
        self._writer.write_table(rows, row_group_size=max(len(rows), 1))
        self.groups += 1

    def seal(self, metadata: dict[str, str]) -> tuple[int, str]:
        """Make the file whole, with metadata; after this it survives a power cut. Return its bytes and its checksum."""
        self._writer.add_key_value_metadata({**metadata, checksum.KEY: checksum.UNKNOWN})
        self._writer.close()
        self._file.flush()
        descriptor = self._file.fileno()
        checksum.seal(self._path, descriptor)
        os.fsync(descriptor)
        self._place.replace(self._temporary, self._path.name)
        return os.fstat(descriptor).st_size, checksum.found(descriptor) or ""

    def _folder(self) -> Place:
        try:
            return Place(self._path.parent, private=True)
        except FileNotFoundError:
            return Place.make(self._path.parent, self._mode)
