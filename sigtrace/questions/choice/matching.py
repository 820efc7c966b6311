"""Matching: the processes that a word names, by pid, name, command line, unit, container, pod or user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.causes.judging.identity import identity
from sigtrace.facts.cgroup import is_of_unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigtrace.causes.tracking.process import Process, Signal

_LAST_PID = (1 << 31) - 1  # what a call can name, though no kernel gives so large a one
_NAME_BYTES = 15
SHORTEST = 4
"""So many characters of an id's beginning are not taken for another word."""
_HEX = frozenset("0123456789abcdef-")
_KEPT = 10_000
_SUGGESTED = 3


class Matcher:
    """Tells which processes `asked` names.

    It is a pid, or the name of a process or of a thread as far as rows name it, a word or several of the command line,
    a file, a unit with or without `.service`, a container's id or pod's uid or its beginning, or a user.
    """

    def __init__(self, asked: str) -> None:
        self.asked = asked
        self.pid = int(asked) if asked.isascii() and asked.isdigit() and int(asked) <= _LAST_PID else None
        # The kernel keeps 15 bytes of a name.
        cut = asked.encode()[:_NAME_BYTES].decode(errors="replace")
        self._names = frozenset((asked, cut))
        self._is_id = len(asked) >= SHORTEST and _HEX.issuperset(asked)
        self._of_command: dict[str | None, bool] = {None: False}
        self._of_cgroup: dict[str | None, bool] = {None: False}

    def matches(self, process: Process, *thread_names: str | None) -> bool:
        """Tell whether a process is asked for; `thread_names` are of those of its threads that matter here."""
        if self.pid is not None:
            return bool(process.pid == self.pid)
        command = process.command or process.filename
        return self._names_it((process.name(), *thread_names), process.user, command, process.cgroup)

    def sent(self, signal: Signal) -> bool:
        """Tell whether the sender of a signal is asked for, as it was when it sent it."""
        sender = signal.sender
        if self.pid is not None:
            return bool(sender.pid == self.pid)
        row = signal.row if signal.call is None else signal.call
        image = sender.image(signal.row.line)
        return self._names_it((image.comm, row.comm), image.user, image.command or image.filename, sender.cgroup)

    def matches_row(self, row: dict[str, Any]) -> bool:
        """Tell whether a row of a session is of a process that is asked for, by the columns that it has."""
        if self.pid is not None:
            return bool(row["pid"] == self.pid)
        if row.get("comm") in self._names or row.get("user") == self.asked:
            return True
        command = row.get("command") or row.get("filename")
        return self._named_by_command(command) or self._named_by_cgroup(row.get("cgroup"))

    def _names_it(self, names: Iterable[str | None], user: str | None, command: str | None, cgroup: str | None) -> bool:
        if user == self.asked or any(name in self._names for name in names):
            return True
        return self._named_by_command(command) or self._named_by_cgroup(cgroup)

    def _named_by_command(self, command: str | None) -> bool:
        # Most processes run one of few commands, and are in one of few control groups.
        known = self._of_command.get(command)
        if known is None:
            known = self._of_command[command] = command is not None and has_words(command, self.asked)
            _bound(self._of_command)
        return known

    def _named_by_cgroup(self, cgroup: str | None) -> bool:
        known = self._of_cgroup.get(cgroup)
        if known is None:
            known = self._of_cgroup[cgroup] = self._is_in(cgroup)
            _bound(self._of_cgroup)
        return known

    def _is_in(self, cgroup: str | None) -> bool:
        if is_of_unit(cgroup, self.asked):
            return True
        known = identity(cgroup)
        return self._is_id and any(
            one is not None and one.startswith(self.asked) for one in (known.container, known.pod)
        )


class Names:
    """Names that were seen where nothing was found, from which others are suggested."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def see(self, process: Process) -> None:
        """Keep what a process can be asked for by."""
        self.see_row({"comm": process.name(), "user": process.user, "cgroup": process.cgroup})

    def see_row(self, row: dict[str, Any]) -> None:
        """Keep what the process of a row can be asked for by."""
        if len(self._seen) < _KEPT:
            known = identity(row.get("cgroup"))
            container = None if known.container is None else known.container[:12]
            found = (row.get("comm"), row.get("user"), known.unit, container)
            self._seen.update(name for name in found if name is not None)

    def like(self, asked: str) -> list[str]:
        """Return the names that are most like one, at most three."""
        from difflib import get_close_matches

        lower = {name.lower(): name for name in sorted(self._seen)}
        parts = [name for low, name in lower.items() if asked.lower() in low or (len(low) > 2 and low in asked.lower())]
        close = [lower[low] for low in get_close_matches(asked.lower(), list(lower), _SUGGESTED)]
        return list(dict.fromkeys([*close, *parts]))[:_SUGGESTED]


def has_words(command: str, asked: str) -> bool:
    """Tell whether a command line has a word, or several, of which one may lack the folders before it."""
    # `gunicorn: worker [app:app]` is a command line as `exec -a` and setproctitle(3) make them.
    words: Iterable[str] = command.split(" ")
    if f" {asked} " in f" {command} ":
        return True
    return any(word.rsplit("/", 1)[-1] == asked for word in words)


def _bound(kept: dict[str | None, bool]) -> None:
    if len(kept) > _KEPT:
        kept.clear()
        kept[None] = False
