"""Parse: real logs come out as what happened, halves and losses as what they are, in every layout."""

from __future__ import annotations

import csv
import gzip
import re
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import Accounting, Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]

BLOCK = 1 << 20


def sent(
    *,
    cpu: int = 0,
    tid: int = 363,
    pid: int = 363,
    comm: str = "bash",
    sig: int = 9,
    tgid: str = "",
    header: str | None = None,
) -> str:
    name = comm if header is None else header
    return (
        f"{name:>16}-{tid:<7} {tgid}[{cpu:03}] d...1   672.563868: bpf_trace_printk: "
        f"PID {pid} ({comm}) sent signal {sig} \n"
    )


def to(*, cpu: int = 0, tid: int = 363, comm: str = "bash", target: int = 1400, ret: int = 0, tgid: str = "") -> str:
    return f"{comm:>16}-{tid:<7} {tgid}[{cpu:03}] d...1   672.563869: bpf_trace_printk: to PID {target}, ret = {ret}\n"


def other(*, cpu: int = 0, text: str = "sched_switch: prev_comm=sleep prev_pid=4779") -> str:
    return f"           sleep-363     [{cpu:03}] .....   672.563869: {text}\n"


def shown(rows: Iterable[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


# Real logs against what the traced program saw


@pytest.mark.parametrize("name", ["default", "tgid", "noirq", "tsc_clock", "tracefile", "hostile"])
def test_every_call_of_the_traced_program_comes_out_and_none_besides(parse: Parse, fixtures: Path, name: str) -> None:
    with (fixtures / f"{name}.truth.csv").open(encoding="ascii") as file:
        truth = Counter(
            (
                int(row["tid"]),
                int(row["pid"]),
                bytes.fromhex(row["comm_hex"]).decode("utf-8", "backslashreplace"),
                int(row["sig"]),
                int(row["tpid"]),
                int(row["ret"]),
            )
            for row in csv.DictReader(file)
        )
    pids = {call[1] for call in truth}
    rows, _ = parse((fixtures / f"{name}.txt").read_bytes())
    assert {row["event"] for row in rows} == {"kill"}
    assert Counter(shown(rows, "tid", "pid", "comm", "sig", "target", "ret")) == truth + Counter(
        call for call in shown(rows, "tid", "pid", "comm", "sig", "target", "ret") if call[1] not in pids
    )


def test_a_lossy_log_gives_every_whole_record_and_no_false_one(parse: Parse, fixtures: Path) -> None:
    log = gzip.decompress((fixtures / "lossy.txt.gz").read_bytes())
    pid = int((fixtures / "lossy.pid").read_text())
    rows, account = parse(log, rows=1 << 18)
    calls = [row for row in rows if row["event"] == "kill" and row["pid"] == pid]
    assert [call for call in calls if call["sig"] - 100 != call["target"] - 10_000_000] == []
    assert len(calls) == 70_781
    assert account.lines_by_kind["lost"] == 148
    assert account.lost == sum(int(n) for n in re.findall(rb"\[LOST (\d+) EVENTS\]", log)) == 18_176
    assert account.lossy


@pytest.mark.parametrize(
    ("name", "lines_by_kind", "ts_unit"),
    [
        ("default", {"kill": 552}, "us"),
        ("noirq", {"kill": 552}, "us"),
        ("tracefile", {"kill": 552, "comment": 12}, "us"),
        ("tsc_clock", {"kill": 276}, "ticks"),
        ("counter_clock", {"kill": 48}, "ticks"),
        ("uptime_clock", {"kill": 48}, "ticks"),
        ("fields", {"kill": 48}, "us"),
        ("stacktrace", {"kill": 6, "other": 6, "continuation": 54}, "us"),
        ("latency_format", {"unstitchable": 48}, "us"),
    ],
)
def test_every_line_of_a_real_log_is_accounted_for(
    parse: Parse, fixtures: Path, name: str, lines_by_kind: dict[str, int], ts_unit: str
) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    rows, account = parse(log)
    assert account.lines_by_kind == lines_by_kind
    assert account.lines == log.count(b"\n") == sum(lines_by_kind.values())
    assert account.ts_unit == ts_unit
    assert not account.lossy
    assert len(rows) == lines_by_kind.get("kill", 0) // 2


@pytest.mark.parametrize("name", ["evidence", "evidence_events"])
def test_every_event_of_the_kernel_is_a_row_and_accounted_for(parse: Parse, fixtures: Path, name: str) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    rows, account = parse(log)
    kinds = dict(account.lines_by_kind)
    assert account.lines == log.count(b"\n") == sum(kinds.values())
    assert kinds.pop("kill") == log.count(b": bpf_trace_printk: ")
    kinds.pop("continuation", 0)
    assert kinds == {
        event: log.count(b"] %s" % event.encode()) or log.count(b": %s: " % event.encode()) for event in kinds
    }
    assert Counter(row["event"] for row in rows if row["event"] != "kill") == kinds
    assert {"signal_generate", "signal_deliver", "sched_process_exit"} <= set(kinds)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("default", (1141948147, 0, 10180, 10139, "systemd-journal", 23, 10139, 0, 1)),
        ("default", (1141948373, 1, 10181, 10139, "Web Content", 0, -999999, -3, 3)),
        ("default", (1141948789, 1, 10182, 10139, "(sd-pam)", -1, -2147483648, -3, 5)),
        ("tgid", (1147721439, 0, 10462, 10420, "Web Content", 0, 10413, 0, 3)),
        ("noirq", (1150575243, 0, 10615, 10572, "(sd-pam)", 0, 10565, 0, 5)),
        ("tsc_clock", (3055014694134, 1, 11582, 11540, "Web Content", 0, 2147483647, -3, 3)),
        ("tracefile", (1182170960, 0, 11733, 11692, "systemd-journal", 1000, 2147483647, -3, 13)),
        ("counter_clock", (27, 0, 5621, 5618, "x) sent", 0, 5618, 0, 1)),
        ("fields", (832465811, 1, 5604, 5602, "a b", 0, 5602, 0, 5)),
        ("stacktrace", (833157335, 0, 5629, 5626, "x) sent", 0, 5626, 0, 1)),
        ("evidence", (907086708, 0, 4770, 4770, "bash", 9, 4784, 0, 9)),
        ("evidence", (907089927, 1, 4785, 4785, "bash", 15, 0, 0, 20)),
    ],
)
def test_a_row_says_what_its_two_lines_say(parse: Parse, fixtures: Path, name: str, row: tuple[int | str, ...]) -> None:
    rows, _ = parse((fixtures / f"{name}.txt").read_bytes())
    assert row in shown(rows, "ts", "cpu", "tid", "pid", "comm", "sig", "target", "ret", "line")


