"""The journal as a witness: what systemd and the kernel say of endings, told together, and nobody else believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace.cli import main
from sigtrace.errors import Error
from sigtrace.questions.journal import entries
from sigtrace.questions.journal.endings import endings

if TYPE_CHECKING:
    from pathlib import Path

_SECOND = 1_000_000
_BEGAN = 1_763_820_000 * _SECOND
_ID = "4f" * 32
_STOPPING, _STOPPED = "de5b426a63be47a7b6ac3eaac82e2f6f", "9d1aaa27d60140bd96365438aad20286"


def systemd(message: str, **fields: str) -> dict[str, str]:
    """Return an entry of systemd's, as far as journald vouches for it."""
    return {"_PID": "1", "_TRANSPORT": "journal", "MESSAGE": message, **fields}


def kernel(message: str) -> dict[str, str]:
    """Return an entry of the kernel's."""
    return {"_TRANSPORT": "kernel", "MESSAGE": message}


def told(*found: dict[str, Any], asked: str = "all") -> list[dict[str, Any]]:
    """Return the endings by entries, one a second."""
    lines = [
        json.dumps({"__REALTIME_TIMESTAMP": str(_BEGAN + number * _SECOND), **entry}).encode() + b"\n"
        for number, entry in enumerate(found)
    ]
    return endings(entries.read(lines, "journal"), asked)


OOM = [
    kernel("oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/system.slice/web.service,task=a,b=c,pid=812,uid=0"),
    kernel("Memory cgroup out of memory: Killed process 812 (a,b=c) total-vm:215000kB, anon-rss:24000kB, UID:0"),
]
KILLED = systemd("web.service: Main process exited, code=killed, status=9/KILL")
STOPPING = systemd("Stopping web.service...", MESSAGE_ID=_STOPPING, UNIT="web.service")


def test_the_kernel_and_systemd_are_two_witnesses_of_one_ending() -> None:
    (one,) = told(*OOM, KILLED)
    assert (one["victim_pid"], one["victim_comm"], one["victim_unit"]) == (812, "a,b=c", "web.service")
    assert (one["verdict"], one["signal"], one["lines"]) == ("oom", "SIGKILL", [1, 2, 3])
    assert one["witnesses"] == ["the kernel", "systemd"]


def test_a_kill_that_nobody_explains_is_unknown() -> None:
    (one,) = told(KILLED)
    assert (one["verdict"], one["killer_pid"], one["victim_pid"]) == ("unknown", None, None)


def test_an_ending_a_minute_after_the_oom_killer_is_another_one() -> None:
    first, second = told(*OOM, *[kernel("nothing")] * 60, KILLED)
    assert (first["verdict"], second["verdict"]) == ("oom", "unknown")


def test_what_systemd_sent_it_is_known_to_have_sent() -> None:
    sent = systemd("web.service: Killing process 812 (nginx) with signal SIGKILL.")
    (one,) = told(STOPPING, sent, KILLED)
    assert (one["verdict"], one["killer_pid"], one["victim_pid"], one["stopped"]) == ("killed", 1, 812, True)
    (other,) = told(sent, systemd("web.service: Main process exited, code=killed, status=11/SEGV"))
    assert other["verdict"] == "unknown"


def test_a_unit_that_systemd_stopped_ended_because_it_was_asked() -> None:
    stopped = systemd("Stopped web.service.", MESSAGE_ID=_STOPPED, UNIT="web.service")
    (one,) = told(STOPPING, stopped)
    assert (one["verdict"], one["victim_unit"], one["exit_status"]) == ("asked", "web.service", None)
    (one,) = told(STOPPING, systemd("web.service: Main process exited, code=exited, status=1/FAILURE"), stopped)
    assert (one["verdict"], one["exit_status"]) == ("asked", 1)
    (one,) = told(STOPPING, systemd("web.service: Main process exited, code=killed, status=15/TERM"), stopped)
    assert (one["verdict"], one["signal"]) == ("killed", "SIGTERM")
    assert told(stopped) == []


def test_a_fault_and_its_core_dump_are_one_ending() -> None:
    core = {
        "_SYSTEMD_UNIT": "systemd-coredump@0-99-0.service",
        "COREDUMP_PID": "99",
        "COREDUMP_SIGNAL": "11",
        "COREDUMP_COMM": "worker",
        "COREDUMP_CMDLINE": "/opt/bin/worker --queue mail",
        "COREDUMP_CGROUP": "/system.slice/mail.service",
    }
    (one,) = told(kernel("worker[99]: segfault at 0 ip 00 sp 00 error 4 in worker[55+1]"), core, asked="worker")
    assert (one["verdict"], one["signal"], one["victim_unit"]) == ("fault", "SIGSEGV", "mail.service")
    (one,) = told(core)
    assert one["verdict"] == "unknown"  # kill -SEGV leaves one too


