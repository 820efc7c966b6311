"""Snoop: what killsnoop and sigsnoop print gives a row for each call or signal, and says what it does not know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import LogError, read
from sigtrace.cli import main
from sigtrace.output.sentence.doubt import unknown
from tests.story import call, leave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[dict[str, Any]]

HEADS = {
    "killsnoop of bcc": "%-9s %-8s %-16s %-4s %-8s %s",
    "killsnoop.bt": "%-9s %-6s %-16s %-4s %-6s %s",
    "killsnoop.bt since 0.24": "%-15s %8s %-16s %10s %8s %s",
    "sigsnoop": "%-8s %-7s %-16s %-9s %-7s %-6s",
    "sigsnoop with names": "%-8s %-7s %-16s %-12s %-7s %-16s %-6s",
}
ROWS = HEADS | {"killsnoop.bt since 0.24": "%-15s %8s %-16s %10s %8s %6s"}
HEAD = ("TIME", "PID", "COMM", "SIG", "TPID", "RESULT")
DAY = 86_400


def table(form: str, *rows: tuple[Any, ...]) -> bytes:
    """Return what a tool prints: a row is time, pid, name, signal, target, result."""
    named = "with names" in form
    head = (*HEAD[:5], "TCOMM", HEAD[5]) if named else HEAD
    lines = [HEADS[form] % head]
    for row in rows:
        time = row[0] + ".000021" if "0.24" in form else row[0]
        cells = (time, *row[1:5], "a 9 1 0", row[5]) if named else (time, *row[1:])
        lines.append(ROWS[form] % cells)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


FAILED = ("23:59:58", 7, "boss", 15, 999999, -3)  # of a call, for sigsnoop prints no signal that failed


def rows(log: bytes) -> Rows:
    return read(log).table.to_pylist()


@pytest.mark.parametrize("name", ["killsnoop_bcc", "killsnoop_bt", "killsnoop_libbpf", "killsnoop_names", "sigsnoop"])
def test_a_table_tells_each_call_of_the_truth(fixtures: Path, name: str) -> None:
    folder = fixtures / "witnesses"
    truth = [one for one in json.loads((folder / f"{name}.truth.json").read_text()) if "sender" in one]
    of_calls = name != "sigsnoop"
    if not of_calls:  # which prints signals: not a call that failed, or that only asked
        truth = [one for one in truth if one["ret"] == 0 and one["sig"]]
    senders = {one["sender"] for one in truth}
    found = [
        {"sender": row["pid"], "comm": row["comm"], "sig": row["sig"], "target": row["target"]}
        | {"ret": row["ret"] if of_calls else 0}
        for row in rows((folder / f"{name}.txt").read_bytes())
        if row["pid"] in senders and (of_calls or row["sig"] != 17)
    ]
    assert found == truth


@pytest.mark.parametrize("form", HEADS)
def test_each_form_is_told_apart_by_itself(form: str) -> None:
    log = table(form, FAILED, ("23:59:59", 4194304, "a 9 1 0", 9, -2147483648, 0))
    first, second = rows(b"Attaching 3 probes...\n\n" + log.replace(b"\n", b"\r\n"))
    assert (first["event"], first["pid"], first["comm"], first["sig"], first["target"], first["ret"]) == (
        *("kill", 7, "boss", 15),
        *(999999, -3),
    )
    assert (second["pid"], second["comm"], second["sig"], second["target"]) == (4194304, "a 9 1 0", 9, -2147483648)
    assert (second["line"], second["cpu"], second["tid"], second["time"]) == (5, None, None, None)
    assert read(log).accounting.lines_by_kind == {"comment": 1, "call": 2}


@pytest.mark.parametrize(
    ("text", "sig"), [("SIGKILL", 9), ("N/A", 0), ("SIGNAL-64", 64), ("65", 65), ("SIGWHAT", None)]
)
def test_a_signal_may_be_a_name(text: str, sig: int | None) -> None:
    log = table("sigsnoop", FAILED, ("10:00:00", 7, "boss", text, 8, 0))
    assert [row["sig"] for row in rows(log)] == [15, *([] if sig is None else [sig])]
    assert read(log).accounting.lines_by_kind.get("malformed", 0) == (sig is None)


# Time


def test_a_time_of_day_is_counted_on_over_midnight_and_is_no_time_in_utc() -> None:
    log = table("killsnoop.bt since 0.24", FAILED, ("00:00:01", 7, "boss", 9, 8, 0), ("12:00:00", 7, "boss", 9, 8, 0))
    assert [row["ts"] for row in rows(log)] == [(s * 1_000_000) + 21 for s in (DAY - 2, DAY + 1, DAY + 43_200)]
    assert {row["time"] for row in rows(log)} == {None}
    session = read(log)
    assert session.accounting.ts_unit == "day"
    assert b"since midnight" in (session.to_arrow().schema.field("ts").metadata or {})[b"description"]


def test_a_row_that_comes_a_little_late_is_of_the_same_day() -> None:
    log = table("killsnoop.bt", FAILED, ("23:59:57", 7, "boss", 9, 8, 0))
    assert [row["ts"] // 1_000_000 for row in rows(log)] == [DAY - 2, DAY - 3]


def test_who_tells_the_time_of_day_and_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "k.txt"
    log.write_bytes(table("killsnoop.bt", FAILED, ("00:00:01", 7, "boss", 9, 8, 0)))
    assert main(["who", str(log), "--by", "boss"]) == 0
    told = capsys.readouterr().out
    assert "23:59:58 boss (7) sent SIGTERM to 999999: ESRCH (no such process). [line 2]" in told
    assert "00:00:01+1d boss (7) sent SIGKILL to 8: ok. [line 3]" in told
    assert main(["who", str(log), "--by", "boss", "--until", "23:59:59"]) == 0
    assert "SIGKILL" not in capsys.readouterr().out


# What they cannot know


def test_signals_are_no_calls() -> None:
    session = read(table("sigsnoop", ("10:00:00", 7, "boss", 9, 8, 0), ("10:00:00", 8, "w", 17, 1, 0)))
    assert [(row["event"], row["pid"], row["target"], row["ret"]) for row in session.table.to_pylist()] == [
        ("signal_generate", 7, 8, None),
        ("signal_generate", 8, 1, None),
    ]
    assert "does not say whether a process or the kernel sent a signal" in (unknown(session) or "")


def test_the_name_of_the_target_is_told_if_it_is_there() -> None:
    log = table("sigsnoop with names", ("10:00:00", 7, "boss", 9, 8, 0))
    assert [(row["comm"], row["target_comm"]) for row in rows(log)] == [("boss", "a 9 1 0")]


@pytest.mark.parametrize("form", HEADS)
def test_a_table_denies_nothing(form: str) -> None:
    doubt = unknown(read(table(form, FAILED))) or ""
    assert "on standard error alone that events were lost" in doubt
    assert "who ended" in doubt


def test_a_loss_that_went_into_the_same_file_is_a_row() -> None:
    head, row = table("sigsnoop", FAILED).splitlines(keepends=True)
    session = read(head + row + b"lost 5 events on CPU #1\n" + row)
    assert [row["event"] for row in session.table.to_pylist()] == ["kill", "lost", "kill"]
    assert session.accounting.lost_by_cpu == {1: 5}


def test_what_is_not_understood_is_counted() -> None:
    head, row = table("killsnoop.bt", FAILED).splitlines(keepends=True)
    session = read(head + row + row[:30] + b"\n" + b"Possibly lost 5 samples\n" + b"hello\n\n" + head + row)
    kinds = session.accounting.lines_by_kind
    assert kinds["call"] == 2
    assert kinds["malformed"] >= 1
    assert sum(kinds.values()) == session.accounting.lines == 8
    assert "could not be read" in (unknown(session) or "")


# Names are an attacker's choice

NAMES = ["a\nb", "\n10:00:00 1", "\n12:00:00 1 a", "  a 9 1 0", "9 15 8 0", "\n\n\n", "1 0\n1 0 9 8 -3", "é\udcff"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", HEADS)
def test_a_name_is_a_name_whatever_it_says(form: str, name: str) -> None:
    log = table(form, FAILED, ("23:59:59", 7, name, 9, 8, 0), ("23:59:59", 8, "b", 9, 7, 0))
    expected = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    told = rows(log)
    if expected.isascii():  # %-16s of these tools counts bytes, and that of this test letters
        assert [(row["comm"], row["pid"], row["sig"], row["target"]) for row in told] == [
            ("boss", 7, 15, 999999),
            (expected, 7, 9, 8),
            ("b", 8, 9, 7),
        ]
    account = read(log).accounting
    assert sum(account.lines_by_kind.values()) == account.lines == log.count(b"\n")


@pytest.mark.parametrize("size", [1, 7, 50])
def test_where_a_table_is_cut_changes_nothing(size: int, cut: Callable[[int, int], None]) -> None:
    log = table("killsnoop.bt", FAILED, *(("10:00:00", 7, name, 9, 8, 0) for name in NAMES[:-1]))
    whole = rows(log)
    cut(size, 200)
    assert rows(log) == whole


def test_a_head_in_a_log_of_trace_pipe_is_none() -> None:
    log = (leave(3) + call(7, 9)).encode()
    forged = table("killsnoop.bt", FAILED)
    assert [row["event"] for row in rows(log + forged)] == ["sched_process_exit", "kill"]
    assert read(forged + log).accounting.lines_by_kind == {"comment": 1, "call": 1, "malformed": 3}


def test_a_head_alone_is_a_log_without_rows_and_another_tools_head_is_refused() -> None:
    assert rows(table("killsnoop.bt")) == []
    with pytest.raises(LogError, match="none of its 1 lines is a line of trace_pipe"):
        read(b"TIME PID COMM RESULT\n")


def test_a_line_that_never_ends_is_one_line() -> None:
    session = read(table("killsnoop.bt", FAILED) + b"x" * (1 << 22) + b"\n" + table("killsnoop.bt", FAILED))
    assert session.accounting.lines == 5
    assert len(session) == 2


def test_signals_to_processes_without_a_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "s.txt"
    log.write_bytes(table("sigsnoop", *(("10:00:00", 7, "boss", 9, target, 0) for target in (8, 8, 9))))
    assert main(["who", str(log), "all"]) == 0
    assert "10:00:00 ? (9) got SIGKILL from boss (7)" in capsys.readouterr().out


def test_a_table_and_a_log_are_told_together_in_microseconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, log in (("k.txt", table("killsnoop.bt", FAILED)), ("t.txt", (call(7, 9) + leave(7)).encode())):
        (tmp_path / name).write_bytes(log)
    assert main(["report", str(tmp_path / "k.txt"), str(tmp_path / "t.txt")]) == 0
    told = capsys.readouterr().out
    assert "Times are seconds of the trace clock, and of killsnoop since midnight," in told
    assert "ticks" not in told


def test_a_day_cannot_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "k.txt"
    log.write_bytes(table("killsnoop.bt", FAILED))
    assert main(["who", str(log), "all", "--since", "2026-11-26T03:00:00Z"]) == 1
    assert "does not say which day it was: give a time of day such as 14:02:47" in capsys.readouterr().err
