"""Segments: the sessions that one long recording consists of, found, and put together again."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.errors import SessionError
from sigtrace.store.flight import ledger
from sigtrace.store.folder import Folder
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sigtrace.store.sessions import Found


class Segment(NamedTuple):
    """One segment in a folder of them: where it is, what it says of itself, and its bytes on disk with its endings.

    `about` is empty if it is damaged. `changed` is when a file in it was last begun, renamed or removed.
    """

    path: Path
    about: dict[str, Any]
    size: int
    changed: datetime

    @property
    def started(self) -> datetime:
        """When it began, as far as that is known."""
        return datetime.fromisoformat(self.about["started"]) if "started" in self.about else self.changed

    @property
    def ended(self) -> datetime:
        """When it ended; of one that has not ended well, when it was last changed."""
        return datetime.fromisoformat(self.about["ended"]) if "ended" in self.about else self.changed


def find(home: Path) -> list[Segment]:
    """Return the segments in a flight recorder's folder, oldest first."""
    found = []
    for path in home.glob("host=*/date=*/*.parquet"):
        with suppress(OSError):  # it has expired meanwhile
            if not path.name.startswith("."):
                size = sum(entry.stat().st_size for entry in os.scandir(path))
                changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                found.append(Segment(path, _about(path), size + ledger.size(path), changed))
    return sorted(found, key=lambda one: one.started)


def _about(path: Path) -> dict[str, Any]:
    try:
        return Folder(path).description()
    except SessionError:
        return {}


def joined(found: Iterable[Found]) -> list[Found]:
    """Return sessions with the segments of each log put together, as one session."""
    one_by_one: list[Found] = []
    places: dict[str, int] = {}
    for one in sorted(found, key=lambda one: one.about.get("segment", 0)):
        log = one.about.get("log")
        if "segment" not in one.about or log is None:
            one_by_one.append(one)
        elif log in places:
            one_by_one[places[log]] = _both(one_by_one[places[log]], one)
        else:
            places[log] = len(one_by_one)
            one_by_one.append(one)
    return one_by_one


def _both(earlier: Found, later: Found) -> Found:
    # What both say is said by the earlier one; how it ended, by the later one.
    about = {**earlier.about}
    for key in ("ended", "recovered"):
        about.pop(key, None)
        if key in later.about:
            about[key] = later.about[key]
    about.update((Accounting.from_dict(earlier.about) + Accounting.from_dict(later.about)).to_dict())
    about["lost_by_kernel_count"] = _sum(earlier.about, later.about)
    about["disturbed"] = [*earlier.about.get("disturbed", ()), *later.about.get("disturbed", ())]
    damaged = [*earlier.about.get("damaged", ()), *_between(earlier, later), *later.about.get("damaged", ())]
    if damaged:
        about["damaged"] = damaged
    about["last_segment"] = later.about["segment"]
    return replace(
        earlier,
        about=about,
        files=[*earlier.files, *later.files],
        rows=_rows(earlier, later),
        **_told(earlier, later),
    )


def _rows(earlier: Found, later: Found) -> Any:  # noqa: ANN401 -- a table of pyarrow, or None
    # Only one that holds nothing has a table in place of files.
    return earlier.rows if not earlier.files and not later.files else None


def _told(earlier: Found, later: Found) -> dict[str, Any]:
    # The ledgers of the first segments, and the files of those behind.
    if earlier.ledgers and later.ledgers and not earlier.behind:
        return {"ledgers": [*earlier.ledgers, *later.ledgers]}
    return {"behind": [*earlier.behind, *later.files] if earlier.ledgers else []}


def _between(earlier: Found, later: Found) -> Iterator[dict[str, Any]]:
    before = earlier.about.get("last_segment", earlier.about["segment"])
    if later.about["segment"] > before + 1:
        missing = f"segment {before + 1}" if later.about["segment"] == before + 2 else f"segments from {before + 1} on"
        after = earlier.about.get("before", {"lines": 0})["lines"] + earlier.about["lines"]
        yield {"file": f"{missing} of {earlier.about['log']}", "why": "it is not there", "after_line": after}


def _sum(*abouts: Mapping[str, Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for about in abouts:
        for cpu, n in about.get("lost_by_kernel_count", {}).items():
            total[cpu] = total.get(cpu, 0) + n
    return total
