"""Database: sessions, however many and however large: their rows in DuckDB, their endings by the process tracker."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from sigtrace.causes import feed
from sigtrace.causes.endings import SCHEMA, Exits, follow
from sigtrace.causes.ledgers.kept import Endings, SpoiltError
from sigtrace.errors import Error, SessionError
from sigtrace.facts.rules import ASKED_WITHIN_US
from sigtrace.facts.schema import VERSION
from sigtrace.questions import deaths
from sigtrace.questions.choice.opened import Opened
from sigtrace.questions.choice.period import NO_LINES, Period
from sigtrace.questions.sql.counting import FEW, Counting
from sigtrace.questions.sql.lock import asking, lock, quoted
from sigtrace.questions.sql.refusal import explained, of_engines, reason
from sigtrace.questions.sql.view import columns, parquet
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    import duckdb

    from sigtrace.causes.endings import Ended, Logged, Settled
    from sigtrace.questions.witnesses.pairs import Pair
    from sigtrace.store.session import Session
    from sigtrace.store.sessions import Found

_MEMORY = "1GB"  # what does not fit goes to a temporary folder
_PIECE = 1 << 12


class Database:
    """Sessions that can be asked, in DuckDB's SQL by the views `events`, `kills` and `deaths`.

    `sources` are recordings, Parquet files that sigtrace wrote, raw logs, folders of these, globs, or a `Session`. Of
    several sessions, those whose rows name no log, or the same one as others, have their path for `log`. A session of
    which nothing can be read is in `left_out` if there are others, with its `file` and `why`. `events` are all rows,
    `kills` the whole calls. `deaths` has the columns of `sigtrace.analyze.deaths`; it is made when a query first reads
    it, and DuckDB is started when it is first asked. A context manager; raw logs are parsed into a temporary folder,
    which goes with it. Recordings that ended before `since` are not opened. Raises `SessionError` and `LogError`.
    A query reads the sessions and nothing else, and changes nothing: no other file, no network, no extension, no
    variable of Python's. If `unsafe`, DuckDB does whatever a query says. `fed` is called with the bytes of each file
    that the process tracker has followed, of `work` in all.
    """

    def __init__(
        self,
        *sources: str | os.PathLike[str] | Session,
        asked_within_us: int = ASKED_WITHIN_US,
        since: datetime | None = None,
        unsafe: bool = False,
    ) -> None:
        self.asked_within_us = asked_within_us
        self._unsafe = unsafe
        self._connected: duckdb.DuckDBPyConnection | None = None
        self._connecting = Lock()
        self._viewed = False
        self._made: set[str] = set()
        self.period: Period | None = None
        self.fed: Callable[[int], object] | None = None
        self._frame: duckdb.DuckDBPyRelation | pa.Table | None = None
        self.calls = Counting(self)
        self.passes_over = False
        self.joined: list[Pair] | None = None  # once they were looked for
        self.passed_deaths: Collection[tuple[str | None, int]] = ()  # by log and line: another log tells them
        self._scratch = tempfile.TemporaryDirectory(prefix="sigtrace-")
        try:
            self._opened = Opened(sources, Path(self._scratch.name), since)
            self.name = ", ".join(one if isinstance(one, str) else str(getattr(one, "name", one)) for one in sources)
        except BaseException:
            self._scratch.cleanup()
            raise

    @property
    def engine(self) -> duckdb.DuckDBPyConnection:
        """DuckDB, in which the views need not be there yet."""
        with self._connecting:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    @property
    def looked_at(self) -> duckdb.DuckDBPyConnection:
        """DuckDB with the views, after a look at the files of all sessions."""
        self.look()
        made = self.engine
        with self._connecting, self._refused():
            if not self._viewed:
                self._open(made)
                self._viewed = True
        return made

    def _connect(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        with self._refused():
            made = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": self._scratch.name})
            return made.execute("SET GLOBAL TimeZone = 'UTC'")

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except of_engines() as error:
            raise SessionError(f"{self.name}: {reason(error)}") from error

    def _open(self, made: duckdb.DuckDBPyConnection) -> None:
        made.execute("SET GLOBAL parquet_metadata_cache = true")
        for number, one in enumerate(self._sessions):
            if one.rows is not None:
                made.register("rows", one.rows)
                made.execute(f"CREATE TABLE rows_{number} AS FROM rows; DROP VIEW rows")
        every = self.rows_of(range(len(self._sessions)))
        made.execute(f"CREATE VIEW all_events AS {every}; CREATE VIEW events AS FROM all_events")
        made.execute("CREATE VIEW kills AS SELECT * FROM events WHERE event = 'kill'")
        made.register("none", SCHEMA.empty_table())
        made.execute("CREATE TABLE deaths AS FROM none; DROP VIEW none")
        if not self._unsafe:
            lock(made, (file for one in self._sessions for file in one.files))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        failed = isinstance(error, (Error, OSError, *of_engines()))
        expired = failed and any(
            "segment" in one.about and not all(map(os.path.exists, one.files)) for one in self._sessions
        )
        self.close()  # the rows of journals go with it
        if expired:
            raise SessionError(f"{self.name}: a segment has expired while it was read: ask again") from error
        if isinstance(error, of_engines()):
            raise SessionError(f"{self.name}: {reason(error)}") from error

    def interrupt(self) -> None:
        """End what DuckDB is asked just now, which raises there. Any thread may call it."""
        if self._connected is not None:
            self._connected.interrupt()

    def close(self) -> None:
        """Close the connection, and remove what was parsed into the temporary folder."""
        if self._connected is not None:
            self._connected.close()
        self._scratch.cleanup()

    @property
    def _sessions(self) -> list[Found]:
        return self._opened.sessions

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """The sessions of which nothing can be read."""
        return self._opened.left_out

    @property
    def abouts(self) -> list[dict[str, Any]]:
        """What each session says of itself."""
        return [one.about for one in self._sessions]

    @cached_property
    def accounting(self) -> Accounting:
        """The account of all their lines."""
        return sum((Accounting.from_dict(about) for about in self.abouts), Accounting())

    def look(self) -> None:
        """Look at the files of all sessions, if that is still to be done: before any of their rows is read."""
        if self._opened.look():
            for known in ("accounting", "about_by_log", "logs"):
                self.__dict__.pop(known, None)

    def endings(self) -> list[tuple[Sequence[str | None], Endings | None]]:
        """Return the logs of each session, and its endings, if they are in ledgers as they would be found anew."""
        usual = self.asked_within_us == ASKED_WITHIN_US and self.period is None and not self.passes_over
        found = self._opened.ledgers() if usual else [None] * len(self._sessions)
        every = [(self._logs(number), ledgers) for number, ledgers in enumerate(found)]
        return [(logs, None if ledgers is None else Endings(logs[0], ledgers)) for logs, ledgers in every]

    @property
    def told(self) -> bool:
        """Whether the endings and the calls of all sessions come out of ledgers, so that no row is read for them."""
        return not self.passes_over and all(one is not None and one.counted for _, one in self.endings())

    def spoil(self, error: SpoiltError) -> None:
        """Take no endings out of a ledger that is damaged."""
        self._opened.spoil(error.path)
        self.calls = Counting(self)

    @cached_property
    def logs(self) -> list[str | None]:
        """The names that the rows have for their logs."""
        return [log for number in range(len(self._sessions)) for log in self._logs(number)]

    def about_of(self, log: str | None) -> dict[str, Any]:
        """Return what the session of a log says of itself; one of several that was read into a table is all of them."""
        return self.about_by_log.get(log, self.abouts[0])

    @cached_property
    def about_by_log(self) -> dict[str | None, dict[str, Any]]:
        """What the session of each log says of itself."""
        return {log: one.about for number, one in enumerate(self._sessions) for log in self._logs(number)}

    @property
    def lost_by_kernel_count(self) -> int:
        """Events that the kernel counted as lost, in all recordings."""
        return sum(sum(about.get("lost_by_kernel_count", {}).values()) for about in self.abouts)

    @property
    def lossy(self) -> bool:
        """Whether rows are missing: events were lost, or recordings or parts of them are damaged."""
        return self.accounting.lossy or bool(self.left_out) or any("damaged" in about for about in self.abouts)

    @property
    def events(self) -> duckdb.DuckDBPyRelation:
        """The rows of all sessions, as a relation of DuckDB."""
        return self.looked_at.table("events")

    def within(self, since: str | None, until: str | None) -> None:
        """Have `events`, `kills` and `deaths` hold what happened in a `Period` alone, and what ran when it began."""
        period = Period(self, since, until)
        if not period.open:
            self.period = period
            chosen = f"event IN {NO_LINES} OR {period.sql()}"
            self.looked_at.execute(f"CREATE OR REPLACE VIEW events AS FROM all_events WHERE {chosen}")

    def pass_over(self, calls: pa.Table) -> None:
        """Have `events` and `kills` lack calls and ends, of which the table says the `log` and the `line`."""
        self.passes_over = True
        self.looked_at.register("given", calls).execute("CREATE OR REPLACE TABLE passed AS FROM given")
        left = "event NOT IN ('kill', 'sched_process_exit') OR (coalesce(log, ''), line) NOT IN (FROM passed)"
        self.looked_at.execute(
            f"CREATE OR REPLACE VIEW all_events AS FROM ({self.rows_of(range(len(self._sessions)))}) WHERE {left}"
        )

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return what a query over the views gives, as a relation. Raises `Error` if DuckDB cannot run it."""
        with explained():
            asked = query if self._unsafe else asking(self.looked_at, query)
            if self._reads_deaths(query):
                self._fill_deaths()
            return self.looked_at.sql(asked)

    def answer(self, query: str) -> pa.Table:
        """Return what a query over the views gives, as a table. Raises `Error` if DuckDB cannot run it."""
        found = self.sql(query)
        with explained():
            # A statement that is no query gives no relation.
            table: pa.Table = pa.table({}) if found is None else found.to_arrow_table()
        return table

    def batches(self, query: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the columns and the rows of what a query over the views gives, in bounded memory, as `answer` does."""
        found: duckdb.DuckDBPyRelation | None = self.sql(query)
        if found is None:
            return pa.schema([]), iter(())
        with explained():
            reader = found.to_arrow_reader(_PIECE)
        return reader.schema, _read(reader)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query gives as objects, by column."""
        found: list[dict[str, Any]] = self.answer(query).to_pylist()
        return found

    def keep(self, name: str, relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Compute a relation once, as a temporary table, and return that."""
        self.engine.execute(f"CREATE OR REPLACE TABLE {name} AS {relation.sql_query()}")
        return self.engine.table(name)

    def follow(
        self,
        ended: Ended,
        settled: Settled | None = None,
        *,
        all_endings: bool = True,
        among: Collection[str | None] | None = None,
    ) -> Exits:
        """Have the process tracker follow the sessions; return how many processes exited and were not worth a call.

        `ended` and `settled` are called as by `sigtrace.causes.tracking.tracker.Tracker`, with the log first; with a
        `period`, `ended` for those who ended in it. Without `all_endings`, `ended` is not called for those who just
        exited, if their log would show it otherwise. Of logs not `among` these, nothing is followed.
        """
        exits = Exits(0, 0)
        if self.period is not None:
            ended, all_endings = self.period.only(ended), True
        for log, rows in self.logged(among):
            more = follow(log, rows, ended, settled, all_endings=all_endings, asked_within_us=self.asked_within_us)
            exits = Exits(exits.exited + more.exited, exits.failed + more.failed)
        return exits

    def logged(self, among: Collection[str | None] | None = None) -> Iterator[Logged]:
        """Yield the name of each log and its rows for the process tracker: of all logs, or of those `among` these."""
        self.look()
        for number, one in enumerate(self._sessions):
            logs = self._logs(number)
            if among is None or set(logs) & set(among):
                for log, rows in feed.of_session(one, logs):
                    if among is None or log in among:
                        if isinstance(rows, feed.Parts):
                            rows.fed = self.fed
                        yield log, rows

    def work(self) -> int:
        """Return how many bytes `fed` will have been told, at most: what is missing is found out beforehand."""
        return sum(
            sum(map(os.path.getsize, one.files)) * (2 if "damaged" in one.about or feed.lossy(one) else 1)
            for one in self._sessions
        )

    @property
    def frame(self) -> duckdb.DuckDBPyRelation | pa.Table:
        """The rows of all sessions as narwhals takes them: if there are few, in memory, and DuckDB is not started."""
        if self._frame is None:
            self.look()
            (one, *others) = self._sessions
            # To number the rows of a table, narwhals needs arange of pyarrow 21, or numpy, which a command hides.
            few = self.period is None and not others and one.n_rows() <= FEW and hasattr(pa, "arange")
            self._frame = one.table() if few else self.events
        return self._frame

    def _reads_deaths(self, query: str) -> bool:
        import duckdb

        try:
            return "deaths" in {name.lower() for name in self.looked_at.get_table_names(query)}
        except duckdb.Error:
            return "deaths" in query.lower()  # several statements, or none that it knows; whoever runs it says so

    def _fill_deaths(self) -> None:
        if "deaths" in self._made:
            return

        def insert(rows: pa.Table) -> None:
            self.looked_at.register("found", rows)
            self.looked_at.execute("INSERT INTO deaths FROM found")

        while True:
            try:
                deaths.insert_all(self, insert)
                break
            except SpoiltError as error:
                self.spoil(error)
                self.looked_at.execute("DELETE FROM deaths")
        self.looked_at.unregister("found")
        self._made.add("deaths")

    def rows_of(self, sessions: Iterable[int]) -> str:
        """Return SQL for the rows of sessions, by their numbers."""
        selects = []
        files: dict[int, list[str]] = {}
        for number in sessions:
            one = self._sessions[number]
            version = VERSION if one.rows is not None else one.about.get("schema", VERSION)  # a raw log says none
            if one.rows is None and not self._renamed(number):
                files.setdefault(version, []).extend(one.files)
                continue
            rows = f"rows_{number}" if one.rows is not None else parquet(one.files)
            selects.append(f"SELECT {columns(self._log(number), version)} FROM {rows}")
        selects += [
            f"SELECT {columns('log', version)} FROM {parquet(of_version)}" for version, of_version in files.items()
        ]
        return " UNION ALL ".join(selects)

    def _renamed(self, number: int) -> bool:
        return len(self._sessions) > 1 and any(
            log is None or self._opened.shared[log] > 1 for log in self._sessions[number].logs
        )

    def _log(self, number: int) -> str:
        # SQL for the name of a row's log.
        if not self._renamed(number):
            return "log"
        one = self._sessions[number]
        return quoted(one.path) if len(one.logs) == 1 else f"{quoted(one.path + ':')} || coalesce(log, '')"

    def _logs(self, number: int) -> Sequence[str | None]:
        one = self._sessions[number]
        if not self._renamed(number):
            return one.logs
        return [one.path] if len(one.logs) == 1 else [f"{one.path}:{log or ''}" for log in one.logs]


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with explained():
        yield from reader
