"""Input that is made to fill the memory: an answer or an error in a line, in memory that does not grow with it."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
import zlib
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pytest

from sigtrace import LogError, read

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "          worker-100     (    100) [000] d..1.     1.000000: "
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]) << 20,) * 2)
sys.argv = ["sigtrace", *sys.argv[2:]]
runpy.run_module("sigtrace", run_name="__main__")
"""
MB = 1 << 20


def limited(megabytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(megabytes), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def packed(how: str, path: Path) -> IO[bytes]:
    if how == "gz":
        return cast("IO[bytes]", gzip.open(path, "wb", compresslevel=1))
    if how == "xz":
        return cast("IO[bytes]", lzma.open(path, "wb", preset=0))
    return cast("IO[bytes]", pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd"))


@pytest.mark.parametrize("packer", ["gz", "xz", "zst"])
@pytest.mark.parametrize("letter", [b"\0", b"a"])
def test_a_bomb_of_a_line_of_1_gb_is_an_error_in_a_line(packer: str, letter: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with packed(packer, path) as bomb:
        for _ in range(1024):
            bomb.write(letter * MB)
    assert path.stat().st_size < 10 * MB
    done = limited(900, "parse", str(path), "-o", str(tmp_path / "out.parquet"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"sigtrace: {path}: none of its 1 lines is a line of trace_pipe")
    assert list(tmp_path.iterdir()) == [path]


def test_names_as_long_as_a_line_may_be_fill_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    with path.open("w") as log:
        for n in range(600):
            log.write(f"{HEAD}sched_process_exec: filename=/{n}{'x' * 900_000} pid=100 old_pid=100\n")
    done = limited(1_800, "parse", str(path), "-o", str(tmp_path / "out.parquet"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "(600 sched_process_exec)" in done.stdout


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_log_in_another_encoding_is_an_error_in_a_line(encoding: str, fixtures: Path) -> None:
    with pytest.raises(LogError, match="is a line of trace_pipe: give the output of"):
        read((fixtures / "default.txt").read_text().encode(encoding))


def test_nul_bytes_between_the_lines_cost_no_row(fixtures: Path) -> None:
    log = (fixtures / "default.txt").read_bytes()
    session = read(b"\0" * 5000 + b"\n" + log + b"\0" * 5000 + b"\n")
    assert len(session) == 276


def test_xz_that_asks_for_4_gb_of_memory_is_refused() -> None:
    made = bytearray(lzma.compress(b"text\n", preset=0))
    size = (made[12] + 1) * 4  # of the header of the first block, which names its dictionary's size
    at = made.index(b"\x21\x01", 12, 12 + size) + 2
    made[at] = 40
    made[12 + size - 4 : 12 + size] = zlib.crc32(made[12 : 12 + size - 4]).to_bytes(4, "little")
    with pytest.raises(LogError, match=r"the log: .*[Mm]emory"):
        read(bytes(made))


def test_xz_that_is_padded_or_of_several_streams_is_read_whole(fixtures: Path) -> None:
    made = lzma.compress((fixtures / "default.txt").read_bytes())
    assert len(read(made + bytes(8) + made + bytes(4))) == 552


def test_a_full_disk_ends_an_endless_stdin_in_a_line(tmp_path: Path, fixtures: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=False).returncode:
        pytest.skip("a small disk cannot be mounted without root")
    try:
        log = "$(cat " + str(fixtures / "tgid.txt") + ")"
        command = f'yes "{log}" | {sys.executable} -m sigtrace parse - -o {disk}/out.parquet'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=300)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"sigtrace: {disk}/out.parquet: No space left on device: give a path")
        assert done.stderr.count("\n") == 1
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
