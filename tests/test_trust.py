"""Trust: what is damaged is named and left out, and nothing is written where somebody else may have put a link."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sigtrace import Database, Log, Session, SessionError, read
from sigtrace.commands.line import main
from sigtrace.output.sentence import unknown
from sigtrace.output.summary import summary
from sigtrace.store import recorder
from sigtrace.store.conversion import convert
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import checksum
from tests.described import describe, described
from tests.story import fork, kill, leave, witness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OFFSET_US = 1_700_000_000_000_000
VICTIM = "what nobody may change\n"


def story(pid: int, ts: float) -> bytes:
    """A process that is forked and killed within a part of its own."""
    return (fork(pid, ts=ts) + kill(pid, ts=ts + 5, by=50 + pid) + witness(ts=ts + 10)).encode()


# And one that lives from the first to the third, and exits.
STORIES = [
    fork(400, ts=1.0).encode() + story(100, 1.0),
    story(200, 100.0),
    leave(400, ts=200.0).encode() + story(300, 210.0),
]


def recorded(path: Path, patch: pytest.MonkeyPatch, *, killed: bool = False, **about: Any) -> Path:
    """A recording of a part a story."""
    patch.setattr(recorder, "_PART_SECONDS", 0.0)
    fed = Recorder(path, {"clock": "boot", **about}, utc_offset_us=OFFSET_US)
    for number, one in enumerate(STORIES):
        if number == len(STORIES) - 1:
            patch.setattr(recorder, "_PART_SECONDS", 900.0)
        fed.feed(one)
    if killed:
        fed.__exit__(KeyboardInterrupt, None, None)
    else:
        fed.finish({})
    return path


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return recorded(tmp_path / "ended.parquet", monkeypatch)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return recorded(tmp_path / "killed.parquet", monkeypatch, killed=True)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def verdicts(source: Path | Session) -> dict[int, tuple[str, int | None, bool]]:
    with Database(source) as database:
        rows = database.rows("SELECT victim_pid, verdict, killer_pid, lost FROM deaths WHERE victim_pid != 400")
    return {row["victim_pid"]: (row["verdict"], row["killer_pid"], row["lost"]) for row in rows}


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.lstat().st_ino, file.read_bytes() if file.is_file() else b"") for file in path.iterdir()}


def test_a_part_that_is_damaged_is_left_out_and_what_is_of_other_times_stays_known(ended: Path) -> None:
    assert verdicts(ended) == {pid: ("killed", 50 + pid, False) for pid in (100, 200, 300)}
    part = ended / "part-00001.parquet"
    flip(part, 300)
    told = {100: ("killed", 150, False), 300: ("killed", 350, False)}
    assert verdicts(ended) == told
    assert verdicts(read(ended)) == told
    said = str(unknown(read(ended)))
    assert said.startswith(f"{part} was left out (damaged: it does not match its checksum), so what only that tells")
    with Database(ended) as database:
        assert summary(database)["unknown"] == said
        assert database.lossy


def test_an_ending_just_after_what_is_missing_is_unknown(ended: Path) -> None:
    with Database(ended) as database:
        assert ended_by(database) == ("exited", False)
    (ended / "part-00001.parquet").unlink()
    for source in (ended, read(ended)):
        with Database(source) as database:
            assert ended_by(database) == ("unknown", True)


def ended_by(database: Database) -> tuple[str, bool]:
    (row,) = database.rows("SELECT verdict, lost FROM deaths WHERE victim_pid = 400")
    return row["verdict"], row["lost"]


@pytest.mark.parametrize(("number", "after_line"), [(0, -1), (1, 9), (2, 17)])
def test_a_part_that_is_gone_is_named(ended: Path, number: int, after_line: int) -> None:
    (ended / f"part-{number:05}.parquet").unlink()
    left = {pid: ("killed", 50 + pid, False) for place, pid in enumerate((100, 200, 300)) if place != number}
    assert verdicts(ended) == left
    (damaged,) = read(ended).about["damaged"]
    assert damaged == {
        "file": str(ended / f"part-{number:05}.parquet"),
        "why": "it is not there",
        "after_line": after_line,
    }


def test_no_bit_of_a_part_can_change_without_being_noticed(ended: Path) -> None:
    part = ended / "part-00001.parquet"
    whole = part.read_bytes()
    dice = random.Random(5)  # noqa: S311  (the same bits each time)
    for at in dice.sample(range(len(whole)), 40):
        flip(part, at)
        (damaged,) = read(ended).about["damaged"]
        assert damaged["file"] == str(part)
        part.write_bytes(whole)
    assert "damaged" not in read(ended).about


def test_a_file_of_parse_that_is_damaged_is_an_error_that_names_it(tmp_path: Path, fixtures: Path) -> None:
    path = tmp_path / "parsed.parquet"
    convert([Log(fixtures / "default.txt")], path)
    metadata = pq.read_metadata(path).metadata or {}
    assert len(metadata[checksum.KEY.encode()]) == 8
    assert metadata[checksum.KEY.encode()] != checksum.UNKNOWN.encode()
    flip(path, 200)
    for ask in (read, Database):
        with pytest.raises(SessionError, match=r"parsed\.parquet: damaged: it does not match its checksum"):
            ask(path)


def test_a_link_to_a_file_of_parse_is_read(tmp_path: Path, fixtures: Path) -> None:
    convert([Log(fixtures / "default.txt")], tmp_path / "parsed.parquet")
    (tmp_path / "link.parquet").symlink_to("parsed.parquet")
    assert len(read(tmp_path / "link.parquet")) == 276


def test_the_checksum_is_of_all_bytes_but_its_own(ended: Path) -> None:
    data = (ended / "part-00000.parquet").read_bytes()
    stored = (pq.read_metadata(ended / "part-00000.parquet").metadata or {})[checksum.KEY.encode()]
    before, _, after = data.rpartition(stored)
    assert stored.decode() == f"{zlib.crc32(before + after):08x}"


def _link(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder.parent / "victim")


def _pipe(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)


PLANTED: dict[str, Callable[[Path], object]] = {
    "a link for the description": lambda folder: _link(folder, "._session.parquet"),
    "a link for the lock": lambda folder: _link(folder, "_lock"),
    "a link for a part": lambda folder: _link(folder, "part-00002.parquet"),
    "a link for a part's beginning": lambda folder: _link(folder, f".part-00002.parquet.{os.getpid()}"),
    "a link for a journal": lambda folder: _link(folder, "_spool-00009.log"),
    "a hard link": lambda folder: (folder / "._session.parquet").hardlink_to(folder.parent / "victim"),
    "a pipe for a journal": lambda folder: _pipe(folder, "_spool-00009.log"),
    "a pipe for the lock": lambda folder: _pipe(folder, "_lock"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_where_something_else_than_files_was_planted_nothing_is_written(killed: Path, planted: str) -> None:
    victim = killed.parent / "victim"
    victim.write_text(VICTIM)
    PLANTED[planted](killed)
    before = contents(killed)
    assert set(verdicts(killed)) >= {100, 200}
    assert set(read(killed).table["pid"].to_pylist()) >= {100, 200}
    assert contents(killed) == before
    assert victim.read_text() == VICTIM


@pytest.mark.parametrize("whose", ["another's folder", "another's file", "open to all", "open to a group"])
def test_in_a_folder_that_is_not_the_readers_alone_nothing_is_written(killed: Path, whose: str) -> None:
    if whose.startswith("another"):
        if os.geteuid():
            pytest.skip("to give a file away needs root")
        os.chown(killed if whose.endswith("folder") else killed / "_lock", 65534, 65534)
    else:
        killed.chmod(0o777 if whose.endswith("all") else 0o775)
    before = contents(killed)
    for _ in range(2):
        assert set(verdicts(killed)) == {100, 200, 300}
    assert contents(killed) == before
    killed.chmod(0o755)
    for path in (killed, *killed.iterdir()):
        os.chown(path, os.geteuid(), os.getegid())
    assert set(verdicts(killed)) == {100, 200, 300}
    assert [name for name in contents(killed) if name.startswith("_spool")] == []
    assert "recovered" in read(killed).about


def test_a_link_to_a_folder_of_ones_own_is_recovered_in_that_folder(killed: Path) -> None:
    (killed.parent / "latest").symlink_to(killed.name)
    assert set(verdicts(killed.parent / "latest")) == {100, 200, 300}
    assert not list(killed.glob("_spool*"))


def test_a_part_that_is_damaged_while_its_journal_is_there_is_made_anew(killed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    shutil.copytree(killed, again)
    read(killed)
    shutil.copy(killed / "part-00002.parquet", again)
    flip(again / "part-00002.parquet", 300)
    assert read(again).table.equals(read(killed).table)
    assert "damaged" not in read(again).about


def test_a_journal_of_another_recording_is_named(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = recorded(tmp_path / "other.parquet", monkeypatch, killed=True)
    shutil.copy(other / "_spool-00002.log", killed)
    assert set(verdicts(killed)) == {100, 200}
    (damaged,) = read(killed).about["damaged"]
    assert damaged["why"] == "it is of another recording"


def _empty(path: Path) -> Path:
    """What a recorder leaves that is killed between making the folder and beginning its first part."""
    with Recorder(path, {}) as fed:
        shutil.copytree(path, path.with_name("made.parquet"))
        fed.finish({})
    shutil.rmtree(path)
    made = path.with_name("made.parquet")
    for file in [file for file in made.iterdir() if file.name != "_session.parquet"]:
        file.unlink()
    made.rename(path)
    return path


def test_a_recording_that_was_killed_before_its_first_part_has_no_rows_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _empty(tmp_path / "empty.parquet")
    assert len(read(path)) == 0
    for command in (["report", str(path)], ["who", str(path)], ["query", str(path), "FROM deaths"]):
        assert main(command) == 0
        told = capsys.readouterr()
        assert "was killed before it had read anything" in told.out + told.err
    assert main(["query", "--csv", str(path), "SELECT count(*) AS n FROM events"]) == 0
    assert capsys.readouterr().out == "n\n0\n"


def test_beside_another_recording_of_the_same_log_an_empty_one_changes_nothing(ended: Path) -> None:
    empty = ended.with_name("empty.parquet")
    empty.mkdir()
    about = {key: value for key, value in read(ended).about.items() if key in {"log", "host", "started", "schema"}}
    describe(empty, about)
    with Database(ended.parent) as database:
        assert summary(database)["verdicts"] == {"killed": 3, "exited": 1}
        assert database.rows("SELECT count(*) AS n FROM deaths") == [{"n": 4}]


def test_parts_without_their_description_are_no_recording(ended: Path) -> None:
    (ended / "_session.parquet").unlink()
    with pytest.raises(SessionError, match=r"ended\.parquet: parts of a recording without its _session\.parquet"):
        Database(ended.parent)


@pytest.mark.parametrize("beyond_us", [1 << 62, 253_402_300_799_999_999 + 1, -(1 << 62)])
def test_an_offset_that_leads_beyond_the_calendar_is_an_error(killed: Path, beyond_us: int) -> None:
    said = described(killed)
    del said["crc32"]
    describe(killed, {**said, "utc_offset_us": beyond_us})
    with pytest.raises(SessionError, match=r"_session\.parquet: damaged: utc_offset_us is not an offset that leads to"):
        read(killed)


def test_a_moment_beyond_the_calendar_has_no_time(killed: Path) -> None:
    said = described(killed)
    del said["crc32"]
    last_us = 253_402_300_799_999_999
    describe(killed, {**said, "utc_offset_us": last_us - 200_000_000})
    rows = read(killed).table.filter(pc.field("ts") >= 200_000_000).to_pylist()
    assert [row["time"] is None for row in rows] == [row["ts"] > 200_000_000 for row in rows]
    assert rows[0]["time"].year == 9999


def test_a_part_whose_times_are_beyond_the_calendar_is_named(ended: Path) -> None:
    part = ended / "part-00001.parquet"
    table = pq.read_table(part)
    late = pa.array([1 << 62] * len(table), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(table.set_column(1, "time", late).replace_schema_metadata(pq.read_metadata(part).metadata), part)
    said = str(unknown(read(ended)))
    assert "part-00001.parquet was left out (" in said


def test_an_answer_without_room_for_it_says_on_stderr_what_was_left_out(
    ended: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(ended / "part-00001.parquet", 300)
    for command in (["who", "--json", str(ended)], ["query", "--json", str(ended), "FROM deaths"]):
        assert main(command) == 0
        told = capsys.readouterr()
        assert {100, 300} <= {row["victim_pid"] for row in json.loads(told.out)} <= {100, 300, 400}
        assert told.err.startswith(f"sigtrace: {ended}/part-00001.parquet was left out (damaged: ")
        assert told.err.count("\n") == 1


def test_a_pipe_among_the_files_of_a_folder_is_named_and_not_waited_for(ended: Path) -> None:
    pipe = ended.with_name("x.parquet")
    os.mkfifo(pipe)
    with Database(ended.parent) as database:
        assert str(unknown(database)).startswith(f"{pipe} was left out (no file, so nothing is read from it)")


def test_a_pipe_that_was_named_is_read_from_its_first_byte(tmp_path: Path, fixtures: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    log = (fixtures / "default.txt").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(log,))
    writer.start()
    with Database(pipe) as database:
        assert database.accounting == read(log).accounting
    writer.join()


def beside_a_whole_one(ended: Path) -> Path:
    """A copy of a recording, in its folder."""
    again = ended.with_name("again.parquet")
    shutil.copytree(ended, again)
    return again


def damaged_description(session: Path) -> str:
    with (session / "_session.parquet").open("r+b") as file:
        file.truncate(40)
    return f"{session}/_session.parquet was left out (damaged: it is not JSON)"


def gone_description(session: Path) -> str:
    (session / "_session.parquet").unlink()
    return f"{session} was left out (parts of a recording without its _session.parquet: copy that as well)"


def description_that_is_a_link(session: Path) -> str:
    (session / "_session.parquet").rename(session.parent / "aside")
    (session / "_session.parquet").symlink_to("../aside")
    return f"{session}/_session.parquet was left out (a symbolic link instead of a file, which is not read)"


@pytest.mark.parametrize("damage", [damaged_description, gone_description, description_that_is_a_link])
def test_of_many_sessions_one_that_cannot_be_read_is_named_and_left_out(
    ended: Path, damage: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = damage(beside_a_whole_one(ended))
    for many in (ended.parent, ended.parent / "*.parquet"):
        with Database(many) as database:
            assert {100, 200, 300} < {row["victim_pid"] for row in database.rows("FROM deaths")}
            assert str(unknown(database)).startswith(f"{said}, so what only that tells is missing")
            assert database.lossy
        assert main(["report", str(many)]) == 0
        assert "was left out (" in capsys.readouterr().out
        assert main(["query", "--csv", str(many), "SELECT count(*) FROM deaths"]) == 0
        assert capsys.readouterr().err == f"sigtrace: {said}, so what only that tells is missing\n"


def test_a_damaged_recording_that_was_named_beside_others_is_left_out_too(ended: Path) -> None:
    # A shell's glob names each.
    said = damaged_description(again := beside_a_whole_one(ended))
    with Database(again, ended) as database:
        assert str(unknown(database)).startswith(said)


def test_if_no_session_can_be_read_there_is_no_answer_but_a_line(
    ended: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged_description(beside_a_whole_one(ended))
    damaged_description(ended)
    for asked in (ended, ended.parent):
        assert main(["report", str(asked)]) == 1
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert "_session.parquet: damaged: it is not JSON" in told.err


def test_of_many_damaged_sessions_a_few_are_named_and_the_others_are_counted(ended: Path) -> None:
    for number in range(5):
        shutil.copytree(ended, again := ended.with_name(f"{number}.parquet"))
        damaged_description(again)
    with Database(ended.parent) as database:
        assert len(database.left_out) == 5
        assert str(unknown(database)).count(" was left out (") == 3
        assert "and so were 2 more, so what only that tells is missing" in str(unknown(database))


def test_a_damaged_file_of_parse_in_a_folder_of_many_is_left_out(ended: Path, fixtures: Path) -> None:
    path = ended.with_name("parsed.parquet")
    convert([Log(fixtures / "default.txt")], path)
    flip(path, 200)
    with Database(ended.parent) as database:
        assert str(unknown(database)).startswith(f"{path} was left out (damaged: it does not match its checksum)")


def test_a_folder_of_a_fleet_that_cannot_be_opened_is_named(ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = ended.with_name("closed")
    closed.mkdir()

    def scan(path: str) -> Any:
        if path == str(closed):  # root may open any
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", scan)
    with Database(ended.parent) as database:
        said = f"{closed} was left out (Permission denied: what is in it is unknown)"
        assert str(unknown(database)).startswith(said)
