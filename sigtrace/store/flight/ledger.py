"""Ledger: the endings of a session, a table beside it, written when the session was whole.

That of `host=H/date=D/NAME.parquet` is `_endings/host=H/date=D/NAME.endings`: a file of Parquet under a name that who
reads the sessions does not take for one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace import __version__
from sigtrace.errors import SessionError
from sigtrace.store.trust import checksum, description, regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sigtrace.store.folder import Folder

FOLDER = "_endings"
"""The folder beside those of the hosts in which the ledgers are."""

KEY = "sigtrace.endings"
"""The key of a ledger's metadata under which it says what it is, as JSON."""

RULES = 1
"""The version of what a ledger holds, and of the rules by which it was decided."""

Seal = tuple[int, int, str]
"""A part as it was sealed: its number, its bytes, its checksum."""


class Ledger(NamedTuple):
    """A ledger, and what it says of itself.

    `about` has: `log` and `segment` of the session; `history`, of all parts that were followed for it; `witnessed`,
    `exits_told` and `signals`, as of `sigtrace.causes.feed.Parts`; `pending`, how many endings were open where the
    session ended, None if that is not known; `final`, whether they are among the rows; `pids`, the least and the
    largest; `verdicts`, how many of each in the order in which they came; `failed`, of those who exited; `told`,
    the row groups that hold others than those who just exited.
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


def temporary(path: Path) -> Path:
    """Return where a ledger is until it is whole; who writes it is alone, and replaces what one who was killed left."""
    return path.with_name(f".{path.name}")


def remove(session: Path) -> None:
    """Remove the ledger of a session that is gone, and its folders if they are empty."""
    path = place(session)
    if path is not None:
        with suppress(OSError):
            temporary(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            for folder in path.parents[:3]:  # date=, host=, _endings
                folder.rmdir()


def size(session: Path) -> int:
    """Return the bytes of a session's ledger."""
    path = place(session)
    try:
        return 0 if path is None else path.stat().st_size
    except OSError:
        return 0


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
        _refuse_a_strangers(path, descriptor, folder)
        return header(path, descriptor)
    finally:
        os.close(descriptor)


def header(path: Path, descriptor: int) -> dict[str, Any]:
    """Return what an open ledger says of itself. Raises `SessionError` if it is none that this sigtrace wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open(descriptor, "rb", closefd=False) as file:
            said = (pq.read_metadata(file).metadata or {}).get(KEY.encode(), b"")
        about = description.read(path, said)
    except (OSError, pa.ArrowException) as error:
        raise SessionError(f"{path}: damaged: {' '.join(str(error).split())}") from error
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


def _refuse_a_strangers(path: Path, descriptor: int, folder: Folder) -> None:
    # Who can write beside a session, and not into it, is not to tell what is in it.
    itself, session = os.fstat(descriptor), folder.path.stat()
    more = itself.st_mode & ~session.st_mode & 0o022
    if itself.st_uid not in (session.st_uid, 0) or more:
        raise SessionError(f"{path}: it is another user's than the session")


def _holds(about: dict[str, Any]) -> bool:
    counts = (about.get("failed"), *_values(about.get("verdicts")))
    pids = about.get("pids")
    return (
        all(isinstance(one, int) and one >= 0 for one in counts)
        and isinstance(about.get("verdicts"), dict)
        and isinstance(about.get("told"), list)
        and all(isinstance(one, int) for one in about["told"])
        and isinstance(about.get("history"), str)
        and (about.get("pending") is None or isinstance(about["pending"], int))
        and all(isinstance(about.get(name), bool) for name in ("witnessed", "exits_told", "final"))
        and (pids is None or (isinstance(pids, list) and len(pids) == 2 and all(isinstance(one, int) for one in pids)))
        and {"log", "seals", "signals"} <= about.keys()
    )


def _values(of_names: object) -> list[object]:
    return list(of_names.values()) if isinstance(of_names, dict) else []
