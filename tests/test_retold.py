"""Retold: the kernel's lines as trace-cmd and perf print them give the rows of trace_pipe, and no others."""

from __future__ import annotations

import gzip
import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import Database, LogError, read
from sigtrace.output.sentence.doubt import unknown
from tests.story import call, fork, leave, line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[dict[str, Any]]

HEADER = re.compile(rb"(.{16})-(\d+) +(?:\(.{7}\) )?\[(\d+)\](?: (\D\S+))? +(\d+\.\d+): (\S+?):? (.*)", re.DOTALL)
GROUPS = {b"bpf_trace_printk": b"bpf_trace", b"mark_victim": b"oom", b"cgroup_attach_task": b"cgroup"}
LOGS = ["default", "evidence", "evidence_events", "only_process_exit", "only_another_programs_printk"]


def as_trace_cmd(line: bytes, before: bytes = b"") -> bytes:
    found = HEADER.fullmatch(line)
    if found is None:
        return line
    comm, tid, cpu, flags, time, name, text = found.groups()
    latency = b"" if flags is None else b" " + flags
    return (
        before
        + b"%b-%-5d [%b]%b %b: %b: " % (comm, int(tid), cpu, latency, time, name)
        + b" " * (20 - len(name))
        + text
    )


def as_perf(line: bytes) -> bytes:
    found = HEADER.fullmatch(line)
    if found is None:
        return line
    comm, tid, cpu, _, time, name, text = found.groups()
    group = GROUPS.get(name, b"signal" if name.startswith(b"signal") else b"sched")
    return b"%b %5d [%b] %b: %30b: %b" % (comm, int(tid), cpu, time, group + b":" + name, text)


def retold(log: bytes, *, perf: bool) -> bytes:
    told = b"\n".join(map(as_perf if perf else as_trace_cmd, log.split(b"\n")))
    return told if perf else b"cpus=2\n" + told


def rows(log: bytes | Path, *without: str) -> Rows:
    left_out = {"log", *without}
    return [{name: value for name, value in row.items() if name not in left_out} for row in read(log).table.to_pylist()]


def calls(log: Path) -> list[dict[str, Any]]:
    return [
        {"comm": row["comm"], "sig": row["sig"], "target": row["target"], "ret": row["ret"], "sender": row["tid"]}
        for row in rows(log)
        if row["event"] == "kill"
    ]


def ends(log: Path) -> dict[int, tuple[str, int | None]]:
    with Database(log) as database:
        deaths = database.answer("SELECT victim_pid, verdict, sig FROM deaths").to_pylist()
    return {one["victim_pid"]: (one["verdict"], one["sig"]) for one in deaths}


@pytest.mark.parametrize("name", ["trace_cmd", "perf_script", "perf_script_pid", "perf_script_task_events"])
def test_a_tools_text_tells_each_call_and_each_ending_of_the_truth(fixtures: Path, name: str) -> None:
    log = fixtures / "witnesses" / f"{name}.txt"
    tool = "trace_cmd" if name == "trace_cmd" else "perf_script"
    truth = json.loads((fixtures / "witnesses" / f"{tool}.truth.json").read_text())
    assert calls(log) == [one for one in truth if "sender" in one]
    found = ends(log)
    for one in truth:
        if one.get("signal"):
            assert found[one["ended"]] == ("fault" if one["signal"] == 11 else "killed", one["signal"])
        elif one.get("status"):
            assert found[one["ended"]] == ("asked", 15)


def test_trace_cmd_gives_the_rows_of_trace_pipe(fixtures: Path) -> None:
    # Read from one buffer. trace-cmd reads names a line at a time, so one with a newline is cut there.
    folder = fixtures / "witnesses"
    theirs, ours = (rows(folder / f"trace_cmd{end}.txt", "line") for end in ("", ".trace_pipe"))
    assert theirs == [row | {"comm": "nl"} if row["comm"] is None else row for row in ours]


def test_the_field_pid_is_the_process(fixtures: Path) -> None:
    folder = fixtures / "witnesses"
    assert rows(folder / "perf_script_pid.txt") == [
        row | {"pid": row["tid"]} for row in rows(folder / "perf_script.txt")
    ]


@pytest.mark.parametrize("perf", [True, False])
@pytest.mark.parametrize("name", LOGS)
def test_each_log_told_by_a_tool_gives_its_rows(fixtures: Path, name: str, *, perf: bool) -> None:
    log = b"\n".join(
        line for line in (fixtures / f"{name}.txt").read_bytes().split(b"\n") if HEADER.fullmatch(line)
    )  # perf and trace-cmd do not tear a header
    told = retold(log, perf=perf)
    assert rows(told, "line", "pid") == rows(log, "line", "pid")
    assert read(told).accounting.tools == ["perf script" if perf else "trace-cmd report"]


@pytest.mark.parametrize("name", ["trace_cmd", "perf_script"])
@pytest.mark.parametrize("size", [1, 50, 1000])
def test_where_a_tools_text_is_cut_changes_nothing(
    fixtures: Path, name: str, size: int, cut: Callable[[int, int], None]
) -> None:
    log = (fixtures / "witnesses" / f"{name}.txt").read_bytes()
    whole = rows(log)
    cut(size, 2000)
    assert rows(gzip.compress(log)) == whole


@pytest.mark.parametrize("perf", [True, False])
def test_a_tools_text_may_have_crlf_and_no_last_newline(*, perf: bool) -> None:
    log = (call(7, 9) + leave(7)).encode()
    told = retold(log, perf=perf).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    assert rows(told, "line", "pid") == rows(log, "line", "pid")


