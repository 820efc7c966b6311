"""Ledgers: endings that were written when a session was whole, read again if they are still those of the session."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sigtrace.causes import feed
from sigtrace.causes.clerk import ENDING, TABLE, can_be_told
from sigtrace.errors import SessionError
from sigtrace.store.flight import ledger
from sigtrace.store.trust import checksum, regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sigtrace.store.flight.ledger import Ledger
    from sigtrace.store.sessions import Found

_BRIEF = ["verdict", "source", "killer_comm", "victim_comm", "sig", "time", "ts", "victim_pid"]


def hold(one: Found) -> bool:
    """Tell whether the ledgers of a session have its endings, each as it would be found by following its rows."""
    books = [book.about for book in one.ledgers]
    if not books or not can_be_told(one):
        return False
    before = ""
    for number, (book, kept) in enumerate(zip(books, one.ledgers, strict=True)):
        before = ledger.history(before, kept.seals)
        last = number == len(books) - 1
        # What was open where a segment ended was decided in the next one, or by the end of the log.
        whole = book["pending"] == 0 or book["final"] == last
        if last and book["pending"] is None:
            return False
        if not whole or book["history"] != before or book.get("segment", number) != number:
            return False
        if any(book[name] != value for name, value in feed.told(one).items()):
            return False
    return True


class Endings:
    """The endings of a session, whose log has the name `log` here, by its ledgers.

    Raises `SpoiltError` if one of them is damaged, or another one lies there now.
    """

    def __init__(self, log: str | None, ledgers: Sequence[Ledger]) -> None:
        self.log = log
        self._ledgers = ledgers

    @property
    def verdicts(self) -> dict[str, int]:
        """How many there are of each verdict, in the order in which these came."""
        found: dict[str, int] = {}
        for one in self._ledgers:
            for verdict, n in one.about["verdicts"].items():
                found[verdict] = found.get(verdict, 0) + n
        return found

    @property
    def failed(self) -> int:
        """How many exited with a status other than 0."""
        return sum(one.about["failed"] for one in self._ledgers)

    def of_pid(self, pid: int) -> Iterator[dict[str, Any]]:
        """Yield the endings of the processes that had a pid, as rows of a ledger."""
        for one in self._ledgers:
            pids = one.about["pids"]
            if pids is not None and pids[0] <= pid <= pids[1]:
                with _Open(one) as file:
                    groups = [n for n in range(file.num_row_groups) if _may_hold(file, n, pid)]
                    rows = file.read_row_groups(groups)
                    yield from self._told(rows.filter(pc.equal(rows["victim_pid"], pa.scalar(pid, pa.int64()))))

    def told(self) -> Iterator[dict[str, Any]]:
        """Yield the endings of all who did more than exit, as rows of a ledger."""
        for one in self._ledgers:
            with _Open(one) as file:
                for group in one.about["told"]:
                    yield from self._told(file.read_row_group(group))

    def rows_of_all(self) -> Iterator[dict[str, Any]]:
        """Yield all endings, as rows of a ledger."""
        for one in self._ledgers:
            with _Open(one) as file:
                yield from self._told(file.read())

    def tables(self) -> Iterator[pa.Table]:
        """Yield all endings, as tables with the columns of `sigtrace.causes.endings.SCHEMA`."""
        for one in self._ledgers:
            with _Open(one) as file:
                rows = file.read().select([*ENDING, "nth"]).sort_by("nth").drop_columns("nth")
            yield self._named(rows)

    def brief(self) -> pa.Table:
        """Return of all who did more than exit what is counted, and `ledger` and `row` for `rows`."""
        tables = []
        for number, one in enumerate(self._ledgers):
            with _Open(one) as file:
                found = file.read_row_groups(one.about["told"], _BRIEF) if one.about["told"] else None
            if found is not None:
                places = {"ledger": [number] * len(found), "row": list(range(len(found)))}
                for name, values in places.items():
                    found = found.append_column(name, pa.array(values, pa.int64()))
                tables.append(found)
        types = [(name, pa.int64() if name == "time" else TABLE.field(name).type) for name in _BRIEF]
        empty = pa.schema([*types, ("ledger", pa.int64()), ("row", pa.int64())])
        return pa.concat_tables([empty.empty_table(), *(one.cast(empty) for one in tables)])

    def rows(self, number: int, rows: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield rows of a ledger, by what `brief` says of them."""
        one = self._ledgers[number]
        with _Open(one) as file:
            found = file.read_row_groups(one.about["told"])
        yield from self._told(found.take(pa.array(rows, pa.int64())))

    def _told(self, rows: pa.Table) -> Iterator[dict[str, Any]]:
        times = rows.column("time").cast(pa.int64())
        rows = rows.set_column(rows.schema.get_field_index("time"), "time", times)
        yield from self._named(rows.sort_by("nth")).to_pylist()

    def _named(self, rows: pa.Table) -> pa.Table:
        name = pa.array([self.log] * len(rows), pa.string())
        return rows.set_column(rows.schema.get_field_index("log"), TABLE.field("log"), name)


def ending(row: dict[str, Any]) -> dict[str, Any]:
    """Return the ending in a row of a ledger, as `sigtrace.causes.judging.verdict.Judge.ending` returns it."""
    return {name: row[name] for name in ENDING}


def evidence(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that an ending rests on, as `Judge.evidence` does."""
    found: list[dict[str, Any]] = json.loads(row["evidence"] or "[]")
    return found


class SpoiltError(SessionError):
    """A ledger is damaged, or another one lies there now."""


class _Open:
    """A ledger as it was sealed, open to be read."""

    def __init__(self, one: Ledger) -> None:
        self._one = one

    def __enter__(self) -> pq.ParquetFile:
        path = self._one.path
        try:
            self._descriptor = regular.opened(path)
        except (FileNotFoundError, SessionError) as error:
            raise SpoiltError(f"{path}: it cannot be read") from error
        try:
            _refuse_another(self._one, self._descriptor)
            self._file = open(self._descriptor, "rb", closefd=False)
            return pq.ParquetFile(self._file)
        except BaseException as error:
            os.close(self._descriptor)
            if isinstance(error, (OSError, SessionError, pa.ArrowException)):
                raise SpoiltError(f"{path}: it cannot be read") from error
            raise

    def __exit__(self, *_: object) -> None:
        self._file.close()
        os.close(self._descriptor)


def _refuse_another(one: Ledger, descriptor: int) -> None:
    checksum.verify(one.path, descriptor)
    if ledger.header(one.path, descriptor) != one.about:
        raise SpoiltError(f"{one.path}: another one lies there now")


def _may_hold(file: pq.ParquetFile, number: int, pid: int) -> bool:
    column = file.metadata.row_group(number).column(TABLE.get_field_index("victim_pid"))
    known = column.statistics
    if known is None or known.min is None or known.max is None:
        return True
    return bool(known.min <= pid <= known.max)
