"""Recorder: what was fed is in the session, through kills at every step, full disks and readers that look on."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sigtrace import Accounting, Parser, Session, SessionError, read
from sigtrace.capture import users
from sigtrace.capture.proc import snapshot
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.store import recorder
from sigtrace.store.recorder import Recorder
from tests.described import describe, described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FIXTURES = Path(__file__).with_name("fixtures")
LOG = (FIXTURES / "default.txt").read_bytes()  # 276 calls, two lines each
CHUNK = 997  # cuts lines in pieces, and is a multiple of nothing
ENDED = ["_session.parquet"]
KILLED_LAST = ["_lock", *ENDED]  # between the last two steps: the empty lock stays


def parsed(log: bytes) -> tuple[pa.Table, Accounting]:
    parser = Parser(user_of=users.name)
    batches = [*parser.feed(log), *parser.finish()]
    return pa.Table.from_batches(batches, schema=SCHEMA).cast(PLAIN).drop_columns(["log"]), parser.accounting


def unnamed(session: Session) -> pa.Table:
    """The rows without the log's name, which each recording has of its own."""
    return session.table.drop_columns(["log"])


def holds(session: Session, log: bytes) -> bool:
    table, accounting = parsed(log)
    return bool(unnamed(session).equals(table)) and session.accounting == accounting


def chunks(log: bytes) -> list[bytes]:
    return [log[at : at + CHUNK] for at in range(0, len(log), CHUNK)]


def no_parts(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if not file.name.startswith("part-"))


def pieces(log: bytes, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)  # noqa: S311  (the same pieces each time)
    cuts = (dice.randrange(len(log)) for _ in range(dice.choice((3, 30, 300))))
    for start, stop in pairwise(sorted({0, len(log), *cuts})):
        yield log[start:stop]


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    """Of all files but the part that is not whole yet, at which the recorder's other thread is at work."""
    whole = [file for file in path.iterdir() if not file.name.startswith(".part-")]
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in whole}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_BATCH_ROWS", 16)
    monkeypatch.setattr(recorder, "_PART_ROWS", 64)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "name", ["default.txt", "hostile.txt", "evidence_events.txt", "tgid.txt", "noirq.txt", "lossy.txt.gz"]
)
def test_a_log_fed_in_any_pieces_gives_the_rows_and_the_account_of_the_log(
    tmp_path: Path, name: str, seed: int
) -> None:
    stored = (FIXTURES / name).read_bytes()
    log = (gzip.decompress(stored) if name.endswith(".gz") else stored)[-100_000:]
    with Recorder(tmp_path / "s.parquet", {}) as fed:
        for piece in pieces(log, seed):
            fed.feed(piece)
        account = fed.finish({})
    session = read(tmp_path / "s.parquet")
    assert holds(session, log)
    assert account == session.accounting
    assert fed.rows == len(session)
    assert sum(account.lines_by_kind.values()) == account.lines
    assert no_parts(tmp_path / "s.parquet") == ENDED