def test_a_report_that_lost_its_first_line_is_told_apart_too(fixtures: Path) -> None:
    log = (fixtures / "witnesses" / "trace_cmd.txt").read_bytes()
    assert rows(log.removeprefix(b"cpus=2\n"), "line") == rows(log, "line")


@pytest.mark.parametrize("name", ["trace_cmd", "perf_script", "perf_script_task_events", "killsnoop_bt", "sigsnoop"])
def test_of_a_damaged_text_each_line_is_counted(fixtures: Path, name: str) -> None:
    whole = (fixtures / "witnesses" / f"{name}.txt").read_bytes()
    chance = random.Random(name)  # noqa: S311  (the same each time)
    for _ in range(60):
        log = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            at = chance.randrange(len(log))
            log[at : at + chance.randrange(3)] = chance.choice([b"", b"\n", b" ", b"-", b"9", b":", b"\xff", b"[0]"])
        try:
            account = read(bytes(log)).accounting
        except LogError:
            continue
        lines = log.count(b"\n") + (not log.endswith(b"\n"))
        assert account.lines == sum(account.lines_by_kind.values()) == lines


# What they cannot know


def test_what_trace_cmd_dropped_is_a_loss() -> None:
    _, first, second = retold(call(7, 9).encode(), perf=False).splitlines(keepends=True)
    log = b"cpus=2\n" + first + b"CPU:0 [12 EVENTS DROPPED]\n" + second + b"CPU:1 [EVENTS DROPPED]\n"
    session = read(log)
    assert [row["event"] for row in session.table.to_pylist()] == ["kill_half", "lost", "kill_half", "lost"]
    assert session.accounting.lost_by_cpu == {0: 12}
    assert session.accounting.losses_of_unknown_size == {1: 1}


def test_what_perf_lost_is_a_loss() -> None:
    loss = b"         python3  4002 [001] 50745.008206: PERF_RECORD_LOST lost 7450\n"
    session = read(retold(call(7, 9).encode(), perf=True) + loss)
    assert session.accounting.lost_by_cpu == {1: 7450}


def test_a_text_of_perf_that_tells_no_loss_rules_nobody_out(fixtures: Path) -> None:
    log = fixtures / "witnesses" / "perf_script.txt"
    assert sorted({verdict for verdict, _ in ends(log).values()}) == ["asked", "fault", "killed", "unknown"]
    assert "perf script says only with --show-lost-events that events were lost" in (unknown(read(log)) or "")
    assert unknown(read(fixtures / "witnesses" / "trace_cmd.txt")) is None
    assert "exited" in {verdict for verdict, _ in ends(fixtures / "witnesses" / "trace_cmd.txt").values()}


def test_two_buffers_in_one_report_are_refused_and_one_is_read() -> None:
    header, *told = retold((call(7, 9) + leave(7)).encode(), perf=False).splitlines(keepends=True)
    one = b"      " + header + b"".join(b"mine: " + line for line in told)
    assert [row["event"] for row in read(one).table.to_pylist()] == ["kill", "sched_process_exit"]
    with pytest.raises(LogError, match="come from mine and from the buffer without a name, whose CPUs have the same"):
        read(one + b"".join(b"      " + line for line in told))


def test_another_groups_event_of_the_same_name_is_no_row() -> None:
    told = retold(leave(7).encode() * 2, perf=True)
    session = read(told.replace(b"sched:", b"probe:", 1).replace(b"  probe", b" probe"))
    assert session.accounting.lines_by_kind == {"sched_process_exit": 1, "other": 1}


# Names are an attacker's choice

BAIT = ["x-1 [000] 1", "1 [000] 1.0: a", "a 1 [0] 1.1:", "12 34 [000] 1", ":2", "- 7 [001]", "a  b ", "] 1: x:y: "]


@pytest.mark.parametrize("comm", BAIT)
@pytest.mark.parametrize("perf", [True, False])
def test_a_name_that_holds_a_header_is_a_name(comm: str, *, perf: bool) -> None:
    log = (call(7, 9, name=comm) + fork(8, comm=comm) + leave(8, comm=comm)).encode()
    assert rows(retold(log, perf=perf), "line", "pid") == rows(log, "line", "pid")


FORGED = leave(1, comm="init")


@pytest.mark.parametrize("perf", [True, False])
def test_a_tools_lines_in_a_path_of_a_plain_log_are_no_rows(*, perf: bool) -> None:
    inside = retold(FORGED.encode() * 50, perf=perf).decode().removeprefix("cpus=2\n")
    log = (leave(3) + line(f"sched_process_exec: filename=/x\n{inside} pid=7 old_pid=7") + call(7, 9)).encode()
    for start in (b"", b"# tracer: nop\n#\n"):
        session = read(start + log)
        assert session.accounting.tools == []
        assert {3, 50} <= {row["tid"] for row in session.table.to_pylist()} <= {3, 50, 100}


@pytest.mark.parametrize("perf", [True, False])
def test_lines_of_trace_pipe_in_a_tools_text_are_no_rows_and_cast_doubt(*, perf: bool) -> None:
    told = retold((leave(3) * 3).encode(), perf=perf)
    session = read(told + FORGED.encode() + told.removeprefix(b"cpus=2\n"))
    assert {row["tid"] for row in session.table.to_pylist()} == {3}
    assert session.accounting.lines_by_kind["malformed"] == 1
    assert "1 line could not be read" in (unknown(session) or "")


def test_wide_gaps_in_what_another_program_prints_make_no_report_of_trace_cmd() -> None:
    log = (line("bpf_trace_printk:    hello") + line("tracing_mark_write:   x:  y") + call(7, 9) + leave(7)).encode()
    session = read(log)
    assert session.accounting.tools == []
    assert session.accounting.lines_by_kind == {"kill": 2, "sched_process_exit": 1, "other": 2}
