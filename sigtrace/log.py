"""Log: what somebody read from trace_pipe, as a file, bytes or a stream, plain or compressed."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa

from sigtrace.accounting import Accounting
from sigtrace.errors import LogError
from sigtrace.parse import Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    Source = str | os.PathLike[str] | bytes | BinaryIO

PARQUET_MAGIC = b"PAR1"

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"

_REMEDY = {
    "latency-format": "echo 0 > /sys/kernel/tracing/options/latency-format",
    "verbose": "echo 0 > /sys/kernel/tracing/options/verbose",
    "context-info": "echo 1 > /sys/kernel/tracing/options/context-info",
}


class Log:
    """A raw log: iterate over it for its record batches, in bounded memory.

    `source` is a path (`-` is standard input), the bytes themselves, or a binary stream; gzip, xz and zstd are told by
    their first bytes. Each batch has the columns of `sigtrace.schema.SCHEMA`. Once iterated over, `accounting` says
    what became of every line. Raises `LogError` where the source cannot be read, where nothing in it is recognised,
    and where its layout names no CPU to stitch by; lines of other programs alone are no error, but counted.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        named = isinstance(source, (str, os.PathLike))
        self.name: str | None = os.fspath(source) if named else None  # type: ignore[arg-type]
        self.accounting = Accounting()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        parser = Parser(self.name)
        try:
            with _opened(self._source) as stream:
                while block := stream.read(_BLOCK):
                    yield from parser.feed(block)
            yield from parser.finish()
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            said = (isinstance(error, OSError) and error.strerror) or error
            raise LogError(f"{self._called}: {said}") from error
        self.accounting = parser.accounting
        self._refuse_the_unreadable()

    @property
    def _called(self) -> str:
        return "standard input" if self.name == "-" else self.name or "the log"

    def _refuse_the_unreadable(self) -> None:
        account = self.accounting
        kinds = account.lines_by_kind
        if kinds.keys() & {"kill", "half"}:
            return
        if account.layouts:
            options = " and ".join(account.layouts)
            remedy = "; ".join(_REMEDY[option] for option in account.layouts)
            raise LogError(
                f"{self._called}: recorded with option {options}, whose lines name no CPU to stitch by: "
                f"{remedy}; then record again"
            )
        if not kinds.keys() & {"other", "lost"}:
            what = f"none of its {account.lines:,} lines is one of trace_pipe" if account.lines else "it is empty"
            raise LogError(f"{self._called}: {what}: give what `cat /sys/kernel/tracing/trace_pipe` printed")


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield _decompressed(io.BufferedReader(io.BytesIO(source)))
    elif isinstance(source, (str, os.PathLike)) and source != "-":
        with Path(source).open("rb") as file:
            yield _decompressed(file)
    else:
        reader: Any = io.BufferedReader(cast("Any", sys.stdin.buffer if source == "-" else source))
        try:
            yield _decompressed(reader)
        finally:
            reader.detach()  # the caller's stream is the caller's to close


def _decompressed(stream: io.BufferedReader[Any]) -> BinaryIO:
    magic = stream.peek(6)[:6]
    if magic.startswith(PARQUET_MAGIC):
        raise OSError(None, "a Parquet file, not a log: ask it with `sigtrace report` or `sigtrace who`")
    if magic.startswith(_GZIP):
        return cast("BinaryIO", gzip.open(stream))
    if magic.startswith(_XZ):
        return cast("BinaryIO", lzma.open(stream))
    if magic.startswith(_ZSTD):
        return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))
    return stream