@pytest.mark.parametrize("name", ["default", "tgid", "tracefile", "stacktrace", "evidence", "hostile"])
def test_the_line_number_is_that_of_the_sent_signal_line(parse: Parse, fixtures: Path, name: str) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    lines = log.split(b"\n")
    rows, _ = parse(log)
    calls = [row for row in rows if row["event"] == "kill"]
    assert len(calls) == log.count(b": bpf_trace_printk: PID ")
    for row in calls:
        assert b": bpf_trace_printk: PID %d (" % row["pid"] in lines[row["line"] - 1]


def test_the_lines_that_imitate_ours_under_another_event_are_other_programs(parse: Parse, fixtures: Path) -> None:
    log = (fixtures / "other_programs.txt").read_bytes()
    assert b"tracing_mark_write: PID 4242 (bash) sent signal 9" in log
    rows, account = parse(log)
    # Of the real call that stands among them, which only the kernel's own two lines tell.
    assert shown(rows, "event", "tid", "sig", "target", "ret") == [("kill", 5590, 0, 0x15D6, 0)]
    assert account.lines_by_kind == {"kill": 2, "other": 44, "continuation": 1}


def test_another_programs_lines_alone_are_other_lines(parse: Parse, fixtures: Path) -> None:
    log = (fixtures / "only_another_programs_printk.txt").read_bytes()
    rows, account = parse(log)
    assert rows == []
    assert account.lines_by_kind == {"other": log.count(b": bpf_trace_printk: ")} == {"other": 28}


def test_the_tutorials_own_four_lines_give_its_two_calls(parse: Parse, fixtures: Path) -> None:
    tutorial = (fixtures / "tutorial.md").read_bytes()
    block = re.search(rb"trace_pipe\n(.*?)```", tutorial, re.DOTALL)
    assert block is not None
    rows, account = parse(block[1])
    assert shown(rows, "ts", "cpu", "tid", "pid", "comm", "sig", "target", "ret", "line") == [
        (672563868, 0, 363, 363, "systemd-journal", 0, 1400, 0, 1),
        (672563870, 0, 363, 363, "systemd-journal", 0, 1527, -3, 3),
    ]
    assert account.lines_by_kind == {"kill": 4}


def test_without_an_offset_there_is_no_time_and_with_one_it_is_utc() -> None:
    (plain,) = [*(parser := Parser()).feed((sent() + to()).encode()), *parser.finish()]
    assert plain.to_pylist()[0]["time"] is None
    parser = Parser("a.log", utc_offset_us=1_700_000_000_000_000)
    (timed,) = [*parser.feed((sent() + to()).encode()), *parser.finish()]
    row = timed.to_pylist()[0]
    assert row["time"].isoformat() == "2023-11-14T22:24:32.563868+00:00"
    assert row["log"] == "a.log"


def test_take_gives_the_rows_up_to_now_and_what_is_pending_is_said() -> None:
    parser = Parser()
    assert list(parser.feed((sent() + to() + sent(sig=15)).encode())) == []
    batch = parser.take()
    assert batch is not None
    assert shown(batch.to_pylist(), "event", "sig") == [("kill", 9)]
    assert parser.take() is None
    assert parser.accounting.lines_by_kind == {"kill": 2, "pending": 1}
    list(parser.feed(to(target=7).encode()))
    (rest,) = parser.finish()
    assert shown(rest.to_pylist(), "event", "sig", "target", "line") == [("kill", 15, 7, 3)]
    assert parser.accounting.lines_by_kind == {"kill": 4}


# What a recorder of schema 1 left in its journal, after 46 lines of evidence_events.txt.
FORMER_STATE: dict[str, Any] = {
    "scanner": {
        "pending": {},
        "opened": [7, 46, 0, 830675838, 5581, 5581, None, 11, 1, "7069643d3120636f6d6d3d78"],
        "after_piece": False,
        "seen_header": True,
        "counts": [46, 4, 0, 0, 0, 3, 0, 0, 0, 0, 43, 0],
        "seen": [0, 0, 0, 0, 0, 4, 4, 4, 0, 14, 12, 0, 0],
        "lost_by_cpu": [],
        "lost_unknown": [],
        "layouts": [],
    },
    "tail": "",
    "skipping": False,
}


def test_a_parser_goes_on_from_the_state_of_an_older_version(parse: Parse, fixtures: Path) -> None:
    log = (fixtures / "evidence_events.txt").read_bytes()
    rest = log.split(b"\n", 46)[46]
    parser = Parser()
    parser.resume(FORMER_STATE)
    rows = [row for batch in [*parser.feed(rest), *parser.finish()] for row in batch.to_pylist()]
    whole, account = parse(log)
    assert rows == [row for row in whole if row["line"] >= 46]
    assert parser.accounting == account


# Stitching


def test_halves_on_different_cpus_are_not_a_call(parse: Parse) -> None:
    rows, account = parse((sent(cpu=0) + to(cpu=1)).encode())
    assert sorted(shown(rows, "event", "cpu", "sig", "target")) == [
        ("kill_half", 0, 9, None),
        ("kill_half", 1, None, 1400),
    ]
    assert account.lines_by_kind == {"half": 2}


def test_calls_interleaved_on_two_cpus_are_each_whole(parse: Parse) -> None:
    log = sent(cpu=0) + sent(cpu=1, sig=15) + to(cpu=0, target=1) + to(cpu=1, target=2)
    rows, _ = parse(log.encode())
    assert shown(rows, "event", "cpu", "sig", "target", "line") == [
        ("kill", 0, 9, 1, 1),
        ("kill", 1, 15, 2, 2),
    ]


@pytest.mark.parametrize("lost", ["CPU:3 [LOST 1234 EVENTS]", "CPU:3 [LOST EVENTS]"])
@pytest.mark.parametrize("indent", ["", " ", "\t", "    "])
def test_a_loss_on_the_same_cpu_cuts_a_call_in_two(parse: Parse, lost: str, indent: str) -> None:
    rows, account = parse((indent + sent(cpu=3) + f"{indent}{lost}\n{indent}" + to(cpu=3)).encode())
    assert shown(rows, "event", "cpu", "sig", "target", "line") == [
        ("kill_half", 3, 9, None, 1),
        ("lost", 3, None, None, 2),
        ("kill_half", 3, None, 1400, 3),
    ]
    assert account.lines_by_kind == {"half": 2, "lost": 1}