@pytest.mark.parametrize(
    "event",
    [
        rf"TaskExit event in podsandbox handler container_id:\"{_ID}\" id:\"{_ID}\" pid:812 exit_status:137",
        f"TaskExit event &TaskExit{{ContainerID:{_ID},ID:{_ID},Pid:812,ExitStatus:137,ExitedAt:2026-11-22,}}",
    ],
)
def test_a_container_that_exited_with_137_may_have_been_killed(event: str) -> None:
    (one,) = told({"_SYSTEMD_UNIT": "containerd.service", "MESSAGE": f'msg="{event}"'}, asked=_ID[:12])
    assert (one["verdict"], one["signal"], one["exit_status"], one["victim_pid"]) == ("unknown", "SIGKILL", 137, 812)


@pytest.mark.parametrize(
    "entry",
    [
        {**KILLED, "_PID": "4711"},
        {**OOM[1], "_TRANSPORT": "syslog"},
        {"_SYSTEMD_UNIT": "user@1000.service", "COREDUMP_SIGNAL": "11", "COREDUMP_PID": "1", "MESSAGE": ""},
        {**STOPPING, "UNIT": 3},
        {**KILLED, "MESSAGE": None},
        {**KILLED, "MESSAGE": [1, "x", 300]},
        {**KILLED, "MESSAGE": "x" + KILLED["MESSAGE"] + "\nKilled process 1 (init)"},
    ],
)
def test_nobody_else_is_believed(entry: dict[str, Any]) -> None:
    assert told(kernel("begin"), entry) == []


@pytest.mark.parametrize(
    ("asked", "found"), [("812", 1), ("web", 1), ("web.service", 1), ("a,b=c", 1), ("813", 0), ("we", 0)]
)
def test_an_ending_is_found_by_pid_name_and_unit(asked: str, found: int) -> None:
    assert len(told(*OOM, KILLED, asked=asked)) == found


# What truly became of each is in tests/fixtures/README.md.
@pytest.mark.parametrize(
    ("unit", "verdict", "signal", "status", "killer"),
    [
        ("polite", "asked", None, None, "systemd"),
        ("shot", "unknown", "SIGKILL", None, None),
        ("hungry", "oom", "SIGKILL", None, None),
        ("watched", "killed", "SIGABRT", None, "systemd"),
        ("stubborn", "killed", "SIGKILL", None, "systemd"),
        ("crashed", "unknown", "SIGSEGV", None, None),
        ("failed", "exited", None, 3, None),
    ],
)
def test_a_real_journal_says_what_became_of_each_unit_or_that_it_is_unknown(
    unit: str, verdict: str, signal: str | None, status: int | None, killer: str | None, fixtures: Path
) -> None:
    (one,) = endings(entries.of_file(str(fixtures / "journal_of_seven_units.json.xz")), unit)
    assert (one["verdict"], one["signal"], one["exit_status"], one["killer_comm"]) == (verdict, signal, status, killer)


def test_a_fault_in_a_real_journal_is_the_kernels_to_tell(fixtures: Path) -> None:
    (one,) = endings(entries.of_file(str(fixtures / "journal_of_seven_units.json.xz")), "201")
    assert (one["verdict"], one["signal"], one["victim_comm"], one["witnesses"]) == (
        *("fault", "SIGSEGV", "python3"),
        ["the kernel"],
    )


def test_of_several_processes_that_systemd_killed_none_is_taken_for_the_main_one(fixtures: Path) -> None:
    (one,) = endings(entries.of_file(str(fixtures / "journal_of_seven_units.json.xz")), "stubborn.service")
    assert (one["victim_pid"], one["victim_comm"], one["stopped"]) == (None, None, True)


def test_who_asks_a_journal_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dmesg.txt"
    path.write_text("".join(f"[  12.{number:06}] {entry['MESSAGE']}\n" for number, entry in enumerate(OOM)))
    assert main(["who", str(path), "web", "--journal"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "12.000001 a,b=c (812, web.service) was ended by the OOM killer. [the kernel: 1, 2]\nUnknown: "
    )
    assert main(["who", "--journal", str(path), "--json"]) == 0
    assert [one["verdict"] for one in json.loads(capsys.readouterr().out)] == ["oom"]
    assert main(["who", "--journal", str(path), "nginx"]) == 0
    assert capsys.readouterr().out.startswith("This journal tells of no ending of nginx.\n")


def test_a_name_in_a_journal_reaches_no_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.json"
    entry = kernel("Out of memory: Killed process 7 (\x1b[31mred\x9b) total-vm:1kB")
    path.write_text(json.dumps({"__MONOTONIC_TIMESTAMP": "7000000", **entry}) + "\n")
    assert main(["who", str(path), "--journal"]) == 0
    assert r"\x1b[31mred\x9b (7)" in capsys.readouterr().out
    assert main(["who", str(path), "--journal", "--csv"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_what_is_no_journal_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.txt"
    path.write_text("hello\n")
    assert main(["who", str(path), "--journal"]) == 1
    assert "no journal: give what `journalctl -o json` or `dmesg` prints" in capsys.readouterr().err
    with pytest.raises(Error, match="no journal"):
        list(entries.read([b"[" * 100_000 + b"\n"], "x"))
    assert main(["who", "--journal", "--since", "-1h", "web"]) == 1
    assert "--since asks a session" in capsys.readouterr().err
