"""Audit: what auditd wrote, and what ausearch prints of it, gives rows of calls, of signals and of abnormal ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace import LogError, read
from sigtrace.cli import main
from sigtrace.output.sentence.doubt import unknown
from sigtrace.trace.witness.audit import calls
from tests.story import call, leave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[dict[str, Any]]

TEXTS = ("auditd", "ausearch", "ausearch_i")
ENRICHED = ("auditd_enriched", "ausearch_enriched", "ausearch_enriched_raw", "ausearch_enriched_i")
AT = 1795676400.117


def coded(name: str) -> str:
    """Return a name as the kernel writes it."""
    raw = name.encode("utf-8", "surrogateescape")
    plain = all(0x20 < byte < 0x7F and byte != 0x22 for byte in raw)
    return f'"{name}"' if plain else raw.hex().upper()


def head(type_: str, serial: int, at: float = AT, node: str = "") -> str:
    return f"{node}type={type_} msg=audit({at:.3f}:{serial}): "


def syscall(serial: int, a: tuple[int, ...], comm: str = "boss", number: int = 62, ret: int = 0, **at: Any) -> str:
    """Return a SYSCALL record of pid 7."""
    args = " ".join(f"a{i}={a[i] & 0xFFFFFFFFFFFFFFFF if i < len(a) else 0:x}" for i in range(4))
    said = (
        f"arch=c000003e syscall={number} success={'yes' if ret >= 0 else 'no'} exit={ret} {args} items=0 ppid=1 pid=7"
    )
    return f'{head("SYSCALL", serial, **at)}{said} auid=0 comm={coded(comm)} exe="/bin/boss" key="k"\n'


def obj(serial: int, pid: int, comm: str = "victim", **at: Any) -> str:
    return f"{head('OBJ_PID', serial, **at)}opid={pid} oauid=0 ouid=0 oses=3 ocomm={coded(comm)}\n"


def abend(serial: int, pid: int, sig: int, comm: str = "victim", **at: Any) -> str:
    fields = f'auid=0 uid=0 gid=0 ses=3 pid={pid} comm={coded(comm)} exe="/bin/victim" sig={sig} res=1'
    return f"{head('ANOM_ABEND', serial, **at)}{fields}\n"


def rows(log: str | bytes) -> Rows:
    return sorted(read(log if isinstance(log, bytes) else log.encode()).table.to_pylist(), key=lambda row: row["line"])


@pytest.mark.parametrize(
    ("name", "truth_of"), [*((name, "auditd") for name in TEXTS), *((name, "auditd_enriched") for name in ENRICHED)]
)
def test_the_records_tell_each_call_and_each_abnormal_end_of_the_truth(
    fixtures: Path, name: str, truth_of: str
) -> None:
    folder = fixtures / "witnesses"
    truth = json.loads((folder / f"{truth_of}.truth.json").read_text())
    found = rows((folder / f"{name}.txt").read_bytes())
    assert [
        {"sender": row["pid"], "comm": row["comm"], "sig": row["sig"], "target": row["target"], "ret": row["ret"]}
        if row["event"] == "kill"
        else {"ended": row["pid"], "signal": row["sig"], "status": row["status"]}
        for row in found
        if row["event"] in {"kill", "sched_process_exit"}
    ] == truth


@pytest.mark.parametrize("name", TEXTS)
def test_the_signals_are_those_of_calls_that_succeeded_and_named_one_process(fixtures: Path, name: str) -> None:
    escaped = "nl\\012x-1 [000] 1" if name == "ausearch_i" else "nl\nx-1 [000] 1"
    blank = "" if name == "ausearch_i" else " "  # at the end of a name, which ausearch -i ends with a blank anyway
    found = [row for row in rows((fixtures / "witnesses" / f"{name}.txt").read_bytes()) if row["event"][:3] == "sig"]
    assert [(row["sig"], row["target"], row["target_comm"], row["code"], row["grp"]) for row in found] == [
        (9, 3334, "victim", 0, True),
        (15, 3335, "x) sent", 0, True),
        (9, 3335, "x) sent", 0, True),
        (15, 3336, "polite", 0, True),
        (2, 3337, escaped, 0, True),
        (10, 3338, f"a: b-7{blank}", 0, True),
        (6, 3340, "faulty", -6, None),  # tgkill
        (12, 3341, "queued", None, None),  # rt_sigqueueinfo
        (15, 3342, "by its fd", None, None),  # pidfd_send_signal
    ]


@pytest.mark.parametrize("name", ENRICHED)
def test_whom_auditd_saw_hit_has_a_signal_and_of_a_group_of_two_nobody_has(fixtures: Path, name: str) -> None:
    found = [row for row in rows((fixtures / "witnesses" / f"{name}.txt").read_bytes()) if row["event"][:3] == "sig"]
    assert [(row["sig"], row["target_comm"].rstrip()) for row in found] == [
        *(
            (9, "victim"),
            (15, "x) sent"),
            (15, "polite"),
            (2, "nl\\012x-1 [000] 1" if name[-1] == "i" else "nl\nx-1 [000] 1"),
        ),
        *((10, "a: b-7"), (9, "a: b-7"), (3, "dumps core"), (9, "äö \\xff"), (6, "faulty")),
        *((15, "alone"), (12, "queued"), (15, "by its fd")),
    ]


def test_a_log_of_auditd_is_in_utc_and_what_is_interpreted_has_no_day(fixtures: Path) -> None:
    folder = fixtures / "witnesses"
    for name in TEXTS:
        session = read(folder / f"{name}.txt")
        first = session.table.sort_by("line").to_pylist()[0]
        interpreted = name == "ausearch_i"
        assert session.accounting.ts_unit == ("day" if interpreted else "utc")
        assert first["ts"] == (25_200_117_000 if interpreted else 1_795_676_400_117_000)
        assert (first["time"] is None) == interpreted
    assert b"since 1970" in (read(folder / "auditd.txt").to_arrow().schema.field("ts").metadata or {})[b"description"]


def test_a_time_in_utc_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, parquet = tmp_path / "a.log", tmp_path / "a.parquet"
    log.write_text(abend(1, 8, 11) + abend(2, 9, 6, at=AT + 60))
    assert main(["parse", str(log), "-o", str(parquet)]) == 0
    for source in (log, parquet):
        capsys.readouterr()
        assert main(["who", str(source), "all", "--since", "2026-11-26T07:00:30"]) == 0
        told = capsys.readouterr().out
        assert (
            "2026-11-26 07:01:00.117000Z victim (9) was ended by SIGABRT, and who sent it is unknown. [line 2]" in told
        )
        assert "(8)" not in told


def test_the_records_of_one_event_stand_in_any_order_and_among_others() -> None:
    one = [syscall(1, (8, 9)), obj(1, 8)]
    two = [syscall(2, (9, 15)), obj(2, 9, "b")]
    for log in (one + two, one[::-1] + two[::-1], [one[0], two[0], two[1], one[1]]):
        found = rows("----\ntime->now\n" + "".join(log))
        assert {(row["event"], row["target"], row["target_comm"]) for row in found} == {
            ("signal_generate", 8, "victim"),
            ("kill", 8, None),
            ("signal_generate", 9, "b"),
            ("kill", 9, None),
        }
        assert len({row["line"] for row in found}) == len(found)
        for target in (8, 9):  # a signal stands before its call
            assert [row["event"] for row in found if row["target"] == target] == ["signal_generate", "kill"]


@pytest.mark.parametrize(
    ("arch", "number", "name"),
    [
        ("c000003e", "62", "kill"),
        ("c000003e", "1073741886", "kill"),  # x32
        ("c000003e", "234", "tgkill"),
        ("40000003", "37", "kill"),
        ("c00000b7", "129", "kill"),
        ("c00000b7", "62", None),  # lseek
        ("80000016", "237", "tkill"),
        ("x86_64", "pidfd_send_signal", "pidfd_send_signal"),
        ("deadbeef", "62", None),
        ("?", "62", None),
    ],
)
def test_a_number_means_what_its_architecture_says(arch: str, number: str, name: str | None) -> None:
    found = calls.of(arch.encode(), number.encode())
    assert (None if found is None else found.name) == name


# What they cannot know


def test_a_call_that_failed_or_asked_or_named_several_tells_no_signal() -> None:
    log = syscall(1, (8, 9), ret=-1) + obj(1, 8) + syscall(2, (8, 0)) + obj(2, 8)
    log += syscall(3, (-8, 9)) + obj(3, 8) + obj(3, 9) + syscall(4, (8, 9))
    session = read(log.encode())
    assert [(row["event"], row["target"], row["sig"], row["ret"]) for row in rows(log)] == [
        ("kill", 8, 9, -1), ("kill", 8, 0, 0), ("kill", -8, 9, 0), ("kill", 8, 9, 0),
    ]  # fmt: skip
    assert session.accounting.lines_by_kind == {"call": 4, "other": 4}


def test_a_record_of_the_entry_to_a_call_has_no_result() -> None:
    log = syscall(1, (8, 9)).replace("success=yes exit=0 ", "") + obj(1, 8)
    assert [(row["event"], row["target"], row["sig"], row["ret"]) for row in rows(log)] == [("kill", 8, 9, None)]


def test_nothing_is_denied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a.log"
    log.write_text(syscall(1, (8, 9)) + obj(1, 8))
    told = "auditd records only the calls that a rule asks for, and does not say in its log what it lost"
    assert told in (unknown(read(log)) or "")
    assert main(["who", str(log), "7"]) == 0
    printed = capsys.readouterr().out
    assert "It is unknown who sent 7 a signal." in printed
    assert told in printed
    assert "obody sent" not in printed


def test_who_was_sent_what_and_who_aborted_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.log"
    log.write_text(syscall(1, (8, 9)) + obj(1, 8) + syscall(2, (9, 6)) + obj(2, 9) + abend(3, 9, 6) + abend(4, 10, 11))
    assert main(["who", str(log), "all"]) == 0
    assert [line.partition("Z ")[2] for line in capsys.readouterr().out.splitlines()[:-1]] == [
        "victim (8) got SIGKILL from boss (7); what became of it is unknown. [lines 1, 2]",
        "victim (9) was killed by boss (7) with SIGABRT, 0 µs after it was sent. [lines 3, 4, 5]",
        "victim (10) was ended by SIGSEGV, and who sent it is unknown. [line 6]",
    ]
    assert main(["who", str(log), "--by", "boss"]) == 0
    assert [line.partition("Z ")[2] for line in capsys.readouterr().out.splitlines()[:-1]] == [
        "boss (7) sent SIGKILL to victim (8); what became of it is unknown. [lines 1, 2]",
        "boss (7) sent SIGABRT to victim (9); it was ended by that. [lines 3, 4]",
    ]


def test_whoever_sent_a_signal_long_before_is_not_called_the_killer() -> None:
    # The pid may have been given away anew, and what became of a signal is not told.
    log = syscall(1, (8, 15)) + obj(1, 8) + syscall(2, (8, 11)) + obj(2, 8) + abend(3, 8, 11, at=AT + 2)
    (death,) = [one for one in sigtrace.who(read(log.encode()), "8") if "exit_status" in one]
    assert (death["verdict"], death["sig"], death["killer_pid"], death["earlier_sig"]) == ("unknown", 11, None, None)
    assert {one["outcome"] for one in sigtrace.who(read(log.encode()), by="boss")} == {"unknown"}


def test_records_of_two_nodes_are_refused() -> None:
    one: dict[str, Any] = {"node": "node=web-1 "}
    other: dict[str, Any] = {"node": "node=web-2 "}
    with pytest.raises(LogError, match="records come from node web-1 and from web-2"):
        read((syscall(1, (8, 9), **one) + syscall(1, (8, 9), **other)).encode())
    assert len(rows(syscall(1, (8, 9), **one))) == 1


# Names are an attacker's choice

NAMES = ["a b", "x exit=-3 pid=1", " sig=9 res=1", '"', "a\nb", "\n----\n", " comm=b", "é\udcff", "41"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_whatever_it_says(name: str) -> None:
    log = syscall(1, (8, 9), comm=name) + obj(1, 8, name) + abend(2, 8, 11, name)
    expected = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    assert [(row["pid"], row["comm"], row["sig"], row["target_comm"]) for row in rows(log)] == [
        (7, expected, 9, expected),
        (7, expected, 9, None),
        (8, expected, 11, None),
    ]


INTERPRETED = (
    "type=OBJ_PID msg=audit(11/26/26 07:00:00.117:1) : opid=8 oauid=root ouid=root oses=3 ocomm={name} \n"
    "type=SYSCALL msg=audit(11/26/26 07:00:00.117:1) : arch=x86_64 syscall=kill success=yes exit=0 a0=0x8 a1=SIGKILL "
    "a2=0x0 a3=0x0 items=0 ppid=1 pid=7 auid=root tty=pts0 ses=3 comm={name} exe=/bin/boss subj=unconfined key=k \n"
    "type=ANOM_ABEND msg=audit(11/26/26 07:00:00.118:2) : auid=root pid=8 comm={name} exe=/bin/x sig=SIGSEGV res=yes \n"
)


@pytest.mark.parametrize("name", ["a b", " exit=-3 pid=1", " sig=SIGHUP", "pid=9 a1=0x1", " comm=b", "x exe=y"])
def test_an_interpreted_name_changes_no_other_column(name: str) -> None:
    found = rows(INTERPRETED.format(name=name))
    told = None if " exe=" in name else name
    assert [(row["pid"], row["comm"], row["sig"], row["target"], row["target_comm"], row["ret"]) for row in found] == [
        (7, told, 9, 8, name, None),
        (7, told, 9, 8, None, 0),
        (8, told, 11, None, None, None),
    ]


def test_a_date_that_changes_is_the_next_day() -> None:
    log = INTERPRETED.format(name="a") + INTERPRETED.format(name="b").replace("11/26", "11/27")
    days = [row["ts"] // 86_400_000_000 for row in rows(log)]
    assert days == [0, 0, 0, 1, 1, 1]


# Which log it is, and where it is cut


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("name", TEXTS)
def test_where_a_log_is_cut_changes_nothing(
    fixtures: Path, name: str, size: int, cut: Callable[[int, int], None]
) -> None:
    log = (fixtures / "witnesses" / f"{name}.txt").read_bytes()
    whole = rows(log)
    cut(size, 200)
    assert rows(log) == whole
    account = read(log).accounting
    assert sum(account.lines_by_kind.values()) == account.lines == log.count(b"\n")


def test_the_fields_that_auditd_adds_for_reading_are_left_out() -> None:
    enriched = syscall(1, (8, 9)).rstrip("\n") + '\x1dARCH=x86_64 SYSCALL=kill AUID="root" pid=99\n'
    assert [row["pid"] for row in rows(enriched)] == [7]


def test_what_is_no_whole_record_is_counted() -> None:
    log = syscall(1, (8, 9)) + "type=SYSCALL msg=audit(12:3): \n\nhello\n" + abend(2, 8, 11).replace("sig=11", "sig=")
    log += syscall(3, (8, 9)).replace("a1=9", "a1=zz") + "type=EOE msg=audit(1795676400.117:1): \n"
    account = read(log.encode()).accounting
    assert account.lines_by_kind == {"call": 1, "malformed": 3, "blank": 1, "other": 2}


def test_many_events_at_once_and_a_line_without_an_end_are_held_in_bounded_memory() -> None:
    many = "".join(obj(n, n) for n in range(1, 3000)) + "".join(obj(1, n) for n in range(3000))
    session = read((syscall(1, (8, 9)) + many + "x" * (3 << 20) + "\n" + abend(5000, 8, 11)).encode())
    assert session.accounting.lines == 6002
    assert session.accounting.lines_by_kind["malformed"] == 1
    assert [row["event"] for row in session.table.to_pylist()].count("kill") == 1


def test_a_record_in_a_log_of_trace_pipe_is_none() -> None:
    log = (leave(3) + call(7, 9)).encode()
    assert [row["event"] for row in rows(log + syscall(1, (8, 9)).encode())] == ["sched_process_exit", "kill"]
    assert read(syscall(1, (8, 9)).encode() + log).accounting.lines_by_kind == {"call": 1, "malformed": 3}


def test_a_text_that_only_mentions_records_is_refused_as_before() -> None:
    with pytest.raises(LogError, match="is a line of trace_pipe"):
        read(b"see msg=audit(1:2) in the log\n")
