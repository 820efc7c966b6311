"""The commands, as a user at a terminal and as a program meet them."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from sigtrace import __version__, read
from sigtrace.cli import main
from sigtrace.store.recorder import Recorder
from tests.pseudo_terminal import in_a_terminal

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
LOSSY = str(FIXTURES / "lossy.txt.gz")


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_log_parsed_to_parquet_and_the_log_itself_give_one_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.parquet")
    assert main(["parse", LOSSY, "-o", out]) == 0
    assert f"Now ask it: sigtrace report {out}" in capsys.readouterr().out
    of_parquet = _json(capsys, "report", out, "--json")
    of_log = _json(capsys, "report", LOSSY, "--json")
    assert isinstance(of_parquet, dict)
    assert isinstance(of_log, dict)
    assert of_parquet.pop("session") == out
    assert of_log.pop("session") == LOSSY
    assert of_parquet == of_log
    assert of_log["calls"] == 70781


def test_a_report_says_how_many_by_whom_to_whom_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _json(capsys, "report", str(FIXTURES / "fields.txt"), "--json")
    assert isinstance(answer, dict)
    # The fixture: three threads, each eight calls: four kinds of them, twice.
    assert answer["calls"] == 24
    assert [(row["comm"], row["calls"]) for row in answer["senders"]] == [("a b", 8), ("worker-1", 8), ("x) sent", 8)]
    assert {(row["error"], row["calls"]) for row in answer["failures"]} == {("ESRCH", 4), ("EINVAL", 2)}
    assert {(row["signal"], row["calls"]) for row in answer["signals"]} == {("signal 0", 18), ("signal 65", 6)}
    assert sum(row["found"] for row in answer["probed"]) == 6
    own = str(answer["senders"][0]["pid"])
    assert {row["means"] for row in answer["targets"]} == {own, "999999", "process group 999999"}
    assert answer["unknown"].startswith("this log has no signal_generate, signal_deliver or sched_process_exit, which")


def test_where_events_were_lost_the_answer_is_unknown_and_never_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", LOSSY, "12754"]) == 0  # who sent signals itself
    printed = capsys.readouterr().out
    assert "It is unknown who sent 12754 a signal." in printed
    assert "18,176 events were lost on CPU 1" in printed
    assert "Nobody" not in printed


def test_what_the_kernel_counted_as_lost_and_no_line_tells_of_is_unknown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.parquet"
    with Recorder(path, {}) as recorder:
        recorder.feed((FIXTURES / "fields.txt").read_bytes())
        recorder.finish({1: 7})
    assert main(["who", str(path), "5603"]) == 0
    printed = capsys.readouterr().out
    assert "It is unknown who sent 5603 a signal." in printed
    assert "the kernel counted 7 lost events that no line of the log mentions" in printed


def test_where_nothing_was_lost_and_all_events_were_on_nobody_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", EVIDENCE, "5567"]) == 0
    assert capsys.readouterr().out == "Nobody sent 5567 a signal in this log.\n"


def test_who_finds_the_dead_by_pid_by_name_and_by_the_file_they_executed(capsys: pytest.CaptureFixture[str]) -> None:
    by_pid = _json(capsys, "who", EVIDENCE, "5570", "--json")
    assert by_pid == _json(capsys, "who", EVIDENCE, "night sleeper", "--json")
    assert isinstance(by_pid, list)
    (death,) = by_pid
    assert (death["victim_comm"], death["signal"], death["verdict"]) == ("night sleeper", "SIGKILL", "killed")
    assert (death["killer_pid"], death["killer_comm"], death["actor_comm"]) == (5568, "bash", "python3")
    assert death["ancestors"] == ["python3 (5567)"]
    assert death["lines"] == [57, 58, 64, 65]
    assert (death["group"], death["lost"]) == (False, False)


def test_a_death_is_told_in_a_sentence_with_the_lines_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", EVIDENCE, "memory hog"]) == 0
    told = "831.298111 memory hog (5583) was ended by the OOM killer when it asked for memory, 3.9 ms after SIGKILL; "
    said = capsys.readouterr().out
    assert said.startswith(f"{told}total-vm=18924kB anon-rss=16256kB ")
    assert said.endswith(" [lines 85, 86, 87, 88]\n")


def test_a_group_kill_has_its_victims_and_says_that_its_sender_was_among_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = _json(capsys, "who", EVIDENCE, "all", "--json")
    assert isinstance(answer, list)
    group = [(death["victim_pid"], death["verdict"], death["killer_pid"]) for death in answer if death["group"]]
    assert group == [(5573, "self", 5573), (5580, "killed", 5573)]


def test_a_log_of_the_two_lines_alone_answers_with_the_calls_and_leaves_the_verdict_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = _json(capsys, "who", str(FIXTURES / "stacktrace.txt"), "--json")
    assert isinstance(answer, list)
    assert [(row["verdict"], row["signal"], row["result"], row["calls"]) for row in answer] == [
        ("unknown", "signal 0", "ok", 1)
    ] * 3
    asked = {
        "victim_pid",
        "victim_comm",
        "time",
        "signal",
        "verdict",
        "killer_pid",
        "killer_comm",
        "group",
        "ancestors",
    }
    assert all(asked | {"lost", "lines"} <= row.keys() for row in answer)


def test_a_name_that_is_not_known_is_an_error_that_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", EVIDENCE, "nobody"]) == 1
    assert capsys.readouterr().err.endswith("ask by pid, or `who` for all\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["parse", "no/such.log", "-o", "x.parquet"], "no/such.log: No such file or directory"),
        (["report", "/dev/null"], "/dev/null: it is empty"),
        (["parse", LOSSY, "-o", "/no/such/folder/x.parquet"], "/no/such/folder/x.parquet: No such file or directory"),
        (["report", str(FIXTURES / "latency_format.txt")], "options/latency-format"),
    ],
)
def test_what_fails_says_so_in_one_line_and_exits_with_1(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["parse"], ["parse", LOSSY], ["frobnicate"], ["who", "--limit"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert "usage: sigtrace" in capsys.readouterr().err


def test_a_control_character_in_a_name_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(FIXTURES / "hostile.txt")]) == 0
    assert main(["who", str(FIXTURES / "hostile.txt")]) == 0
    printed = capsys.readouterr().out
    assert r"\x1b[31mred" in printed
    assert all(c.isprintable() or c == "\n" for c in printed)


def test_on_a_narrow_terminal_no_line_is_wider_than_it() -> None:
    for command in ("report", "who"):
        printed = in_a_terminal(79, command, "tests/fixtures/hostile.txt")
        assert max(map(len, re.sub(r"\x1b\[\d*m", "", printed).splitlines())) <= 79


def test_parse_called_from_python_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before = gc.isenabled(), dict(os.environ), sys.modules.get("numpy")
    assert main(["parse", LOSSY, "-o", str(tmp_path / "a.parquet")]) == 0
    assert (gc.isenabled(), dict(os.environ), sys.modules.get("numpy")) == before
    assert before[0]


@pytest.mark.parametrize("seconds", [n / 100 for n in range(2, 15)])
def test_an_interrupted_parse_leaves_the_whole_file_or_none(tmp_path: Path, seconds: float) -> None:
    script = str(Path(sys.executable).with_name("sigtrace"))
    command = [script, "parse", str(FIXTURES / "default.txt"), "-o", "a.parquet"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    child.send_signal(signal.SIGINT)
    code = child.wait()
    left = list(tmp_path.iterdir())
    assert [path.name for path in left] == ["a.parquet"] * (code == 0 or bool(left))
    assert all(len(read(path).table) == 276 for path in left)


@pytest.mark.parametrize("command", ["report", "who"])
def test_where_stdout_is_full_it_says_so_in_one_line(command: str) -> None:
    argv = [sys.executable, "-m", "sigtrace", command, str(FIXTURES / "default.txt")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "sigtrace: standard output: No space left on device\n"


def test_stdin_is_read_where_a_log_is_called_minus() -> None:
    log = (FIXTURES / "default.txt").read_bytes()
    done = subprocess.run([sys.executable, "-m", "sigtrace", "report", "-"], input=log, capture_output=True, check=True)
    assert b"-: 276 calls" in done.stdout


def test_the_module_report_is_the_command_report() -> None:
    def run(*command: str) -> str:
        return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout

    assert run("-m", "sigtrace.report", EVIDENCE) == run("-m", "sigtrace", "report", EVIDENCE)


RUN = [sys.executable, "-X", "importtime", "-c", "from sigtrace.cli import run; run()"]


@pytest.mark.parametrize(
    "arguments", [["who", EVIDENCE], ["who", EVIDENCE, "5570"], ["report", EVIDENCE], ["who", EVIDENCE, "--json"]]
)
def test_of_a_small_session_the_answer_is_the_same_and_nothing_heavy_is_imported_for_it(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run([*RUN, *arguments], capture_output=True, text=True, check=True)
    assert main(arguments) == 0
    assert done.stdout == capsys.readouterr().out
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pyarrow" in imported
    # Before pyarrow 21, narwhals numbers the rows of a table by numpy, which a command hides: DuckDB does it then.
    assert imported.isdisjoint({"duckdb", "matplotlib"} if hasattr(pa, "arange") else {"matplotlib"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", LOSSY, "--json"],
        ["report", LOSSY, EVIDENCE, "--markdown"],
        ["report", "notebooks/data/fleet", "--json"],
        ["who", EVIDENCE, "--by", "bash"],
        ["who", "notebooks/data/fleet", "worker", "--since", "-1h", "--json"],
    ],
)
def test_the_command_answers_as_the_function_does(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([*RUN, *arguments], capture_output=True, text=True, check=True)
    assert main(arguments) == 0
    assert done.stdout == capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m sigtrace who {FIXTURES / 'hostile.txt'} --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"sigtrace {__version__}\n"


def test_every_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["parse"], ["report"], ["who"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert "examples:\n  " in capsys.readouterr().out.replace("examples:\n", "examples:\n  ", 1)
