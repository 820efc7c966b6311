"""A full disk: the recording ends in a line, and all that was read is there once there is room."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigtrace import SessionError, read
from sigtrace.store import recorder
from sigtrace.store.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

STORED = Path(__file__).with_name("fixtures") / "lossy.txt.gz"
LOG = gzip.decompress(STORED.read_bytes())
CHUNK = 997  # cuts lines in pieces


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted without root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.parametrize(
    ("full", "batch_rows", "part_rows"),
    [
        ("by itself", 1 << 16, 1 << 20),
        ("in a part", 16, 1 << 20),
        ("between two", 16, 2500),
        ("at the end", 1 << 16, 1 << 20),
    ],
)
def test_a_full_disk_is_an_error_in_a_line_and_all_that_was_read_is_recovered_once_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, full: str, batch_rows: int, part_rows: int
) -> None:
    monkeypatch.setattr(recorder, "_BATCH_ROWS", batch_rows)
    monkeypatch.setattr(recorder, "_PART_ROWS", part_rows)
    path = small_disk / "s.parquet"
    log = LOG if full == "by itself" else LOG[:500_000]
    fill_at = {"by itself": -1, "at the end": len(log) // CHUNK}.get(full, 250)
    fed = 0

    def recorded() -> None:
        nonlocal fed
        with Recorder(path, {}) as to:
            for number, at in enumerate(range(0, len(log), CHUNK)):
                chunk = log[at : at + CHUNK]
                to.room()[: len(chunk)] = chunk
                fed += len(chunk)
                to.feed(chunk)
                if number == fill_at:
                    _fill(small_disk)
            to.finish({})

    with pytest.raises(SessionError, match=r"s\.parquet.*: No space left on device: ") as raised:
        recorded()
    assert "\n" not in str(raised.value)
    assert fed > (8e6 if full == "by itself" else 250_000)
    _fill(small_disk)
    stuck = sorted(path.iterdir())
    whole = read(log[:fed])
    assert len(whole) - 2 <= len(read(path)) <= len(whole)
    assert sorted(path.iterdir()) == stuck
    (small_disk / "ballast").unlink()
    recovered = read(path)
    assert recovered.table.drop_columns(["log"]).equals(whole.table.drop_columns(["log"]))
    assert recovered.accounting == whole.accounting
    assert sorted({file.name[:5] for file in path.iterdir()}) == ["_sess", "part-"]


def test_a_disk_that_is_full_from_the_beginning_gets_no_folder(small_disk: Path) -> None:
    ballast = _fill(small_disk)
    with pytest.raises(SessionError, match="No space left on device"):
        Recorder(small_disk / "s.parquet", {})
    assert list(small_disk.iterdir()) == [ballast]


RECORDED_WITH_A_LIMIT = f"""
import gzip, resource, sys
from pathlib import Path
from sigtrace import SessionError
from sigtrace.store.recorder import Recorder
resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, 6 << 20))
log = gzip.decompress(Path(sys.argv[1]).read_bytes())
fed = 0
try:
    with Recorder(Path(sys.argv[2]), {{}}) as to:
        for at in range(0, len(log), {CHUNK}):
            to.feed(log[at : at + {CHUNK}])
            fed += {CHUNK}
except SessionError as error:
    print(fed, error)
"""


def test_a_file_that_may_not_grow_ends_the_recording_in_a_line_and_what_was_fed_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    command = [sys.executable, "-c", RECORDED_WITH_A_LIMIT, str(STORED), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fed, _, said = done.stdout.partition(" ")
    assert said == f"{path}: File too large: recording ended; what was read is kept, and the next open finds it\n"
    assert done.stderr == ""
    whole = read(LOG[: int(fed)]).table.drop_columns(["log"])
    assert whole.num_rows > 20_000
    kept = read(path).table.drop_columns(["log"])
    assert kept.slice(0, whole.num_rows - 1).equals(whole.slice(0, whole.num_rows - 1))
