"""Log: what somebody read from trace_pipe, as a file, bytes or a stream, plain or compressed."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from sigtrace.errors import LogError
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.layouts import REMEDIES
from sigtrace.trace.parser import Parser
from sigtrace.trace.prefix import stripper
from sigtrace.trace.witness import witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sigtrace.trace.parser import Rows

    Source = str | os.PathLike[str] | bytes | BinaryIO

PARQUET = b"PAR1"
"""The first bytes of a Parquet file, which is no log."""

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_XZ_MEMORY = 1 << 27
_ZSTD = b"\x28\xb5\x2f\xfd"

_UNRECOGNISED = {"comment", "blank", "foreign", "continuation", "malformed", "unstitchable"}


class Log:
    """A raw log: iterate over it for its record batches, in bounded memory.

    `source` is a path (`-` is standard input), the bytes themselves, or a binary stream; gzip, xz and zstd are told by
    their first bytes, and what another tool has written before each line by the first lines. Each batch has the columns
    of `sigtrace.facts.schema.SCHEMA`. Once iterated over, `accounting` says what became of every line. Raises
    `LogError` if the source cannot be read, if nothing in it is recognised, if its layout lacks the CPU that pairs the
    two lines of a call, and if it holds traces of several names; lines of other programs alone are no error, but
    counted.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        named = isinstance(source, (str, os.PathLike))
        # A path may be any bytes; a name is text.
        self.name = os.fsencode(source).decode("utf-8", "backslashreplace") if named else None  # type: ignore[arg-type]
        self.accounting = Accounting()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return (rows.batch() for rows in self.rows())

    def rows(self, *, unlocked: bool = False) -> Iterator[Rows]:
        """Iterate as over the log itself, before the rows are batches; `unlocked` as of `Parser`."""
        parser = Parser(self.name, unlocked=unlocked)
        with _explained(self._called):
            with _opened(self._source) as stream:
                blocks = iter(lambda: stream.read(_BLOCK), b"")
                sample = stripper.first(blocks)
                other = witness.of(sample, self.name)
                if other is None:
                    yield from stripper.scan(parser, chain((sample,), blocks))
                else:
                    for block in chain((sample,), blocks):
                        yield from other.scan(block)
            yield from (other or parser).end()
        self.accounting = (other or parser).accounting
        self._refuse_the_unreadable()

    @property
    def _called(self) -> str:
        return _called(self.name)

    def _refuse_the_unreadable(self) -> None:
        account = self.accounting
        kinds = account.lines_by_kind
        recognised = kinds.keys() - _UNRECOGNISED
        if recognised - {"other", "lost"} or account.tools:
            return
        if account.layouts:
            options = " and ".join(account.layouts)
            remedy = "; ".join(REMEDIES[option] for option in account.layouts)
            raise LogError(
                f"{self._called}: this log was recorded with option {options}, whose lines lack the CPU that pairs "
                f"the two lines of a call: {remedy}; then record again"
            )
        if not recognised:
            what = f"none of its {account.lines:,} lines is a line of trace_pipe" if account.lines else "it is empty"
            raise LogError(f"{self._called}: {what}: give the output of `cat /sys/kernel/tracing/trace_pipe`")


def lines_of(path: str) -> Iterator[bytes]:
    """Yield the lines of a file of whatever text, opened as a log is; one of over a megabyte comes in pieces.

    Raises `LogError` if it cannot be read.
    """
    with _explained(_called(path)), _opened(path) as stream:
        yield from iter(lambda: stream.readline(_BLOCK), b"")


class _Borrowed(io.RawIOBase):
    """A stream that is the caller's to close, whatever is closed over it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (whatever a BufferedReader has)
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Xz(io.RawIOBase):
    """What xz packed, one stream after the other; what asks for far more memory than `xz -9` needs is refused."""

    def __init__(self, packed: io.BufferedReader[Any]) -> None:
        self._packed = packed
        self._begin()

    def _begin(self) -> None:
        import lzma

        self._unpacked = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (whatever a BufferedReader has)
        data = b""
        while not data:
            if self._unpacked.eof:
                left = self._unpacked.unused_data.lstrip(b"\0")  # what pads a stream
                while not left:
                    if not (more := self._packed.read(_BLOCK)):
                        return 0
                    left = more.lstrip(b"\0")
                self._begin()
            else:
                left = self._packed.read(_BLOCK) if self._unpacked.needs_input else b""
                if not left and self._unpacked.needs_input:
                    raise EOFError("the file ended before the end of what was compressed")
            data = self._unpacked.decompress(left, len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        stream: BinaryIO = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)) and source != "-":
        stream = Path(source).open("rb", buffering=0)  # noqa: SIM115  (closed below)
    else:
        stream = cast("BinaryIO", _Borrowed(sys.stdin.buffer if source == "-" else cast("BinaryIO", source)))
    with stream, io.BufferedReader(cast("io.RawIOBase", stream)) as buffered, _decompressed(buffered) as plain:
        yield plain


def _called(name: str | None) -> str:
    return "standard input" if name == "-" else name or "the log"


@contextmanager
def _explained(called: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not isinstance(error, _unreadable()):
            raise
        said = (isinstance(error, OSError) and error.strerror) or error
        raise LogError(f"{called}: {said}") from error


def _unreadable() -> tuple[type[Exception], ...]:
    # Called only if something was raised: a short log is read before these are imported.
    import lzma
    import zlib

    return OSError, EOFError, zlib.error, lzma.LZMAError


def _decompressed(stream: io.BufferedReader[Any]) -> BinaryIO:
    magic = stream.peek(6)[:6]
    if magic.startswith(PARQUET):
        raise OSError(None, "this is Parquet, not a log: ask it with `sigtrace report FILE` or `sigtrace who FILE`")
    if magic.startswith(_GZIP):
        import gzip

        return cast("BinaryIO", gzip.open(stream))
    if magic.startswith(_XZ):
        return cast("BinaryIO", io.BufferedReader(_Xz(stream)))
    if magic.startswith(_ZSTD):
        import pyarrow as pa

        return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))
    return stream
