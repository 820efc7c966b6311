"""Ledgers: endings that were written when a session was whole, read again if they are still those of the session."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sigtrace.causes import feed
from sigtrace.causes.ledgers.book import ENDING, PAIR, TABLE, Book
from sigtrace.causes.ledgers.following import Following
from sigtrace.errors import SessionError
from sigtrace.facts.rules import FIRST_TIME, LAST_TIME, STORM_GAP_US
from sigtrace.store.flight import counts, ledger
from sigtrace.store.flight.ledger import Ledger
from sigtrace.store.trust import checksum, regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sigtrace.store.sessions import Found

_OF_BRIEF = [*PAIR, "time", "ts", "victim_pid"]
_LONGEST = 1 << 30
_BEYOND = "its times lead beyond the years 1 to 9999"
_WORTH = 4  # times as many rows are followed while a ledger is written
REFUSED = (
    *(OSError, AttributeError, LookupError, MemoryError, OverflowError, RecursionError, TypeError, ValueError),
    zlib.error,
    *(SessionError, pa.ArrowException),
)
"""What is raised if what lies beside a session cannot be read, or is nonsense."""


def can_be_told(whole: Found) -> bool:
    """Tell whether the endings of a log can be decided as its rows come: nothing of it was lost, or is missing."""
    return whole.rows is None and len(whole.logs) == 1 and "damaged" not in whole.about and not feed.lossy(whole)


def linked(ledgers: Sequence[Ledger], known: dict[str, Any]) -> int:
    """Return how many ledgers of a log, from the first, go on from one another, and were decided as is `known` of it.

    The first may go on from one that has expired. `known` is as of `told`.
    """
    before, segment = None, 0
    for number, one in enumerate(ledgers):
        about = one.about
        if number == 0:
            before, segment = about["after"], about.get("segment", 0)
        follows = (about["after"], about.get("segment", 0)) == (before, segment + number)
        if not follows or about["history"] != ledger.history(about["after"], one.seals):
            return number
        if any(about[name] != value for name, value in known.items()):
            return number
        before = None if about["final"] else about["history"]  # nothing comes after the end of a log
    return len(ledgers)


def told(one: Found) -> dict[str, Any]:
    """Return what `sigtrace.causes.feed.told` does; of a log whose beginning has expired, what was told of it then."""
    of_rows = feed.told(one)
    if not one.ledgers or one.ledgers[0].about["after"] == "":
        return of_rows
    return {name: one.ledgers[0].about[name] for name in of_rows}


def hold(one: Found) -> bool:
    """Tell whether the ledgers of a session have its endings, up to where it `goes_on`."""
    return bool(one.ledgers) and can_be_told(one) and linked(one.ledgers, told(one)) == len(one.ledgers)


def goes_on(one: Found) -> bool:
    """Tell whether a session has endings that are in no ledger of it: of later rows, or as its log has ended."""
    last = one.ledgers[-1].about
    return bool(one.behind) or not (last["final"] or last["pending"] == 0)


def rest(one: Found, scratch: Path) -> Ledger | None:
    """Return a ledger, in the folder `scratch`, of the endings that are in no ledger of a session that `goes_on`.

    None if it is not known what went on at the end of the last ledger. And if it takes as long to follow all rows,
    unless these say less: if the log's beginning has expired.
    """
    number = len(list(scratch.rglob("*.endings")))
    path = ledger.place(scratch / "host=-" / "date=-" / f"{number}.parquet")
    is_whole = one.ledgers[0].about["after"] == ""
    if path is None or (is_whole and feed.size(one.behind) * _WORTH > feed.size(one.files)):
        return None
    last = one.ledgers[-1]
    about = {**last.about, "after": last.about["history"], "final": True, "seals": []}
    try:
        following = Following.recalled(told(one), last)
        with Book(path, about, one.behind) as following.book:
            following.follow(one.behind)
            following.end()
            following.book.close(0)
        return Ledger(path, ledger.header(path, path.read_bytes()), [])
    except REFUSED:
        return None


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

    @property
    def counted(self) -> bool:
        """Whether its calls were counted, and lie there: who copied the endings alone has these at least."""
        return all(one.about["calls"] is not None and ledger.calls(one.path).exists() for one in self._ledgers)

    @property
    def dense(self) -> bool:
        """Whether so many of its calls come so fast that some may be a storm; of calls that were counted."""
        abouts = [one.about["calls"] for one in self._ledgers]
        timed = [one for one in abouts if one["first_ts"] is not None]
        # A storm may be in two segments.
        near = any(later["first_ts"] - one["last_ts"] <= STORM_GAP_US for one, later in pairwise(timed))
        return near or any(one["dense"] for one in abouts)

    def calls(self) -> Iterator[pa.Table]:
        """Yield its calls as they were counted, as tables with the columns of `sigtrace.store.flight.counts`."""
        for one in self._ledgers:
            yield self._named(_calls(one))

    def of_pid(self, pid: int) -> Iterator[dict[str, Any]]:
        """Yield the endings of the processes that had a pid, as rows of a ledger."""
        for one in self._ledgers:
            pids = one.about["pids"]
            if pids is not None and pids[0] <= pid <= pids[1]:
                with _opened(one) as file:
                    groups = [n for n in range(file.num_row_groups) if _may_hold(file, n, pid)]
                    rows = file.read_row_groups(groups, use_threads=False)
                    yield from self._told(rows.filter(pc.equal(rows["victim_pid"], pa.scalar(pid, pa.int64()))))

    def told(self) -> Iterator[dict[str, Any]]:
        """Yield the endings of all who did more than exit, as rows of a ledger."""
        for one in self._ledgers:
            with _opened(one) as file:
                for group in one.about["told"]:
                    yield from self._told(file.read_row_group(group))

    def rows_of_all(self) -> Iterator[dict[str, Any]]:
        """Yield all endings, as rows of a ledger."""
        for one in self._ledgers:
            with _opened(one) as file:
                yield from self._told(file.read())

    def tables(self) -> Iterator[pa.Table]:
        """Yield all endings, as tables with the columns of `sigtrace.causes.endings.SCHEMA`."""
        for one in self._ledgers:
            with _opened(one) as file:
                rows = file.read().select([*ENDING, "nth"]).sort_by("nth").drop_columns("nth")
            yield self._named(rows)

    def pairs(self) -> Iterator[list[Any]]:
        """Yield how many did more than exit, by `sigtrace.causes.ledgers.book.PAIR`: these values, and the number."""
        for number, one in enumerate(self._ledgers):
            if one.about["pairs"] is not None:
                yield from _pairs(one)
                continue
            brief = self.brief(number)
            sums: list[Any] = [([], "count_all")]
            for row in brief.group_by(list(PAIR)).aggregate(sums).to_pylist():
                yield [*(row[name] for name in PAIR), row["count_all"]]

    def begins(self) -> list[tuple[int, int | None]]:
        """Return the ledgers in which somebody did more than exit, by number, and when the first of them ended."""
        return [
            (number, one.about["first"])
            for number, one in enumerate(self._ledgers)
            if set(one.about["verdicts"]) - {"exited"}
        ]

    def brief(self, number: int) -> pa.Table:
        """Return of all in a ledger who did more than exit what they are counted by and ordered by, and their `row`."""
        one = self._ledgers[number]
        with _opened(one) as file:
            found = file.read_row_groups(one.about["told"], _OF_BRIEF, use_threads=False)
        found = found.append_column("row", pa.array(range(len(found)), pa.int64()))
        return found.filter(pc.not_equal(found["verdict"], pa.scalar("exited")))

    def rows(self, number: int, rows: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield rows of a ledger, by what `brief` says of them."""
        one = self._ledgers[number]
        with _opened(one) as file:
            found = file.read_row_groups(one.about["told"])
        yield from self._told(found.take(pa.array(rows, pa.int64())))

    def _told(self, rows: pa.Table) -> Iterator[dict[str, Any]]:
        if not _has_dates(rows["time"]):
            raise SpoiltError(_BEYOND)
        times = rows.column("time").cast(pa.int64())
        rows = rows.set_column(rows.schema.get_field_index("time"), "time", times)
        yield from self._named(rows.sort_by("nth")).to_pylist()

    def _named(self, rows: pa.Table) -> pa.Table:
        if self.log == self._ledgers[0].about["log"]:
            return rows
        name = _repeated(self.log, pa.string(), len(rows))
        return rows.set_column(rows.schema.get_field_index("log"), TABLE.field("log"), name)


