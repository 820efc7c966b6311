"""The command line: what it says of a mistake, and how a script, a shell and man read it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sigtrace
from sigtrace.cli import main
from sigtrace.commands.line.parser import joined, parser
from sigtrace.facts.schema import PLAIN
from sigtrace.questions.who import Question, ask
from tests.shown import COMMANDS

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
DATA = Path(__file__).parents[1] / "notebooks" / "data"
SCENE, FLEET = str(DATA / "scene.parquet"), str(DATA / "fleet")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the last line of what is said of a usage that is wrong."""
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reprot s.parquet", "sigtrace: error: reprot: did you mean report?"),
        ("help reprot", "sigtrace help: error: reprot: did you mean report?"),
        ("service instal", "sigtrace service: error: instal: did you mean install?"),
        ("--verzion", "sigtrace: error: --verzion: did you mean --version?"),
        ("who s.parquet --jsn", "sigtrace who: error: --jsn: did you mean --json?"),
        ("who s.parquet x --sicne -15m", "sigtrace who: error: --sicne: did you mean --since?"),
        ("query s.parquet -csv x", "sigtrace query: error: -csv: did you mean --csv?"),
        ("parse a.log --outptu=x.parquet", "sigtrace parse: error: --outptu: did you mean --output?"),
        ("record --durration 5 -- ls", "sigtrace record: error: --durration: did you mean --duration?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *line.split()) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frobnicate", "sigtrace: error: frobnicate: give one of record, watch, parse, report, who, query,"),
        ("who s.parquet a b", "sigtrace who: error: unrecognized arguments: b"),
        ("who s.parquet --frobnicate", "sigtrace who: error: unrecognized arguments: --frobnicate"),
        # What a recorded command takes is its own business.
        ("record -- ls --duratoin", "sigtrace record: error: one of the arguments -o/--output --flight is required"),
    ],
)
def test_of_a_word_that_is_like_no_other_none_is_suggested(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *line.split()).startswith(said)


def test_an_option_may_still_be_cut_short() -> None:
    assert parser().parse_args(["who", "s.parquet", "--js"]).form == "json"


def test_help_prints_what_the_option_help_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["who"], ["help"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        of_option = capsys.readouterr().out
        assert printed(capsys, "help", *words) == of_option


SCENE = "notebooks/data/scene.parquet"
UNSEEN = "no row names pid 4711"


@pytest.mark.parametrize("words", [["4711"], ["all", "--by", "4711"], ["4711", "--by", "deployer"], ["4711", "--json"]])
def test_a_pid_that_no_row_names_is_an_error_that_says_so_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who", SCENE, *words]) == 1
    told = capsys.readouterr()
    assert told == ("", f"sigtrace: {SCENE}: {UNSEEN}: check the number, or ask `who` for all\n")


def test_of_an_unseen_pid_no_call_to_a_group_is_told_that_may_have_been_about_anybody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = str(FIXTURES / "stacktrace.txt")  # which has the two lines alone, and calls to groups
    assert main(["who", log, "4711"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sigtrace: {log}: {UNSEEN}. Unknown: this log has no signal_generate")
    assert err.count("\n") == 1
    assert sigtrace.who(sigtrace.read(log), "4711") == []


def test_where_events_were_lost_an_unseen_pid_may_have_been_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", str(FIXTURES / "lossy.txt.gz"), "4711"]) == 1
    assert f"{UNSEEN}. Unknown: 18,176 events were lost on CPU 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "pid"),
    [
        ({"event": "kill", "pid": 7, "tid": 8, "sig": 0, "target": 9, "ret": 0}, 7),
        ({"event": "kill", "pid": 7, "tid": 8, "sig": 0, "target": 9, "ret": 0}, 8),
        ({"event": "kill", "pid": 7, "tid": 8, "sig": 0, "target": 9, "ret": 0}, 9),
        ({"event": "kill", "pid": 7, "tid": 8, "sig": 15, "target": -9, "ret": 0}, 9),
        ({"event": "kill_half", "pid": 7, "tid": 8, "target": 9, "ret": 0}, 9),
        ({"event": "process", "pid": 7, "tid": 7, "target": 9}, 9),
        ({"event": "sched_process_fork", "pid": 7, "tid": 7, "target": 9}, 9),
    ],
)
def test_a_pid_is_known_if_a_row_names_it_in_any_way(row: dict[str, object], pid: int) -> None:
    row = {"ts": 1, "line": 1, "cpu": 0, **row}
    table = pa.Table.from_pylist([row], PLAIN)
    account = sigtrace.Accounting()
    session = sigtrace.Session("s", table, account, {**account.to_dict(), "logs": [None]})
    with sigtrace.Database(session) as database:
        assert ask(database, Question(str(pid)), each=False, exits=False).unseen is None
        assert ask(database, Question("4711"), each=False, exits=False).unseen == 4711


OUTPUTS = ["record -o {} -- true", "watch -o {}", f"parse {EVIDENCE} -o {{}}"]


@pytest.mark.parametrize("line", OUTPUTS)
@pytest.mark.parametrize("name", ["x.txt", "x", "x.PARQUET", ".parquet", "/dev/null", "."])
def test_a_session_is_written_only_by_a_name_by_which_it_is_found(
    line: str, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        parser().parse_args(line.format(name).split())  # which records nothing
    assert exited.value.code == 2
    told = f"{name}: a session is found in a folder by a name that ends in .parquet: give NAME.parquet\n"
    assert capsys.readouterr().err.endswith(told)


@pytest.mark.parametrize("line", OUTPUTS)
@pytest.mark.parametrize("name", ["x.parquet", "a/b.parquet", "x.parquet/", "./-x.parquet"])
def test_a_name_that_ends_in_parquet_is_taken(line: str, name: str) -> None:
    assert Path(parser().parse_args(joined(line.format(name).split())).output) == Path(name)


def test_the_folder_of_the_flight_recorder_may_have_any_name() -> None:
    assert parser().parse_args(["record", "--flight", "x.d"]).flight == "x.d"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([SCENE], 0),
        ([SCENE, "web-2"], 0),
        ([SCENE, "web-2", "--json", "--limit", "0"], 0),  # whether or not it is told
        ([SCENE, "--by", "deployer"], 0),
        ([SCENE, "13554"], 3),  # it exited
        ([SCENE, "--by", "13546"], 3),
        ([SCENE, "web-2", "--by", "13554", "--until", "14:02:47.4"], 3),  # that SIGTERM it ignored
        ([EVIDENCE, "5573"], 0),  # self
        ([EVIDENCE, "5574"], 0),  # fault
        ([EVIDENCE, "5583"], 0),  # oom
        ([EVIDENCE, "5571"], 3),  # it was asked, and exited
        ([EVIDENCE, "5567"], 3),  # nobody sent it a signal
        ([str(FIXTURES / "only_process_exit.txt"), "14158"], 4),
        ([str(FIXTURES / "only_sys_kill.txt"), "--by", "14165"], 4),
        ([str(FIXTURES / "lossy.txt.gz"), "12754"], 4),
        ([SCENE, "4711"], 1),  # no row names it
        ([SCENE, "no such name"], 1),
    ],
)
def test_the_exit_code_says_whether_a_signal_ended_somebody_if_it_is_asked_to(words: list[str], code: int) -> None:
    assert main(["who", *words, "--exit-code"]) == code
    assert main(["who", *words]) == (1 if code == 1 else 0)


def test_the_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    codes = printed(capsys, "help").partition("\nexit code:\n")[2]
    assert "who --exit-code" in codes
    with_exit_code = [name for name in COMMANDS if "--exit-code" in printed(capsys, "help", name)]
    assert with_exit_code == ["who"]


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (["who", SCENE, "--json", "web-1"], ["who", SCENE, "web-1", "--json"]),
        (
            ["who", "--by", "deployer", SCENE, "--limit", "1", "web-1"],
            ["who", SCENE, "web-1", "--by=deployer", "--limit=1"],
        ),
        (["query", SCENE, "--csv", "SELECT 1"], ["query", "--csv", SCENE, "SELECT 1"]),
        (["report", SCENE, "--json", FLEET], ["report", SCENE, FLEET, "--json"]),
    ],
)
def test_options_stand_anywhere(asked: list[str], same: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, *asked)
    assert said == printed(capsys, *same)
    assert said