def test_a_loss_on_another_cpu_cuts_nothing(parse: Parse) -> None:
    rows, _ = parse((sent(cpu=3) + "CPU:2 [LOST 1234 EVENTS]\n" + to(cpu=3)).encode())
    assert sorted(shown(rows, "event", "cpu", "lost")) == [("kill", 3, None), ("lost", 2, 1234)]


def test_a_loss_that_the_kernel_could_not_count_is_of_unknown_size(parse: Parse) -> None:
    rows, account = parse(b"CPU:3 [LOST EVENTS]\nCPU:3 [LOST EVENTS]\nCPU:1 [LOST 7 EVENTS]\nCPU:1 [LOST 2 EVENTS]\n")
    assert shown(rows, "event", "cpu", "lost", "ts", "tid") == [
        ("lost", 3, None, None, None),
        ("lost", 3, None, None, None),
        ("lost", 1, 7, None, None),
        ("lost", 1, 2, None, None),
    ]
    assert account.losses_of_unknown_size == {3: 2}
    assert account.lost_by_cpu == {1: 9}
    assert account.lost == 9


@pytest.mark.parametrize(
    "between",
    [
        other(),
        other(text="sched_process_exit: comm=sleep pid=363 prio=120 group_dead=true"),
        other(text="signal_generate: sig=9 errno=0 code=0 comm=bash pid=1400 grp=1 res=0"),
        other(text="bpf_trace_printk: hello from another program"),
        other(text="tracing_mark_write: to PID 7, ret = 0"),
        other(text="bpf_trace_printk: to PID of nobody"),
        "# a comment\n",
        "\n",
        "   \t\n",
        "\r\n",
    ],
)
def test_what_stands_between_the_two_lines_changes_nothing(parse: Parse, between: str) -> None:
    rows, account = parse((sent() + between + to()).encode())
    calls = [row for row in rows if row["event"] in {"kill", "kill_half"}]
    assert shown(calls, "event", "sig", "target", "line") == [("kill", 9, 1400, 1)]
    assert account.lines_by_kind["kill"] == 2
    assert account.lines == sum(account.lines_by_kind.values()) == 3


def test_another_thread_on_the_same_cpu_completes_nothing(parse: Parse) -> None:
    rows, account = parse((sent(tid=363) + to(tid=364)).encode())
    assert shown(rows, "event", "tid", "sig", "target") == [
        ("kill_half", 363, 9, None),
        ("kill_half", 364, None, 1400),
    ]
    assert account.lines_by_kind == {"half": 2}


def test_a_second_first_half_makes_the_one_before_it_a_half(parse: Parse) -> None:
    rows, _ = parse((sent(sig=1) + sent(sig=2) + to()).encode())
    assert shown(rows, "event", "sig", "target", "line") == [("kill_half", 1, None, 1), ("kill", 2, 1400, 2)]


@pytest.mark.parametrize("interpreted", [False, True])
def test_what_a_thread_says_is_not_what_it_said_before(parse: Parse, interpreted: bool) -> None:  # noqa: FBT001
    said = [
        (7, "a", 9),
        (7, "a", -15),
        (8, "a", 9),
        (7, "ab", 9),
        (7, "a) sent signal 3 (b", 9),
        (7, "a", 9),
        (77, "", 0),
        (7, "\udcff" * 15, 9),
        (7, "x" * 60, 9),
        (7, "a", 2147483647),
        (7, "a\n", 9),
        (7, "a", 9),
    ]
    for tids in ([5], [5, 5 + 4096]):  # and where two threads take turns in one place
        log = [(tid, *one) for one in said for tid in tids]
        lines = [sent(tid=tid, pid=pid, comm=comm, sig=sig, header="a") + to(tid=tid) for tid, pid, comm, sig in log]
        rows, account = parse(
            "".join(lines).encode(errors="surrogateescape") + other().encode(), interpreted=interpreted
        )
        shown_comm = {"\udcff" * 15: "\\xff" * 15}
        assert shown(rows, "tid", "pid", "comm", "sig") == [
            (tid, pid, shown_comm.get(comm, comm), sig) for tid, pid, comm, sig in log
        ]
        assert account.lines_by_kind["kill"] == 2 * len(log)


def test_what_a_thread_said_before_the_names_began_anew_has_its_name(parse: Parse) -> None:
    again = sent(tid=1, comm="again") + to(tid=1)
    others = "".join(sent(tid=2 + i % 4000, comm=f"{i:x}") + to(tid=2 + i % 4000) for i in range(70_000))
    rows, _ = parse((again + others + again).encode(), rows=1 << 10)
    assert [(row["comm"], row["pid"]) for row in rows if row["tid"] == 1] == [("again", 363)] * 2


@pytest.mark.parametrize(
    "unreadable",
    [
        sent().replace("signal 9", "signal 99999999999"),
        sent().replace("signal 9", "sig"),
    ],
)
def test_an_unreadable_first_half_between_cuts_a_call_in_two(parse: Parse, unreadable: str) -> None:
    rows, account = parse((sent() + unreadable + to()).encode())
    assert sorted(shown(rows, "event", "line")) == [("kill_half", 1), ("kill_half", 3)]
    assert account.lines_by_kind == {"half": 2, "malformed": 1}


def test_halves_at_the_end_of_the_log_are_kept_in_order(parse: Parse) -> None:
    rows, account = parse("".join(sent(cpu=cpu, sig=cpu) for cpu in (5, 0, 3)).encode(), rows=4)
    assert shown(rows, "event", "cpu", "sig", "target", "ret", "line") == [
        ("kill_half", 5, 5, None, None, 1),
        ("kill_half", 0, 0, None, None, 2),
        ("kill_half", 3, 3, None, None, 3),
    ]
    assert account.lines_by_kind == {"half": 3}


def test_more_halves_at_the_end_than_a_batch_holds_all_come(parse: Parse) -> None:
    rows, _ = parse("".join(sent(cpu=cpu) for cpu in range(100)).encode(), rows=4)
    assert shown(rows, "cpu") == [(cpu,) for cpu in range(100)]