def test_a_session_says_when_and_where_it_was_recorded_and_its_time_is_utc(tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.parquet", {"clock": "boot"}, utc_offset_us=1_700_000_000_000_000) as fed:
        fed.feed(LOG)
        fed.finish({1: 7})
    session = read(tmp_path / "s.parquet")
    assert session.about["host"] == os.uname().nodename
    assert session.about["clock"] == "boot"
    assert session.about["lost_by_kernel_count"] == {"1": 7}
    assert session.about["started"] < session.about["ended"]
    first = session.table.slice(0, 1).to_pylist()[0]
    assert first["time"].timestamp() == pytest.approx(1_700_000_000 + first["ts"] / 1e6, abs=1e-6)
    assert first["time"].tzname() == "UTC"


@pytest.mark.parametrize("host", [os.uname().nodename, "another"])
def test_a_recovery_names_users_only_on_the_host_that_knows_them(tmp_path: Path, host: str) -> None:
    with Recorder(tmp_path / "s.parquet", {}) as fed:
        fed.feed((FIXTURES / "arguments.txt").read_bytes())
        killed = tmp_path / "killed.parquet"
        shutil.copytree(fed.path, killed)
        fed.finish({})
    about = described(killed)
    del about["crc32"]
    describe(killed, {**about, "host": host})
    named = read(tmp_path / "s.parquet").table.select(["event", "uid", "user"]).to_pylist()
    assert {row["user"] for row in named if row["event"] == "args"} == {"root", users.name(1000)}
    recovered = read(killed).table.select(["event", "uid", "user"]).to_pylist()
    assert recovered == [{**row, "user": row["user"] if host == os.uname().nodename else None} for row in named]


class Images:
    """Copies of a folder, each as a kill just before a step that changes files would leave it."""

    STEPS = ((os, "pwrite"), (os, "fsync"), (os, "fdatasync"), (os, "replace"), (os, "unlink"))

    def __init__(self, folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fed = 0
        self.taken: list[tuple[Path, int]] = []
        self._folder = folder
        self._into = into
        for owner, name in self.STEPS:
            monkeypatch.setattr(owner, name, self._preceded(getattr(owner, name)))

    def _preceded(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            if (self._folder / "_session.parquet").exists():
                image = self._into / f"{len(self.taken):04}.parquet"
                shutil.copytree(self._folder, image)
                self.taken.append((image, self.fed))
            return step(*arguments, **named)

        return stepped


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None) -> list[tuple[Path, int]]:  # noqa: ARG001
    with monkeypatch.context() as patched:
        images = Images(tmp_path / "s.parquet", tmp_path / "images", patched)
        with Recorder(tmp_path / "s.parquet", {}) as fed:
            for chunk in chunks(LOG):
                fed.feed(chunk)
                images.fed += len(chunk)
            fed.finish({})
    return images.taken


def test_a_kill_at_any_step_loses_nothing_and_the_next_open_recovers_it(recording: list[tuple[Path, int]]) -> None:
    several = [image for image, _ in recording if len(list(image.glob("_spool*"))) > 1]
    obsolete = [i for i, _ in recording for s in i.glob("_spool*") if (i / f"part-{s.stem[-5:]}.parquet").exists()]
    assert len(several) >= len(obsolete) > 3
    for image, fed in recording:
        first, again = read(image), read(image)
        assert holds(first, LOG[:fed]) or holds(first, LOG[: fed + CHUNK]), image  # the chunk under way may be there
        assert again.table.equals(first.table)
        assert again.accounting == first.accounting
        assert no_parts(image) in (ENDED, KILLED_LAST)
        assert len(pd.read_parquet(image)) == len(first) or not fed


def test_a_recovery_that_is_killed_at_any_step_is_recovered_by_the_next(
    recording: list[tuple[Path, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, fed = next((image, fed) for image, fed in recording if len(list(image.glob("_spool*"))) > 1 and fed > 9999)
    with monkeypatch.context() as patched:
        recovering = Images(image, tmp_path / "recovering", patched)
        read(image)
    assert len(recovering.taken) > 5
    for killed, _ in recovering.taken:
        assert holds(read(killed), LOG[:fed]) or holds(read(killed), LOG[: fed + CHUNK])
        assert no_parts(killed) in (ENDED, KILLED_LAST)


RECORDED_UNTIL_KILLED = f"""
import os, sys
from pathlib import Path
from sigtrace.store import recorder
recorder._BATCH_ROWS, recorder._PART_ROWS = 16, 64
fed = recorder.Recorder(Path(sys.argv[1]), {{}})
while chunk := sys.stdin.buffer.read({CHUNK}):
    fed.feed(chunk)
    os.write(1, b".")
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_recorder_killed_at_a_random_moment_has_kept_all_that_it_was_fed(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "s.parquet"
    log = LOG * 10
    command = [sys.executable, "-c", RECORDED_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        feeder = threading.Thread(target=_feed, args=(killed.stdin, log))
        feeder.start()
        at = random.Random(seed).randrange(1, len(log) // CHUNK)  # noqa: S311  (the same moments each time)
        acknowledged = sum(len(killed.stdout.read(1)) for _ in range(at))
        killed.kill()
        acknowledged += len(killed.stdout.read())
        feeder.join()
    assert acknowledged >= at
    session = read(path)
    kept = next(kept for kept in (acknowledged, acknowledged + 1) if holds(session, log[: kept * CHUNK]))
    assert "recovered" in session.about
    assert "ended" not in session.about
    assert holds(read(path), log[: kept * CHUNK])
    assert no_parts(path) == ENDED


def _feed(pipe: IO[bytes], log: bytes) -> None:
    try:
        while log:
            log = log[pipe.write(log) :]
    except BrokenPipeError:
        pass  # killed


def test_what_was_read_straight_into_the_room_is_kept_before_it_is_fed(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    *all_fed, not_fed = chunks(LOG)
    fed = Recorder(path, {})
    for chunk in all_fed:
        fed.room()[: len(chunk)] = chunk
        fed.feed(chunk)
    fed.room()[: len(not_fed)] = not_fed
    shutil.copytree(path, tmp_path / "killed.parquet")
    fed.__exit__(KeyboardInterrupt)
    assert holds(read(tmp_path / "killed.parquet"), LOG)
    assert holds(read(path), LOG)


def test_a_reader_sees_a_recording_up_to_now_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    lines = LOG.splitlines(keepends=True)
    with Recorder(path, {}) as fed:
        for start, stop in pairwise((0, 100, 200, len(lines))):
            fed.feed(b"".join(lines[start:stop]))
            before = contents(path)
            session = read(path)
            assert unnamed(session).equals(parsed(b"".join(lines[:stop]))[0])
            assert session.accounting.lines == stop
            assert contents(path) == before
            assert [file.name for file in path.glob(".*")] == [f".part-00000.parquet.{os.getpid()}"]
        fed.finish({})


@pytest.mark.usefixtures("small_parts")
def test_readers_that_look_on_while_parts_roll_see_each_row_once(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    log = LOG * 4
    seen: list[tuple[int, pa.Table, int]] = []
    left_out: list[dict[str, Any]] = []
    with Recorder(path, {}) as fed:

        def look() -> None:
            while (at_least := fed.accounting.lines) < 4 * 552:
                session = read(path)
                left_out.extend(session.about.get("damaged", ()))
                seen.append((at_least, unnamed(session), fed.accounting.lines))

        onlooker = threading.Thread(target=look)
        onlooker.start()
        for number, chunk in enumerate(chunks(log)):
            fed.feed(chunk)
            while len(seen) < number // 50 and onlooker.is_alive():
                time.sleep(0.001)  # on a busy machine the onlooker may not have had its turn
        onlooker.join()
        fed.finish({})
    assert len(seen) > 3
    assert left_out == []
    whole = parsed(log)[0]
    for at_least, table, at_most in seen:
        assert at_least // 2 <= table.num_rows <= (at_most + CHUNK // 60) // 2
        assert table.equals(whole.slice(0, table.num_rows))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("ended", [True, False])
def test_pandas_pyarrow_polars_and_duckdb_read_the_folder_and_pass_over_what_is_no_part(
    tmp_path: Path, *, ended: bool
) -> None:
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as fed:
        for chunk in chunks(LOG):
            fed.feed(chunk)
        if not ended:
            shutil.copytree(path, tmp_path / "killed.parquet")
        fed.finish({})
    path = path if ended else tmp_path / "killed.parquet"
    kinds = {name[:6] for name in no_parts(path)}
    assert kinds == ({"_sessi"} if ended else {"_lock", "_sessi", "_spool", ".part-"})
    rows = sum(pq.read_metadata(part).num_rows for part in path.glob("part-*.parquet"))
    assert rows == 276 if ended else 0 < rows < 276
    assert len(pd.read_parquet(path)) == rows
    assert ds.dataset(path).count_rows() == rows
    assert pq.read_table(path).num_rows == rows
    assert pl.read_parquet(path / "*.parquet").height == rows
    assert pl.scan_parquet(f"{path}/*.parquet").collect().height == rows
    assert pl.scan_parquet(path, hidden_file_prefix=["_", "."]).collect().height == rows
    assert duckdb.read_parquet(f"{path}/*.parquet").shape[0] == rows


def test_every_row_of_a_recording_names_its_host_and_when_it_began(tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.parquet", {}, processes=snapshot()) as made:
        made.feed(LOG)
        made.finish({})
    session = read(tmp_path / "s.parquet")
    (log,) = set(session.table["log"].to_pylist())
    assert log == session.about["log"]
    host, _, began = log.partition("@")
    assert host == os.uname().nodename
    assert datetime.fromisoformat(began).utcoffset() == timedelta(0)


def test_a_session_of_no_events_is_a_table_of_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as fed:
        fed.feed((FIXTURES / "only_another_programs_printk.txt").read_bytes())
        fed.finish({})
    session = read(path)
    assert len(session) == len(pd.read_parquet(path)) == pl.read_parquet(path / "*.parquet").height == 0
    assert session.accounting.lines == 28


def test_in_a_quiet_session_rows_are_in_a_part_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as fed:
        fed.feed(LOG)
        assert list(path.glob("part-*")) == []
        monkeypatch.setattr(recorder, "_PART_SECONDS", 0.0)
        fed.feed(b"")
        assert len(pd.read_parquet(path)) == 276
        fed.finish({})
    assert holds(read(path), LOG)


RECORDED_LONG = """
import gzip, os, sys
from pathlib import Path
from sigtrace.store import recorder
recorder._PART_ROWS = 1 << 18
log = gzip.decompress(Path(sys.argv[1]).read_bytes())
fed = recorder.Recorder(Path(sys.argv[2]), {})
for turn in range(36):
    for at in range(0, len(log), 1 << 20):
        chunk = log[at : at + (1 << 20)]
        fed.room()[: len(chunk)] = chunk
        fed.feed(chunk)
    print(len(log), int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
fed.finish({})
"""


def test_a_long_session_rolls_its_parts_and_keeps_memory_flat(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    command = [sys.executable, "-c", RECORDED_LONG, str(FIXTURES / "lossy.txt.gz"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fed, memory = zip(*(map(int, line.split()) for line in done.stdout.splitlines()), strict=True)
    assert sum(fed) > 500e6
    # What waits to be encoded is some MB more or less: the second half is 250 MB.
    assert max(memory[18:]) < max(memory[:18]) + 20e6
    assert len(list(path.glob("part-*"))) >= 4
    assert pq.read_metadata(path / "part-00000.parquet").num_rows < 1.5 * (1 << 18)
    assert ds.dataset(path).count_rows() == 36 * read(FIXTURES / "lossy.txt.gz").table.num_rows
    assert no_parts(path) == ENDED


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_already_is_an_error_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s.parquet"
    if kind == "link":
        path.symlink_to("nowhere")
    else:
        (path.mkdir if kind == "folder" else path.touch)()
    before = path.lstat()
    with pytest.raises(SessionError, match="is there already: give another name with -o, or remove it"):
        Recorder(path, {})
    assert path.lstat() == before
    assert list(tmp_path.rglob("*")) == [path]


def test_a_recording_that_fails_before_its_first_byte_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path / "s.parquet", {}):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