def test_what_stands_on_both_sides_of_an_option_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    default = str(FIXTURES / "default.txt")
    assert main(["parse", default, "-o", str(tmp_path / "out.parquet"), default]) == 0
    assert "552 calls from 1,104 lines" in "".join(capsys.readouterr())
    said = refused(capsys, "who", SCENE, "--json", "web-1", "web-2")
    assert said == "sigtrace who: error: unrecognized arguments: web-2"


@pytest.mark.parametrize("asked", [["web-1"], ["--by", "deployer"], []])
def test_the_answers_of_who_are_a_table_too(asked: list[str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["who", SCENE, *asked, "--json"]) == 0
    objects = json.loads(capfdbinary.readouterr().out)
    assert main(["who", SCENE, *asked, "--parquet"]) == 0
    rows = pq.read_table(io.BytesIO(capfdbinary.readouterr().out)).to_pylist()
    assert [row["victim_pid"] for row in rows] == [one["victim_pid"] for one in objects]
    assert [(row["signal"], row["lines"]) for row in rows] == [(one["signal"], one["lines"]) for one in objects]
    assert main(["who", SCENE, *asked, "--csv"]) == 0
    header, *lines = csv.reader(io.StringIO(capfdbinary.readouterr().out.decode()))
    assert set(objects[0]) <= set(header)
    assert [line[header.index("victim_pid")] for line in lines] == [str(one["victim_pid"]) for one in objects]


@pytest.mark.parametrize("source", [SCENE, EVIDENCE])
def test_the_deaths_of_a_report_are_a_table_too(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["report", source, "--json"]) == 0
    deaths = [(one["victim_pid"], one["signal"]) for one in json.loads(capfdbinary.readouterr().out)["deaths"]]
    assert len(deaths) > 1
    assert main(["report", source, "--parquet"]) == 0
    rows = pq.read_table(io.BytesIO(capfdbinary.readouterr().out)).to_pylist()
    assert [(row["victim_pid"], row["signal"]) for row in rows] == deaths
    assert main(["report", source, "--csv"]) == 0
    header, *lines = csv.reader(io.StringIO(capfdbinary.readouterr().out.decode()))
    assert [line[header.index("victim_pid")] for line in lines] == [str(pid) for pid, _ in deaths]


def test_a_table_of_nobody_has_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "who", SCENE, "--since", "2026-11-22T15:00:00", "--csv")
    assert said.count("\n") == 1
    assert {"victim_pid", "verdict", "signal"} <= set(said.strip().split(","))