@pytest.mark.parametrize(("tgid", "pid"), [("", None), ("(   4785) ", 4785), ("(-------) ", None)])
def test_a_lone_second_half_has_no_signal_and_its_pid_is_the_headers(parse: Parse, tgid: str, pid: int | None) -> None:
    rows, _ = parse(to(tid=4790, tgid=tgid).encode())
    assert shown(rows, "event", "tid", "pid", "comm", "sig", "target", "ret") == [
        ("kill_half", 4790, pid, "bash", None, 1400, 0)
    ]


@pytest.mark.parametrize("tgid", ["", "(      7) ", "(-------) "])
def test_a_lone_first_half_has_the_messages_pid_and_no_target(parse: Parse, tgid: str) -> None:
    rows, _ = parse(sent(tid=4790, pid=4785, tgid=tgid).encode())
    assert shown(rows, "event", "tid", "pid", "comm", "sig", "target", "ret") == [
        ("kill_half", 4790, 4785, "bash", 9, None, None)
    ]


def test_a_name_that_the_kernel_forgot_is_null_in_a_lone_second_half(parse: Parse) -> None:
    rows, _ = parse(to(comm="<...>").encode())
    assert shown(rows, "event", "comm") == [("kill_half", None)]


def test_a_name_that_the_kernel_forgot_is_the_messages_in_a_call(parse: Parse) -> None:
    rows, _ = parse((sent(header="<...>") + to(comm="<...>")).encode())
    assert shown(rows, "event", "comm") == [("kill", "bash")]


@pytest.mark.parametrize("comm", ["a\nb", "\nb", "\n\nb", "a\n", "\n", "\n#\nb", "a\n\n"])
def test_a_name_in_pieces_is_null_in_a_lone_second_half(parse: Parse, comm: str) -> None:
    rows, account = parse((sent(sig=0) + to() + to(comm=comm)).encode())
    assert shown(rows, "event", "comm", "line") == [
        ("kill", "bash", 1),
        ("kill_half", None, 3 + comm.count("\n")),
    ]
    assert account.lines == 3 + comm.count("\n") == sum(account.lines_by_kind.values())


@pytest.mark.parametrize("tgid", ["", "(   4785) ", "(-------) "])
@pytest.mark.parametrize("comm", ["bash", "a-1234", "a", "-", "x-1-2", "systemd-journal", "(sd-pam)"])
def test_a_pasted_lone_second_half_keeps_its_name(parse: Parse, comm: str, tgid: str) -> None:
    for tid in (1, 12, 4785, 4194304):
        rows, _ = parse(to(comm=comm, tid=tid, tgid=tgid).lstrip(" ").encode())
        assert shown(rows, "comm", "tid") == [(comm, tid)]


@pytest.mark.parametrize("comm", [") sent signal 9", "a) sent", "[001]", "PID 1 (x", "-1 [000] 1: a: ", "#", "a-1234"])
def test_a_name_made_of_pieces_of_records_is_only_a_name(parse: Parse, comm: str) -> None:
    rows, account = parse((sent(comm=comm) + to(comm=comm)).encode())
    assert shown(rows, "event", "tid", "comm", "sig", "target") == [("kill", 363, comm, 9, 1400)]
    assert account.lines_by_kind == {"kill": 2}


def test_a_pasted_name_that_reads_like_a_header_of_another_clock_changes_no_unit(parse: Parse) -> None:
    comm = "-1 [000] 1: a: "
    rows, account = parse(to(comm=comm).lstrip(" ").encode())
    assert shown(rows, "ts", "tid") == [(672563869, 363)]
    assert account.ts_unit == "us"


# Events


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (
            ("event", "tid", "pid", "comm", "sig", "target", "target_comm", "code", "grp", "res", "line"),
            ("signal_generate", 4770, 4770, "bash", 9, 4784, "bash", 0, True, 0, 7),
        ),
        (
            ("event", "tid", "comm", "sig", "handler", "target", "ret", "line"),
            ("signal_deliver", 4784, "bash", 9, "default", None, None, 8),
        ),
        (
            ("event", "tid", "comm", "group_dead", "sig", "ts", "cpu", "line"),
            ("sched_process_exit", 4779, "sleep", True, None, 906583560, 1, 1),
        ),
    ],
)
def test_an_event_of_the_kernel_says_what_its_line_says(
    parse: Parse, fixtures: Path, columns: tuple[str, ...], row: tuple[object, ...]
) -> None:
    rows, _ = parse((fixtures / "evidence.txt").read_bytes())
    assert row in shown(rows, *columns)


@pytest.mark.parametrize("comm", ["a child_pid=5\n", "x\ny", "a pid=7", " pid=7\n", "child_comm=", "bash"])
def test_a_name_forges_no_child(parse: Parse, comm: str) -> None:
    text = f"sched_process_fork: comm={comm} pid=363 child_comm={comm} child_pid=8"
    rows, account = parse((sent() + to() + other(text=text) + sent()).encode())
    assert shown((row for row in rows if "fork" in row["event"]), "target", "target_comm") == [(8, comm)]
    assert account.lines == 4 + 2 * comm.count("\n") == sum(account.lines_by_kind.values())


@pytest.mark.parametrize("comm", [" pid=1 prio=1\n", "x\ny", "a pid=7", "prio=3", "group_dead=true", "bash"])
def test_a_name_hides_no_death(parse: Parse, comm: str) -> None:
    text = f"sched_process_exit: comm={comm} pid=363 prio=120 group_dead=true"
    rows, _ = parse((sent() + to() + other(text=text) + sent()).encode())
    exits = [row for row in rows if "exit" in row["event"]]
    assert shown(exits, "tid", "comm", "group_dead") == [(363, comm, True)]


# What the kernel's own lines tell of a call

ENTERED = "sys_kill(pid: 0x6713, sig: 9)"


def told(*lines: str | tuple[str, int]) -> bytes:
    """Return lines of thread 7 on CPU 0, or of the thread that is given."""
    each = [(line, 7) if isinstance(line, str) else line for line in lines]
    return "".join(
        f"{line}\n" if line.startswith("CPU") else f"{'bash':>16}-{tid:<7} [000] .....   672.563869: {line}\n"
        for line, tid in each
    ).encode()


