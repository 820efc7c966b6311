"""Prefix: a log that has been through another tool gives the rows of the log, and no others."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import Accounting, Log, LogError, Parser, read
from sigtrace.output.sentence.doubt import lost_text
from sigtrace.trace.prefix import stripper
from tests.prefixes import WRITERS, prefixed
from tests.story import call, fork, leave, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Rows = list[dict[str, Any]]

FILES = [
    *("compose", "compose_colour_timestamps", "journal_json", "journal_short", "journal_short_iso", "kubectl"),
    *("quoted", "repr", "timestamps"),
]
WHOLE = ["evidence_events", "hostile", "tracefile", "default", "kill_told_twice", "counter_clock", "stacktrace"]
COMPOSE = WRITERS["compose"]
KILL = call(7, 9).encode()


def read_as(log: bytes) -> tuple[Rows, Accounting]:
    session = read(log)
    return session.table.to_pylist(), session.accounting


def plainly(log: bytes) -> tuple[Rows, Accounting]:
    parser = Parser()
    batches = [*parser.feed(log), *parser.finish()]
    return [row for batch in batches for row in batch.to_pylist()], parser.accounting


def events(log: bytes) -> list[tuple[str, int]]:
    return [(row["event"], row["line"]) for row in read_as(log)[0]]


@pytest.mark.parametrize("name", FILES)
def test_a_log_that_has_been_through_a_tool_gives_the_rows_of_the_log(fixtures: Path, name: str) -> None:
    log = (fixtures / "exit_status_and_cgroups.txt").read_bytes()
    if name.startswith("journal"):  # which has no empty lines
        log = b"".join(line + b"\n" for line in log.split(b"\n") if line)
    assert read_as((fixtures / "prefixed" / f"{name}.txt").read_bytes()) == plainly(log)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", WHOLE)
def test_each_form_gives_the_rows_and_the_account_of_each_log(fixtures: Path, name: str, form: str) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    assert read_as(prefixed(log, WRITERS[form])) == plainly(log)


@pytest.mark.parametrize("form", WRITERS)
def test_a_prefixed_log_may_have_crlf_and_no_last_newline(form: str) -> None:
    log = (KILL * 3).removesuffix(b"\n")
    rows, account = read_as(prefixed(log, WRITERS[form]).replace(b"\n", b"\r\n"))
    assert [(row["event"], row["line"], row["sig"]) for row in rows] == [("kill", n, 9) for n in (1, 3, 5)]
    assert account.lines_by_kind == {"kill": 6}


@pytest.mark.parametrize("form", ["compose", "json"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_prefixed_log_may_be_packed_and_on_standard_input(
    fixtures: Path, form: str, pack: type[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(prefixed((fixtures / "default.txt").read_bytes(), WRITERS[form]))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert sum(len(batch) for batch in Log("-")) == 276


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("size", [1, 50, 1000])
def test_where_a_prefixed_log_is_cut_changes_nothing(
    fixtures: Path, form: str, size: int, cut: Callable[[int, int], None]
) -> None:
    log = (fixtures / "evidence_events.txt").read_bytes()
    cut(size, 2000)
    assert read_as(prefixed(log, WRITERS[form])) == plainly(log)


# A plain log is read as it stands

BAIT = ["> bash", "> > a", ">", "a-1 | b", "a-1  |", "[pod/a/b] c", '{"a":1}', "b'a'", "b'", "a_1 | -1 [000]"]


@pytest.mark.parametrize("comm", BAIT)
@pytest.mark.parametrize("padded", [True, False])
def test_a_name_that_begins_like_a_prefix_takes_nothing_off(comm: str, *, padded: bool) -> None:
    lines = [*call(7, 9, name=comm).splitlines(keepends=True), fork(8, comm=comm), leave(8, comm=comm)] * 5
    log = "".join(one if padded else one.lstrip() for one in lines).encode()
    assert read_as(log) == plainly(log)
    assert {row["comm"] for row in read_as(log)[0]} == {comm}


def test_prefixed_lines_in_a_path_of_a_plain_log_take_nothing_off() -> None:
    forged = "".join(f"2026-11-25T10:00:00Z {line('sys_exit_group(error_code: 0)')}" for _ in range(100))
    log = (line(f"sched_process_exec: filename=/{'x' * 20}\n{forged} pid=7 old_pid=7") * 3).encode() + KILL
    assert read_as(log) == plainly(log)
    cut = log[log.index(b"\n") + 1 :]  # such a log may even begin with them
    assert read_as(cut) == plainly(cut)


def test_text_that_quotes_a_line_here_and_there_is_no_prefixed_log() -> None:
    log = b"Dear all,\nwho did that?\n" + prefixed(KILL, WRITERS["quoted"]) + b"Regards\nX\n"
    with pytest.raises(LogError, match="none of its 6 lines is a line of trace_pipe"):
        read(log)


def test_what_stands_before_a_quoted_log_is_counted() -> None:
    log = b"Dear all,\nwho did that?\n\n" + prefixed(KILL * 2, WRITERS["quoted"])
    rows, account = read_as(log)
    assert [(row["event"], row["line"]) for row in rows] == [("kill", 4), ("kill", 6)]
    assert account.lines_by_kind == {"kill": 4, "foreign": 3}
    assert account.lines == 7


def test_a_name_that_holds_a_header_or_a_newline_hides_no_prefix() -> None:
    lines = line("sched_process_exit: comm=a pid=1 prio=120", comm="-1 [000] 1: a: ") + leave(2, comm="\n") * 5
    for form in WRITERS.values():
        assert read_as(prefixed(lines.encode() + KILL, form)) == plainly(lines.encode() + KILL)


# One log is one trace

OTHERS = b"Attaching to tracer-1, web-1\nweb-1     | GET / 200\nweb-1     |\n"


def test_lines_of_others_are_counted_and_keep_their_numbers() -> None:
    first, second = KILL.splitlines(keepends=True)
    log = OTHERS + COMPOSE(first) + OTHERS + COMPOSE(second) + OTHERS + b"tracer-1 exited with code 0\n"
    rows, account = read_as(log)
    assert [(row["event"], row["line"], row["target"]) for row in rows] == [("kill", 4, 7)]
    assert account.lines_by_kind == {"kill": 2, "foreign": 10}
    assert account.lines == sum(account.lines_by_kind.values()) == log.count(b"\n")


def test_lines_of_others_are_no_pieces_of_a_name() -> None:
    lines = (leave(3) + call(7, 9, name="a\nb")).encode().splitlines(keepends=True)
    rows, _ = read_as(b"".join(COMPOSE(line) + b"web-1     | b) sent signal 15 \n" for line in lines))
    assert [(row["comm"], row["sig"]) for row in rows if row["event"] == "kill"] == [("a\nb", 9)]


ONE, OTHER = WRITERS["compose"], lambda line: b"tracer-2  | " + line


@pytest.mark.parametrize("far", [1, 20_000])
def test_traces_of_two_containers_in_one_log_are_refused(far: int) -> None:
    log = prefixed(KILL * far, ONE) + prefixed(KILL, OTHER)
    with pytest.raises(LogError, match=r"come from tracer-1 and from tracer-2, .*: give the lines of each"):
        read(log)


def test_traces_of_two_processes_in_one_journal_are_refused() -> None:
    log = prefixed(KILL, WRITERS["json"])
    with pytest.raises(LogError, match=r"from host cat\[123\] and from host cat\[124\]"):
        read(log + log.replace(b'"123"', b'"124"'))


def test_a_line_without_the_prefix_is_no_row_and_casts_doubt() -> None:
    # As anybody's message of two lines stands in a journal.
    log = prefixed(KILL * 5000, WRITERS["short"])
    session = read(log + b"A message of somebody\n" + b" " * 20 + KILL.splitlines(keepends=True)[0].lstrip())
    assert session.accounting.lines_by_kind == {"kill": 10_000, "foreign": 1, "malformed": 1}
    assert "1 line could not be read" in (lost_text(session) or "")


@pytest.mark.parametrize(
    ("form", "hidden"),
    [
        ("short", b"Nov 25 10:00:00 host unit[123]: [94B blob data]\n"),
        ("short", b"Nov 25 10:00:00 host unit[123]: [1.2K blob data]\n"),
        (
            "json",
            json.dumps({"_HOSTNAME": "host", "SYSLOG_IDENTIFIER": "cat", "_PID": "123", "MESSAGE": None}).encode()
            + b"\n",
        ),
    ],
)
def test_no_call_is_made_across_a_line_that_journald_hides(form: str, hidden: bytes) -> None:
    first, second = (prefixed(one, WRITERS[form]) for one in KILL.splitlines(keepends=True))
    session = read(first + second + first + hidden + second)
    assert [(row["event"], row["line"]) for row in session.table.to_pylist()] == [
        ("kill", 1),
        ("kill_half", 3),
        ("kill_half", 5),
    ]
    assert session.accounting.lines_by_kind == {"kill": 2, "half": 2, "malformed": 1}
    assert "1 line could not be read" in (lost_text(session) or "")


def test_what_journald_hides_of_a_real_log_casts_doubt(fixtures: Path) -> None:
    session = read(fixtures / "prefixed" / "journal_short_hidden.txt")
    whole = read(fixtures / "prefixed" / "journal_short.txt")
    assert len(session) == len(whole) - 2
    assert session.accounting.lines_by_kind["malformed"] == whole.accounting.lines_by_kind["malformed"] + 2
    assert "4 lines could not be read" in (lost_text(session) or "")


# What a journal, or Python, may hold


@pytest.mark.parametrize(
    "entry",
    [
        b'{"MESSAGE":' + b"[" * 100_000,
        b'{"MESSAGE":99999999999}',
        b'{"MESSAGE":[256]}',
        b'{"MESSAGE":["a","b"]}',
        b'{"MESSAGE":{"a":1}}',
        b'{"MESSAGE":true}',
        b'{"MESSAGE":"two\\nlines"}',
        b'{"MESSAGE":"\\ud800"}',
        b'{"MESSAGE":' + b"9" * 10_000 + b"}",
        b"{}",
        b"{",
        b"[]",
        b'"MESSAGE"',
        b"-- No entries --",
    ],
)
def test_an_entry_that_is_no_line_is_counted(entry: bytes) -> None:
    log = prefixed(KILL, WRITERS["json"])
    rows, account = read_as(log + entry + b"\n" + log)
    assert [row["line"] for row in rows] == [1, 4]
    assert account.lines_by_kind == {"kill": 4, "foreign": 1}


def test_a_text_of_any_bytes_comes_back_from_python_and_from_a_journal() -> None:
    for comm in (bytes(range(1, 10)), b"'", b'"', b"'\"", b"\\", b"\\n", b"\x7f\x80\xff", "é\u2028".encode()):
        log = KILL.replace(b"(killer)", b"(" + comm + b")")
        for form in ("repr", "json", "json of bytes"):
            assert read_as(prefixed(log, WRITERS[form])) == plainly(log)


def test_a_layout_that_lacks_the_cpu_is_told_behind_a_prefix_too(fixtures: Path) -> None:
    for name in ("latency_format", "verbose", "no_context_info"):
        log = b"web-1     | hello\n" + prefixed((fixtures / f"{name}.txt").read_bytes(), COMPOSE)
        with pytest.raises(LogError, match="this log was recorded with option"):
            read(log)


def blocks(start: bytes) -> Iterable[bytes]:
    yield start.ljust(1 << 20, b"x")
    for _ in range(63):
        yield b"x" * (1 << 20)
    yield b"\n" + prefixed(KILL, COMPOSE)


@pytest.mark.parametrize("start", [b"", COMPOSE(b""), b"{", b"b'", b"> "])
def test_a_line_that_never_ends_does_not_fill_the_memory(start: bytes) -> None:
    parser = Parser()
    tracemalloc.start()
    try:
        rows = [*stripper.scan(parser, blocks(prefixed(KILL, COMPOSE) + start)), *parser.end()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20
    assert [row["line"] for one in rows for row in one.batch().to_pylist()] == [1, 4]
    assert parser.accounting.lines_by_kind == {"kill": 4, "malformed": 1}
