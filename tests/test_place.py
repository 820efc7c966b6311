"""Place: a session's files are its owner's alone, and what somebody lays where they are written is not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sigtrace import SessionError, read
from sigtrace.store import recorder
from sigtrace.store.disk.place import Place
from sigtrace.store.recorder import Recorder

LOG = (Path(__file__).with_name("fixtures") / "default.txt").read_bytes()
USER = 4242  # nobody is called so; root can give files to any number

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for somebody else")


@pytest.fixture
def sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(USER))
    monkeypatch.setenv("SUDO_GID", str(USER + 1))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_BATCH_ROWS", 16)
    monkeypatch.setattr(recorder, "_PART_ROWS", 64)


def record(path: Path) -> None:
    with Recorder(path, {}) as fed:
        for at in range(0, len(LOG), 997):
            fed.feed(LOG[at : at + 997])
        fed.finish({})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("small_parts")
def test_a_session_and_the_folders_made_for_it_are_their_owners_alone(tmp_path: Path) -> None:
    record(tmp_path / "fleet" / "host=a" / "s.parquet")
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}


@root
@pytest.mark.usefixtures("sudo", "small_parts")
def test_under_sudo_all_that_is_made_is_the_invoking_users_and_what_was_there_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    record(tmp_path / "there" / "fleet" / "host=a" / "s.parquet")
    made = list((tmp_path / "there").rglob("*"))
    assert len(made) > 5
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {(USER, USER + 1)}
    assert (tmp_path / "there").stat().st_uid == 0
    assert len(read(tmp_path / "there" / "fleet" / "host=a" / "s.parquet")) == 276


@root
@pytest.mark.usefixtures("sudo")
def test_root_reads_a_users_session_whose_recorder_was_killed_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    killed = Recorder(path, {})
    killed.feed(LOG)
    killed.__exit__(KeyboardInterrupt)
    before = {one.name: one.stat().st_mtime_ns for one in path.iterdir()}
    session = read(path)
    assert len(session.table) == len(read(LOG).table)
    assert "recovered" not in session.about
    assert {one.name: one.stat().st_mtime_ns for one in path.iterdir()} == before
    assert {(one.stat().st_uid, mode(one)) for one in path.iterdir()} == {(USER, 0o600)}


@pytest.mark.parametrize("name", ["SUDO_UID", "SUDO_GID"])
def test_what_sudo_did_not_set_is_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("SUDO_UID", str(USER))
    monkeypatch.setenv("SUDO_GID", str(USER))
    monkeypatch.setenv(name, "x; y")
    record(tmp_path / "s.parquet")
    assert (tmp_path / "s.parquet").stat().st_uid == os.geteuid()


@pytest.mark.usefixtures("small_parts")
def test_a_link_that_lies_where_a_file_is_made_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o644)
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as fed:
        for name in (
            "._session.parquet",
            "._spool-00001.log",
            "_spool-00001.log",
            f".part-00001.parquet.{os.getpid()}",
        ):
            (path / name).symlink_to(victim)
        (path / "part-00001.parquet").symlink_to(victim)
        for at in range(0, len(LOG), 997):
            fed.feed(LOG[at : at + 997])
        fed.finish({})
    assert (victim.read_text(), mode(victim)) == ("mine", 0o644)
    assert not [one for one in path.iterdir() if one.is_symlink()]
    assert len(read(path)) == 276


@root
@pytest.mark.usefixtures("sudo", "small_parts")
def test_root_reaches_nothing_in_a_users_session_that_the_user_may_not_reach(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as fed:
        fed.feed(LOG)
        path.joinpath("_lock").unlink()
        path.joinpath("_lock").symlink_to(victim / "made")
        fed.finish({})
    assert len(read(path)) == 276
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("laid", ["link", "folder"])
def test_what_is_laid_in_place_of_a_folder_just_made_is_neither_followed_nor_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, laid: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "secret").touch(0o600)
    before = victim.stat()
    mkdir = os.mkdir

    def raced(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        if name == "s.parquet":
            (tmp_path / name).rmdir()
            if laid == "link":
                (tmp_path / name).symlink_to(victim)
            else:
                victim.rename(tmp_path / name)

    monkeypatch.setattr(os, "mkdir", raced)
    with pytest.raises(SessionError) as raised:
        Recorder(tmp_path / "s.parquet", {})
    assert "\n" not in str(raised.value)
    after = (victim if laid == "link" else tmp_path / "s.parquet").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    found = sorted(one.name for one in tmp_path.rglob("*"))
    assert found == (["s.parquet", "secret", "victim"] if laid == "link" else ["s.parquet", "secret"])


def test_a_recording_goes_on_in_its_folder_if_that_is_renamed(tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.parquet", {}) as fed:
        fed.feed(LOG)
        (tmp_path / "s.parquet").rename(tmp_path / "other.parquet")
        (tmp_path / "s.parquet").mkdir()
        fed.finish({})
    assert list((tmp_path / "s.parquet").iterdir()) == []
    assert len(read(tmp_path / "other.parquet")) == 276


@pytest.mark.parametrize("what", ["the folder", "the journal"])
def test_what_is_removed_while_it_is_recorded_ends_the_recording_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = tmp_path / "s.parquet"
    monkeypatch.setattr(recorder, "_SYNC_SECONDS", 0.0)

    def removed() -> None:
        with Recorder(path, {}) as fed:
            fed.feed(LOG)
            for file in path.iterdir():
                if what == "the folder" or "spool" in file.name:
                    file.unlink()
            if what == "the folder":
                path.rmdir()
            fed.feed(b"")

    with pytest.raises(SessionError, match="removed while it was recorded: recording ended") as raised:
        removed()
    assert "\n" not in str(raised.value)
    assert path.exists() == (what == "the journal")


def test_a_place_holds_on_to_nothing_once_it_is_closed(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    record(tmp_path / "s.parquet")
    read(tmp_path / "s.parquet")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    place = Place(tmp_path, private=True)
    place.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