def test_a_call_that_the_kernels_own_lines_tell_is_a_call(parse: Parse, fixtures: Path) -> None:
    rows, account = parse((fixtures / "only_sys_kill.txt").read_bytes())
    assert account.lines_by_kind == {"kill": 38}
    assert len(rows) == 19
    assert {row["pid"] for row in rows} == {None}  # no option record-tgid
    child = 0x3756
    assert shown(sorted(rows, key=lambda row: row["line"]), "comm", "sig", "target", "ret", "line")[:10] == [
        ("python3", 0, child, 0, 2),
        ("python3", 15, child, 0, 4),
        ("python3", 15, child, 0, 6),  # tkill
        ("python3", 15, child, 0, 8),  # tgkill
        ("python3", 0, child, 0, 10),
        ("python3", 9, 999999, -3, 12),
        ("python3", 15, -999999, -3, 14),
        ("python3", 65, child, -22, 16),
        ("python3", 9, -1, -22, 18),
        ("a b", 0, child, 0, 20),
    ]
    assert Counter(row["comm"] for row in rows) == {"python3": 10, "a b": 3, "x) sent": 3, "sys_kill -> 0x0": 3}


@pytest.mark.parametrize("name", ["kill_told_twice", "kill_told_twice_program_first"])
def test_a_call_that_the_program_and_the_kernel_tell_is_one_call(parse: Parse, fixtures: Path, name: str) -> None:
    log = (fixtures / f"{name}.txt").read_bytes()
    rows, account = parse(log)
    calls = [row for row in rows if row["event"] == "kill"]
    only = b"".join(line for line in log.splitlines(keepends=True) if b": sys_" not in line)
    alone, _ = parse(only)
    columns = ("ts", "tid", "pid", "comm", "sig", "target", "ret")
    assert shown(calls, *columns) == shown([row for row in alone if row["event"] == "kill"], *columns)
    assert len(calls) == 14
    assert account.lines_by_kind == {"kill": 28, "repeated": 28, "signal_generate": 4}


@pytest.mark.parametrize("sig", ["9", "0x9"])
@pytest.mark.parametrize("pid", ["0x6713", "6713"])
@pytest.mark.parametrize("kind", ["", "pid_t "])
def test_a_number_of_a_system_call_is_hexadecimal_with_0x_or_without(
    parse: Parse, pid: str, sig: str, kind: str
) -> None:
    text = f"sys_kill({kind}pid: {pid}, {'int ' if kind else ''}sig: {sig})"
    rows, account = parse(told(text, "sys_kill -> 0x0"))
    assert shown(rows, "event", "sig", "target", "ret", "line") == [("kill", 9, 0x6713, 0, 2)]
    assert account.lines_by_kind == {"kill": 2}


@pytest.mark.parametrize("minus_3", ["0xfffffffffffffffd", "fffffffffffffffd", "0xfffffffd", "-3"])
def test_a_number_of_a_system_call_is_signed_and_of_32_bits(parse: Parse, minus_3: str) -> None:
    rows, _ = parse(told(f"sys_tgkill(tgid: 0x1, pid: {minus_3}, sig: {minus_3})", f"sys_tgkill -> {minus_3}"))
    assert shown(rows, "event", "sig", "target", "ret") == [("kill", -3, -3, -3)]


@pytest.mark.parametrize(
    "line",
    [
        "sys_kill(pid: 0x6713, sig: 9",
        "sys_kill(pid: 0x6713)",
        "sys_kill(pid: 0x6713, sig: )",
        "sys_kill(pid: 0x, sig: 9)",
        "sys_kill(pid: 0x11112222333344445, sig: 9)",
        "sys_kill(pid: 0x6713, sig: 9) x",
        "sys_tgkill(pid: 0x6713, sig: 9)",
        "sys_kill -> ",
        "sys_kill -> 0x0 0",
        "sys_exit_group(error_code: x)",
        "sys_exit_group(error_code: 3",
        "cgroup_mkdir: root=8 id=8 path=/x",
        "cgroup_attach_task: dst_root=8 dst_id=8 dst_level=1 dst_path=/x comm=bash",
        "bpf_trace_printk: sigtrace args uid=x cgroup=1",
        "bpf_trace_printk: sigtrace args uid=1 cgroup=",
        "bpf_trace_printk: sigtrace args uid=1 cgroup=1x",
        "bpf_trace_printk: sigtrace exec old=x /bin/true",
    ],
)
def test_a_line_of_a_known_event_and_of_another_form_is_malformed(parse: Parse, line: str) -> None:
    rows, account = parse(told(line))
    assert rows == []
    assert account.lines_by_kind == {"malformed": 1}


@pytest.mark.parametrize("line", ["sys_killall(pid: 1, sig: 9)", "sys_exit_group -> 0x0", "sys_read -> 0x1", "sys_"])
def test_another_system_call_is_another_line(parse: Parse, line: str) -> None:
    rows, account = parse(told(line))
    assert rows == []
    assert account.lines_by_kind == {"other": 1}


def test_the_kernels_two_lines_of_a_call_may_be_on_two_cpus_with_others_between(parse: Parse) -> None:
    returned = told("sys_kill -> 0x0").replace(b"[000]", b"[001]")
    between = told(("sys_kill(pid: 1, sig: f)", 8), ("sys_kill -> 0xffffffffffffffff", 8))
    rows, _ = parse(told(ENTERED) + between + sent(tid=9).encode() + returned + to(tid=9).encode())
    assert sorted(shown(rows, "tid", "sig", "target", "ret", "cpu")) == [
        (7, 9, 0x6713, 0, 1),
        (8, 15, 1, -1, 0),
        (9, 9, 1400, 0, 0),
    ]


@pytest.mark.parametrize(
    "pasted",
    [
        lambda line: line.lstrip(),
        lambda line: line.rstrip() + "  \t",
        lambda line: line + "\r",
        lambda line: re.sub(" {2,}", "\t", line),
        lambda line: line.replace("..... ", ""),
    ],
)
def test_a_pasted_line_of_the_kernels_is_read(parse: Parse, pasted: Callable[[str], str]) -> None:
    lines = (ENTERED, "sys_kill -> 0x0", "sys_exit_group(error_code: 3)", "cgroup_mkdir: root=8 id=8 level=1 path=/x")
    log = "".join(pasted(line) + "\n" for line in told(*lines).decode().splitlines())
    rows, account = parse(log.encode())
    assert account.lines_by_kind == {"kill": 2, "sys_enter_exit_group": 1, "cgroup_mkdir": 1}
    assert {(row["tid"], row["comm"]) for row in rows} == {(7, "bash")}


