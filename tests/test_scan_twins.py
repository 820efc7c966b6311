"""Scan: compiled and interpreted, the same source gives the same rows and the same account."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace.trace import checkpoint, scan
from sigtrace.trace.parser import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from sigtrace import Accounting

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]

pytestmark = pytest.mark.skipif(not COMPILED, reason="scan.py is not compiled here: there is one twin only")

LOGS = [
    "arguments.txt",
    "counter_clock.txt",
    "default.txt",
    "evidence.txt",
    "evidence_events.txt",
    "exit_status_and_cgroups.txt",
    "fields.txt",
    "hostile.txt",
    "kill_told_twice.txt",
    "kill_told_twice_program_first.txt",
    "latency_format.txt",
    "no_context_info.txt",
    "noirq.txt",
    "only_another_programs_printk.txt",
    "only_process_exit.txt",
    "only_signal_generate.txt",
    "only_sys_kill.txt",
    "other_programs.txt",
    "stacktrace.txt",
    "tgid.txt",
    "tracefile.txt",
    "tsc_clock.txt",
    "tutorial.md",
    "uptime_clock.txt",
    "verbose.txt",
]


def test_the_twins_are_two(twin: ModuleType) -> None:
    assert str(twin.__file__).endswith("scan.py")
    assert not str(scan.__file__).endswith(".py")
    assert twin.Scanner is not scan.Scanner


@pytest.mark.parametrize("unlocked", [True, False])
def test_unlocked_lines_are_scanned_without_the_interpreters_lock(fixtures: Path, *, unlocked: bool) -> None:
    log = (fixtures / "default.txt").read_bytes() * 1000
    most = 20
    began, enough = threading.Event(), threading.Event()
    scans: list[int] = []

    def work() -> None:
        began.set()
        while len(scans) < most and not enough.is_set():
            scans.append(scan.Scanner(1 << 20, unlocked=unlocked).scan(log, 0, len(log)))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # no thread is made to give the lock away
    try:
        thread = threading.Thread(target=work)
        thread.start()
        began.wait()
        enough.set()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert set(scans) == {len(log)}
    assert (len(scans) < most) == unlocked


@pytest.mark.parametrize("rows", [4, 5, 1 << 10])
@pytest.mark.parametrize("name", LOGS)
def test_the_twins_read_a_real_log_alike(parse: Parse, fixtures: Path, name: str, rows: int) -> None:
    log = (fixtures / name).read_bytes()
    assert parse(log, rows=rows) == parse(log, rows=rows, interpreted=True)


@pytest.mark.parametrize("change", [b"\r\n", b" \n", b"\n\n", b"\n\t", b"\n \t", b"\nx", b"\n#", b"\x00"])
@pytest.mark.parametrize(
    "name", ["hostile.txt", "tgid.txt", "noirq.txt", "exit_status_and_cgroups.txt", "kill_told_twice.txt"]
)
def test_the_twins_read_a_changed_log_alike(parse: Parse, fixtures: Path, name: str, change: bytes) -> None:
    log = (fixtures / name).read_bytes()[:20_000].replace(b"\n", change)
    assert parse(log) == parse(log, interpreted=True)


@pytest.mark.parametrize(
    "name", ["hostile.txt", "tgid.txt", "noirq.txt", "tsc_clock.txt", "fields.txt", "only_sys_kill.txt"]
)
def test_the_twins_read_a_log_that_stops_anywhere_alike(parse: Parse, fixtures: Path, name: str) -> None:
    # The compiled one reads without bounds checks: the end of the block is where it could go wrong.
    log = (fixtures / name).read_bytes()[:400]
    for stop in range(len(log)):
        assert parse(log[:stop]) == parse(log[:stop], interpreted=True)


@pytest.mark.parametrize("digits", range(1, 24))
@pytest.mark.parametrize("where", [b"-363 ", b"[000]", b"  672.", b".563868", b"PID 363", b"to PID 1400", b"= 0"])
def test_the_twins_read_a_number_of_any_length_alike(parse: Parse, where: bytes, digits: int) -> None:
    call = (
        b"            bash-363     [000] d...1   672.563868: bpf_trace_printk: PID 363 (bash) sent signal 9 \n"
        b"            bash-363     [000] d...1   672.563868: bpf_trace_printk: to PID 1400, ret = 0\n"
    )
    number = bytes(c for c in where if chr(c).isdigit())
    for digit in (b"0", b"1", b"9"):
        log = call.replace(where, where.replace(number, digit * digits))
        assert log != call or number == digit * digits
        assert parse(log) == parse(log, interpreted=True)


def test_the_twins_forget_names_alike(parse: Parse) -> None:
    # More names than are kept from batch to batch, and a call pending over the batch that forgets them.
    pending = b"            bash-9       [001] d...1   672.563868: bpf_trace_printk: PID 9 (bash) sent signal 9 \n"
    lines = b"".join(
        b"           n%05d-7       [000] d...1   672.563868: bpf_trace_printk: to PID 1400, ret = 0\n" % i
        for i in range(70_000)
    )
    end = pending.replace(b"PID 9 (bash) sent signal 9 ", b"to PID 5, ret = 0")
    log = pending + lines + end
    compiled = parse(log, rows=1 << 14)
    assert compiled == parse(log, rows=1 << 14, interpreted=True)
    calls = [row for row in compiled[0] if row["event"] == "kill"]
    assert [(call["comm"], call["target"], call["line"]) for call in calls] == [("bash", 5, 1)]
    assert [row["comm"] for row in compiled[0][:-1]] == [f"n{i:05}" for i in range(70_000)]


@pytest.mark.parametrize("cut", [b"PID 1 (x", b"sched_process_fork: comm=x"])
def test_the_twins_tell_their_state_within_a_record_that_a_name_has_cut_alike(twin: ModuleType, cut: bytes) -> None:
    line = b"            bash-1       [000]      0.000000: %s%s\n" % (
        b"bpf_trace_printk: " * cut.startswith(b"PID"),
        cut,
    )
    for before in (b"", line.replace(b"bash", b"sh  ") + b"CPU:0 [LOST EVENTS]\n"):
        states = []
        for module in (twin, scan):  # what the interpreted one would raise at, the compiled one may crash at
            scanner = module.Scanner(16)
            log = before + line
            assert scanner.scan(log, 0, len(log)) == len(log)
            states.append(checkpoint.taken(scanner))
        assert states[0] == states[1]
        assert states[0]["opened"] is not None
