"""Clerk: follows the segments of a log, each when it has ended, and writes their endings into ledgers."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.capture import rights
from sigtrace.causes import feed
from sigtrace.causes.ledgers import kept
from sigtrace.causes.ledgers.book import Book
from sigtrace.causes.ledgers.following import Following
from sigtrace.errors import SessionError
from sigtrace.store.flight import ledger
from sigtrace.store.flight.home import is_held, status
from sigtrace.store.flight.segments import find as find_segments
from sigtrace.store.flight.segments import joined
from sigtrace.store.folder import Folder
from sigtrace.store.sessions import Damaged, Found, find, looked_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sigtrace.store.flight.ledger import Ledger

_MOST_BYTES = 1 << 30  # of parts: some 80 million rows, four minutes
_LEAST_URGENT = 19


def write(segments: Sequence[Found], *, final: bool) -> bool:
    """Write the ledgers of the segments of one log that have none that holds.

    `final`: whether the log has ended, so that its last endings are decided. Returns whether any were written. None are
    if events were lost, or if anything is missing or damaged: what that bears on is known afterwards only.
    """
    (whole,) = joined(segments)
    if not kept.can_be_told(whole):
        return False
    told = kept.told(whole)
    done = kept.linked(whole.ledgers, told)
    if done == len(segments):
        return False
    following = _gone_on(whole.ledgers[done - 1], told) if done else None
    if following is None:
        following, done = Following(told), 0
    rest = segments[done:]
    if sum(feed.size(one.files) for one in rest) > _MOST_BYTES:
        return False
    abouts = _abouts(rest, told, whole.ledgers[done - 1].about["history"] if done else "")
    if abouts is None or _any_damaged(rest):
        return False
    for one, about in zip(rest, abouts, strict=True):
        _write(following, one, {**about, "final": final and one is segments[-1]})
    for one in segments[: -1 if final else -2]:  # who reads while this is written may have begun with the last but one
        ledger.memory(_place(one)).unlink(missing_ok=True)
    return True


def due(home: Path, scratch: Path) -> Iterator[tuple[list[Found], bool]]:
    """Yield of each log in a flight recorder's folder the segments that have ended, and whether all of it has.

    Logs of which a segment is damaged are left out.
    """
    current = status(home).get("log") if is_held(home) else None
    logs: dict[str, list[Path]] = {}
    for one in find_segments(home):
        if "lines" in one.about and one.about.get("log") is not None:
            logs.setdefault(one.about["log"], []).append(one.path)
    for log, paths in logs.items():
        found = [one for path in paths for one in find(path, scratch)]
        whole = [one for one in found if isinstance(one, Found)]
        if len(whole) == len(found):
            yield sorted(whole, key=lambda one: one.about.get("segment", 0)), log != current


def main(home: str) -> None:
    """Write what ledgers are due in a flight recorder's folder, when nothing else is to be done on the machine."""
    rights.drop()
    os.nice(_LEAST_URGENT)
    with tempfile.TemporaryDirectory(prefix="sigtrace-") as scratch:
        for segments, final in due(Path(home), Path(scratch)):
            try:
                write(segments, final=final)
            # A segment has expired, the disk is full, or a part holds what no recorder wrote: they can be found.
            except kept.REFUSED as error:
                print(f"sigtrace: endings are not written: {error}", file=sys.stderr)


def _gone_on(after: Ledger, told: dict[str, Any]) -> Following | None:
    # From the end of a ledger's segment; None if what was known there cannot be read.
    try:
        return Following.recalled(told, after)
    except kept.REFUSED:
        return None


def _abouts(segments: Sequence[Found], told: dict[str, Any], before: str) -> list[dict[str, Any]] | None:
    # What the ledger of each says of itself beforehand; None if a part was never sealed.
    found: list[dict[str, Any]] = []
    for one in segments:
        seals = ledger.seals(Folder(Path(one.path)))
        if seals is None:
            return None
        history = ledger.history(before, seals)
        said = {"log": one.about.get("log"), **({"segment": one.about["segment"]} if "segment" in one.about else {})}
        found.append({**said, "after": before, "history": history, "seals": seals, **told})
        before = history
    return found


def _any_damaged(segments: Sequence[Found]) -> bool:
    with tempfile.TemporaryDirectory(prefix="sigtrace-") as scratch:
        looked = [looked_at(one, Path(scratch)) for one in segments]
    return any(isinstance(one, Damaged) or "damaged" in one.about for one in looked)


def _write(following: Following, one: Found, about: dict[str, Any]) -> None:
    path = _place(one)
    try:
        with Book(path, about, one.files) as following.book:
            following.follow(one.files)
            pending = following.pending()
            if about["final"]:
                following.end()
            else:
                following.keep(path, about["history"])
            following.book.close(pending)
    finally:
        if not Path(one.path).exists():  # it has expired meanwhile
            ledger.remove(Path(one.path))


def _place(one: Found) -> Path:
    path = ledger.place(Path(one.path))
    if path is None:
        raise SessionError(f"{one.path}: its endings have no place: it is in no folder of a host and a date")
    return path