@pytest.mark.parametrize("lost", ["CPU:0 [LOST 5 EVENTS]", "CPU:3 [LOST EVENTS]"])
def test_a_loss_on_any_cpu_parts_the_kernels_two_lines_of_a_call(parse: Parse, lost: str) -> None:
    rows, account = parse(told(ENTERED, lost, "sys_kill -> 0x0"))
    assert shown(rows, "event", "sig", "target", "ret", "line") == [
        ("lost", None, None, None, 2),
        ("kill_half", 9, 0x6713, None, 1),
        ("kill_half", None, None, 0, 3),
    ]
    assert account.lines_by_kind == {"half": 2, "lost": 1}


def test_the_return_of_another_system_call_completes_nothing(parse: Parse) -> None:
    rows, _ = parse(told(ENTERED, "sys_tgkill -> 0x0"))
    assert shown(rows, "event", "sig", "target", "ret", "line") == [
        ("kill_half", 9, 0x6713, None, 1),
        ("kill_half", None, None, 0, 2),
    ]


def test_a_call_of_the_program_that_is_another_one_takes_no_line_of_the_kernels_call(parse: Parse) -> None:
    other_call = (sent(tid=7, sig=15) + to(tid=7, target=0x6713)).encode()
    for log in (told(ENTERED, "sys_kill -> 0x0") + other_call, told(ENTERED) + other_call + told("sys_kill -> 0x0")):
        rows, account = parse(log)
        assert sorted(shown(rows, "event", "sig", "target")) == [("kill", 9, 0x6713), ("kill", 15, 0x6713)]
        assert account.lines_by_kind == {"kill": 4}


def test_two_calls_that_are_alike_are_two_whoever_tells_them(parse: Parse) -> None:
    program = (sent(tid=7) + to(tid=7, target=0x6713)).encode()
    kernel = told(ENTERED, "sys_kill -> 0x0")
    for log, calls in (
        (kernel + kernel, 2),
        (kernel + program + kernel + program, 2),
        (told(ENTERED) + program + told("sys_kill -> 0x0") + program, 2),
        (kernel + program + program, 2),
        (program + kernel, 2),  # no line of the kernel was pending
    ):
        rows, account = parse(log)
        assert shown(rows, "event", "target") == [("kill", 0x6713)] * calls
        assert sum(account.lines_by_kind.values()) == account.lines


def test_of_threads_without_number_the_oldest_call_becomes_a_half(parse: Parse) -> None:
    entered = told(*((ENTERED, tid) for tid in range(1, 4098)))
    rows, _ = parse(entered + told(("sys_kill -> 0x0", 1), ("sys_kill -> 0x0", 2)), rows=64)
    assert Counter(shown(rows, "event")) == {("kill",): 1, ("kill_half",): 4097}
    assert shown([row for row in rows if row["event"] == "kill"], "tid") == [(2,)]
    assert sorted(row["tid"] for row in rows if row["ret"] is None) == [1, *range(3, 4098)]


def test_more_calls_than_a_batch_holds_all_come_after_a_loss(parse: Parse) -> None:
    log = told(*((ENTERED, tid) for tid in range(1, 100)), "CPU:0 [LOST EVENTS]", ENTERED)
    rows, account = parse(log, rows=4)
    assert [row["event"] for row in rows] == ["lost", *["kill_half"] * 100]
    assert account.lines_by_kind == {"half": 100, "lost": 1}


# Who a process is, and how it ends


def test_a_real_log_has_statuses_and_control_groups(parse: Parse, fixtures: Path) -> None:
    log = (fixtures / "exit_status_and_cgroups.txt").read_bytes()
    rows, account = parse(log)
    exits = [row for row in rows if row["event"] == "sys_enter_exit_group"]
    assert [row["status"] for row in exits] == [0, 3, 7, 255, 0, 143, 1, 0, 1, 0]
    assert shown([row for row in rows if row["event"] == "sys_enter_exit"], "status", "comm") == [(0, "python3")]
    made = {row["cgroup_id"]: row["cgroup"] for row in rows if row["event"] == "cgroup_mkdir"}
    assert list(made.values()) == [
        "/sigtrace fixture",
        "/sigtrace fixture/pid=7 comm=x",
        "/sigtrace) dst_path=\x1b[31mé",
        "/sigtrace \\xff comm=",
    ]
    moves = [row for row in rows if row["event"] == "cgroup_attach_task"]
    assert [row["cgroup"] for row in moves] == [*made.values(), "/"]
    assert [row["cgroup_id"] for row in moves] == [*made, 1]
    assert {(row["target"], row["target_comm"]) for row in moves} == {(exits[-1]["tid"] + 7, "python3")}
    # A thread named ` pid=1 comm=` and a newline was moved twice: where its name begins cannot be told.
    assert account.lines_by_kind["malformed"] == log.count(b" comm= pid=1 comm=\n\n") == 2


def test_a_real_log_has_users_arguments_and_executables(parse: Parse, fixtures: Path) -> None:
    rows, account = parse((fixtures / "arguments.txt").read_bytes())
    assert account.lines_by_kind == {
        "args": 10,
        "exec": 9,
        "sched_process_fork": 8,
        "sched_process_exit": 9,
        "sys_enter_exit_group": 9,
        "continuation": 5,
    }
    args = [row for row in rows if row["event"] == "args"]
    forged = "line?line-1 [000] d..1. 1.0: signal_generate: sig=9 errno=0 code=0 comm=x pid=1 grp=1 res=0"
    assert [row["command"] for row in args[1:5]] == [
        "/bin/sh -c exit 3",
        "/usr/bin/env A=B C true  two words  ends in a blank ",
        "true  two words  ends in a blank ",
        f"/bin/true {forged} ?[31m? \\xff\\xfe é",
    ]
    assert shown(args[6:8], "uid", "command") == [(1000, None), (1000, "/bin/true")]
    assert {row["cgroup_id"] for row in args} == {1}
    executed = [row["filename"] for row in rows if row["event"] == "exec"]
    assert executed[:5] == ["/usr/bin/python3", "/bin/sh", "/usr/bin/env", "/usr/bin/true", "/bin/true"]
    assert executed[5].endswith("/a?b-1 [000] ..... 1.0: sched_process_exit: comm=x pid=1 prio=120")


