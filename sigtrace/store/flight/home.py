"""Home: the folder in which a flight recorder keeps its record, held by one recorder, and what that says of itself."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.errors import SessionError
from sigtrace.store.disk.place import Place
from sigtrace.store.trust import regular

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "sigtrace"
"""The group whose members may read the record."""

MODE = 0o750
"""The mode of its folders: the set-group-ID bit they inherit, which a service may not set."""

_DEFAULT = "/var/lib/sigtrace"
_VARIABLE = "SIGTRACE_HOME"
_LOCK = "_lock"
_STATUS = "_status.json"
_LONGEST_STATUS = 1 << 20


def folder(named: str | None) -> Path:
    """Return the folder that is meant: what was named, else what SIGTRACE_HOME says, else /var/lib/sigtrace."""
    return Path(named or os.environ.get(_VARIABLE) or _DEFAULT)


class Home:
    """The folder, held until `close`.

    It is made if it is not there, and can be read by its owner and by the members of the group sigtrace, if that
    exists. Raises `SessionError` if it cannot be made or written, or if another recorder holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _make(path)
            self._place = Place(path, private=True)
            self._lock = self._place.open(_LOCK)
        except OSError as error:
            what = f"{path}: {error.strerror}: record as root, or give a folder that can be written"
            raise SessionError(what) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._place.close()
            told = status(path)
            who = f"pid {told['pid']}, since {told['started']}" if "pid" in told else "it has not said which"
            what = f"{path}: another recorder records here ({who}): end it, or give another folder"
            raise SessionError(what) from None

    def close(self) -> None:
        """Let another recorder hold it."""
        os.close(self._lock)
        self._place.close()

    def tell(self, what: Mapping[str, Any]) -> None:
        """Write what the recorder says of itself now, for `status`."""
        with suppress(OSError):  # a full disk; the recorder finds out by itself
            with open(self._place.create(f".{_STATUS}"), "w") as file:  # noqa: PTH123 -- a descriptor
                json.dump(what, file)
            self._place.replace(f".{_STATUS}", _STATUS)


def status(path: Path) -> dict[str, Any]:
    """Return what the recorder of a folder last said of itself; nothing, if none did or it cannot be read."""
    try:
        told = json.loads(regular.content(path / _STATUS, _LONGEST_STATUS))
    except (OSError, SessionError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def is_held(path: Path) -> bool:
    """Tell whether a recorder holds the folder. Raises `SessionError` if that cannot be seen."""
    try:
        lock = regular.opened(path / _LOCK)
    except FileNotFoundError:
        return False
    except SessionError as error:
        raise SessionError(f"{error}: ask as root, or as a member of the group {GROUP}") from error
    with closing(os.fdopen(lock)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _make(path: Path) -> None:
    if path.is_dir():
        return
    path.mkdir(0o750, parents=True)
    with suppress(KeyError, OSError):
        os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
    path.chmod(stat.S_ISGID | MODE)
