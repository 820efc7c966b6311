"""Files that are written for somebody: there whole or not at all, and no link leads them astray."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigtrace import read
from sigtrace.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = str(Path(__file__).parent / "fixtures" / "default.txt")
WRITERS: dict[str, Callable[[str], list[str]]] = {
    "parse": lambda out: ["parse", LOG, "-o", out],
    "report": lambda out: ["report", LOG, "--html", out],
}
BEGINS = {"parse": b"PAR1", "report": b"<!DOCTYPE html>"}

writers = pytest.mark.parametrize("writer", WRITERS)


@writers
@pytest.mark.parametrize("leads_to", ["a file", "nothing", "a device", "itself"])
def test_a_link_is_replaced_and_what_it_leads_to_stays_as_it_was(writer: str, leads_to: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    out = tmp_path / "out.parquet"
    places = {"a file": precious, "nothing": tmp_path / "new", "a device": Path("/dev/full"), "itself": out}
    out.symlink_to(places[leads_to])
    assert main(WRITERS[writer](str(out))) == 0
    assert precious.read_text() == "precious"
    assert not out.is_symlink()
    assert out.read_bytes().startswith(BEGINS[writer])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "precious"]


@writers
def test_another_name_of_the_same_file_keeps_what_it_had(writer: str, tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_text("before")
    (tmp_path / "other").hardlink_to(tmp_path / "out.parquet")
    assert main(WRITERS[writer](str(tmp_path / "out.parquet"))) == 0
    assert (tmp_path / "other").read_text() == "before"


@writers
def test_a_file_has_the_rights_that_the_umask_leaves(writer: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert main(WRITERS[writer](str(tmp_path / "out.parquet"))) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.parquet").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("writer", "name"),
    [
        *(("report", name) for name in ("x" * 255, "ü" * 127, "-o", "a\nb")),
        *(("parse", name) for name in ("-o.parquet", "a\nb.parquet")),
    ],
)
def test_a_name_may_be_any_that_a_folder_takes(
    writer: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(WRITERS[writer](f"./{name}")) == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


@writers
@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("no/folder/out.parquet", "No such file or directory"),
        ("a-file/out.parquet", "Not a directory"),
        ("a-folder.parquet", "Is a directory"),
        ("a-socket.parquet", "Operation not supported"),
        ("x" * 248 + ".parquet", "File name too long"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_leaves_nothing_behind(
    writer: str,
    out: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder.parquet").mkdir()
    os.mknod("a-socket.parquet", stat.S_IFSOCK | 0o600)
    before = sorted(tmp_path.rglob("*"))
    assert main(WRITERS[writer](out)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"sigtrace: {out}: {said}: give a path in a folder that can be written")
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def null(tmp_path: Path) -> Path:
    try:
        os.mknod(tmp_path / "null.parquet", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes a device")
    return tmp_path / "null.parquet"


def test_a_page_goes_to_a_device_as_it_is(null: Path) -> None:
    assert main(WRITERS["report"](str(null))) == 0
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert list(null.parent.iterdir()) == [null]


def test_parquet_goes_to_no_device_and_no_descriptor(null: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(null)
    assert main(WRITERS["parse"](out)) == 1
    assert capsys.readouterr().err.startswith(f"sigtrace: {out}: is a device or a pipe, and Parquet needs a file")
    assert stat.S_ISCHR(null.lstat().st_mode)
    with pytest.raises(SystemExit):  # whose name is no session's
        main(WRITERS["parse"]("/dev/stdout"))
    assert Path("/dev/stdout").is_symlink()


def test_a_descriptor_is_written_as_it_is(tmp_path: Path) -> None:
    words = " ".join(WRITERS["report"]("/dev/stdout"))
    command = f"{sys.executable} -m sigtrace {words} | cat > {tmp_path}/out"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True)
    assert done.stderr == b"/dev/stdout: open it in any browser, or send it; it needs no network.\n"
    assert (tmp_path / "out").read_bytes().startswith(BEGINS["report"])
    assert Path("/dev/stdout").is_symlink()


def test_a_log_whose_parsing_fails_leaves_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.parquet"
    assert main(WRITERS["parse"](str(out))) == 0
    assert main(["parse", LOG, "no/such.log", "-o", str(out)]) == 1
    assert "no/such.log" in capsys.readouterr().err
    assert len(read(out)) == 276
    assert list(tmp_path.iterdir()) == [out]
