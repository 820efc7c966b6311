"""Following: a log that is followed from segment to segment; what is known where one ended lies beside its ledger."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sigtrace import __version__
from sigtrace.causes import feed
from sigtrace.causes.judging.verdict import Judge
from sigtrace.causes.tracking import memory
from sigtrace.causes.tracking.tracker import Tracker
from sigtrace.errors import SessionError
from sigtrace.store.disk.place import Place
from sigtrace.store.flight import ledger
from sigtrace.store.trust import regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sigtrace.causes.ledgers.book import Book
    from sigtrace.causes.tracking.process import Process
    from sigtrace.store.flight.ledger import Ledger

_LONGEST = 1 << 28  # bytes: a process has some 200


class Following:
    """The rows of a log, followed into the ledger that is its `book`; `told` is as of `sigtrace.causes.feed.told`."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.book: Book | None = None
        self._told = told
        self._judge = Judge(witnessed=told["witnessed"], signals=told["signals"])
        self._tracker = Tracker(self._ended, None, all_endings=True, exits_told=told["exits_told"])

    @classmethod
    def recalled(cls, told: dict[str, Any], after: Ledger) -> Following:
        """Return it as it was where the segment of a ledger ended.

        Raises `OSError`, `SessionError` and what Python raises for nonsense, if that is not known or does not hold.
        """
        path = ledger.memory(after.path)
        descriptor = regular.opened(path)
        with os.fdopen(descriptor, "rb") as file:
            ledger.refuse_a_strangers(path, descriptor, after.path)
            unpacking = zlib.decompressobj()  # which finds out whether anything in it has changed
            said = json.loads(unpacking.decompress(file.read(_LONGEST), _LONGEST))
        if not unpacking.eof or {**said, "known": None} != cls._said(told, after.about["history"]):
            raise SessionError(f"{path}: it is not of what this sigtrace has followed")
        found = cls(told)
        memory.recall(found._tracker, said["known"])
        return found

    def follow(self, files: Sequence[str]) -> None:
        """Follow the rows of a segment."""
        feed.Parts(files, lossy=False, witnessed=True).feed(self._tracker)

    def end(self) -> None:
        """End the log."""
        self._tracker.end()

    def pending(self) -> int:
        """Return how many endings are open, which the rows of the next segment decide, or the end of the log."""
        return memory.pending(self._tracker)

    def keep(self, path: Path, history: str) -> None:
        """Write beside a ledger what is known where its segment ends, unless it is too much. Raises `OSError`."""
        known = {**self._said(self._told, history), "known": memory.of(self._tracker)}
        text = json.dumps(known, separators=(",", ":")).encode()
        if len(text) > _LONGEST:
            return
        path = ledger.memory(path)
        temporary = ledger.temporary(path).name
        with closing(Place(path.parent, private=True)) as place:
            try:
                with open(place.create(temporary), "wb") as file:  # noqa: PTH123 -- a descriptor
                    file.write(zlib.compress(text, 1))
                    file.flush()
                    os.fsync(file.fileno())
                place.replace(temporary, path.name)
            finally:
                place.unlink(temporary)

    @staticmethod
    def _said(told: dict[str, Any], history: str) -> dict[str, Any]:
        return {"rules": ledger.RULES, "sigtrace": __version__, "history": history, "told": told, "known": None}

    def _ended(self, process: Process, lost: bool) -> None:  # noqa: FBT001
        if self.book is not None:
            self.book.add(self._judge, process, lost)