PATHS = ["/", "/x", "/a b", "/a pid=7 comm=x", "/ pid=1 comm=bash pid=2 comm=sh", "/x dst_path=/y", "/é\x1b", "/ x "]
COMMS = ["bash", "a b", "pid=1", "comm=x", " pid=1", "a pid=1 comm", "(x) [000]", "é"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("comm", COMMS)
def test_a_path_and_a_name_forge_no_move(parse: Parse, path: str, comm: str) -> None:
    text = f"cgroup_attach_task: dst_root=8 dst_id=18 dst_level=1 dst_path={path} pid=16027 comm={comm}"
    rows, _ = parse(told(text))
    columns = ("event", "target", "target_comm", "cgroup", "cgroup_id")
    assert shown(rows, *columns) == [("cgroup_attach_task", 16027, comm, path, 18)]


@pytest.mark.parametrize(("path", "comm"), [("/x", " pid=1 comm="), ("/x", "a pid=1 comm=b"), ("/x pid=1 comm=", "a")])
def test_a_move_that_can_be_read_in_two_ways_makes_no_row(parse: Parse, path: str, comm: str) -> None:
    text = f"cgroup_attach_task: dst_root=8 dst_id=18 dst_level=1 dst_path={path} pid=2 comm={comm}"
    rows, account = parse(told(text))
    assert rows == []
    assert account.lines_by_kind == {"malformed": 1}


@pytest.mark.parametrize("path", PATHS)
def test_a_control_groups_path_is_all_that_follows(parse: Parse, path: str) -> None:
    rows, _ = parse(told(f"cgroup_mkdir: root=8 id=18 level=1 path={path}"))
    assert shown(rows, "event", "cgroup", "cgroup_id") == [("cgroup_mkdir", path, 18)]


@pytest.mark.parametrize("command", ["/bin/sh -c x", "x", " x  y", "uid=0 cgroup=1 x", "é\x80", "a" * 400])
def test_arguments_and_paths_are_all_that_follows(parse: Parse, command: str) -> None:
    text = "bpf_trace_printk: sigtrace args uid=-2 cgroup=281474976710657 "
    rows, _ = parse(told(text + command, f"bpf_trace_printk: sigtrace exec old=5 {command}"))
    assert shown(rows, "event", "uid", "cgroup_id", "command", "target", "filename") == [
        ("args", -2, 281474976710657, command, None, None),
        ("exec", None, None, None, 5, command),
    ]


@pytest.mark.parametrize("end", ["", " "])
def test_arguments_that_were_not_recorded_are_null(parse: Parse, end: str) -> None:
    rows, account = parse(told(f"bpf_trace_printk: sigtrace args uid=1000 cgroup=7{end}"))
    assert shown(rows, "event", "uid", "cgroup_id", "command") == [("args", 1000, 7, None)]
    assert account.lines_by_kind == {"args": 1}


def test_an_oom_kill_has_the_figures_that_the_kernel_printed(parse: Parse, fixtures: Path) -> None:
    rows, _ = parse((fixtures / "evidence_events.txt").read_bytes())
    figures = "total-vm=18924kB anon-rss=16256kB file-rss:964kB shmem-rss:0kB uid=0 pgtables=76kB oom_score_adj=0"
    assert shown([row for row in rows if row["event"] == "mark_victim"], "target", "target_comm", "uid", "command") == [
        (5583, "memory hog", 0, figures)
    ]


@pytest.mark.parametrize("comm", ["hog", " uid=7 ", " total-vm=1kB", "a\nb", " total-vm=1 u"])
@pytest.mark.parametrize(("uid", "stored"), [(0, 0), (1000, 1000), (4294967294, -2)])
def test_a_name_forges_no_figures(parse: Parse, comm: str, uid: int, stored: int) -> None:
    figures = f"total-vm=5kB anon-rss=4kB file-rss:0kB shmem-rss:0kB uid={uid} pgtables=76kB oom_score_adj=-1000"
    rows, _ = parse(told(f"mark_victim: pid=9 comm={comm} {figures}"))
    assert shown(rows, "target", "target_comm", "uid", "command") == [(9, comm, stored, figures)]


def test_users_are_named_by_whoever_knows_them() -> None:
    asked: list[int] = []

    def user_of(uid: int) -> str:
        asked.append(uid)
        return {0: "root"}.get(uid, str(uid))

    lines = [f"bpf_trace_printk: sigtrace args uid={uid} cgroup=7 x" for uid in (0, 1000, 0)]
    parser = Parser(user_of=user_of)
    batches = [*parser.feed(told(*lines, ENTERED)), *parser.finish()]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert shown(rows, "event", "uid", "user") == [
        ("args", 0, "root"),
        ("args", 1000, "1000"),
        ("args", 0, "root"),
        ("kill_half", None, None),
    ]
    assert asked == [0, 1000]


# Layouts


CALL = (sent(comm="systemd-journal", sig=0), to(comm="systemd-journal", ret=-3))


def both(change: Callable[[str], str]) -> str:
    return "".join(change(line) for line in CALL)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(both(lambda line: line.replace("printk: ", "printk: bpf_string=")), id="fields"),
        pytest.param(both(lambda line: line.replace("bpf_trace_printk", "0x00000001")), id="address"),
        pytest.param(both(lambda line: line.replace("bpf_trace_printk", "0")), id="zero"),
        pytest.param(both(lambda line: line.replace("\n", "\r\n")), id="crlf"),
        pytest.param(both(lambda line: line.rstrip() + "\n"), id="trailing blank gone"),
        pytest.param(both(lambda line: line.rstrip() + " \t \n"), id="trailing blanks"),
        pytest.param(both(lambda line: line.lstrip()), id="padding gone"),
        pytest.param(both(lambda line: "\t" + line.lstrip()), id="a tab before"),
        pytest.param(both(lambda line: " \t" + line.lstrip()), id="a blank and a tab before"),
        pytest.param(both(lambda line: "        " + line), id="blanks before"),
        pytest.param(both(lambda line: re.sub(" {2,}", "\t", line)), id="tabs for blanks"),
        pytest.param(both(lambda line: re.sub(" {2,}", " ", line)), id="blanks squeezed"),
        pytest.param(both(lambda line: line + "\n"), id="blank lines"),
        pytest.param(both(lambda line: line + " \r\n\t\r\n"), id="blank lines of crlf"),
        pytest.param(both(lambda line: line).removesuffix("\n"), id="no newline at the end"),
        pytest.param(both(lambda line: line.replace("d...1 ", "")), id="no flags"),
        pytest.param(both(lambda line: line.replace("d...1", "...21")), id="flags of five"),
        pytest.param(both(lambda line: line.replace("d...1", "d...")), id="flags of four"),
        pytest.param(both(lambda line: line.replace("[", "(    363) [")), id="tgid"),
        pytest.param(both(lambda line: line.replace("[", "(-------) [")), id="tgid forgotten"),
    ],
)
def test_a_pasted_or_older_layout_gives_the_same_call(parse: Parse, log: str) -> None:
    rows, account = parse(log.encode())
    columns = ("event", "cpu", "tid", "pid", "comm", "sig", "target", "ret", "ts")
    assert shown(rows, *columns) == [("kill", 0, 363, 363, "systemd-journal", 0, 1400, -3, 672563868)]
    assert account.lines_by_kind["kill"] == 2
    assert set(account.lines_by_kind) <= {"kill", "blank"}


