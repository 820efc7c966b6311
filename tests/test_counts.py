"""Counts: calls that were counted when a session was whole are those that counting its rows finds."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sigtrace import analyze, read
from sigtrace.causes.ledgers import clerk
from sigtrace.causes.ledgers.book import TABLE
from sigtrace.facts.rules import ASKING_OR_KILLING
from sigtrace.output.summary import summary
from sigtrace.questions import deaths
from sigtrace.questions.database import Database
from sigtrace.store.disk.sealed import Sealed
from sigtrace.store.flight import counts, flight, ledger, retention, segments
from sigtrace.store.flight.flight import Flight
from sigtrace.store.recorder import Recorder
from sigtrace.store.sessions import Found, find
from sigtrace.store.trust import checksum
from tests.booked import book, book_all, books, of_rows, written
from tests.described import describe, described
from tests.story import call, fork, hit, kill, leave, witness
from tests.test_flight import ALL, EVENTS, Source, nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

STORM = "".join(call(7, 15, ts=3 + i / 1000, ret=-3) for i in range(150))
LOG = "".join(
    [
        witness(),
        fork(100, ts=1.0),
        call(100, 0, ts=1.1),
        call(100, 15, ts=1.2),
        hit(100, 15, ts=1.2),
        kill(100, 9, ts=2.0),
        STORM,
        fork(101, ts=4.0),
        kill(101, 15, ts=4.1, by=60, name="other"),
    ]
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CHECK_SECONDS", "_TELL_SECONDS", "_KEEP_SECONDS", "_SEGMENT_SECONDS"):
        monkeypatch.setattr(flight, name, -1.0)


def recorded(root: Path, log: str = LOG, host: str = "a") -> Path:
    path = root / f"host={host}" / "date=2026-11-22" / "000000.parquet"
    with Recorder(path, {"events": EVENTS}, utc_offset_us=1_700_000_000_000_000) as recorder:
        recorder.feed(log.encode())
        recorder.finish({})
    return path


def reported(*sources: Path, most: int = 1_000) -> str:
    with Database(*sources) as database:
        return json.dumps(summary(database, timeline=False, most_deaths=most), default=str)


def without(root: Path, most: int = 1_000) -> str:
    """Return the report of sessions whose rows are counted."""
    aside = root.with_name(f"{root.name}-aside")
    (root / ledger.FOLDER).rename(aside)
    try:
        return reported(root, most=most)
    finally:
        aside.rename(root / ledger.FOLDER)


def counted(root: Path) -> Path:
    (path,) = (root / ledger.CALLS).rglob("*.calls")
    return path


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def flown(home: Path, log: str, lines: int = 1) -> Path:
    """Record a log into a flight recorder's folder, so many lines as a segment."""
    with Flight(home, {"events": EVENTS}, Source(), kept=ALL, look=nothing, whole=book_all) as recording:
        cut = log.encode().splitlines(keepends=True)
        for at in range(0, len(cut), lines):
            recording.feed(b"".join(cut[at : at + lines]))
        recording.finish({})
    book_all(home)
    return home


