"""The command line: what it says of a mistake, and how a script, a shell and man read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.cli import main
from sigtrace.commands.line.parser import joined, parser

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")


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
