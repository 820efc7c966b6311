"""Stripper: a log is scanned without what another tool has written before its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.trace.prefix.known import Known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sigtrace.trace.parser import Parser, Rows
    from sigtrace.trace.prefix.prefix import Prefix
    from sigtrace.trace.retold.retold import Retold

_SAMPLE = 1 << 20  # the kernel ends a record at 8 KiB: a log without a prefix has shown many by then
_LONGEST_LINE = 1 << 20
_PADDED = 1 << 13  # of the first records, some are of events that trace-cmd pads


def scan(parser: Parser, blocks: Iterable[bytes]) -> Iterator[Rows]:
    """Have a parser scan a log as its `scan` does, without the prefix that the log's first lines have, if any.

    A log that another tool printed is scanned as trace_pipe would tell it. Raises `OSError` if lines of trace_pipe from
    more than one source are in it.
    """
    blocks = iter(blocks)
    sample = first(blocks)
    found = _prefix(sample)
    stripper = None if found is None else _Stripper(parser, found)
    parser.tool = getattr(found, "tool", None)
    scan_ = parser.scan if stripper is None else stripper.scan
    yield from scan_(sample)
    for block in blocks:
        yield from scan_(block)
    if stripper is not None:
        yield from stripper.end()


def first(blocks: Iterator[bytes]) -> bytes:
    """Return the first blocks, by which a log is told."""
    sample = b""
    for block in blocks:
        sample += block
        if len(sample) >= _SAMPLE:
            break
    return sample


def _prefix(sample: bytes) -> Prefix | Retold | None:
    known = Known()
    # A line as the kernel writes it begins with a blank: most logs are told by their first line, and need no more.
    # trace-cmd has the same header, but pads the event's name.
    end = sample.find(b"\n")
    plain = sample.startswith(b" ") and end >= 0 and sample[:end] in known
    if plain and sample.find(b":  ", 0, _PADDED) < 0:
        return None
    from sigtrace.trace.prefix import prefix
    from sigtrace.trace.retold import retold

    return retold.of(sample, known) or (None if plain else prefix.of(sample, known))


class _Stripper:
    """Feeds a parser what is behind the prefix, however the log is cut; a line without it is counted, and no trace."""

    def __init__(self, parser: Parser, prefix: Prefix | Retold) -> None:
        self._parser = parser
        self._prefix = prefix
        self._tail = b""
        self._skipping = False

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Scan the next bytes of the log."""
        start = 0
        end = data.rfind(b"\n") + 1
        if end and self._skipping:
            start = data.find(b"\n") + 1
            self._skipping = False
            yield from self._parser.unread()
        if end > start:
            block = self._tail + data[start:end]
            self._tail = b""
            yield from self._lines(block)
        if not self._skipping:
            self._tail += data[end:]
            if len(self._tail) >= _LONGEST_LINE:
                self._tail = b""
                self._skipping = True

    def end(self) -> Iterator[Rows]:
        """Scan a last line without a newline."""
        if self._tail or self._skipping:
            yield from self.scan(b"\n")

    def _lines(self, block: bytes) -> Iterator[Rows]:
        texts = self._prefix.texts(block)
        if texts is not None:
            yield from self._parser.scan(texts)
            return
        run: list[bytes] = []
        for line in block.split(b"\n")[:-1]:
            text = self._prefix.text(line)
            unread = self._prefix.hides(line, text)
            if text is not None and not unread:
                run += text, b"\n"
                continue
            if run:
                yield from self._parser.scan(b"".join(run))
                run.clear()
            if unread:
                yield from self._parser.unread()
            else:
                self._parser.pass_over()
        yield from self._parser.scan(b"".join(run))
