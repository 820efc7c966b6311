"""Exits: what exitsnoop and execsnoop print gives a row for each end and each exec, and says what it does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace import Database, LogError, analyze, read
from sigtrace.cli import main
from sigtrace.output.sentence.doubt import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

Rows = list[dict[str, Any]]

EXITS = ("exitsnoop_bcc", "exitsnoop_bcc_utc", "exitsnoop_libbpf")
EXECS = ("execsnoop_bcc", "execsnoop_libbpf")
TIMES = {"": ("", ""), "bcc": ("TIME-CET     ", "23:59:58.123 "), "libbpf": ("TIME(s)  ", "23:59:58 ")}
TIMES["label"] = (TIMES["bcc"][0] + "LABEL ", TIMES["bcc"][1] + "exit  ")
FORMS = {"bcc": "%-16s %-7s %-7s %3s %s", "libbpf": "%-16s %-6s %-6s %3s %s"}
ESCAPED = {"bcc": "a\\nb c", "libbpf": '"a\\nb" "c"'}


def exits(*rows: tuple[Any, ...], time: str = "") -> bytes:
    """Return what exitsnoop prints: a row is pid, name, reason, and perhaps thread."""
    head, before = TIMES[time]
    lines = [f"{head}{'PCOMM':16} {'PID':7} {'PPID':7} {'TID':7} {'AGE(s)':7} {'EXIT_CODE':10}"]
    for pid, name, reason, *tid in rows:
        lines.append(f"{before}{name:16} {pid:<7} {1:<7} {tid[0] if tid else pid:<7} {0.5:<7.2f} {reason}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def execs(form: str, *rows: tuple[Any, ...], head: str = "", before: str = "") -> bytes:
    """Return what execsnoop prints: a row is name, pid, result, arguments."""
    lines = [head + FORMS[form] % ("PCOMM", "PID", "PPID", "RET", "ARGS")]
    lines += [before + FORMS[form] % (name, pid, 1, ret, args) for name, pid, ret, args in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def rows(log: bytes) -> Rows:
    return read(log).table.to_pylist()


@pytest.mark.parametrize("name", EXITS)
def test_a_table_of_exitsnoop_tells_each_end_of_the_truth(fixtures: Path, name: str) -> None:
    folder = fixtures / "witnesses"
    truth = json.loads((folder / "exitsnoop.truth.json").read_text())
    found = [
        {"ended": row["pid"], "signal": row["sig"], "status": row["status"]}
        for row in rows((folder / f"{name}.txt").read_bytes())
        if row["event"] == "sched_process_exit"
    ]
    assert found == truth


@pytest.mark.parametrize("name", EXECS)
def test_a_table_of_execsnoop_tells_each_exec_of_the_truth(fixtures: Path, name: str) -> None:
    folder = fixtures / "witnesses"
    truth = json.loads((folder / "execsnoop.truth.json").read_text())
    found = rows((folder / f"{name}.txt").read_bytes())
    assert [(row["pid"], row["comm"], row["uid"]) for row in found] == [
        (one["executed"], one["comm"], one["uid"]) for one in truth
    ]
    for row, one in zip(found, truth, strict=True):
        plain = row["command"].replace('"', "") if name == "execsnoop_libbpf" else row["command"]
        assert plain == " ".join(one["arguments"]).replace("\n", "\\n")
    assert read((folder / f"{name}.txt").read_bytes()).accounting.lines_by_kind == {
        "comment": 1,
        "sched_process_exec": 3,
        "continuation": 1,
        "other": 1,  # a call that failed
    }


@pytest.mark.parametrize("time", TIMES)
def test_each_form_of_exitsnoop_is_told_by_its_head(time: str) -> None:
    log = exits((7, "a 9 1 0", "code 3"), (4194304, "b", "signal 9 (KILL)"), time=time)
    first, second = rows(b"Attaching\n\n" + log.replace(b"\n", b"\r\n"))
    assert (first["pid"], first["tid"], first["comm"], first["status"], first["sig"]) == (7, 7, "a 9 1 0", 3, None)
    assert (second["pid"], second["comm"], second["sig"], second["line"]) == (4194304, "b", 9, 5)
    day = 86_398_000_000
    assert first["ts"] == {"": None, "libbpf": day}.get(time, day + 123_000)
    assert read(log).accounting.ts_unit == ("day" if time else "none")


@pytest.mark.parametrize(
    ("reason", "sig", "status"),
    [
        ("0", None, 0),
        ("code 255", None, 255),
        ("signal 9 (KILL)", 9, None),
        ("signal 11 (Segmentation fault), core dumped", 11, None),
        ("signal 34 (unknown), core dumped ", 34, None),
        ("signal 124 (unknown), core dumped ", None, None),  # a thread of the kernel that ends with -4
        ("code -2", None, None),
        (", core dumped ", None, None),
    ],
)
def test_an_exit_code_is_a_status_or_a_signal_or_neither(reason: str, sig: int | None, status: int | None) -> None:
    (row,) = rows(exits((7, "a", reason)))
    assert (row["event"], row["sig"], row["status"]) == ("sched_process_exit", sig, status)


def test_the_status_of_a_thread_is_not_that_of_its_process() -> None:
    log = exits((7, "a", "code 3", 8), (7, "a", "code 4"))
    assert [(row["tid"], row["status"]) for row in rows(log)] == [(8, None), (7, 4)]
    assert [death["exit_status"] for death in sigtrace.who(read(log))] == [4]


def test_a_process_is_ended_by_the_signal_of_its_exit_code_and_nobody_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "e.txt"
    log.write_bytes(exits((9, "b", "code 3"), (8, "a", "signal 9 (KILL)"), (7, "c", "0")))
    assert main(["who", str(log), "all"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        "(no time) b (9) exited with status 3, and whether it was asked to is unknown. [line 2]",
        "(no time) a (8) was ended by SIGKILL, and who sent it is unknown. [line 3]",
        "(no time) c (7) exited with status 0, and whether it was asked to is unknown. [line 4]",
    ]
    assert told[3].startswith("Unknown: exitsnoop says on standard error alone that events were lost, and -x ")


def test_the_verdict_is_unknown_also_of_a_file_of_parse(tmp_path: Path) -> None:
    log, parquet = tmp_path / "e.txt", tmp_path / "e.parquet"
    log.write_bytes(exits(*((n, "a", "signal 15 (TERM)" if n % 2 else "code 1") for n in range(100, 70_000))))
    assert main(["parse", str(log), "-o", str(parquet)]) == 0
    deaths = analyze.deaths(read(parquet).table).to_pylist()
    with Database(parquet) as database:
        assert database.rows("SELECT count(*) AS n FROM deaths WHERE sig = 15") == [{"n": 34_950}]
    assert {(one["victim_pid"] % 2, one["verdict"], one["sig"], one["exit_status"]) for one in deaths} == {
        (1, "unknown", 15, None),
        (0, "unknown", None, 1),
    }
    assert {one["ts"] for one in deaths} == {None}


@pytest.mark.parametrize("form", ["--json", "--html", "--markdown", "--csv"])
def test_a_report_is_made_of_a_table_without_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    log = tmp_path / "e.txt"
    log.write_bytes(exits((9, "b", "code 3"), (8, "a", "signal 9 (KILL)")))
    page = [str(tmp_path / "e.html")] if form == "--html" else []
    assert main(["report", str(log), form, *page]) == 0
    assert "46116860" not in (capsys.readouterr().out + "".join(Path(name).read_text() for name in page))


def test_a_trace_is_not_made_of_a_table_without_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "e.txt"
    log.write_bytes(exits((9, "b", "code 3")))
    assert main(["report", str(log), "--perfetto", str(tmp_path / "p")]) == 1
    assert "has no times, and a trace is made of them: the tool prints them with -t" in capsys.readouterr().err


def test_a_time_cannot_be_asked_for_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "e.txt"
    log.write_bytes(exits((9, "b", "code 3")))
    assert main(["who", str(log), "all", "--since", "-1m"]) == 1
    assert "has no times: the tool prints them with -t" in capsys.readouterr().err


@pytest.mark.parametrize("log", [exits((9, "b", "0")), execs("bcc", ("b", 9, 0, "/bin/b"))])
def test_neither_table_denies_anything(log: bytes) -> None:
    doubt = unknown(read(log)) or ""
    assert "on standard error alone that events were lost" in doubt
    assert "who else sent a signal" in doubt


# Names and arguments are an attacker's choice

NAMES = ["a\nb", "\n10:00:00 1", "\n\n\n", "0\nb 9 7 1", "a\n7       1     ", "  x", "nl\n\n9       1 "]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("time", TIMES)
def test_a_name_is_a_name_whatever_it_says(time: str, name: str) -> None:
    log = exits((6, "boss", "0"), (7, name, "code 3"), (8, "b", "signal 9 (KILL)"), time=time)
    assert [(row["comm"], row["pid"], row["sig"]) for row in rows(log)] == [
        ("boss", 6, None),
        (name.rstrip(" "), 7, None),
        ("b", 8, 9),
    ]
    account = read(log).accounting
    assert sum(account.lines_by_kind.values()) == account.lines == log.count(b"\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_name_is_a_name_also_in_a_table_of_execs(form: str, name: str) -> None:
    log = execs(form, ("boss", 6, 0, "/bin/x"), (name, 7, 0, "-2 b 3"), ("b", 8, 0, ""))
    assert [(row["comm"], row["pid"], row["command"]) for row in rows(log)] == [
        ("boss", 6, "/bin/x"),
        (name.rstrip(" "), 7, "-2 b 3"),
        ("b", 8, ""),
    ]


@pytest.mark.parametrize("name", ["é", "ééééééé", "a\né"])
def test_a_name_may_be_padded_to_bytes_or_to_characters(name: str) -> None:
    log = exits((7, name, "code 3"), (8, "b", "0"))
    assert [(row["comm"], row["pid"]) for row in rows(log)] == [(name, 7), ("b", 8)]
    padded = name + " " * (16 - len(name.encode()))
    assert rows(log.replace(f"{name:<16}".encode(), padded.encode()))[0]["comm"] == name


def test_stray_lines_are_counted_each_by_itself_and_a_row_behind_them_stands() -> None:
    head, *two = exits((7, "a\nb", "code 3"), (8, "c", "0")).splitlines(keepends=True)
    session = read(head + b"hello\n\nlost 5 events on CPU #1\n" + b"".join(two) + b"bye\n")
    assert [(row["event"], row["comm"], row["line"]) for row in session.table.to_pylist()] == [
        ("lost", None, 4),
        ("sched_process_exit", "a\nb", 5),
        ("sched_process_exit", "c", 7),
    ]
    assert session.accounting.lines_by_kind == {
        "comment": 1, "other": 2, "blank": 1, "lost": 1, "sched_process_exit": 2, "continuation": 1,
    }  # fmt: skip


def test_a_row_that_is_cut_is_malformed() -> None:
    head, row = exits((7, "a", "code 3")).splitlines(keepends=True)
    session = read(head + row + row[:40] + b"\n" + row)
    assert len(session) == 2
    assert session.accounting.lines_by_kind["malformed"] == 1


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("log", [exits(*((7, name, "code 3") for name in NAMES)), exits(time="bcc"), b"\n" * 9])
def test_where_a_table_is_cut_changes_nothing(log: bytes, size: int, cut: Callable[[int, int], None]) -> None:
    log = exits((5, "boss", "0"), time="") + log.partition(b"\n")[2]
    whole = rows(log)
    cut(size, 200)
    assert rows(log) == whole


@pytest.mark.parametrize("columns", ["COMM             PID     PPID    RET ARGS", "PCOMM PID RET ARGS"])
def test_newer_columns_are_read_and_unknown_ones_refused(columns: str) -> None:
    log = f"{columns}\n%-16s %-7d %-7s %3d %s\n".encode() % (b"b", 9, b"?", 0, b"/bin/b c")
    if columns.startswith("P"):
        with pytest.raises(LogError, match="none of its 2 lines is a line of trace_pipe"):
            read(log)
    else:
        assert [(row["pid"], row["command"]) for row in rows(log)] == [(9, "/bin/b c")]


def test_the_cpu_and_the_parents_name_may_be_there() -> None:
    head = b"%-16s %-7s %-16s %-7s %-4s %3s %s\n" % (b"COMM", b"PID", b"PCOMM", b"PPID", b"CPU", b"RET", b"ARGS")
    row = b"%-16s %-7d %-16s %-7d %-4d %3d %s\n" % (b"b\nc", 9, b"\nparent", 1, 3, 0, b"/bin/b c")
    assert [(one["comm"], one["cpu"], one["command"]) for one in rows(head + row)] == [("b\nc", 3, "/bin/b c")]


def test_an_argument_too_long_for_any_row_makes_none() -> None:
    log = execs("bcc", ("b", 9, 0, "/bin/b " + "x" * (1 << 17)), ("c", 10, 0, "/bin/c"))
    assert [row["pid"] for row in rows(log)] == [10]
    assert read(log).accounting.lines_by_kind == {"comment": 1, "malformed": 1, "sched_process_exec": 1}