def test_a_report_out_of_counted_calls_reads_no_part(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    assert book(session)
    before = without(tmp_path)
    answer = json.loads(before)
    assert answer["escalations"]
    assert answer["failures"]
    assert "worker (100)" in {row["means"] for row in answer["targets"]}
    for part in session.glob("part-*.parquet"):
        flipped(part)
    # The storm is looked for among the rows, for which the files are looked at.
    assert {**json.loads(reported(tmp_path)), "storms": 0, "unknown": 0, "counts": 0, "accounting": 0} == {
        **answer,
        "storms": 0,
        "unknown": 0,
        "counts": 0,
        "accounting": 0,
    }


def test_a_report_without_a_storm_says_nothing_of_a_part_that_it_does_not_read(tmp_path: Path) -> None:
    session = recorded(tmp_path, LOG.replace(STORM, ""))
    assert book(session)
    before = without(tmp_path)
    for part in session.glob("part-*.parquet"):
        flipped(part)
    assert reported(tmp_path) == before


@pytest.mark.parametrize(("few", "many"), [(10_000, 1_000_000), (-1, 1_000_000), (-1, 1), (-1, 10)])
def test_calls_that_were_counted_are_told_as_those_of_the_rows(
    tmp_path: Path, few: int, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigtrace.questions.sql.counting.FEW", few)
    monkeypatch.setattr("sigtrace.questions.sql.counting._MANY", many)
    for host in ("a", "b", "c"):
        assert book(recorded(tmp_path, LOG if host == "a" else LOG.replace("PID 50", "PID 51"), host))
    assert reported(tmp_path) == without(tmp_path)


def test_times_are_in_utc_wherever_the_report_is_made(tmp_path: Path) -> None:
    assert book(recorded(tmp_path))
    code = (
        "import sys; from sigtrace.questions.sql import counting; counting.FEW = -1;"
        "from sigtrace.questions.database import Database; from sigtrace.output.summary import summary;"
        "print(summary(Database(sys.argv[1]), timeline=False)['logs'][0]['time'])"
    )
    asked = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(
        asked, env={**os.environ, "TZ": "America/New_York"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "2023-11-14 22:13:21.100000+00:00\n"


def test_what_is_damaged_is_not_found_while_the_deaths_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded(tmp_path)
    assert book(session)
    at_once = deaths.counted

    def later(*asked: Any) -> Any:
        time.sleep(1)  # meanwhile the storm would be looked for among the rows
        return at_once(*asked)

    for part in session.glob("part-*.parquet"):
        flipped(part)
    before = reported(tmp_path)
    monkeypatch.setattr(deaths, "counted", later)
    assert reported(tmp_path) == before


def test_two_logs_of_one_moment_are_told_though_a_ledger_is_damaged(tmp_path: Path) -> None:
    sessions = [recorded(tmp_path, host=host) for host in "ab"]
    for session in sessions:
        describe(session, {key: of for key, of in described(session).items() if key not in {"started", "crc32"}})
        assert book(session)
    before = without(tmp_path)
    assert json.loads(before)["witnesses"]
    for path in (tmp_path / ledger.FOLDER).rglob("*.endings"):
        flipped(path)
    assert reported(tmp_path) == before


@pytest.mark.parametrize("most", [0, 1, 3])
def test_no_more_deaths_are_kept_than_are_asked_for(tmp_path: Path, most: int) -> None:
    for host in "abc":
        assert book(recorded(tmp_path, host=host))
    with Database(tmp_path) as database:
        every = summary(database, timeline=False)["deaths"]
    with Database(tmp_path) as database:
        assert summary(database, timeline=False, most_deaths=most)["deaths"] == every[:most]


def test_of_some_sessions_calls_were_counted_and_of_others_not(tmp_path: Path) -> None:
    hosts = {host: recorded(tmp_path, LOG if host < "c" else LOG.replace(STORM, ""), host) for host in "abcd"}
    for host in "ac":
        assert book(hosts[host])
    assert reported(tmp_path) == without(tmp_path)


def test_what_two_segments_have_together_is_told(tmp_path: Path) -> None:
    home = flown(tmp_path / "home", LOG.replace(STORM, ""))
    assert len(segments.find(home)) > 15
    assert reported(home) == without(home)
    answer = json.loads(reported(home))
    assert answer["escalations"]
    assert "worker (100)" in {row["means"] for row in answer["targets"]}


def test_a_storm_of_which_no_segment_has_enough_calls_is_found(tmp_path: Path) -> None:
    home = flown(tmp_path / "home", STORM, lines=150)
    assert [len(read(one.path)) for one in segments.find(home)] == [75, 75, 0]
    assert reported(home) == without(home)
    (storm,) = json.loads(reported(home))["storms"]
    assert storm["calls"] == 150


def without_it(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def of_others(path: Path) -> None:
    other = recorded(path.parents[3] / "other", LOG[: len(LOG) // 2])
    assert book(other)
    path.write_bytes(counted(path.parents[3] / "other").read_bytes())
    os.rename(path.parents[3] / "other", path.parents[4] / "gone")  # noqa: PTH104


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def anybodys(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("spoil", [without_it, flipped, cut, of_others, a_link, anybodys])
def test_counted_calls_that_are_not_those_of_the_ledger_are_passed_over(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    root = tmp_path / "root"
    assert book(recorded(root))
    before = without(root)
    spoil(counted(root))
    assert reported(root) == before


def test_endings_that_were_copied_without_the_counted_calls_are_read_all_the_same(tmp_path: Path) -> None:
    for host in "ab":
        assert book(recorded(tmp_path, host=host))
    before = without(tmp_path)
    next((tmp_path / ledger.CALLS).rglob("*.calls")).unlink()
    with Database(tmp_path) as database:
        assert json.dumps(summary(database, timeline=False), default=str) == before
        assert None not in [one for _, one in database.endings()]


def test_of_tables_that_the_disk_does_not_take_nothing_is_left(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    before = reported(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (100, 4_000):  # too few for either, and for the endings alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                book(session)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert [path for path in tmp_path.rglob(".*") if path.suffix in {".endings", ".calls"}] == []
        assert reported(tmp_path) == before
    assert book(session)
    assert reported(tmp_path) == before


def expire(root: Path) -> None:
    retention.keep(root, retention.of("0s", "0", "0%"))


def test_tables_of_a_segment_that_expires_while_they_are_written_go_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded(tmp_path)
    (one,) = find(session, tmp_path)
    assert isinstance(one, Found)
    recorded(tmp_path / "last", host="b").parents[1].rename(tmp_path / "host=b")
    schema = counts.table_schema

    def late() -> pa.Schema:
        expire(tmp_path)
        return schema()

    monkeypatch.setattr(counts, "table_schema", late)
    with pytest.raises(FileNotFoundError):
        clerk.write([one], final=True)
    assert not session.exists()
    assert not (tmp_path / ledger.FOLDER).exists()
    assert not (tmp_path / ledger.CALLS).exists()


def test_a_recorder_that_begins_removes_the_tables_that_one_who_was_killed_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded(tmp_path)
    assert book(session)
    recorded(tmp_path / "last", host="b").parents[1].rename(tmp_path / "host=b")

    def killed(_: Path, **__: Any) -> None:
        raise KeyboardInterrupt

    remove = ledger.remove
    monkeypatch.setattr(ledger, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        expire(tmp_path)
    monkeypatch.setattr(ledger, "remove", remove)
    assert not session.exists()
    retention.sweep(tmp_path)
    assert not (tmp_path / ledger.FOLDER).exists()
    assert not (tmp_path / ledger.CALLS).exists()


def resealed(path: Path, pairs: str, **calls: Any) -> None:
    """Have a ledger count its killers and victims otherwise, and say something else of its counted calls."""
    file = pq.ParquetFile(path)
    said = json.loads((file.metadata.metadata or {})[ledger.KEY.encode()])
    said.pop("crc32")
    said |= {"pairs": checksum.text(pairs.encode()), "calls": {**said["calls"], **calls}}
    with Sealed(path, ".resealed", TABLE, {}, 0o700) as anew:
        for number in range(file.num_row_groups):
            anew.write(file.read_row_group(number).cast(TABLE))
        anew.seal({ledger.PAIRS: pairs, ledger.KEY: ledger.sealed(said)})


@pytest.mark.parametrize(
    "pairs",
    [
        "3",
        "[3]",
        "{}",
        "[" * 100_000,
        '[["killed", "a", "call", "b", 9]]',
        '[["killed", "a", "call", "b", 9, "1"]]',
        '[["killed", "a", "call", "b", 9, 1.5]]',
        '[["killed", "a", "call", "b", 9, -1]]',
        '[["killed", "a", "call", "b", "9", 1]]',
        '[["killed", "a", "call", [], 9, 1]]',
        '[["killed", "\\ud800", "call", "b", 9, 1]]',
    ],
    ids=range(11),
)
def test_killers_and_victims_that_are_not_counted_as_they_can_be_are_passed_over(tmp_path: Path, pairs: str) -> None:
    assert book(recorded(tmp_path))
    before = without(tmp_path)
    resealed(books(tmp_path)[0], pairs)
    assert reported(tmp_path) == before


@pytest.mark.parametrize("about", [{"bytes": 1 << 50}, {"bytes": 10**30}, {"last_ts": None}], ids=str)
def test_what_cannot_be_said_of_counted_calls_is_not_believed(tmp_path: Path, about: dict[str, Any]) -> None:
    home = flown(tmp_path / "home", LOG, lines=len(LOG.splitlines()) // 2)
    before = without(home)
    for path in books(home):
        resealed(path, "[]", **about)
    assert reported(home) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop_columns(["target_comm"]),
        lambda rows: rows.set_column(6, "calls", pa.array(["many"] * len(rows))),
        lambda rows: rows.set_column(9, "first_time", pa.array([1 << 62] * len(rows), pa.timestamp("us", "UTC"))),
    ],
    ids=["no names", "no numbers", "no dates"],
)
def test_counted_calls_of_other_columns_or_without_dates_are_passed_over(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    assert book(recorded(tmp_path))
    before = without(tmp_path)
    path = counted(tmp_path)
    rows = change(pq.ParquetFile(path).read())
    with Sealed(path, ".other", rows.schema, {}, 0o700) as other:
        other.write(rows)
        size, crc = other.seal({})
    resealed(books(tmp_path)[0], "[]", bytes=size, crc32=crc)
    assert reported(tmp_path) == before


def test_two_logs_of_one_moment_are_joined_also_if_what_was_counted_of_one_is_damaged(tmp_path: Path) -> None:
    paths = [tmp_path / f"host={host}" / "date=2026-11-22" / "000000.parquet" for host in "ab"]
    about = {"events": EVENTS, "host": "a", "boot_id": "a"}
    with Recorder(paths[0], about) as one, Recorder(paths[1], about) as other:
        for recorder in (one, other):
            recorder.feed(LOG.encode())
        for recorder in (one, other):
            recorder.finish({})
    assert all(map(book, paths))
    before = without(tmp_path)
    assert json.loads(before)["witnesses"]
    assert reported(tmp_path) == before
    flipped(books(tmp_path)[0])
    assert reported(tmp_path) == before


@pytest.mark.parametrize("most", [1_000, 2])
def test_deaths_of_one_pid_in_one_microsecond_stay_in_order_where_lines_do_not(tmp_path: Path, most: int) -> None:
    ends = [(100, 3.0, "first"), (101, 1.5, "early"), (100, 3.0, "second")]
    first, early, second = (fork(pid, ts=1.0) + kill(pid, 9, ts=ts, name=name) for pid, ts, name in ends)
    before = witness() + call(7, 0) + call(7, 0) + first
    home = flown(tmp_path / "home", before + early + second, lines=len(before.splitlines()))
    assert [pq.read_table(path)["killer_comm"].to_pylist() for path in books(home)] == [
        ["first"],
        ["early", "second"],
        [],
    ]
    found = json.loads(reported(home, most=most))
    assert [death["killer_comm"] for death in found["deaths"]] == ["early", "first", "second"][:most]
    assert reported(home, most=most) == without(home, most=most)


def test_the_first_deaths_of_a_table_without_times_are_those_of_its_first_lines(tmp_path: Path) -> None:
    log = witness() + "".join(fork(pid, ts=1.0) + kill(pid, 9, ts=2.0) for pid in (300, 200, 100))
    rows, about = of_rows([{**row, "ts": None, "time": None} for row in read(log.encode()).table.to_pylist()])
    assert book(written(rows, {**about, "ts_unit": "none"}, tmp_path))
    assert [death["victim_pid"] for death in json.loads(reported(tmp_path, most=2))["deaths"]] == [300, 200]


def test_calls_of_which_hardly_two_are_alike_are_counted_by_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MOST_ROWS", 3)
    session = recorded(tmp_path)
    assert book(session)
    assert not list(tmp_path.rglob("*.calls"))
    with Database(tmp_path) as database:
        assert [(one is not None and one.counted) for _, one in database.endings()] == [False]
        killed = database.rows("SELECT * FROM deaths WHERE verdict = 'killed'")
    assert killed
    assert reported(tmp_path) == without(tmp_path)


def test_calls_are_too_many_only_if_they_are_so_once_those_alike_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded(tmp_path)
    rows = [*read(session).table.to_batches(), *read(session).table.to_batches()]
    once = tmp_path / "once.parquet"
    with pq.ParquetWriter(once, rows[0].schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    path = tmp_path / "once.calls"
    kinds = 2 + 4  # of calls that do not stand alone, and of whom signals hit
    for most, too_many in ((kinds + 2 * 3, False), (kinds + 2 * 3 - 1, True)):
        monkeypatch.setattr(counts, "MOST_ROWS", most)
        assert (counts.written(path, ".once", None, [str(once)], 0o750) is None) == too_many
        assert path.exists() != too_many


def test_calls_of_many_kinds_are_counted_as_one_frame_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_WAITING_ROWS", 10)
    dice = random.Random(7)  # noqa: S311
    log = "".join(
        call(
            dice.choice([1, 7, -7, 100]),
            dice.choice([0, 9, 10, 15]),
            by=dice.choice([50, 51]),
            ret=dice.choice([0, 0, -1, -3]),
            ts=1 + n / 9,
        )
        for n in range(2_000)
    )
    session = recorded(tmp_path, log)
    assert book(session)
    rows = pq.read_table(counted(tmp_path))
    alone = [row for row in rows.to_pylist() if row["ret"] == 0 and row["sig"] in ASKING_OR_KILLING]
    assert {row["calls"] for row in alone} == {1}
    sums: dict[Any, list[int]] = {}
    for row in rows.to_pylist():
        key = tuple(row[name] for name in ("pid", "comm", "sig", "target", "ret"))
        found = sums.setdefault(key, [0, row["first_ts"], row["last_ts"], row["first_line"]])
        found[0] += row["calls"]
        found[1:] = [
            min(found[1], row["first_ts"]),
            max(found[2], row["last_ts"]),
            min(found[3], row["first_line"]),
        ]
    sent = analyze.sent(read(session).table).to_pylist()
    assert sums == {
        tuple(row[name] for name in ("pid", "comm", "sig", "target", "ret")): [
            row[name] for name in ("calls", "first_ts", "last_ts", "first_line")
        ]
        for row in sent
    }


def test_a_child_that_ended_is_no_signal_that_its_caller_sent(tmp_path: Path) -> None:
    # The kernel signals the parent in the name of the child: code 1, CLD_EXITED.
    log = witness() + fork(100, ts=1.0) + hit(1, 17, code=1, by=100, ts=1.1) + call(1, 17, by=100, ts=1.2)
    assert book(recorded(tmp_path, log + leave(100, ts=1.3)))
    assert "worker" not in json.dumps(json.loads(reported(tmp_path))["targets"])
    assert reported(tmp_path) == without(tmp_path)


def test_the_counted_calls_of_a_fleet_are_one_table(tmp_path: Path) -> None:
    for host in "ab":
        assert book(recorded(tmp_path, host=host))
    folder = tmp_path / ledger.CALLS
    rows = duckdb.read_parquet(f"{folder}/**/*.calls", hive_partitioning=True).filter("host = 'b'")
    assert rows.sum("calls").limit(1).fetchall() == [
        (len(analyze.calls(read(next(tmp_path.glob("host=b/*/*.parquet"))).table)),)
    ]
    found = ds.dataset(folder, partitioning="hive").to_table()
    assert set(found["host"].to_pylist()) == {"a", "b"}


def test_spark_reads_the_counted_calls_as_a_table(spark: SparkSession, tmp_path: Path) -> None:
    session = recorded(tmp_path)
    assert book(session)
    found = spark.read.parquet(str(tmp_path / ledger.CALLS))
    assert found.agg({"calls": "sum"}).collect()[0][0] == len(analyze.calls(read(session).table))
