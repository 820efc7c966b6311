"""Opened: the sessions that are asked, each log as one session, and what of them can be read."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sigtrace.causes.ledgers import kept
from sigtrace.store.flight import ledger
from sigtrace.store.flight.segments import joined
from sigtrace.store.sessions import Damaged, Found, find, looked_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sigtrace.store.flight.ledger import Ledger
    from sigtrace.store.session import Session


_MOST_SPOILT = 3


class Opened:
    """Sessions out of sources, as of `sigtrace.questions.database.Database`: `sessions`, and `left_out`.

    `shared` says how many of them have a log of each name. The files of those that have ledgers are not looked at until
    `look`: what is damaged in them is not known before, and is in no answer out of the ledgers either.
    """

    def __init__(
        self, sources: Sequence[str | os.PathLike[str] | Session], scratch: Path, since: datetime | None
    ) -> None:
        self._sources, self._scratch = sources, scratch
        # A session that two sources stand for is one.
        found = (one for source in sources for one in find(source, scratch, since))
        self._found = list({_place(one) or n: one for n, one in enumerate(found)}.values())
        self._looking = Lock()
        self._spoilt: list[Path | None] = []
        self._rests: dict[str | None, Ledger | None] = {}
        self._looked = not any(isinstance(one, Found) and one.ledgers for one in self._found)
        self._take()

    def look(self) -> bool:
        """Look at the files of all sessions; return whether that was still to be done."""
        with self._looking:
            if self._looked:
                return False
            looked = [
                looked_at(one, self._scratch) if isinstance(one, Found) and one.ledgers else one for one in self._found
            ]
            # Else it has expired since it was found.
            self._found = [one for one in looked if not isinstance(one, Damaged) or os.path.lexists(one.path)]
            self._take()
            self._looked = True
            return True

    def ledgers(self) -> list[Sequence[Ledger] | None]:
        """Return of each session the ledgers that have its endings, None if there are not all of them.

        Of a log that goes on, the last of them is made here.
        """
        with self._looking:
            return [self._ledgers(number) if holds else None for number, holds in enumerate(self.holding)]

    def _ledgers(self, number: int) -> Sequence[Ledger] | None:
        one = self.sessions[number]
        if not kept.goes_on(one):
            return one.ledgers
        log = one.logs[0]
        if log not in self._rests:
            self._rests[log] = kept.rest(one, self._scratch)
        rest = self._rests[log]
        return None if rest is None else [*one.ledgers, rest]

    def spoil(self, path: Path | None) -> None:
        """Have the endings of a session be found by following it, whose ledger or calls are at a path; if None, of all.

        Once it was said of more than three, it is for all: each time, all is asked anew.
        """
        self._spoilt.append(path)
        self.holding = list(map(self._holds, self.sessions))

    def _holds(self, one: Found) -> bool:
        if None in self._spoilt or len(self._spoilt) > _MOST_SPOILT:
            return False
        lying = {path for book in one.ledgers for path in (book.path, ledger.calls(book.path))}
        return lying.isdisjoint(self._spoilt) and kept.hold(one)

    def _take(self) -> None:
        self.sessions = joined(one for one in self._found if not isinstance(one, Damaged))
        self.holding = list(map(self._holds, self.sessions))
        damaged = [one for one in self._found if isinstance(one, Damaged)]
        self.left_out = _left_out(damaged, self._sources, others=bool(self.sessions))
        self.shared = Counter(log for one in self.sessions for log in one.logs)


def _left_out(damaged: list[Damaged], sources: Sequence[object], *, others: bool) -> list[dict[str, Any]]:
    for one in damaged:
        # A file that was asked for by its own name is missed more than one of many.
        if not others or (one.path in map(str, sources) and not Path(one.path).is_dir()):
            raise one.error
    return [one.told() for one in damaged]


def _place(one: Found | Damaged) -> str | None:
    return os.path.realpath(one.path) if Path(one.path).exists() else None
