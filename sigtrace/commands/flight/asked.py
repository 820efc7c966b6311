"""Asked: the flight recorder's record as what a question is about, if no session is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sigtrace.errors import Error, SessionError
from sigtrace.questions.choice import period
from sigtrace.store.flight import home

if TYPE_CHECKING:
    from collections.abc import Sequence


class Asked(NamedTuple):
    """What is asked: which sessions, `since` and `until` when as of `Period`, and from when on segments are read."""

    sessions: Sequence[str]
    since: str | None
    until: str | None
    first: datetime | None


def of(sessions: Sequence[str], named: str | None, since: str | None, until: str | None, within_us: int) -> Asked:
    """Return what is asked of sessions; if there are none, of the record that is meant, as `record` returns it."""
    if sessions and named:
        raise Error(f"{sessions[0]}: with --dir, name no session")
    if sessions:
        return Asked(sessions, since, until, None)
    since, until = absolute(since), absolute(until)
    return Asked([record(named)], since, until, first(since, within_us))


def record(named: str | None) -> str:
    """Return the record that is meant. Raises `SessionError` if there is none, or if it may not be read."""
    path = home.folder(named)
    try:
        if any(path.iterdir()):
            return str(path)
    except PermissionError as error:
        what = f"{path}: {error.strerror}: ask as root, or as a member of the group {home.GROUP}"
        raise SessionError(what) from error
    except OSError:
        pass
    what = f"no session is named, and there is no record in {path}"
    raise SessionError(f"{what}: name a session, or record one with `sudo sigtrace record --flight`")


def is_session(word: str) -> bool:
    """Tell whether a word names a session, and not somebody to ask for."""
    return word == "-" or "/" in word or word.endswith(".parquet") or has_magic(word) or Path(word).exists()


def absolute(text: str | None) -> str | None:
    """Return a time of a question, with `-1h` as that long before now: the record goes on."""
    ago = None if text is None else period.ago(text)
    return text if ago is None else (datetime.now(UTC) - ago).isoformat()


def first(since: str | None, within_us: int) -> datetime | None:
    """Return from when on segments are to be read for a question `since` a time in UTC, None for all of them.

    What somebody was asked to do so long before may have ended it.
    """
    try:
        moment = datetime.fromisoformat(since or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - timedelta(microseconds=within_us)
