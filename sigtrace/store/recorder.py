"""Recorder: a stream of trace_pipe's bytes becomes a session's folder, of which a crash loses nothing that was read."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sigtrace import __version__
from sigtrace.capture import users
from sigtrace.capture.proc import boot_id, host
from sigtrace.errors import SessionError
from sigtrace.facts.events import SCHEMA_VERSION
from sigtrace.store.folder import Folder, placed
from sigtrace.store.journal import Journal
from sigtrace.store.part import Part, place
from sigtrace.trace.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sigtrace.store.flight.apart import Apart
    from sigtrace.trace.accounting import Accounting
    from sigtrace.trace.choosing.selection import Selection
    from sigtrace.trace.parser import Rows

_BATCH_ROWS = 1 << 16  # each is in memory up to four times: being filled, waiting, being encoded
_FEW_ROWS = 1 << 12  # that are only counted
_PART_ROWS = 1 << 20
_PART_BYTES = 1 << 28
_PART_SECONDS = 900.0  # a reader in another place sees rows no later than this
_SYNC_SECONDS = 1.0


class Segment(NamedTuple):
    """One of the sessions that a long recording consists of: each can be read, and thrown away, by itself.

    `number` counts them from 0, and `after` is the one before: they have one log, whose lines are numbered through.
    `mode` is the folder's, and parts are written `apart`, by a process of its own: this one does without pyarrow.
    """

    number: int
    after: Recorder | None
    mode: int
    apart: type[Apart]


class Recorder:
    """Write a session: feed it what trace_pipe gives, in any pieces.

    `path` is the folder to make, with placeholders as of `sigtrace.store.folder.placed`. `origin` is what the session
    says of itself: clock, events, options and the like; `processes` is a `sigtrace.capture.proc.snapshot`, and
    `cgroups` of `sigtrace.capture.cgroup.existing`: they become the first part. `made` is called with the owner of the
    folder (uid and gid) when that is there, before the first thread is started.
    What is fed survives the death of this process at once, and a power cut after a second. A context manager; left
    without an exception, the session is whole; with one, what was fed is kept for whoever opens it, and where that is
    nothing, no folder stays. Raises `SessionError` where the folder is there already, or the disk does not take it.

    `segment` says that it is one of many.
    """

    def __init__(
        self,
        path: Path,
        origin: dict[str, Any],
        *,
        utc_offset_us: int | None = None,
        processes: Sequence[dict[str, Any]] = (),
        cgroups: Mapping[str, int] | None = None,
        made: Callable[[tuple[int, int]], object] = lambda _: None,
        segment: Segment | None = None,
    ) -> None:
        after, mode = (None, 0o700) if segment is None else (segment.after, segment.mode)
        named, began = host(), datetime.now(UTC)
        started = began.isoformat(timespec="microseconds")
        self.log: str = f"{named}@{started.replace('+00:00', 'Z')}" if after is None else after.log
        self._origin = {
            "schema": SCHEMA_VERSION,
            "sigtrace": __version__,
            "log": self.log,
            "host": named,
            "boot_id": boot_id(),
            "kernel": os.uname().release,
            "machine": os.uname().machine,
            "utc_offset_us": utc_offset_us,
            "started": started,
            "parts": [],
            **origin,
        }
        if segment is not None:
            self._origin["segment"] = segment.number
        self._apart = None if segment is None else segment.apart
        many = _BATCH_ROWS if segment is None else _FEW_ROWS
        self._parser = Parser(self.log, utc_offset_us=utc_offset_us, rows=many, user_of=users.name)
        self._before = self._parser.accounting
        if after is not None:
            self._parser, self._before = after._parser, after._parser.accounting  # noqa: SLF001 -- it is done with it
            self._origin["before"] = self._before.to_dict()
        self._number = 0
        self._parts: list[int] = []
        self._begun = self._synced = 0.0
        self.rows = 0
        self._selection = _selection(self._origin)
        self._folder = Folder.make(placed(path, named, began), mode)
        with ExitStack() as undo:
            undo.callback(self._folder.remove)
            made(self._folder.place.owner)
            # Nothing before has imported pyarrow, which starts a thread.
            self._folder.describe(self._origin)
            gap = origin.get("gap")
            if processes or cgroups or gap:
                unrecorded = None if gap is None else (datetime.fromisoformat(gap["since"]), began)
                self._tell_what_runs(processes, cgroups or {}, unrecorded)
            self._begin(self._parts)
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._part.abandon()
            self._journal.close()
            if self._journal.size or self.accounting.lines:
                self._folder.release()
            else:
                self._folder.remove()

    @property
    def path(self) -> Path:
        """The folder that was made."""
        return self._folder.path

    @property
    def accounting(self) -> Accounting:
        """The account of what was fed up to now."""
        return self._parser.accounting.since(self._before)

    @property
    def pending(self) -> bool:
        """Whether a line waits for its other one."""
        return "pending" in self._parser.accounting.lines_by_kind

    @property
    def left_out(self) -> int:
        """How many rows were left out, because they are of no chosen process."""
        return 0 if self._selection is None else self._selection.left_out

    @property
    def size(self) -> int:
        """Bytes of the session on disk now, in parts and in none yet."""
        return self._folder.size() + self._journal.size

    def room(self) -> memoryview:
        """Return where to read the bytes that are fed next: what is read there survives, though it be never fed."""
        return self._journal.room()

    def feed(self, chunk: bytes) -> None:
        """Keep the next bytes, and their rows; an empty chunk only passes the time."""
        self._journal.append(chunk)
        for rows in self._parser.scan(chunk):
            self._write(rows)
        now = time.monotonic()
        if now - self._synced > _SYNC_SECONDS:
            self._journal.sync()
            self._synced = now
        due = self._part.rows >= _PART_ROWS or self._journal.size >= _PART_BYTES
        if due or (now - self._begun > _PART_SECONDS and self._journal.size):
            self._roll()

    def finish(self, lost: dict[int, int], disturbed: Sequence[str] = (), *, last: bool = True) -> Accounting:
        """End the session, and return its account.

        `lost` is what the kernel counted as lost, by CPU, at the end; `disturbed` is of `sigtrace.capture.probe.Probe`.
        Unless it is the `last`, another segment goes on with what is pending.
        """
        if last:
            for rows in self._parser.end():
                self._write(rows)
        elif (rest := self._parser.rest()) is not None:
            self._write(rest)
        account = self.accounting
        # The last one also without rows: no reader takes a folder of none.
        self._close(self._part, self._parser.accounting)
        self._folder.describe(
            {
                **self._origin,
                "ended": datetime.now(UTC).isoformat(timespec="microseconds"),
                "lost_by_kernel_count": {str(cpu): n for cpu, n in lost.items()},
                "disturbed": list(disturbed),
                **account.to_dict(),
                "parts": self._parts,
            }
        )
        self._journal.remove()
        self._folder.end()
        return account

    def _tell_what_runs(
        self,
        processes: Sequence[dict[str, Any]],
        cgroups: Mapping[str, int],
        unrecorded: tuple[datetime, datetime] | None,
    ) -> None:
        about, line = self._origin, self._before.lines
        path, folder = self._folder.part(self._number), self._folder.place
        part: Part | Apart
        if self._apart is None:
            from sigtrace.store.snapshot import Rows

            part = in_process = Part(path, place=folder)
            told = Rows(self.log, line, about["utc_offset_us"]).batch(processes, cgroups, unrecorded)
            for kept in [told] if self._selection is None else self._selection.kept(told):
                in_process.write(kept)
        else:
            part = another = self._apart(path, folder, about)
            another.tell(line, processes, cgroups, unrecorded)
        self._close(part, self._before)
        self._number += 1

    def _begin(self, told: list[int]) -> None:
        state = {**self._parser.state(), "log": self._origin["log"], "parts": told}
        if self._selection is not None:
            state["selection"] = self._selection.state()
        journal = Journal(self._folder, self._number, state)
        try:
            self._part = self._part_of(journal)
        except SessionError:
            journal.remove()
            raise
        self._journal = journal
        self._begun = self._synced = time.monotonic()

    def _part_of(self, journal: Journal) -> Part | Apart:
        path, folder = self._folder.part(journal.number), self._folder.place
        return (
            Part(path, place=folder) if self._apart is None else self._apart(path, folder, self._origin, journal.name)
        )

    def _close(self, part: Part | Apart, account: Accounting, number: int | None = None) -> None:
        number = self._number if number is None else number
        self._parts.append(number)
        part.close({**account.to_dict(), **place(self._origin, number, self._parts)})

    def _write(self, rows: Rows) -> None:
        part = self._part
        if self._selection is None or not isinstance(part, Part):
            part.write(rows)
            self.rows += len(rows)
            return
        for kept in self._selection.kept(rows.batch()):
            part.write(kept)
            self.rows += len(kept)

    def _roll(self) -> None:
        if (rows := self._parser.rest()) is not None:
            self._write(rows)
        journal, part = self._journal, self._part
        self._number += 1
        # First the new journal, then the part, then away with the old journal: a crash between leaves nothing out.
        self._begin([*self._parts, *([journal.number] if part.rows else [])])
        try:
            if part.rows:
                self._close(part, self._parser.accounting, journal.number)
            else:
                part.abandon()
        except SessionError:
            journal.close()
            raise
        journal.remove()


def _selection(about: dict[str, Any]) -> Selection | None:
    if "chosen" not in about:
        return None
    from sigtrace.trace.choosing.selection import Selection

    return Selection.of(about["chosen"])
