"""Tail: what a flight recorder goes on to read, as its journals grow."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

from sigtrace.errors import SessionError
from sigtrace.store import journal
from sigtrace.store.flight import home as homes
from sigtrace.store.flight import segments
from sigtrace.store.folder import Folder
from sigtrace.store.trust import description, recovery, regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

T = TypeVar("T")

_BLOCK = 1 << 20
_WAIT_SECONDS = 0.25
_PATIENCE_SECONDS = 30.0  # for a part that is being written, or a segment that begins


class Tail:
    """The rows that the recorder of a folder goes on to read.

    `about` is what the segment says of itself that is written now. `files` are its parts, and those of the one before;
    `past` yields the rows that are in none yet. A context manager. Raises `SessionError` if nobody records there, or if
    it may not be read.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stopped = Event()
        if not homes.is_held(home):
            raise SessionError(f"{home}: nobody records here now: `sigtrace status` says since when")
        newest = self._awaited(lambda: segments.find(home)[-1:], "a segment")[0]
        self.about: dict[str, Any] = newest.about
        self._folder = Folder(newest.path)
        state = self._open(max(self._awaited(self._folder.journals, "a journal")))
        self._parser = recovery.parser(self.about)
        with self._explained():
            self._parser.resume(state)
        parts = state["parts"] if description.is_parts(state.get("parts")) else []
        own = [self._folder.part(number) for number in parts]
        for path in own:
            self._awaited(path.exists, path.name)
        self.files = [*self._before(), *own]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def stop(self) -> None:
        """End the iteration. Any thread or signal handler may call it."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped.is_set()

    def past(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the journal holds already."""
        while data := self._read():
            yield from self._rows(data)

    def batches(self) -> Iterator[pa.RecordBatch | None]:
        """Yield the rows that come, and None if none came for a moment; it ends if the recorder does."""
        while not self._stopped.is_set():
            # What is looked at first is older than what is read then.
            held, complete = homes.is_held(self._home), self._is_complete()
            if data := self._read():
                yield from self._rows(data)
            elif complete and held:
                self._go_on()
            elif held:
                yield None
                self._stopped.wait(_WAIT_SECONDS)
            else:
                return

    def _rows(self, data: bytes) -> Iterator[pa.RecordBatch]:
        with self._explained():
            found = list(self._parser.feed(data))
            if (batch := self._parser.take()) is not None:
                found.append(batch)
        yield from found

    def _read(self) -> bytes:
        data = os.pread(self._file.fileno(), _BLOCK, self._at).rstrip(b"\0")  # zeros are room for more
        self._at += len(data)
        return data

    def _is_complete(self) -> bool:
        # A recorder begins the next journal, and then makes a part of this one and removes it.
        return os.fstat(self._file.fileno()).st_nlink == 0 or bool(self._later())

    def _later(self) -> list[int]:
        return [number for number in self._folder.journals() if number > self._number]

    def _go_on(self) -> None:
        if not self._later():
            (found,) = self._awaited(self._following, "the next segment")
            self.about, self._folder, self._number = found.about, Folder(found.path), -1
        later = self._awaited(self._later, "the next journal")
        self._file.close()
        state = self._open(min(later))
        if state.get("scanner") != self._parser.state()["scanner"]:
            raise SessionError(f"{self._home}: it records faster than this can follow: watch again")

    def _before(self) -> list[Path]:
        # What was sent shortly before a segment began may end somebody in it.
        earlier = [Folder(one.path) for one in self._segments(self.about.get("segment", 0) - 1)]
        return [folder.part(number) for folder in earlier for number in folder.parts()]

    def _following(self) -> list[segments.Segment]:
        return self._segments(self.about.get("segment", 0) + 1)

    def _segments(self, number: int) -> list[segments.Segment]:
        wanted = (self.about.get("log"), number)
        return [one for one in segments.find(self._home) if (one.about.get("log"), one.about.get("segment")) == wanted]

    def _open(self, number: int) -> dict[str, Any]:
        path = self._folder.journals().get(number)
        if path is None:
            raise SessionError(f"{self._home}: it records faster than this can follow: watch again")
        self._file: BinaryIO = os.fdopen(regular.opened(path), "rb")
        state = journal.state(self._file, path)
        self._number, self._at = number, self._file.tell()
        return state

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except recovery.NO_STATE as error:
            what = "damaged: a journal's first line is no state of a parser"
            raise SessionError(f"{self._folder.path}: {what}") from error

    def _awaited(self, look: Callable[[], T], what: str) -> T:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not (found := look()):
            if time.monotonic() > end or self._stopped.is_set():
                raise SessionError(f"{self._home}: {what} is not there: `sigtrace status` says how the recorder is")
            time.sleep(_WAIT_SECONDS)
        return found