@pytest.mark.parametrize("time_", ["           27", " 3055014694134", "        83281"])
def test_a_bare_integer_of_time_is_ticks(parse: Parse, time_: str) -> None:
    rows, account = parse(both(lambda line: re.sub(r" +672\.\d+", time_, line)).encode())
    assert shown(rows, "event", "ts") == [("kill", int(time_))]
    assert account.ts_unit == "ticks"


def test_two_clocks_in_one_log_are_said_to_be_mixed(parse: Parse, fixtures: Path) -> None:
    _, account = parse("".join(CALL).encode() + (fixtures / "counter_clock.txt").read_bytes())
    assert account.ts_unit == "mixed"


@pytest.mark.parametrize("comm", ["a\rb", "\r", "a\fb", "a\x0bb", "a\u2028b", "a\x85b", "a\x1cb", "\x1b[2Jb"])
def test_only_a_newline_ends_a_line(parse: Parse, comm: str) -> None:
    rows, account = parse((sent(comm=comm) + to(comm=comm)).encode())
    assert shown(rows, "event", "comm", "line") == [("kill", comm, 1)]
    assert account.lines == 2
    rows, _ = parse(to().encode() + to(comm=comm).encode())
    assert shown(rows, "comm", "line") == [("bash", 1), (comm, 2)]


def test_a_name_that_is_not_utf8_shows_its_bytes(parse: Parse) -> None:
    log = (sent(comm="caf?") + to(comm="caf?")).encode().replace(b"?", b"\xe9")
    rows, _ = parse(log)
    assert shown(rows, "comm") == [("caf\\xe9",)]


@pytest.mark.parametrize("sig", [0, -1, 65, 1000, 2147483647, -2147483648])
@pytest.mark.parametrize("target", [0, -1, 4194304, 2147483647, -2147483648])
def test_numbers_are_any_of_32_bits(parse: Parse, sig: int, target: int) -> None:
    rows, _ = parse((sent(sig=sig) + to(target=target, ret=-22)).encode())
    assert shown(rows, "sig", "target", "ret") == [(sig, target, -22)]


@pytest.mark.parametrize("number", ["2147483648", "-2147483649", "9" * 30, "", "-", "0x9", "9 9"])
def test_a_number_that_the_probe_cannot_print_makes_no_row(parse: Parse, number: str) -> None:
    rows, account = parse(to().replace("ret = 0", f"ret = {number}").encode())
    assert rows == []
    assert account.lines_by_kind == {"malformed": 1}


# Bounds


@pytest.mark.parametrize("cuts", [[], [BLOCK + 100_000], [100_000, 600_000], range(0, 1_200_000, 65536)])
@pytest.mark.parametrize(
    "long",
    [
        other(text="sched_switch: " + "x" * 1_200_000),
        sent().rstrip("\n") + " " * 1_200_000 + "\n",
        "x" * 1_200_000 + "\n",
    ],
)
def test_a_line_longer_than_any_trace_is_malformed_however_it_is_cut(
    parse: Parse, long: str, cuts: Sequence[int]
) -> None:
    rows, account = parse((long + sent() + to()).encode(), cuts=cuts)
    assert shown(rows, "event", "line") == [("kill", 2)]
    assert account.lines_by_kind == {"kill": 2, "malformed": 1}


def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    parser = Parser()
    block = b"x" * BLOCK
    tracemalloc.start()
    try:
        for _ in range(64):
            assert list(parser.feed(block)) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * BLOCK
    list(parser.feed(("\n" + sent() + to()).encode()))
    (batch,) = parser.finish()
    assert shown(batch.to_pylist(), "event", "line") == [("kill", 2)]
    assert parser.accounting.lines_by_kind == {"kill": 2, "malformed": 1}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"-1 " + b"1" * 50_000, id="digits"),
        pytest.param(b"[a] 1.1ms (+1.1ms): a: PID 1 (" * 10_000, id="headers"),
        pytest.param(b" " * 500_000 + b"x", id="blanks"),
        pytest.param(b"-" * 500_000, id="minuses"),
        pytest.param(b"PID 1 (" + b") sent signal 1 " * 30_000 + b"x", id="names"),
    ],
)
def test_no_line_takes_more_time_than_its_length(parse: Parse, line: bytes) -> None:
    began = time.process_time()
    _, account = parse(line + b"\n")
    assert time.process_time() - began < 1
    assert account.lines_by_kind == {"malformed": 1}


def _resident() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


def test_memory_stays_flat_however_long_the_stream_and_however_many_names() -> None:
    # 4,700 records a block, each with a name of its own, and in every block other ones.
    block = "".join(
        sent(comm=f"@@@@-{i:05}", tid=i + 1) + to(comm=f"@@@@-{i:05}", tid=i + 1) for i in range(4700)
    ).encode()
    parser = Parser(rows=1 << 14)
    fed = rows = 0
    resident = {}
    names: set[str] = set()
    for i in range(1000, 10000):
        data = block.replace(b"@@@@", b"%d" % i)
        for batch in parser.feed(data):
            rows += batch.num_rows
            if len(names) < 20:
                names.add(batch.column("comm")[-1].as_py())
        fed += len(data)
        for mark in (50_000_000, 200_000_000):
            if fed >= mark and mark not in resident:
                resident[mark] = _resident()
        if fed >= 200_000_000:
            break
    rows += sum(batch.num_rows for batch in parser.finish())
    assert rows == parser.accounting.lines // 2 == parser.accounting.lines_by_kind["kill"] // 2
    assert len(names) == 20
    assert resident[200_000_000] - resident[50_000_000] < 24 << 20
