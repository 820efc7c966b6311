"""Ledgers: endings that were written when a session was whole are those that following its rows finds."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from made_up_lives import Lives

from sigtrace import read
from sigtrace.causes.ledgers import kept
from sigtrace.causes.ledgers.book import TABLE
from sigtrace.causes.ledgers.following import Following
from sigtrace.commands.flight.beside import Beside
from sigtrace.commands.flight.status import status
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.questions.who import Question, ask, who
from sigtrace.store.flight import flight, ledger, retention, segments
from sigtrace.store.flight.flight import Flight
from sigtrace.store.flight.retention import Retention
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import checksum
from tests.booked import answers, book, book_all, books, holding, of_rows, placed, written
from tests.story import call, execute, fork, hit, leave, take
from tests.test_flight import ALL, EVENTS, LOG, Source, flown, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import SparkSession

FIXTURES = Path(__file__).with_name("fixtures")
DATA = Path(__file__).parent.with_name("notebooks") / "data"
LOGS = sorted(path.name for path in FIXTURES.glob("*.txt"))
RECORDINGS = [DATA / "scene.parquet", *sorted((DATA / "fleet").glob("host=*/date=*/*.parquet"))]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CHECK_SECONDS", "_TELL_SECONDS", "_KEEP_SECONDS", "_SEGMENT_SECONDS"):
        monkeypatch.setattr(flight, name, -1.0)


def recorded(root: Path, log: bytes = LOG, host: str = "a", **about: Any) -> Path:
    path = root / f"host={host}" / "date=2026-11-22" / "000000.parquet"
    with Recorder(path, about, utc_offset_us=1_700_000_000_000_000) as recorder:
        recorder.feed(log)
        recorder.finish({})
    return path


def without_ledgers(root: Path) -> dict[str, str]:
    aside = root.with_name(f"{root.name}-aside")
    (root / ledger.FOLDER).rename(aside)
    try:
        assert not any(holding(root))
        return answers(root)
    finally:
        aside.rename(root / ledger.FOLDER)


@pytest.mark.parametrize("name", LOGS)
def test_the_answers_about_a_capture_are_the_same_with_its_endings_beside_it(tmp_path: Path, name: str) -> None:
    session = recorded(tmp_path, (FIXTURES / name).read_bytes())
    lossy = read(session).accounting.lossy
    assert book(session) is not lossy
    assert holding(tmp_path) == [not lossy]
    if not lossy:
        assert answers(tmp_path) == without_ledgers(tmp_path)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: "-".join(path.parts[-3:]))
def test_the_answers_about_a_recording_are_the_same_with_its_endings_beside_it(tmp_path: Path, path: Path) -> None:
    assert book(placed(path, tmp_path))
    assert holding(tmp_path) == [True]
    assert answers(tmp_path) == without_ledgers(tmp_path)


def test_the_answers_about_a_recording_of_some_signals_are_the_same_with_its_endings_beside_it(tmp_path: Path) -> None:
    log = fork(100, ts=1.0) + take(100, 11, ts=1.1) + leave(100, ts=1.2)
    assert book(recorded(tmp_path, log.encode(), events=EVENTS, signals=[9, 15]))
    assert holding(tmp_path) == [True]
    assert answers(tmp_path) == without_ledgers(tmp_path)
    with Database(tmp_path) as database:
        (told,) = who(database, "100")
    assert told["how"] == "not recorded"


def test_the_answers_about_made_up_lives_are_the_same_with_their_endings_beside_them(tmp_path: Path) -> None:
    told = 0
    for number in range(0, 10_000, 1_250):
        root = tmp_path / str(number)
        if book(written(*of_rows(Lives(number).rows), root)):
            told += 1
            assert holding(root) == [True]
            assert answers(root) == without_ledgers(root), number
    assert told > 3


def test_the_answers_about_a_fleet_are_the_same_if_some_have_their_endings_beside_them(tmp_path: Path) -> None:
    sessions = [placed(path, tmp_path, f"web-{n}") for n, path in enumerate(RECORDINGS)]
    for session in sessions[::2]:
        assert book(session)
    assert set(holding(tmp_path)) == {True, False}
    assert answers(tmp_path) == without_ledgers(tmp_path)


@pytest.mark.parametrize("name", ["evidence_events.txt", "hostile.txt", "arguments.txt", "exit_status_and_cgroups.txt"])
def test_the_endings_of_segments_are_those_of_the_log_from_its_beginning(tmp_path: Path, name: str) -> None:
    # As it is recorded, each time that a segment has ended.
    flown(tmp_path / "home", (FIXTURES / name).read_bytes(), whole=book_all)
    home = tmp_path / "home"
    assert len(books(home)) == len(segments.find(home)) - 1 > 1
    assert holding(home) == [True]  # the last one, which ended with the recorder, is followed from there on
    assert answers(home) == without_ledgers(home)
    book_all(home)
    assert holding(home) == [True]
    assert answers(home) == without_ledgers(home)


def test_the_answers_are_the_same_at_each_moment_of_a_recording(tmp_path: Path) -> None:
    seen: list[tuple[bool, str]] = []

    def compare(home: Path) -> None:
        book_all(home)
        n = len(segments.find(home))
        if n % 5 == 0:
            (holds,) = holding(home)
            with_ledgers = deaths(home)
            seen.append((holds, str(len(with_ledgers))))
            if holds:
                (home / ledger.FOLDER).rename(home / "_aside")
                assert holding(home) == [False]
                assert with_ledgers == deaths(home)
                (home / "_aside").rename(home / ledger.FOLDER)

    log = (FIXTURES / "evidence_events.txt").read_bytes()
    flown(tmp_path / "home", log, size=len(log) // 30, whole=compare)
    assert [holds for holds, _ in seen].count(True) > 3
    assert len({n for _, n in seen}) > 3


def deaths(home: Path) -> list[dict[str, Any]]:
    with Database(home) as database:
        found: list[dict[str, Any]] = database.answer("FROM deaths ORDER BY ts, victim_pid").to_pylist()
    return found


BORDERS = "".join(
    [
        fork(100, ts=1.0),
        hit(100, 9, ts=1.1),
        call(100, 9, ts=1.2),
        take(100, 9, ts=1.3),
        leave(100, ts=1.4),
        fork(101, ts=1.5),
        leave(101, ts=1.6),
    ]
)


def in_segments_of_a_line(home: Path) -> Path:
    with Flight(home, {"events": EVENTS}, Source(), kept=ALL, look=nothing, whole=book_all) as recording:
        for one in BORDERS.encode().splitlines(keepends=True):
            recording.feed(one)
        recording.finish({})
    book_all(home)
    return home


def test_endings_that_a_segment_left_open_are_told_by_the_next_one_alone(tmp_path: Path) -> None:
    home = in_segments_of_a_line(tmp_path / "home")
    rows = pa.concat_tables(pq.read_table(path) for path in books(home))
    assert sorted(map(str, rows["verdict"].to_pylist())) == ["exited", "killed"]
    # After the delivery of a fatal signal, its process has ended for a log that goes no further.
    assert {ledger_about(path)["pending"] for path in books(home)} == {0, 1}
    assert answers(home) == without_ledgers(home)


def test_a_copy_of_the_first_segments_answers_out_of_its_endings_if_none_was_left_open(tmp_path: Path) -> None:
    home = in_segments_of_a_line(tmp_path / "home")
    held = set()
    for n in range(1, len(segments.find(home))):
        part = tmp_path / f"{n}"
        shutil.copytree(home, part)
        for one in segments.find(part)[n:]:
            shutil.rmtree(one.path)
            ledger.remove(one.path)
        (holds,) = holding(part)
        assert holds is (ledger_about(books(part)[-1])["pending"] == 0)
        held.add(holds)
        if not holds or n % 3 == 0:
            assert answers(part) == without_ledgers(part)
    assert held == {True, False}


def test_a_log_whose_beginning_has_expired_is_still_told_by_what_was_known_then(tmp_path: Path) -> None:
    home = flown(tmp_path / "home", (FIXTURES / "evidence_events.txt").read_bytes(), whole=book_all)
    book_all(home)
    before = deaths(home)
    retention.keep(home, ALL._replace(size=sum(one.size for one in segments.find(home)[2:])))
    assert len(books(home)) == len(segments.find(home))
    assert holding(home) == [True]
    after = deaths(home)
    assert 0 < len(after) < len(before)
    assert [one for one in before if one in after] == after
    assert book_all(home) == []
    # Who follows the rows that are left does not know all of the ancestors any more.
    (home / ledger.FOLDER).rename(tmp_path / "aside")
    assert deaths(home) != after


def test_a_log_whose_beginning_has_expired_goes_on_from_what_was_known_however_much_came_since(tmp_path: Path) -> None:
    asked = fork(50, comm="cron", ts=1.0) + execute(50, "/usr/sbin/reaper", ts=1.1) + fork(100, ts=1.2)
    asked += hit(100, 15, name="reaper", ts=1.9) + call(100, 15, name="reaper", ts=1.9)
    ended = take(100, 15, ts=2.0) + leave(100, ts=2.2)
    later = "".join(fork(3000 + n, ts=5.0) + leave(3000 + n, ts=5.0) for n in range(3000))
    home = tmp_path / "home"

    def write(home: Path) -> None:
        if len(segments.find(home)) < 4:
            book_all(home)

    with Flight(home, {"events": EVENTS}, Source(), kept=ALL, look=nothing, whole=write) as recording:
        for text in (asked, ended, later):
            recording.feed(text.encode())
        recording.finish({})
    first, second, *behind = segments.find(home)
    assert second.size < sum(one.size for one in behind)
    shutil.rmtree(first.path)
    ledger.remove(first.path)
    with Database(home) as database:
        (told,) = who(database, "100")
    assert (told["verdict"], told["killer_comm"]) == ("killed", "reaper")


def test_each_segment_is_followed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[str] = []
    follow = Following.follow

    def noted(self: Following, files: Sequence[str]) -> None:
        followed.extend(files)
        follow(self, files)

    monkeypatch.setattr(Following, "follow", noted)
    home = flown(tmp_path / "home", whole=book_all)
    book_all(home)
    assert len(followed) == len(set(followed)) == sum(len(list(one.path.glob("part-*"))) for one in segments.find(home))


def test_what_is_known_at_the_end_of_a_segment_is_kept_as_long_as_somebody_may_go_on_from_it(tmp_path: Path) -> None:
    kept: set[int] = set()

    def write(home: Path) -> None:
        book_all(home)
        found = sorted(path.name for path in (home / ledger.FOLDER).rglob("*.memory"))
        assert found == [f"_{path.stem}.memory" for path in books(home)[-2:]]
        kept.add(len(found))

    home = flown(tmp_path / "home", whole=write)
    assert kept == {0, 1, 2}
    book_all(home)
    assert list((home / ledger.FOLDER).rglob("*.memory")) == []  # the log has ended


def test_the_endings_of_a_segment_go_with_it_and_count_among_its_bytes(tmp_path: Path) -> None:
    home = flown(tmp_path / "home", whole=book_all)
    book_all(home)
    now = segments.find(home)[0].started
    files = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith(("_lock", "_status"))]
    assert status(home, now)["bytes"] == sum(path.stat().st_size for path in files)
    retention.keep(home, Retention(timedelta(days=1000), 0, 0.0))
    assert [path.name for path in books(home)] == [
        f"{one.path.name.removesuffix('.parquet')}.endings" for one in segments.find(home)
    ]


def test_where_no_endings_are_left_their_folders_go_too(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    book(session)
    ledger.remove(session)
    assert not (tmp_path / ledger.FOLDER).exists()


def test_a_log_of_which_events_were_lost_is_followed(tmp_path: Path) -> None:
    lossy = LOG.replace(b"\n", b"\nCPU:1 [LOST 3 EVENTS]\n", 1)
    home = flown(tmp_path / "home", lossy, whole=book_all)
    assert books(home) == []


def test_endings_that_were_written_before_events_were_lost_are_passed_over(tmp_path: Path) -> None:
    lossy = LOG + b"CPU:1 [LOST 3 EVENTS]\n"
    home = flown(tmp_path / "home", lossy, whole=book_all)
    assert books(home)
    assert holding(home) == [False]
    assert answers(home) == without_ledgers(home)


def ledger_about(path: Path) -> dict[str, Any]:
    said = pq.read_metadata(path).metadata or {}
    found: dict[str, Any] = json.loads(said[ledger.KEY.encode()])
    return found


def rewritten(path: Path, change: Any, about: Any = lambda said: said) -> None:
    """Change the rows of a ledger, and seal it anew."""
    rows = [change(row) for row in pq.read_table(path).to_pylist()]
    said = about({**ledger_about(path), "told": [0], "pairs": None})
    said.pop("crc32")
    with pq.ParquetWriter(path, TABLE) as writer:
        writer.write_table(pa.Table.from_pylist(rows, TABLE))
        writer.add_key_value_metadata({ledger.KEY: ledger.sealed(said), checksum.KEY: checksum.UNKNOWN})
    descriptor = os.open(path, os.O_RDWR)
    checksum.seal(path, descriptor)
    os.close(descriptor)


def test_answers_come_out_of_the_ledger_if_there_is_one(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    book(session)
    (path,) = books(tmp_path)
    killed = next(row["victim_pid"] for row in pq.read_table(path).to_pylist() if row["verdict"] == "killed")
    rewritten(path, lambda row: {**row, "killer_comm": row["killer_comm"] and "somebody", "exit_status": 77})
    for asked in ("all", str(killed)):
        with Database(tmp_path) as database:
            found = who(database, asked)
        assert {one["killer_comm"] for one in found if one["verdict"] == "killed"} == {"somebody"}
    with Database(tmp_path) as database:
        told = summary(database)
        assert {death["killer_comm"] for death in told["deaths"]} <= {"somebody", None}
        assert {pair["killer"] for pair in told["matrix"]} & {"somebody"}
        assert database.rows("SELECT DISTINCT exit_status FROM deaths") == [{"exit_status": 77}]


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def of_another_session(path: Path) -> None:
    other = recorded(path.parents[3] / "other", LOG[: len(LOG) // 2])
    book(other)
    shutil.copy(books(path.parents[3] / "other")[0], path)
    shutil.rmtree(path.parents[3] / "other")


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def anybodys(path: Path) -> None:
    path.chmod(0o666)


def of_another_version(path: Path) -> None:
    rewritten(path, lambda row: {**row, "victim_comm": "somebody"}, lambda said: {**said, "sigtrace": "0.0"})


def of_other_rules(path: Path) -> None:
    rewritten(path, lambda row: {**row, "victim_comm": "somebody"}, lambda said: {**said, "rules": 0})


def followed_otherwise(path: Path) -> None:
    rewritten(path, lambda row: row, lambda said: {**said, "witnessed": not said["witnessed"]})


def after_something_else(path: Path) -> None:
    rewritten(path, lambda row: row, lambda said: {**said, "history": "00000000"})


def with_evidence_of_nonsense(path: Path) -> None:
    rewritten(path, lambda row: {**row, "evidence": "["})


def with_row_groups_that_are_not_there(path: Path) -> None:
    rewritten(path, lambda row: row, lambda said: {**said, "told": [7]})


def with_a_header_of_nonsense(path: Path) -> None:
    rewritten(path, lambda row: row, lambda said: {**said, "pids": "all", "verdicts": 3})


SPOILING = [
    flipped,
    lambda path: path.write_bytes(path.read_bytes()[:-100]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"PAR1" * 100),
    lambda path: pq.write_table(pa.table({"a": [1]}), path),
    of_another_session,
    a_link,
    anybodys,
    of_another_version,
    of_other_rules,
    followed_otherwise,
    after_something_else,
    with_a_header_of_nonsense,
    with_evidence_of_nonsense,
    with_row_groups_that_are_not_there,
]


@pytest.mark.parametrize("spoil", SPOILING)
def test_a_ledger_that_is_not_the_sessions_own_or_not_whole_is_passed_over(tmp_path: Path, spoil: Any) -> None:
    session = recorded(tmp_path)
    book(session)
    (path,) = books(tmp_path)
    spoil(path)
    assert answers(tmp_path) == without_ledgers(tmp_path)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def with_a_byte_changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def repacked(path: Path, **changed: Any) -> None:
    said = json.loads(zlib.decompress(path.read_bytes()))
    path.write_bytes(zlib.compress(json.dumps({**said, **changed}).encode()))


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        cut_short,
        with_a_byte_changed,
        anybodys,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(zlib.compress(b"7")),
        lambda path: path.write_bytes(zlib.compress(b"[" * 100_000)),
        lambda path: repacked(path, sigtrace="0.0"),
        lambda path: repacked(path, history="another"),
        lambda path: repacked(path, told={}),
        lambda path: repacked(path, known={}),
        lambda path: repacked(path, known=None),
    ],
)
def test_a_log_goes_on_from_nothing_that_is_not_its_own_or_not_whole(tmp_path: Path, spoil: Any) -> None:
    home = flown(tmp_path / "home", whole=book_all)
    assert holding(home) == [True]
    for path in (home / ledger.FOLDER).rglob("*.memory"):
        spoil(path)
    assert holding(home) == [False]
    assert answers(home) == without_ledgers(home)
    book_all(home)  # follows it from its beginning
    assert holding(home) == [True]
    assert answers(home) == without_ledgers(home)


def test_a_ledger_that_is_damaged_has_its_own_session_followed_and_no_other(tmp_path: Path) -> None:
    for n, path in enumerate(RECORDINGS):
        assert book(placed(path, tmp_path, f"web-{n}"))
    untouched = answers(tmp_path)
    flipped(books(tmp_path)[1])
    asked: list[Callable[[Database], object]] = [
        lambda database: summary(database, timeline=False),
        lambda database: database.answer("FROM deaths"),
        lambda database: ask(database, Question("all"), each=True, exits=True),
    ]
    for question in asked:
        with Database(tmp_path) as database:
            question(database)
            assert [one is None for _, one in database.endings()].count(True) == 1
    assert answers(tmp_path) == untouched
    for path in books(tmp_path):
        if path != books(tmp_path)[1]:
            flipped(path)
    assert answers(tmp_path) == untouched


def test_evidence_that_is_no_row_is_passed_over(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    book(session)
    untouched = without_ledgers(tmp_path)
    (path,) = books(tmp_path)
    for nonsense in ("[1]", '{"line": 1}', "7", "[" * 100_000, f'[{{"time": {1 << 62}}}]', '[{"time": "x"}]'):
        rewritten(path, lambda row, nonsense=nonsense: {**row, "evidence": row["evidence"] and nonsense})
        with Database(tmp_path) as database:
            assert json.dumps(summary(database), default=str) == untouched["report"]


def test_a_ledger_is_passed_over_once_the_session_has_other_parts(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    book(session)
    (path,) = books(tmp_path)
    shutil.rmtree(session)
    recorded(tmp_path, LOG[: len(LOG) // 2])
    assert path.exists()
    assert holding(tmp_path) == [False]
    assert answers(tmp_path) == without_ledgers(tmp_path)


def test_who_pid_reads_no_part_of_a_session_whose_ledger_tells_its_end(tmp_path: Path) -> None:
    session = recorded(tmp_path)
    book(session)
    with Database(tmp_path) as database:
        (killed, *_) = database.rows("SELECT victim_pid AS pid FROM deaths WHERE verdict = 'killed'")
        before = who(database, str(killed["pid"]))
    for part in session.glob("part-*.parquet"):
        flipped(part)
    with Database(tmp_path) as database:
        assert who(database, str(killed["pid"])) == before
    # What reads rows looks at the files first, and a damaged part is missing.
    with Database(tmp_path) as database:
        assert summary(database)["unknown"] is not None
        assert all(one is None for _, one in database.endings())


def test_no_endings_are_written_of_what_is_damaged(tmp_path: Path) -> None:
    home = flown(tmp_path / "home")
    assert book_all(home)
    flipped(next(segments.find(home)[1].path.glob("part-*.parquet")))
    books(home)[2].unlink()
    assert book_all(home) == []


def test_all_that_a_fleet_is_read_with_passes_over_the_endings_beside_it(tmp_path: Path) -> None:
    sessions = [recorded(tmp_path, host=host) for host in ("a", "b")]
    rows = sum(len(read(session)) for session in sessions)
    assert all(map(book, sessions))
    assert len(ds.dataset(tmp_path, partitioning="hive").to_table()) == rows
    assert len(duckdb.read_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True)) == rows
    assert len(pl.read_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True)) == rows
    with Database(f"{tmp_path}/*") as database:
        assert len(database.abouts) == 2


def test_the_endings_of_a_fleet_are_one_table(tmp_path: Path) -> None:
    sessions = [recorded(tmp_path, host=host) for host in ("a", "b")]
    assert all(map(book, sessions))
    with Database(tmp_path) as database:
        deaths = len(database.answer("FROM deaths"))
    folder = tmp_path / ledger.FOLDER
    found = ds.dataset(folder, partitioning="hive").to_table()
    assert len(found) == deaths
    assert set(found["host"].to_pylist()) == {"a", "b"}
    assert len(duckdb.read_parquet(f"{folder}/**/*.endings", hive_partitioning=True)) == deaths
    assert len(pl.read_parquet(f"{folder}/**/*.endings", hive_partitioning=True)) == deaths


def test_spark_reads_the_sessions_and_their_endings_each_as_a_table(spark: SparkSession, tmp_path: Path) -> None:
    session = recorded(tmp_path)
    assert book(session)
    with Database(tmp_path) as database:
        deaths = len(database.answer("FROM deaths"))
    assert spark.read.parquet(str(tmp_path)).count() == len(read(session))
    assert spark.read.parquet(str(tmp_path / ledger.FOLDER)).count() == deaths


def test_a_process_beside_the_recorder_writes_what_is_due(tmp_path: Path) -> None:
    home = flown(tmp_path / "home")
    beside = Beside()
    beside.write(home)
    beside.write(home)  # one at a time
    beside.wait()
    assert holding(home) == [True]
    assert answers(home) == without_ledgers(home)
    assert list((home / ledger.FOLDER).rglob(".*")) == []


def test_one_that_just_exited_has_the_columns_that_judging_it_would_fill(tmp_path: Path) -> None:
    session = recorded(tmp_path, (FIXTURES / "exit_status_and_cgroups.txt").read_bytes())
    book(session)
    (path,) = books(tmp_path)
    groups = ledger_about(path)["told"]
    assert pq.read_metadata(path).num_row_groups > len(groups)
    assert kept.evidence({"evidence": None}) == []
