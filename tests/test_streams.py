"""Standard input, output and error that are closed, full, or read by somebody who has seen enough."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sigtrace import Error
from sigtrace.commands.record import Run
from sigtrace.errors import CommandError

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
SIGTRACE = f"{sys.executable} -m sigtrace"
COMMANDS = {
    "who": f"who {EVIDENCE}",
    "who as JSON": f"who {EVIDENCE} --json",
    "report": f"report {EVIDENCE}",
    "report as JSON": f"report {EVIDENCE} --json",
    "report as Markdown": f"report {EVIDENCE} --markdown",
    "query": f"query {EVIDENCE} 'FROM events'",
    "query as CSV": f"query {EVIDENCE} 'FROM events' --csv",
    "query as JSON": f"query {EVIDENCE} 'FROM events' --json",
    "query as Parquet": f"query {EVIDENCE} 'FROM events' --parquet",
    "parse": f"parse {EVIDENCE} -o out.parquet",
    "doctor": "doctor",
    "help": "--help",
    "help of a command": "who --help",
    "version": "--version",
}


def sh(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_if_stdout_is_closed_or_full_it_is_said_in_a_line_and_the_exit_code_is_1(command: str, tmp_path: Path) -> None:
    for where, said in ((">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")):
        done = sh(f"{SIGTRACE} {COMMANDS[command]} {where}", tmp_path)
        assert (done.returncode, done.stderr) == (1, f"sigtrace: standard output: {said}\n"), where


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_seen_enough_is_told_nothing(command: str, tmp_path: Path) -> None:
    gone, ours = os.pipe()
    os.close(gone)
    done = subprocess.run(
        ["bash", "-c", f"{SIGTRACE} {COMMANDS[command]}"],
        cwd=tmp_path,
        stdout=ours,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(ours)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_other_streams_that_are_closed_or_full_change_nothing(where: str, tmp_path: Path) -> None:
    for command in ("who", "parse", "report --html out.html"):
        words = COMMANDS.get(command, f"{command} {EVIDENCE}")
        done = sh(f"{SIGTRACE} {words} {where}", tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert bool(done.stdout) == ("html" not in command)
    assert (tmp_path / "out.html").read_text().startswith("<!DOCTYPE html>")
    assert sh(f"{SIGTRACE} who no/such {where}", tmp_path).returncode == 1
    assert sh(f"{SIGTRACE} frobnicate {where}", tmp_path).returncode == 2


def test_all_streams_may_be_closed_and_no_file_takes_their_place(tmp_path: Path) -> None:
    assert sh(f"{SIGTRACE} {COMMANDS['parse']} <&- >&- 2>&-", tmp_path).returncode == 1
    done = sh(f"{SIGTRACE} report out.parquet", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_from_a_stdin_that_is_closed_is_an_error_in_a_line(tmp_path: Path) -> None:
    for command in ("parse - -o out.parquet", "report -"):
        done = sh(f"{SIGTRACE} {command} <&-", tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "sigtrace: standard input: Bad file descriptor\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_terminals_encoding_lacks_is_an_escape(tmp_path: Path) -> None:
    done = sh(f"PYTHONIOENCODING=ascii {SIGTRACE} {COMMANDS['who']}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xb5s after it was sent" in done.stdout


def test_a_signal_ends_an_endless_stdin_and_leaves_no_file(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    line = (FIXTURES / "default.txt").read_text().splitlines()[0]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for command in (["parse", "-", "-o", str(tmp_path / "out.parquet")], ["report", "-"]):
            with subprocess.Popen(["yes", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
                own = {**os.environ, "TMPDIR": str(scratch)}
                ours = subprocess.Popen(
                    [sys.executable, "-m", "sigtrace", *command], stdin=endless.stdout, stderr=subprocess.PIPE, env=own
                )
                assert endless.stdout is not None
                endless.stdout.close()
                time.sleep(1.5)
                ours.send_signal(number)
                _, said = ours.communicate(timeout=30)
                endless.terminate()
            assert (ours.returncode, said) == (128 + number, b""), (number, command)
            assert list(tmp_path.iterdir()) == [scratch]
            assert list(scratch.iterdir()) == []


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_text("echo hello\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "damaged").write_bytes(b"\x7fELF and no more")
    (tmp_path / "of_no_interpreter").write_text("#!/no/such/interpreter\n")
    for name in ("damaged", "of_no_interpreter"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("no-such-command", 127, "no command of that name"),
        ("./no-such-command", 127, "no command of that name"),
        ("", 127, "no command of that name"),
        ("./plain", 126, "may not be executed"),
        ("plain", 126, "may not be executed"),
        ("./folder", 126, "may not be executed"),
        ("./damaged", 126, "Exec format error"),
        ("./of_no_interpreter", 127, "No such file or directory"),
    ],
)
def test_a_command_that_cannot_be_run_has_the_exit_code_of_a_shell(
    command: str, code: int, said: str, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(commands)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{commands}")
    with pytest.raises(CommandError) as raised, Run([command], None) as run:
        run.begin()
    assert raised.value.code == code
    assert str(raised.value) == f"{command}: {said}: nothing was recorded"
    assert Error.code == 1


def test_a_command_that_is_not_there_is_127_before_anything_is_asked_of_the_kernel(tmp_path: Path) -> None:
    done = sh(f"{SIGTRACE} record -o s.parquet -- no-such-command", tmp_path)
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "sigtrace: no-such-command: no command of that name: nothing was recorded\n"
    assert list(tmp_path.iterdir()) == []
    assert shutil.which("no-such-command") is None