def ending(row: dict[str, Any]) -> dict[str, Any]:
    """Return the ending in a row of a ledger, as `sigtrace.causes.judging.verdict.Judge.ending` returns it."""
    return {name: row[name] for name in ENDING}


def evidence(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that an ending rests on, as `Judge.evidence` does."""
    try:
        found = json.loads(row["evidence"] or "[]")
    except (ValueError, RecursionError) as error:
        raise SpoiltError("the evidence of an ending is not JSON") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise SpoiltError("the evidence of an ending are no rows")
    times = [one.get("time", 0) for one in found]
    if not all(isinstance(time, int) and FIRST_TIME <= time <= LAST_TIME for time in times):
        raise SpoiltError(_BEYOND)
    return found


class SpoiltError(SessionError):
    """A ledger is damaged, or another one lies there now: that at `path`, if it is known which."""

    def __init__(self, why: str, path: Path | None = None) -> None:
        super().__init__(why)
        self.path = path


@contextmanager
def _opened(one: Ledger) -> Iterator[pq.ParquetFile]:
    """Open a ledger as it was sealed, to be read."""
    with _explained(one.path):
        data = regular.content(one.path, _LONGEST)
        checksum.verify(one.path, data)
        if ledger.header(one.path, data) != one.about:
            raise SessionError("another one lies there now")
        yield pq.ParquetFile(pa.BufferReader(data))


def _calls(one: Ledger) -> pa.Table:
    path, about = ledger.calls(one.path), one.about["calls"]
    with _explained(path):
        descriptor = regular.opened(path)
        with os.fdopen(descriptor, "rb") as file:
            ledger.refuse_a_strangers(path, descriptor, one.path)
            data = file.read(about["bytes"] + 1)
        if (len(data), checksum.found(data)) != (about["bytes"], about["crc32"]):
            raise SessionError("another one lies there now")
        checksum.verify(path, data)
        parquet = pq.ParquetFile(pa.BufferReader(data))
        if parquet.metadata.num_rows > counts.MOST_ROWS:
            raise SessionError("it has more rows than it can have")
        found = parquet.read(use_threads=False).cast(counts.table_schema())
        if not _has_dates(found["first_time"]):
            raise SessionError(_BEYOND)
        return found


def _pairs(one: Ledger) -> list[list[Any]]:
    with _explained(one.path):
        descriptor = regular.opened(one.path)
        try:
            said = checksum.stored(descriptor, ledger.PAIRS) or b""
        finally:
            os.close(descriptor)
        if checksum.text(said) != one.about["pairs"]:
            raise SessionError("another one lies there now")
        found: Any = json.loads(said)
        if not isinstance(found, list) or not all(map(_is_pair, found)):
            raise SessionError("its killers and victims are not counted as sigtrace counts them")
        return cast("list[list[Any]]", found)


def _is_pair(row: object) -> bool:
    if not isinstance(row, list) or len(row) != len(PAIR) + 1:
        return False
    *names, sig, n = row
    "".join(name for name in names if name is not None).encode()  # raises for what cannot be printed
    return (sig is None or isinstance(sig, int)) and type(n) is int and n > 0


def _has_dates(times: pa.ChunkedArray[Any]) -> bool:
    around: Any = pc.min_max(times.cast(pa.int64())).as_py()
    return around["min"] is None or FIRST_TIME <= around["min"] <= around["max"] <= LAST_TIME


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except REFUSED as error:
        raise SpoiltError(f"{path}: it cannot be read: {error}", path) from error


def _repeated(value: int | str | None, type_: pa.DataType, n: int) -> pa.Array[Any]:
    found: pa.Array[Any] = cast("Any", pa).repeat(pa.scalar(value, type_), n)
    return found


def _may_hold(file: pq.ParquetFile, number: int, pid: int) -> bool:
    column = file.metadata.row_group(number).column(TABLE.get_field_index("victim_pid"))
    known = column.statistics
    if known is None or known.min is None or known.max is None:
        return True
    return bool(known.min <= pid <= known.max)
