"""Log: from a path, bytes or a stream, plain or compressed; and a clear word where no answer can be had."""

from __future__ import annotations

import gc
import gzip
import io
import lzma
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sigtrace import Error, Log, LogError, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def zstd(log: bytes) -> bytes:
    packed = pa.compress(log, "zstd", asbytes=True)
    assert isinstance(packed, bytes)
    return packed


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstd,
}
COMPRESSED = [kind for kind in PACKED if kind != "plain"]


class Trickle(io.RawIOBase):
    """A pipe whose writer is slow: a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        some = self._data.read(7)
        buffer[: len(some)] = some
        return len(some)


@pytest.fixture
def plain(fixtures: Path) -> bytes:
    return (fixtures / "default.txt").read_bytes()


def calls(log: Log) -> int:
    return sum(batch.num_rows for batch in log)


@pytest.mark.parametrize("name", ["a.txt", "a.gz", "a.xz", "a.zst", "a.parquet", "a"])
@pytest.mark.parametrize("kind", PACKED)
def test_a_file_is_opened_by_its_content_not_by_its_name(tmp_path: Path, plain: bytes, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[kind](plain))
    log = Log(path)
    assert calls(log) == 276
    assert log.accounting.lines_by_kind == {"kill": 552}
    assert log.name == str(path)
    assert calls(Log(str(path))) == 276


@pytest.mark.parametrize("kind", PACKED)
def test_bytes_and_streams_are_logs_without_a_name(plain: bytes, kind: str) -> None:
    packed = PACKED[kind](plain)
    assert calls(Log(packed)) == 276
    log = Log(io.BytesIO(packed))
    (batch,) = log
    assert batch.num_rows == 276
    assert batch.column("log").null_count == 276
    assert log.name is None


@pytest.mark.parametrize("kind", PACKED)
def test_a_dash_is_standard_input(plain: bytes, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(PACKED[kind](plain)))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert calls(Log("-")) == 276
    gc.collect()
    assert not stdin.buffer.closed


@pytest.mark.parametrize("kind", PACKED)
def test_two_logs_packed_one_after_the_other_are_one(plain: bytes, kind: str) -> None:
    assert calls(Log(PACKED[kind](plain) + PACKED[kind](plain))) == 552


@pytest.mark.parametrize("kind", PACKED)
def test_a_stream_that_comes_a_few_bytes_at_a_time_is_told_by_its_content(plain: bytes, kind: str) -> None:
    assert calls(Log(Trickle(PACKED[kind](plain)))) == 276  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", PACKED)
def test_the_callers_stream_stays_open(plain: bytes, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO(PACKED[kind](plain))
    assert calls(Log(stream)) == 276
    gc.collect()
    assert not stream.closed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", COMPRESSED)
def test_the_callers_stream_stays_open_where_reading_it_fails(
    plain: bytes, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = io.BytesIO(PACKED[kind](plain)[:-9])
    with pytest.raises(LogError, match="the log: "):
        calls(Log(stream))
    gc.collect()
    assert not stream.closed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", PACKED)
def test_the_callers_stream_stays_open_where_reading_is_given_up(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    # More rows than the first batch takes.
    stream = io.BytesIO(PACKED[kind](b"CPU:0 [LOST 5 EVENTS]\n" * 300_000))
    batches = iter(Log(stream))
    assert 0 < next(batches).num_rows < 300_000
    del batches
    gc.collect()
    assert not stream.closed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, plain: bytes, kind: str) -> None:
    path = tmp_path / "cut.log"
    path.write_bytes(PACKED[kind](plain)[:-9])
    with pytest.raises(LogError, match=r"cut\.log: .*(ended|[Tt]runcated)"):
        calls(Log(path))


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, plain: bytes, kind: str) -> None:
    packed = bytearray(PACKED[kind](plain))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    path = tmp_path / "bad.log"
    path.write_bytes(packed)
    with pytest.raises(LogError, match=r"bad\.log: ."):
        calls(Log(path))


def test_a_file_that_is_not_there_or_not_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"none\.log: No such file or directory"):
        read(tmp_path / "none.log")
    with pytest.raises(LogError, match=f"{tmp_path}: Is a directory"):
        calls(Log(tmp_path))


def test_a_log_may_have_a_name_that_is_not_utf8(tmp_path: Path, plain: bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.log")
    with open(path, "wb") as file:  # noqa: PTH123  (the name is the point)
        file.write(plain)
    session = read(path)
    assert len(session) == 276
    (name,) = set(session.table["log"].to_pylist())
    assert str(name).endswith("caf\\xe9.log")


def test_an_empty_log_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.log"
    path.touch()
    with pytest.raises(LogError, match=r"empty\.log: .*empty.*trace_pipe"):
        read(path)
    with pytest.raises(LogError, match="empty"):
        read(gzip.compress(b""))


@pytest.mark.parametrize(
    "text",
    [
        b"Dear diary,\ntoday nobody was killed.\n",
        b"[    1.234567] Out of memory: Killed process 363 (bash)\n" * 3,
        b"\n\n\n",
        b"# only\n# comments\n",
        bytes(range(256)) * 64,
        b"PID 7 (",
    ],
)
def test_a_log_in_which_nothing_is_recognised_is_an_error_that_says_what_to_give(text: bytes) -> None:
    with pytest.raises(LogError, match=r"none of its [\d,]+ lines is a line of trace_pipe: give .*trace_pipe`"):
        read(text)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("latency_format", "latency-format"),
        ("verbose", "verbose"),
        ("no_context_info", "context-info"),
    ],
)
@pytest.mark.parametrize("change", ["", "crlf", "trailing blank gone"])
def test_a_layout_that_lacks_the_cpu_is_an_error_that_names_its_option(
    fixtures: Path, name: str, option: str, change: str
) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    if change == "crlf":
        log = log.replace(b"\n", b"\r\n")
    elif change:
        log = log.replace(b" \n", b"\n")
    told = Log(log)
    with pytest.raises(
        LogError, match=f"this log was recorded with option {option}, .* echo [01] > .*/{option}; then record again"
    ):
        calls(told)
    assert told.accounting.lines_by_kind == {"unstitchable": 48}
    assert told.accounting.layouts == [option]


def test_two_such_layouts_are_both_named(fixtures: Path) -> None:
    log = b"".join((fixtures / f"{name}.txt").read_bytes() for name in ("verbose", "no_context_info"))
    with pytest.raises(LogError, match="option context-info and verbose"):
        read(log)


def test_a_log_of_which_only_a_part_cannot_be_stitched_gives_the_rest(fixtures: Path, plain: bytes) -> None:
    session = read((fixtures / "latency_format.txt").read_bytes() + plain)
    assert len(session) == 276
    assert session.accounting.layouts == ["latency-format"]
    assert session.accounting.lines_by_kind == {"kill": 552, "unstitchable": 48}


def test_other_programs_lines_alone_are_no_error(fixtures: Path) -> None:
    log = (fixtures / "only_another_programs_printk.txt").read_bytes()
    for text in (log, b"\n".join((fixtures / "other_programs.txt").read_bytes().split(b"\n")[:17])):
        session = read(text)
        assert len(session) == 0
        assert set(session.accounting.lines_by_kind) == {"other"}


@pytest.mark.parametrize(
    "event",
    [
        b"signal_generate: sig=9 errno=0 code=0 comm=bash pid=4784 grp=1 res=0",
        b"sched_process_exit: comm=bash pid=4770 prio=120 group_dead=true",
        b"sys_exit_group(error_code: 0)",
        b"sys_kill(pid: 0x6713, sig: 9)",
        b"cgroup_mkdir: root=8 id=8 level=1 path=/x",
    ],
)
def test_events_of_the_kernel_alone_are_no_error(event: bytes) -> None:
    session = read(b"            bash-4770    (   4770) [000] d..1.   907.086701: " + event + b"\n")
    assert len(session) == 1
    assert session.accounting.lines == 1


def test_losses_alone_are_no_error() -> None:
    session = read(b"CPU:0 [LOST 5 EVENTS]\n")
    assert session.accounting.lost_by_cpu == {0: 5}


def test_a_parquet_file_given_as_bytes_or_on_standard_input_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LogError, match=r"this is Parquet.*`sigtrace report FILE`"):
        read(b"PAR1 and so on")


def test_every_error_of_a_log_is_one_line() -> None:
    for source in (b"", b"text\n", gzip.compress(b"text")[:-1], "/no/such/log"):
        with pytest.raises(Error) as raised:
            read(source)
        assert "\n" not in str(raised.value)


def test_a_log_that_is_left_half_read_at_the_end_of_python_says_nothing(fixtures: Path) -> None:
    program = "import sys, sigtrace; rows = iter(sigtrace.Log(sys.stdin.buffer)); print(len(next(rows)))"
    log = (fixtures / "default.txt").read_bytes() * 300
    done = subprocess.run([sys.executable, "-c", program], input=log, capture_output=True, check=True)
    assert int(done.stdout) > 0
    assert done.stderr == b""
