"""Parse: the bytes of a trace_pipe log become Arrow record batches, and an account of every line.

Pure: needs no root, no bcc and no file. State is one pending line a CPU, so memory stays flat however long the
stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.events import ROWS
from sigtrace.trace import checkpoint, scan
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

COMPILED = not str(scan.__file__).endswith(".py")
"""Whether the scanner is compiled; interpreted, it gives the same rows, about two hundred times slower."""

_BATCH_ROWS = 1 << 16
_BATCH_BYTES = 1 << 24  # of text, so that names as long as a line may be fill no memory
_LONGEST_LINE = 1 << 20  # trace_seq ends a line at 8 KiB; what is longer is no trace, and must not fill the memory


_COLUMNS = (
    "ts", "time", "cpu", "shape", "tid", "pid", "comm", "sig", "target", "ret", "line", "lost", "target_comm",
    "filename", "code", "small", "bit",
)  # fmt: skip


class Rows:
    """Rows that were scanned, and become a record batch when asked: pyarrow is not imported before.

    They take the scanner's columns along: it has to begin new ones.
    """

    def __init__(
        self, scanner: scan.Scanner, log: str | None, *, utc: bool, user_of: Callable[[int], str] | None
    ) -> None:
        self._rows = scanner.rows
        self._columns: dict[str, memoryview] = {name: getattr(scanner, name) for name in _COLUMNS}
        self._names = scanner.names.copy()
        self._log = log
        self._utc = utc
        self._user_of = user_of

    def __len__(self) -> int:
        return self._rows

    def batch(self) -> pa.RecordBatch:
        """Return them as a record batch of `SCHEMA`."""
        from sigtrace.trace.batch import batch

        return batch(self._columns, self._rows, self._names, self._log, utc=self._utc, user_of=self._user_of)


class Parser:
    """Parse one log, fed in any pieces, into record batches of `SCHEMA`.

    `log` names the log in its column. `utc_offset_us` is what to add to a timestamp to have UTC, in microseconds;
    without it `time` is null. `user_of` names the user of a uid, as the recording host does; without it `user` is null.
    A batch is given out when it has `rows` rows, and the rest by `take` and `finish`.
    `tool` names the tool that printed the log, if it is not trace_pipe's own text.
    If `unlocked`, lines are scanned without the interpreter's lock, so that another thread can work meanwhile.
    Any bytes can be fed: what is not understood is counted, never raised.
    """

    def __init__(
        self,
        log: str | None = None,
        *,
        utc_offset_us: int | None = None,
        user_of: Callable[[int], str] | None = None,
        rows: int = _BATCH_ROWS,
        unlocked: bool = False,
    ) -> None:
        self._scanner = scan.Scanner(max(rows, 4), utc_offset_us or 0, unlocked=unlocked)
        self._log = log
        self._utc = utc_offset_us is not None
        self._user_of = user_of
        self._tail = b""
        self._skipping = False
        self._read = 0
        self._foreign = 0
        self.tool: str | None = None

    def feed(self, data: bytes) -> Iterator[pa.RecordBatch]:
        """Read the next bytes of the log, and give the batches that they fill."""
        return (rows.batch() for rows in self.scan(data))

    def take(self) -> pa.RecordBatch | None:
        """Return the rows since the last batch as one, or None if there are none."""
        rows = self.rest()
        return None if rows is None else rows.batch()

    def rest(self) -> Rows | None:
        """Return the rows since the last batch, before they are one, or None if there are none."""
        return self._rows() if self._scanner.rows else None

    def finish(self) -> Iterator[pa.RecordBatch]:
        """End the log: a last line without a newline is read, and what is still pending becomes halves."""
        return (rows.batch() for rows in self.end())

    def scan(self, data: bytes) -> Iterator[Rows]:
        """Read as `feed` does, and give the rows before they are batches."""
        start = data.find(b"\n") + 1
        if not start:
            self._keep(data)
            return
        if self._tail or self._skipping:
            yield from self._end_line(data[:start])
        else:
            start = 0
        end = data.rfind(b"\n") + 1
        yield from self._scan(data, start, end)
        self._keep(data[end:])

    def end(self) -> Iterator[Rows]:
        """End the log as `finish` does, and give the rows before they are batches."""
        if self._tail or self._skipping:
            yield from self._end_line(b"\n")
        while not self._scanner.finish():
            yield self._rows()
        if self._scanner.rows:
            yield self._rows()

    def pass_over(self) -> None:
        """Count a line that is none of the trace's; no state has such lines."""
        self._scanner.lines += 1
        self._foreign += 1

    def unread(self) -> Iterator[Rows]:
        """Count a line of the trace that cannot be read: of the lines before and after it no call is made."""
        while not self._scanner.finish():
            yield self._rows()
        self._scanner.skip_line()

    def state(self) -> dict[str, Any]:
        """Return all that reading on depends on, as JSON can hold it; the rows are not in it."""
        return {"scanner": checkpoint.taken(self._scanner), "tail": self._tail.hex(), "skipping": self._skipping}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on, with the next bytes fed, where another parser's `state` was taken."""
        checkpoint.resume(self._scanner, state["scanner"])
        self._tail = bytes.fromhex(state["tail"])
        self._skipping = state["skipping"]

    @property
    def accounting(self) -> Accounting:
        """The account of the lines read up to now."""
        s = self._scanner
        kinds = {
            "kill": s.kill,
            "half": s.half,
            "repeated": s.calls.repeated,
            "lost": s.losses,
            **_by_event(s),
            "other": s.other,
            "foreign": self._foreign,
            "continuation": s.continuation,
            "comment": s.comment,
            "blank": s.blank,
            "malformed": s.malformed,
            "unstitchable": s.unstitchable,
            "pending": s.pending(),
        }
        return Accounting(
            s.lines,
            {kind: n for kind, n in kinds.items() if n},
            dict(sorted(s.lost_by_cpu.items())),
            dict(sorted(s.lost_unknown.items())),
            sorted(s.layouts),
            "us" if not s.ticks else "mixed" if s.microseconds else "ticks",
            [] if self.tool is None else [self.tool],
        )

    def _keep(self, data: bytes) -> None:
        if not self._skipping:
            self._tail += data
            if len(self._tail) >= _LONGEST_LINE:
                self._tail = b""
                self._skipping = True

    def _end_line(self, rest: bytes) -> Iterator[Rows]:
        if self._skipping:
            self._skipping = False
            self._scanner.skip_line()
            return
        line = self._tail + rest
        self._tail = b""
        yield from self._scan(line, 0, len(line))

    def _scan(self, data: bytes, start: int, end: int) -> Iterator[Rows]:
        while start < end:
            # So that a line too long is one however the bytes are cut.
            stop = data.rfind(b"\n", start, start + _LONGEST_LINE) + 1
            if stop == 0:
                self._scanner.skip_line()
                start = data.find(b"\n", start) + 1
                continue
            stop = min(stop, end)
            self._read += stop - start
            while start < stop:
                start = self._scanner.scan(data, start, stop)
                if start < stop:
                    yield self._rows()
            if self._read >= _BATCH_BYTES and self._scanner.rows:
                yield self._rows()

    def _rows(self) -> Rows:
        rows = Rows(self._scanner, self._log, utc=self._utc, user_of=self._user_of)
        self._scanner.begin()
        self._read = 0
        return rows


def _by_event(scanner: scan.Scanner) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (event, _), n in zip(ROWS, scanner.seen, strict=True):
        counts[event] = counts.get(event, 0) + n
    return {event: n for event, n in counts.items() if n}
