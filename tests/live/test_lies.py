"""Lies: storms into small buffers by threads that move and rename themselves; no false row, and none missing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import difference
import pytest
from calls import sigtrace

from sigtrace import Parser
from sigtrace.capture import cgroup
from sigtrace.capture.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigtrace import Accounting

pytestmark = pytest.mark.usefixtures("live")

ROUNDS = int(os.environ.get("SIGTRACE_LIES", "1"))
"""How often each storm is made, and thousands of calls of each thread in it: `make lies` asks for many."""

THREADS = 4
CALLS = min(4_000 * ROUNDS, 100_000)
FIRST = 1_500_000_000
NOBODY = 777_777
FORGED = (
    "\n           sshd-777777  ( 777777) [000] d..2.  9999.000001: "
    "signal_generate: sig=9 errno=0 code=0 comm=nginx pid=777777 grp=1 res=0\nCPU:0 [LOST 777777 EVENTS]\n# x\n\x1b[2J"
)


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        missing = "no C compiler for the storm: apt-get install gcc"
        (pytest.fail if os.environ.get("SIGTRACE_LIVE") == "required" else pytest.skip)(missing)
    program = tmp_path_factory.mktemp("lies") / "lies"
    subprocess.run([compiler, "-O2", "-pthread", "-o", program, Path(__file__).with_name("lies.c")], check=True)
    return program


def storm(liar: Path, kilobytes: int, monkeypatch: pytest.MonkeyPatch, *, evidence: bool) -> tuple[bytes, int, int]:
    """Record a storm into a buffer of that size; return the log, the pid of who made it, and what the kernel lost."""
    count = os.cpu_count() or 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1024 * count // kilobytes)  # among whom one MB is shared
        probe = Probe(buffer_mb=1, evidence=evidence)
    with probe, subprocess.Popen([liar, str(THREADS), str(CALLS)]) as process:

        def wait() -> None:
            process.wait()
            probe.stop()

        threading.Thread(target=wait).start()
        log = b"".join(probe)
        return log, process.pid, sum(probe.losses().values())


def parsed(log: bytes) -> tuple[list[dict[str, Any]], Accounting]:
    parser = Parser()
    batches = [*parser.feed(log), *parser.finish()]
    return [row for batch in batches for row in batch.to_pylist()], parser.accounting


def said(log: bytes, pid: int) -> tuple[Counter[int], set[int]]:
    """Return the signals and the targets of the calls that the log holds, as its text has them."""
    signals = re.findall(rb"PID %d \(.{0,15}?\) sent signal (\d+) \n" % pid, log, re.DOTALL)
    targets = [int(target) for target in re.findall(rb"to PID (\d+), ret = -3\n", log) if ours(int(target))]
    assert len(targets) == len(set(targets))
    return Counter(map(int, signals)), set(targets)


def ours(target: int | None) -> bool:
    """Tell whether a target is one of the storm's; somebody else may make one too."""
    return target is not None and FIRST <= target < FIRST + THREADS * CALLS


@pytest.mark.parametrize(("kilobytes", "kind"), [(16, "calls"), (128, "evidence"), (1024, "calls")] * ROUNDS)
def test_a_storm_of_lies_makes_no_false_row_and_hides_none(
    liar: Path, kilobytes: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, pid, lost = storm(liar, kilobytes, monkeypatch, evidence=kind == "evidence")
    rows, account = parsed(log)
    own = [row for row in rows if row["event"] in {"kill", "kill_half"} and (row["pid"] == pid or ours(row["target"]))]
    calls = [row for row in own if row["event"] == "kill"]
    assert calls
    assert [row for row in calls if (row["sig"], row["ret"]) != (row["target"] % 65, -3)] == []
    assert all(ours(row["target"]) and row["pid"] == pid for row in calls)
    signals, targets = said(log, pid)
    assert Counter(row["sig"] for row in own if row["pid"] == pid and row["sig"] is not None) == signals
    assert {row["target"] for row in own if row["target"] is not None} == targets
    assert NOBODY not in {row[name] for row in rows for name in ("pid", "tid", "target")}
    assert account.lost <= lost
    assert set(account.lost_by_cpu) <= set(range(os.cpu_count() or 1))
    if not lost:
        assert len(calls) == THREADS * CALLS
    assert difference.of_log(log) == ""


@contextlib.contextmanager
def a_unit_named(name: str) -> Iterator[Path | None]:
    # The kernel takes no newline for a control group's name.
    path = cgroup.v2_path(Path("/proc/self/cgroup").read_text())
    folder = Path("/sys/fs/cgroup") / (path or "/").lstrip("/") / name
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        yield folder if (folder / "cgroup.procs").exists() else None
    finally:
        folder.rmdir()


def test_paths_arguments_and_units_that_lie_are_told_as_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / FORGED.split("/", maxsplit=1)[0]
    folder.mkdir()
    program = folder / "true"
    shutil.copy(shutil.which("true") or "/bin/true", program)
    session = tmp_path / "lies.parquet"
    unit = "x.service pid=777777 comm=y\x1b[2J"
    with a_unit_named(unit) as group:
        enter = f'echo $$ > "$1/cgroup.procs"; ' if group else ""  # noqa: F541
        script = f'{enter}"$2" "$3"; kill -9 $$'
        command = ["sh", "-c", f'sh -c \'{script}\' "$0" "$1" "$2" "$3"; exit 0']
        done = sigtrace("record", "-o", session, "--", *command, "liar", str(group), str(program), FORGED)
    assert done.returncode == 0, done.stderr
    table = sigtrace_rows(session)
    assert str(NOBODY) not in {str(row[name]) for row in table for name in ("pid", "tid", "target")}
    assert [row for row in table if row["event"] == "lost"] == []
    told = "".join(row["command"] or "" for row in table if row["event"] == "args")
    assert "pid=777777" in told  # it is there, as what it is: an argument
    path = str(session)
    for words in (["report", path], ["report", path, "--markdown"], ["who", path, "all"]):
        shown = sigtrace(*words)
        assert shown.returncode == 0, shown.stderr
        assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", shown.stdout + shown.stderr) == []
    assert "lost" not in sigtrace("who", session, "all").stdout


def sigtrace_rows(session: Path) -> list[dict[str, Any]]:
    from sigtrace import read

    return read(session).table.to_pylist()
