"""Ledger: the endings of a session and its counted calls, two tables beside it, written when the session was whole.

Those of `host=H/date=D/NAME.parquet` are `_endings/host=H/date=D/NAME.endings` and `_calls/host=H/date=D/NAME.calls`:
files of Parquet under names that who reads the sessions does not take for one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace import __version__
from sigtrace.errors import SessionError
from sigtrace.store.flight import counts
from sigtrace.store.trust import checksum, description, regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sigtrace.store.folder import Folder

FOLDER, CALLS = "_endings", "_calls"
"""The folders beside those of the hosts in which the ledgers are, and the counted calls."""

FOLDERS = frozenset((FOLDER, CALLS))
"""Both."""

KEY = "sigtrace.endings"
"""The key of a ledger's metadata under which it says what it is, as JSON."""

PAIRS = "sigtrace.endings.pairs"
"""The key under which it counts its deaths by killer and victim, as JSON: rows of verdict, `killer_comm`, `source`,
`victim_comm`, `sig` and how many. Empty if there are too many."""

RULES = 5
"""The version of what a ledger holds, and of the rules by which it was decided."""

Seal = tuple[int, int, str]
"""A part as it was sealed: its number, its bytes, its checksum."""


class Ledger(NamedTuple):
    """A ledger, and what it says of itself.

    `about` has: `log` and `segment` of the session; `history`, of all parts that were followed for it, and `after`, of
    those of the segments before; `witnessed`, `exits_told` and `signals`, as of `sigtrace.causes.feed.Parts`;
    `pending`, how many endings were open where the session ended; `final`, whether they are among the rows; `pids`, the
    least and the largest; `verdicts`, how many of each in the order in which they came; `failed`, of those who exited;
    `told`, the row groups that hold others than those who just exited; `pairs`, the checksum of what stands under
    `PAIRS`, None if nothing does; `first`, when the first of these ended, in microseconds since 1970; `calls`, what
    `sigtrace.store.flight.counts` says of the counted calls, None if they were not counted.
    """

    path: Path
    about: dict[str, Any]
    seals: Sequence[Seal]


def place(session: Path) -> Path | None:
    """Return where the ledger of a session is, if it is there; None if the session stands by itself."""
    host = session.parent.parent
    if not (session.parent.name.startswith("date=") and host.name.startswith("host=")):
        return None
    name = f"{session.name.removesuffix('.parquet')}.endings"
    return host.parent / FOLDER / host.name / session.parent.name / name


def calls(path: Path) -> Path:
    """Return where the counted calls are that belong to a ledger."""
    date, host = path.parent, path.parent.parent
    return host.parent.parent / CALLS / host.name / date.name / path.with_suffix(".calls").name


def memory(path: Path) -> Path:
    """Return where it is written what was known at the end of a ledger's segment, for the next one of its log."""
    return path.with_name(f"_{path.stem}.memory")


def temporary(path: Path) -> Path:
    """Return where a ledger is until it is whole; who writes it is alone, and replaces what one who was killed left."""
    return path.with_name(f".{path.name}")


def remove(session: Path) -> None:
    """Remove the ledger of a session that is gone and its counted calls, and their folders if they are empty."""
    for path in _tables(session):
        with suppress(OSError):
            temporary(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            for folder in path.parents[:3]:  # date=, host=, _endings
                folder.rmdir()


def size(session: Path) -> int:
    """Return the bytes of a session's ledger and of its counted calls."""
    found = 0
    for path in _tables(session):
        with suppress(OSError):
            found += path.stat().st_size
    return found


def history(before: str, seals: Sequence[Seal]) -> str:
    """Return what stands for the parts of a log up to here; `before` stands for those before."""
    return checksum.text(json.dumps([before, [list(one) for one in seals]]).encode())


def sealed(about: dict[str, Any]) -> str:
    """Return as JSON what a ledger says of itself, with its checksum in it."""
    return description.sealed({"rules": RULES, "sigtrace": __version__, **about})


def of(folder: Folder, about: dict[str, Any]) -> Ledger | None:
    """Return the ledger of a session that says `about` of itself; None if there is none that is of this session.

    Of the session's parts it is looked at whether they are those that were followed, by size and checksum: not whether
    they match that.
    """
    path = place(folder.path)
    if path is None or not os.path.lexists(path) or "lines" not in about:
        return None
    try:
        found = opened(path, folder)
        parts = seals(folder)
    except (OSError, SessionError):
        return None
    if (found["log"], found.get("segment")) != (about.get("log"), about.get("segment")):
        return None
    same = parts is not None and [list(one) for one in parts] == found["seals"]
    if not same or parts is None or "damaged" in about or folder.journals() or folder.strays():
        return None
    if "parts" in about and [number for number, _, _ in parts] != about["parts"]:
        return None
    return Ledger(path, found, parts)


def opened(path: Path, folder: Folder) -> dict[str, Any]:
    """Return what a ledger says of itself.

    Raises `SessionError` if it is none that this sigtrace wrote, or if somebody else than the session's owner and root
    can have done it.
    """
    descriptor = regular.opened(path)
    try:
        refuse_a_strangers(path, descriptor, folder.path)
        return header(path, descriptor)
    finally:
        os.close(descriptor)


def header(path: Path, file: int | bytes) -> dict[str, Any]:
    """Return what a ledger says of itself, open as a descriptor or as its bytes.

    Raises `SessionError` if it is none that this sigtrace wrote.
    """
    about = description.read(path, checksum.stored(file, KEY) or b"")
    if (about.get("rules"), about.get("sigtrace")) != (RULES, __version__) or not _holds(about):
        raise SessionError(f"{path}: no ledger of this version")
    return about


def seals(folder: Folder) -> list[Seal] | None:
    """Return the parts of a session as they were sealed; None if one never was. Raises `OSError` and `SessionError`."""
    found: list[Seal] = []
    for number in folder.parts():
        descriptor = regular.opened(folder.part(number))
        try:
            seal = checksum.found(descriptor)
            if seal is None:
                return None
            found.append((number, os.fstat(descriptor).st_size, seal))
        finally:
            os.close(descriptor)
    return found


def refuse_a_strangers(path: Path, descriptor: int, session: Path) -> None:
    """Raise `SessionError` if somebody can have written an open file who could not have written into the session."""
    itself, own = os.fstat(descriptor), session.stat()
    more = itself.st_mode & ~own.st_mode & 0o022
    if itself.st_uid not in (own.st_uid, 0) or more:
        raise SessionError(f"{path}: it is another user's than the session")


def _tables(session: Path) -> list[Path]:
    path = place(session)
    return [] if path is None else [path, calls(path), memory(path)]


def _holds(about: dict[str, Any]) -> bool:
    numbers = (about.get("failed"), *_values(about.get("verdicts")))
    pids = about.get("pids")
    return (
        all(isinstance(one, int) and one >= 0 for one in numbers)
        and isinstance(about.get("verdicts"), dict)
        and isinstance(about.get("told"), list)
        and all(isinstance(one, int) for one in about["told"])
        and all(isinstance(about.get(name), str) for name in ("after", "history"))
        and isinstance(about.get("pending"), int)
        and all(isinstance(about.get(name), bool) for name in ("witnessed", "exits_told", "final"))
        and (pids is None or (isinstance(pids, list) and len(pids) == 2 and all(isinstance(one, int) for one in pids)))
        and (about.get("first") is None or isinstance(about["first"], int))
        and {"log", "seals", "signals", "pairs"} <= about.keys()
        and counts.hold(about.get("calls"))
    )


def _values(of_names: object) -> list[object]:
    return list(of_names.values()) if isinstance(of_names, dict) else []
