"""Counting: the calls of sessions, counted once: out of what was counted when these were whole, or of their rows."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace.questions import calls, counts
from sigtrace.questions.sql import sift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigtrace.causes.ledgers.kept import Endings
    from sigtrace.questions.database import Database

    Frame = Any  # of any engine

FEW = 10_000
"""So many rows are counted sooner than DuckDB is started."""

_MANY = 1_000_000  # some 120 MB


class Counting:
    """The calls of a database, counted. Raises `SpoiltError` if what was counted beforehand is damaged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: Frame | None = None
        self._before: Frame | None = None
        self._kept: Sequence[Endings] = ()
        self._rest: list[int] = []

    def counted(self) -> Frame:
        """Return the calls by who sent what to whom with what result: see `sigtrace.questions.counts`."""
        if self._counted is None:
            self._kept, self._rest = self._shared_out()
            self._counted = self._count()
        return self._counted

    def named(self, targets: list[int]) -> Frame:
        """Return who `targets` are, as `sigtrace.questions.counts.named` does."""
        counted = self.counted()
        if self._before is None:
            return counts.named(counted, self._database.frame, targets)
        return counts.named(counted, self._with_rest(counts.hits(self._before), "event = 'signal_generate'"), targets)

    def storms(self) -> Frame:
        """Return `sigtrace.analyze.storms`, looked for only in logs in which so many calls come so fast at all.

        None if there is no such log.
        """
        self.counted()
        if self._before is None and isinstance(self._database.frame, pa.Table):
            return calls.storms(self._database.frame)
        dense = [one.log or "" for one in self._kept if one.dense]
        if self._kept and not dense and not self._rest:
            return None
        made = self._database.looked_at
        if self._kept and not self._rest:
            made.execute("CREATE OR REPLACE TABLE dense (log VARCHAR)")
        else:
            made.execute(sift.find_dense("rest_kills" if self._kept else "kills"))
        made.execute("INSERT INTO dense SELECT unnest(?::VARCHAR[])", [dense])
        return calls.storms(self._database.keep("stormy", made.sql(sift.DENSE)))

    def escalations(self) -> Frame:
        """Return `sigtrace.analyze.escalations`, looked for only among those that got SIGKILL and something milder."""
        self.counted()
        if self._before is not None:
            return calls.escalations(self._with_rest(counts.alone(self._before), f"event = 'kill' AND {sift.ALONE}"))
        if isinstance(self._database.frame, pa.Table):
            return calls.escalations(self._database.frame)
        made = self._database.looked_at
        made.execute(sift.FIND_ASKED)
        return calls.escalations(self._database.keep("asked_and_killed", made.sql(sift.ASKED)))

    def _shared_out(self) -> tuple[list[Endings], list[int]]:
        # The sessions whose calls were counted when they were whole, and the numbers of the others.
        for looked in (False, True):
            found = [] if self._database.passes_over else self._database.endings()
            kept = {n: one for n, (_, one) in enumerate(found) if one is not None and one.counted}
            if looked or not kept or len(kept) == len(found):
                break
            self._database.look()  # what is damaged is among the others
        return list(kept.values()), [n for n in range(len(found)) if n not in kept]

    def _count(self) -> Frame:
        if not self._kept:
            found = counts.of(self._database.frame)
            return found if isinstance(found, pa.Table) else self._database.keep("tallied", found)
        made = self._database.looked_at if self._rest else None
        before = self._read()
        if made is None and isinstance(before, pa.Table) and len(before) <= FEW and hasattr(pa, "arange"):
            self._before = before
            return counts.merged(before)
        made = made or self._database.engine
        self._before = made.register("before", before).table("before") if isinstance(before, pa.Table) else before
        merged = counts.merged(self._before)
        if self._rest:
            made.execute(f"CREATE OR REPLACE VIEW rest AS {self._database.rows_of(self._rest)}")
            made.execute("CREATE OR REPLACE VIEW rest_kills AS FROM rest WHERE event = 'kill'")
            merged = merged.union(counts.of(made.table("rest")))
        return self._database.keep("tallied", merged)

    def _read(self) -> Frame:
        # In memory, or if these are many, in a table of DuckDB's, which goes to the disk if it is large.
        stored = n = 0
        waiting: list[pa.Table] = []
        for one in chain.from_iterable(one.calls() for one in self._kept):
            waiting.append(one)
            n += len(one)
            if n - stored > _MANY:
                self._store(pa.concat_tables(waiting), first=stored == 0)
                waiting, stored = [], n
        if stored == 0:
            return pa.concat_tables(waiting)
        if waiting:
            self._store(pa.concat_tables(waiting), first=False)
        return self._database.engine.table("many_before")

    def _store(self, rows: pa.Table, *, first: bool) -> None:
        made = self._database.engine.register("piece", rows)
        begins = "CREATE OR REPLACE TABLE many_before AS" if first else "INSERT INTO many_before"
        made.execute(f"{begins} FROM piece")
        made.unregister("piece")

    def _with_rest(self, rows: Frame, chosen: str) -> Frame:
        if isinstance(rows, pa.Table) or not self._rest:
            return rows
        columns = ", ".join(rows.columns)
        return rows.union(self._database.engine.sql(f"SELECT {columns} FROM rest WHERE {chosen}"))  # noqa: S608
