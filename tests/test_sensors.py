"""Sensors: what Tetragon, Tracee and Inspektor Gadget write gives rows of calls, signals, ends and execs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace import LogError, read
from sigtrace.cli import main
from sigtrace.output.sentence.doubt import unknown
from tests.story import call, leave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Object = dict[str, Any]
    Rows = list[Object]

TEXTS = {
    "tetragon": "Tetragon",
    "tracee": "Tracee",
    "tracee_v1beta1": "Tracee",
    "gadget_trace_signal_kill": "Inspektor Gadget",
    "gadget_trace_signal_image": "Inspektor Gadget",
}
AT = 1_795_676_400


def lines(*objects: Object | bytes) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in objects)


def rows(log: bytes) -> Rows:
    return read(log).table.to_pylist()


def tetragon(kind: str, said: Object, node: str = "node-1", pid: Any = 7, binary: str = "/bin/boss") -> Object:
    process = {"pid": pid, "uid": 1000, "binary": binary, "arguments": "-x y", "flags": "execve clone"}
    return {kind: {"process": process, **said}, "node_name": node, "time": "2026-11-26T07:00:00.117000001Z"}


def kprobe(*args: Any, name: str = "__x64_sys_kill", **said: Any) -> Object:
    return tetragon("process_kprobe", {"function_name": name, "args": list(args), **said})


def tracee(name: str, ret: int = 0, timestamp: int = AT * 10**9, **args: Any) -> Object:
    pid, comm, host = args.pop("who", (7, "boss", "node-1"))
    given = [{"name": one, "type": "int", "value": value} for one, value in args.items()]
    return {
        "timestamp": timestamp,
        "processorId": 3,
        "processId": 1,
        "hostProcessId": pid,
        "hostThreadId": pid,
        "processName": comm,
        "hostName": host,
        "eventName": name,
        "returnValue": ret,
        "args": given,
    }


def gadget(sig: int = 9, tpid: int = 8, **said: Any) -> Object:
    process = {"comm": "boss", "pid": 7, "tid": 7}
    return {"proc": process, "sig": f"SIG{sig}", "sig_raw": sig, "tpid": tpid, "error_raw": 0, **said}


@pytest.mark.parametrize("name", TEXTS)
def test_the_events_tell_each_call_and_each_end_of_the_truth(fixtures: Path, name: str) -> None:
    folder = fixtures / "witnesses"
    truth = json.loads((folder / f"{name.removesuffix('_v1beta1')}.truth.json").read_text())
    session = read(folder / f"{name}.txt")
    found = session.table.to_pylist()
    assert [
        {"ended": row["pid"], "signal": row["sig"], "status": row["status"]}
        if row["event"] == "sched_process_exit"
        else {"sender": row["pid"], "comm": row["comm"], "sig": row["sig"], "target": row["target"]}
        | {"ret": 0 if row["event"] == "signal_generate" else row["ret"]}
        for row in found
        if row["event"] != "sched_process_exec"
    ] == truth
    assert session.accounting.tools == [TEXTS[name]]
    assert session.accounting.ts_unit == "utc"
    assert {row["ts"] % 1_000_000 for row in found} == {117_000}
    assert all(row["time"].timestamp() == row["ts"] / 1e6 for row in found)


@pytest.mark.parametrize("name", ["tetragon", "tracee", "tracee_v1beta1"])
def test_an_exec_names_the_file_and_the_arguments(fixtures: Path, name: str) -> None:
    (row,) = [one for one in rows((fixtures / "witnesses" / f"{name}.txt").read_bytes()) if one["filename"]]
    assert (row["event"], row["pid"], row["filename"]) == ("sched_process_exec", 3333, "/usr/bin/the killer")
    assert row["command"].endswith("--scene 'a b'" if name == "tetragon" else "--scene a b")


# Tetragon


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        ("__x64_sys_kill", [8, 9], (8, 9)),
        ("__arm64_sys_tkill", [8, 9], (8, 9)),
        ("sys_tgkill", [7, 8, 9], (8, 9)),
        ("__x64_sys_kill", [-5, 0], (-5, 0)),
    ],
)
def test_a_kprobe_of_a_call_is_the_call(function: str, args: list[int], expected: tuple[int, int]) -> None:
    given = [{"int_arg": one} for one in args]
    (row,) = rows(lines(kprobe(*given, name=function)))
    assert (row["event"], row["pid"], row["comm"], row["target"], row["sig"]) == ("kill", 7, "boss", *expected)
    assert row["ret"] is None  # a policy has to ask for it


def test_a_call_whose_result_is_not_told_is_told_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "t.json"
    log.write_bytes(lines(kprobe({"int_arg": 8}, {"int_arg": 9}), kprobe({"size_arg": "8"}, {"uint_arg": 9})))
    assert main(["who", str(log), "8"]) == 0
    assert "boss (7) sent SIGKILL to 8: its result is unknown, 2 times. [line 1]" in capsys.readouterr().out
    for form in ([], ["--json"], ["--markdown"], ["--html", str(tmp_path / "t.html")]):
        assert main(["report", str(log), *form]) == 0


@pytest.mark.parametrize("args", [[], [{"int_arg": 8}], [{"string_arg": "8"}, {"int_arg": 9}], [8, 9], [{}, {}]])
def test_a_kprobe_with_other_arguments_is_not_guessed(args: list[Any]) -> None:
    assert read(lines(kprobe(*args))).accounting.lines_by_kind == {"malformed": 1}


def test_other_functions_and_events_are_other() -> None:
    log = lines(kprobe(name="security_task_kill"), tetragon("process_tracepoint", {"event": "signal_generate"}))
    assert read(log).accounting.lines_by_kind == {"other": 2}


@pytest.mark.parametrize(
    ("said", "sig", "status"),
    [
        ({"signal": "SIGKILL"}, 9, None),
        ({"signal": "SIGRTMIN+2"}, 36, None),
        ({"status": 3}, None, 3),
        ({}, None, 0),
        ({"signal": "SIGWHAT"}, None, "malformed"),
        ({"status": 256}, None, "malformed"),
    ],
)
def test_an_end_has_a_signal_or_a_status(said: Object, sig: int | None, status: Any) -> None:
    session = read(lines(tetragon("process_exit", said)))
    if status == "malformed":
        assert session.accounting.lines_by_kind == {"malformed": 1}
    else:
        assert [(row["sig"], row["status"]) for row in session.table.to_pylist()] == [(sig, status)]


def test_a_process_that_ran_before_is_known_and_was_not_executed_then() -> None:
    before = tetragon("process_exec", {})
    before["process_exec"]["process"]["flags"] = "procFS auid"
    (row,) = rows(lines(before))
    assert (row["event"], row["command"], row["uid"]) == ("args", "/bin/boss -x y", 1000)


def test_a_name_is_as_long_as_the_kernel_has_it() -> None:
    (row,) = rows(lines(tetragon("process_exit", {}, binary="/opt/a/very-long-name-of-a-file")))
    assert row["comm"] == "very-long-name-"


def test_dropped_events_are_no_row_but_make_answers_unknown() -> None:
    lost = {"rate_limit_info": {"number_of_dropped_process_events": "5"}, "time": "2026-11-26T07:00:00Z"}
    session = read(lines(tetragon("process_exit", {}), lost))
    assert session.accounting.lines_by_kind == {"sched_process_exit": 1, "malformed": 1}
    assert "Other senders cannot be ruled out" in (unknown(session) or "")


# Tracee


def test_the_last_thread_to_end_is_told_once() -> None:
    end = tracee("sched_process_exit", exit_code=0, process_group_exit=True)
    thread = {**end, "hostThreadId": 8}
    log = lines({**thread, "args": [{**one, "value": 0} for one in end["args"]]}, thread, end)
    assert [(row["tid"], row["group_dead"], row["status"]) for row in rows(log)] == [
        (8, None, None),
        (8, True, 0),
        (7, False, None),
    ]
    assert len(sigtrace.who(read(log))) == 1


@pytest.mark.parametrize(
    ("type_", "code", "sig", "expected"),
    [
        ("int", 3, None, (None, 3)),
        ("int", 0, 0x8B, (11, None)),
        ("int", 9, 0, (None, 9)),
        ("long", 9, None, (9, None)),  # as it was: the signal and the status in one number
        ("long", 0x8B, None, (11, None)),
        ("long", 256, None, (None, 1)),
        ("int", 999, None, (None, None)),
        ("int", "x", None, (None, None)),
    ],
)
def test_an_exit_code_is_read_by_its_type(type_: str, code: Any, sig: Any, expected: tuple[Any, Any]) -> None:
    event = tracee("sched_process_exit")
    event["args"] = [{"name": "exit_code", "type": type_, "value": code}]
    event["args"] += [] if sig is None else [{"name": "signal_code", "type": type_, "value": sig}]
    assert [(row["sig"], row["status"]) for row in rows(lines(event))] == [expected]


def test_calls_and_their_threads_are_told_in_the_hosts_numbers() -> None:
    log = lines(
        tracee("kill", ret=-3, pid=8, sig="SIGTERM"),
        tracee("tgkill", tgid=8, tid=9, sig=10),
        tracee("tkill", tid=9, sig="SIGRTMAX-1"),
        tracee("openat", dirfd=1),
    )
    assert [(row["pid"], row["cpu"], row["target"], row["sig"], row["ret"]) for row in rows(log)] == [
        (7, 3, 8, 15, -3),
        (7, 3, 9, 10, 0),
        (7, 3, 9, 63, 0),
    ]


def test_a_time_since_boot_is_no_time_in_utc() -> None:
    session = read(lines(tracee("kill", timestamp=5_000_000_000, pid=8, sig=9), tracee("kill", pid=8, sig=9)))
    assert session.accounting.ts_unit == "us"
    assert [(row["ts"], row["time"]) for row in session.table.to_pylist()] == [(5_000_000, None)]
    assert session.accounting.lines_by_kind == {"call": 1, "malformed": 1}


# Inspektor Gadget


def test_a_gadget_that_tells_calls_is_known_by_one_that_failed_asked_or_named_a_group() -> None:
    former = {"timestamp": AT * 10**9, "type": "normal", "pid": 7, "comm": "boss", "signal": "SIGKILL", "tpid": 8}
    assert [row["event"] for row in rows(lines(former, former))] == ["signal_generate"] * 2
    for more in ({"ret": -3}, {"tpid": 4294967291}):
        found = rows(lines(former, {**former, **more}))
        assert [row["event"] for row in found] == ["kill"] * 2
        assert found[1]["target"] == (-5 if "tpid" in more else 8)


def test_the_newer_gadget_does_not_say_whom_a_call_named() -> None:
    log = lines(gadget(9, 0, error_raw=3), gadget(15, 77))
    assert [(row["event"], row["sig"], row["target"], row["ret"]) for row in rows(log)] == [
        ("kill_half", 9, None, -3),
        ("kill_half", 15, None, 0),
    ]


def test_messages_of_the_gadget_are_other() -> None:
    former = {"type": "normal", "pid": 7, "comm": "boss", "signal": "SIGKILL", "tpid": 8}
    session = read(lines(former, {"type": "warn", "message": "lost 5 samples"}))
    assert session.accounting.lines_by_kind == {"signal_generate": 1, "other": 1}


# What they cannot know


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_denied(fixtures: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = fixtures / "witnesses" / f"{name}.txt"
    assert f"{TEXTS[name]} shows " in (unknown(read(log)) or "")
    assert main(["who", str(log), "--by", "3336"]) in {0, 1}
    assert main(["who", str(log), "3333"]) == 0
    assert "obody" not in capsys.readouterr().out.replace("so nobody can be ruled out", "")


def test_an_end_is_told_with_the_calls_that_named_it_and_nobody_is_called_its_killer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "t.json"
    killed = tracee("sched_process_exit", who=(8, "victim", "node-1"), signal_code=9, process_group_exit=True)
    killed["timestamp"] += 1_000_000
    log.write_bytes(lines(tracee("kill", pid=8, sig=9), tracee("kill", pid=9, sig=9), killed))
    for asked in ("8", "victim"):
        assert main(["who", str(log), asked]) == 0
        assert [line.partition("Z ")[2] for line in capsys.readouterr().out.splitlines()[:-1]] == [
            "boss (7) sent SIGKILL to victim (8): ok. [line 1]",
            "victim (8) was ended by SIGKILL, and who sent it is unknown. [line 3]",
        ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tetragon("process_exit", {}), tetragon("process_exit", {}, node="node-2")),
        (tracee("kill", pid=8, sig=9), tracee("kill", pid=8, sig=9, who=(7, "boss", "node-2"))),
        (gadget(k8s={"node": "node-1"}), gadget(k8s={"node": "node-2"})),
    ],
)
def test_events_of_two_hosts_are_refused(one: Object, other: Object) -> None:
    with pytest.raises(LogError, match="events come from node-1 and from node-2"):
        read(lines(one, other))


# Names are an attacker's choice

NAMES = ["a\nb", '","pid":1,"x":"', '\\"}', "\x1b[31m", "é\u2028", "\ud800", "}\n{", "\0"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_whatever_it_says(name: str) -> None:
    process = {"comm": name, "pid": 7, "tid": 7}
    for log in (
        lines(tracee("kill", pid=8, sig=9, who=(7, name, "node-1"))),
        lines(gadget(proc=process)),
        lines(tetragon("process_exit", {"signal": "SIGKILL"}, binary=f"/bin/{name}")),
    ):
        (row,) = rows(log)
        assert (row["pid"], row["sig"], row["comm"]) == (7, 9, name.encode("utf-8", "backslashreplace").decode())
        assert read(log).accounting.lines == 1


@pytest.mark.parametrize("pid", [True, "x", -1, 1 << 40, None, [7], 7.5, {}])
def test_a_pid_that_is_none_makes_no_row(pid: Any) -> None:
    assert read(lines(tetragon("process_exit", {}, pid=pid))).accounting.lines_by_kind == {"malformed": 1}


HOSTILE = [
    b"{" * 100_000,
    b'{"process_exit":' * 50_000,
    b'{"time":' + b"9" * 10_000 + b"}",
    b'{"a":"\xff"}',
    b"{}",
    b'{"process_exit":{"process":[]},"time":7}',
    b'{"process_kprobe":{"process":{"pid":7},"function_name":["sys_kill"]},"time":[]}',
    b'{"process_exec":{"process":5},"time":null}',
]


@pytest.mark.parametrize("line", HOSTILE)
def test_no_line_is_too_strange_to_be_counted(line: bytes) -> None:
    session = read(lines(tetragon("process_exit", {}), line, b"", b"hello", tetragon("process_exit", {})))
    assert len(session) == 2
    kinds = session.accounting.lines_by_kind
    assert sum(kinds.values()) == session.accounting.lines == 5
    assert (kinds["blank"], kinds["sched_process_exit"]) == (1, 2)


@pytest.mark.parametrize("time", ["", "yesterday", "0001-01-01T00:00:00+23:00", "2026-13-01T00:00:00Z", 1 << 80])
def test_a_time_that_is_none_is_null(time: Any) -> None:
    ((row),) = rows(lines({**tetragon("process_exit", {}), "time": time}))
    assert (row["ts"], row["time"]) == (None, None)


# Which log it is, and where it is cut


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("name", TEXTS)
def test_where_a_log_is_cut_changes_nothing(
    fixtures: Path, name: str, size: int, cut: Callable[[int, int], None]
) -> None:
    log = (fixtures / "witnesses" / f"{name}.txt").read_bytes()
    whole = rows(log)
    cut(size, 10_000)
    assert rows(log) == whole


def test_an_event_in_a_log_of_trace_pipe_is_none() -> None:
    log = (leave(3) + call(7, 9)).encode()
    event = lines(tetragon("process_exit", {}))
    assert [row["event"] for row in rows(log + event)] == ["sched_process_exit", "kill"]
    assert read(event + log).accounting.lines_by_kind == {"sched_process_exit": 1, "malformed": 3}


def test_a_line_of_another_tool_may_stand_before_and_another_tools_events_are_refused() -> None:
    event = lines(tetragon("process_exit", {}))
    assert read(b"Defaulted container\n\n" + event).accounting.lines_by_kind == {
        "other": 1, "blank": 1, "sched_process_exit": 1,
    }  # fmt: skip
    with pytest.raises(LogError, match="is a line of trace_pipe"):
        read(b'{"level":"info","msg":"hello","time":"2026-11-26T07:00:00Z"}\n')


def test_json_around_lines_of_trace_pipe_is_still_a_prefix(fixtures: Path) -> None:
    session = read(fixtures / "prefixed" / "journal_json.txt")
    assert session.accounting.tools == []
    assert len(session) > 0


def test_words_of_another_tool_in_an_event_decide_nothing() -> None:
    log = lines(tracee("kill", pid=8, sig=9, who=(7, "RESULT EXIT_CODE", "msg=audit(1.000:1)")))
    assert [row["event"] for row in rows(log)] == ["kill"]


def test_calls_without_a_time_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "t.json"
    without = {**kprobe({"int_arg": 8}, {"int_arg": 9}), "time": ""}
    log.write_bytes(lines(without, kprobe({"int_arg": 8}, {"int_arg": 15}), tetragon("process_exit", {}, pid=8)))
    for asked in (["8"], ["all"], ["--by", "boss"]):
        assert main(["who", str(log), *asked]) == 0
        assert "(no time) boss (7) sent SIGKILL to boss (8): its result is unknown. [line 1]" in capsys.readouterr().out
    assert main(["report", str(log)]) == 0
