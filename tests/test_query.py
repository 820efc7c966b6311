"""`sigtrace query`, as a user at a terminal and as a program meet it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sigtrace.cli import main

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
FLEET = str(Path(__file__).parent.parent / "notebooks" / "data" / "fleet")
VERDICTS = "SELECT verdict, count(*) AS n FROM deaths GROUP BY ALL ORDER BY ALL"


def query(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["query", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "sigtrace", "query", *arguments], capture_output=True, check=False)


def table(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()[3:]]


@pytest.mark.parametrize(
    "asked",
    [
        VERDICTS,
        f"{VERDICTS};",
        f"{VERDICTS} -- all",
        VERDICTS.replace("deaths", "DEATHS"),
        f"WITH a AS ({VERDICTS}) FROM a",
    ],
)
def test_a_table_has_the_answer(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = [["asked", "1"], ["exited", "7"], ["fault", "1"], ["killed", "5"], ["oom", "1"], ["self", "2"]]
    assert table(query(capsys, EVIDENCE, asked)) == verdicts


def test_nulls_lists_and_escapes_are_shown_so_that_no_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    printed = query(capsys, EVIDENCE, "SELECT [1, NULL, 2] AS l, NULL AS n, chr(27) || '[31m' AS e, {'b': 1} AS s")
    assert "1, , 2" in printed
    assert r"\x1b[31m" in printed
    assert '{"b": 1}' in printed
    assert "None" not in printed
    assert "\x1b" not in printed


def test_the_name_of_a_column_is_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in query(capsys, EVIDENCE, 'SELECT 1 AS "a\x1b[31m"')


def test_a_table_of_more_than_1000_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert query(capsys, EVIDENCE, "FROM range(1000)").startswith("1,000 rows\n")
    printed = query(capsys, EVIDENCE, "FROM range(1001)")
    assert printed.startswith("The first 1,000 rows; --csv, --json and --parquet print all\n")
    assert len(table(printed)) == 1000
    assert len(query(capsys, EVIDENCE, "FROM range(1001)", "--csv").splitlines()) == 1002


@pytest.mark.parametrize(
    ("asked", "said"),
    [("DESCRIBE events", "group_dead"), ("SHOW TABLES", "kills"), ("PRAGMA table_info('events')", "target_comm")],
)
def test_what_there_is_to_ask_can_be_asked(asked: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in query(capsys, EVIDENCE, asked)


def test_csv_json_and_parquet_have_the_same_rows() -> None:
    done = {form: run(EVIDENCE, VERDICTS + ";", f"--{form}") for form in ("csv", "json", "parquet")}
    assert all((one.returncode, one.stderr) == (0, b"") for one in done.values())
    rows = json.loads(done["json"].stdout)
    assert rows[0] == {"verdict": "asked", "n": 1}
    assert pq.read_table(io.BytesIO(done["parquet"].stdout)).to_pylist() == rows
    read = csv.DictReader(io.StringIO(done["csv"].stdout.decode()))
    assert [{**row, "n": int(row["n"])} for row in read] == rows


def test_times_are_utc(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "SELECT time FROM kills ORDER BY time LIMIT 1"
    assert "2026-11-21 15:48:26" in query(capsys, FLEET, asked)
    (row,) = json.loads(query(capsys, FLEET, asked, "--json"))
    assert row["time"].startswith("2026-11-21 15:48:26")


def test_several_sessions_are_asked_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "SELECT count(DISTINCT log) AS n FROM events"
    assert table(query(capsys, EVIDENCE, str(FIXTURES / "tgid.txt"), asked)) == [["2"]]
    assert table(query(capsys, FLEET, asked)) == [["6"]]


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"], ["--parquet"]])
@pytest.mark.parametrize(
    "asked", ["SELECT nope FROM events", "SELEC 1", "SELECT CAST('x' AS INT)", "FROM deaths WHERE nope", "", ";"]
)
def test_a_wrong_query_exits_with_1_and_one_line(
    asked: str, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", EVIDENCE, asked, *form]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("sigtrace: the query ")
    assert printed.err.count("\n") == 1
    assert "COPY" not in printed.err
    assert "LINE" not in printed.err


@pytest.mark.parametrize("asked", [["SELECT nope FROM deaths"], ["SELECT nope FROM deaths", "--json"]])
def test_a_process_says_nothing_besides_after_an_error(asked: list[str]) -> None:
    done = run(EVIDENCE, *asked)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"sigtrace: the query cannot be run: Binder Error")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["who", EVIDENCE], ["who", EVIDENCE, "5570"], ["report", EVIDENCE], ["query", EVIDENCE, "FROM deaths"]],
)
def test_a_process_that_succeeds_says_nothing_on_stderr(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "sigtrace", *arguments], capture_output=True, check=True)
    assert done.stdout
    assert done.stderr == b""


def test_a_session_that_is_not_there_is_one_line() -> None:
    done = run("no/such", "FROM events")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"sigtrace: no/such: No such file or directory\n"


@pytest.mark.parametrize("form", ["", "--csv", "--json"])
def test_a_reader_that_has_seen_enough_is_no_error(form: str) -> None:
    command = f'{sys.executable} -m sigtrace query {EVIDENCE} "FROM range(200000)" {form} | head -1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_parquet_is_not_sent_to_a_terminal() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "sigtrace", "query", EVIDENCE, "FROM events", "--parquet"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 1
    assert (
        done.stderr == b"sigtrace: refusing to write Parquet to a terminal: redirect it to a file, > answer.parquet\n"
    )


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["query", "--help"])
    assert "examples:\n  sigtrace query " in capsys.readouterr().out
