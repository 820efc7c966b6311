"""The report, as text and as JSON: what matters first, said once, and no wider than the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace.cli import main
from sigtrace.output import notebook
from sigtrace.output import summary as report
from sigtrace.output.clock import Clock
from sigtrace.output.sentence import unknown
from sigtrace.questions.database import Database
from tests.pseudo_terminal import in_a_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

FIXTURES = Path(__file__).parent / "fixtures"
DATA = Path(__file__).parents[1] / "notebooks" / "data"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
DEFAULT = str(FIXTURES / "default.txt")
LOSSY = str(FIXTURES / "lossy.txt.gz")
OTHERS = str(FIXTURES / "only_another_programs_printk.txt")
SCENE = str(DATA / "scene.parquet")
FLEET = str(DATA / "fleet")


def text(capsys: pytest.CaptureFixture[str], *sessions: str) -> str:
    assert main(["report", *sessions]) == 0
    return capsys.readouterr().out


def answer(capsys: pytest.CaptureFixture[str], *sessions: str) -> dict[str, Any]:
    assert main(["report", *sessions, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def lines_in_a_terminal(columns: int, *arguments: str) -> list[str]:
    printed = in_a_terminal(columns, "report", *arguments)
    return re.sub(r"\x1b\[[\d;]*m", "", printed).splitlines()


def section(printed: str, title: str) -> list[str]:
    (found,) = [block.splitlines() for block in printed.split("\n\n") if block.startswith(f"{title}: ")]
    return found


def test_who_died_comes_first_then_the_calls_then_what_was_lost(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _, deaths, death, *_ = text(capsys, SCENE).splitlines()
    assert first == (
        f"{SCENE}: 8 processes were killed, 1 died of a fault of its own, 1 ended itself and 25 exited; "
        "14 calls by 5 senders in 685.5 ms, 1 failed, 3 were probes (signal 0)."
    )
    assert second == "Nothing was lost."
    assert deaths == "Deaths: 10, in the order of time."
    assert death.startswith("- 2026-11-22 14:02:47.312844Z web-1 (13546) was killed by deployer (13554) with SIGTERM")


def test_a_log_of_calls_alone_says_that_deaths_are_not_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    printed = text(capsys, LOSSY).splitlines()
    assert printed[0] == (
        f"{LOSSY}: 70,781 calls by 4 senders in 313.3 ms, all failed; this log does not say whether any process ended."
    )
    assert printed[1].startswith("Unknown: 18,176 events were lost on CPU 1, so calls made there are missing; ")


def test_a_log_without_a_call_says_whose_its_lines_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert text(capsys, OTHERS) == (
        f"{OTHERS}: No complete call in 28 lines (28 of other programs); "
        "this log does not say whether any process ended.\n"
        "Unknown: this log has no calls of kill, signal_generate, signal_deliver or sched_process_exit, which would "
        "show the calls that failed, who else sent a signal, what became of a signal and who ended; "
        "record with `sigtrace record`.\n"
    )


def test_a_storm_and_an_escalation_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    storms = section(text(capsys, LOSSY), "Storms")
    assert storms[0] == (
        "Storms: 4 storms; the fastest was by w (2) sent (12754): 16,823 calls, 79,052 a second, all failed."
    )
    assert storms[1].split() == ["process", "pid", "calls", "a", "second", "failed", "targets"]
    assert section(text(capsys, SCENE), "Asked to end, then killed")[0] == (
        "Asked to end, then killed: 1 process was asked to end and then sent SIGKILL: web-2 (13547), "
        "301.6 ms after SIGTERM from deployer (13554)."
    )


def test_a_table_of_which_the_sentence_says_all_is_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert section(text(capsys, LOSSY), "Targets") == ["Targets: 70,781 targets named, each once."]
    assert section(text(capsys, EVIDENCE), "Targets") == ["Targets: 7 targets named, each once."]
    assert "Who killed whom: 9 deaths; most often, 2 times, bash ended bash" in text(capsys, EVIDENCE)
    assert "Who killed whom" not in text(capsys, SCENE)  # each once: the deaths over again
    # Of few calls, and no death that tells of them, the table is the answer.
    assert len(section(text(capsys, str(FIXTURES / "stacktrace.txt")), "Senders")) > 3


def test_a_long_table_says_how_long_it_is_and_what_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    found = section(text(capsys, DEFAULT), "Failed calls")
    assert found[0].endswith("The first 10 of 41 are shown; --json has all.")
    assert len(found) == 3 + 10
    whole = answer(capsys, DEFAULT)
    assert (len(whole["failures"]), whole["counts"]["failures"]) == (41, 41)


def test_of_very_many_json_has_the_first_thousand_and_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, LOSSY)
    assert (len(whole["targets"]), whole["counts"]["targets"]) == (1_000, 70_781)
    assert sum(map(len, (value for value in whole.values() if isinstance(value, list)))) < 5_000


@pytest.mark.parametrize("session", [EVIDENCE, LOSSY, DEFAULT, OTHERS, SCENE, FLEET])
def test_the_line_under_a_head_is_as_wide_as_the_table_and_no_line_ends_in_blanks(
    session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = text(capsys, session)
    assert not [line for line in printed.splitlines() if line != line.rstrip()]
    for block in printed.split("\n\n"):
        lines = block.splitlines()
        if any(line.startswith("─") for line in lines):
            table = next(line for line in lines if line.startswith("─"))
            at = lines.index(table)
            assert len(table) == max(len(line) for line in [lines[at - 1], *lines[at + 1 :]])


@pytest.mark.parametrize("session", [EVIDENCE, LOSSY, DEFAULT, SCENE, "notebooks/data/fleet"])
def test_in_80_columns_nothing_is_wider_and_no_cell_is_folded(session: str) -> None:
    lines = lines_in_a_terminal(80, session)
    assert max(map(len, lines[:-1])) <= 80
    for at, line in enumerate(lines):
        if line.startswith("─") and lines[at + 1].split():
            # A folded cell leaves a row that begins with blanks only: a row's first cell is never empty.
            assert all(row[:8].strip() for row in lines[at + 1 : lines.index("", at)])


def test_in_a_terminal_the_last_line_says_what_to_type_next(capsys: pytest.CaptureFixture[str]) -> None:
    last = lines_in_a_terminal(80, "notebooks/data/scene.parquet")[-1]
    assert last == "Now ask about one: sigtrace who notebooks/data/scene.parquet 13546"
    assert main(last.split(": sigtrace ")[1].split()) == 0
    assert "web-1 (13546) was killed" in capsys.readouterr().out
    assert lines_in_a_terminal(80, OTHERS)[-1] == "Now record one: sudo sigtrace record -o s.parquet"
    assert lines_in_a_terminal(80, EVIDENCE, DEFAULT)[-1].endswith("with --html report.html")
    assert "Now ask" not in text(capsys, SCENE)


def test_the_log_is_a_column_only_with_several_logs_and_as_short_as_tells_it_from_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert section(text(capsys, SCENE), "Senders")[1].split()[-1] == "targets"
    printed = text(capsys, FLEET)
    senders = section(printed, "Senders")
    assert senders[1].split()[-1] == "log"
    assert senders[3].split()[-1] == "web-1@2026-11-21"
    # A signal is of all logs.
    assert section(printed, "Signals")[1].split()[-1] == "targets"
    assert "by 63 senders in 6 logs, 1 failed" in printed
    # And whole where lines are named.
    assert "[web-1@2026-11-21T15:48:26.128155Z: lines 76, 77, 90, 91]" in printed


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["a/b/x.log", "a/b/y.log"], ["x.log", "y.log"]),
        (["a/x.log", "b/x.log"], ["a/x.log", "b/x.log"]),
        (["w@2026-11-21T15:48:26.128155Z", "v@2026-11-21T15:48:26.128155Z"], ["w@2026-11-21", "v@2026-11-21"]),
        (["w@2026-11-21T15:48:26.1Z", "w@2026-11-21T16:48:26.1Z"], ["w@2026-11-21T15:48Z", "w@2026-11-21T16:48Z"]),
        (["w@2026-11-21T15:48:26.1Z", "w@2026-11-21T15:48:26.2Z"], None),
        (["w@2026-11-21T15:48:26.1Z", "/var/x.log"], None),
    ],
)
def test_a_short_name_of_a_log_is_no_other_s(names: Sequence[str], short: Sequence[str] | None) -> None:
    answer = report.summary(sigtrace.read(EVIDENCE))
    answer["logs"] = [{"log": name, "ts": None, "time": None} for name in names]
    answer["counts"]["logs"] = len(names)
    clock = Clock(answer)
    assert [clock.short_name(name) for name in names] == (short or names)
    answer["counts"]["logs"] += 1  # of one more than is known, no short name is safe
    assert [Clock(answer).short_name(name) for name in names] == names


def test_json_has_times_as_iso_8601_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, SCENE)
    times = [row["time"] for row in (*whole["deaths"], *whole["logs"], *whole["timeline"]["rows"])]
    assert len(times) > 20
    assert all(re.fullmatch(r"2026-11-22T14:02:4\d\.\d{6}Z", time) for time in times)
    (log,), death = whole["logs"], whole["deaths"][0]
    begun, died = (datetime.fromisoformat(row["time"]) for row in (log, death))
    assert died - begun == timedelta(microseconds=death["ts"] - log["ts"])


def test_json_has_numbers_as_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, SCENE)
    assert sum(row["calls"] for row in whole["timeline"]["rows"]) == whole["calls"] == 14
    assert sum(row["deaths"] for row in whole["matrix"]) == whole["counts"]["deaths"] == 10
    assert whole["found"] == 2


@pytest.mark.parametrize("session", [SCENE, FLEET])
def test_two_periods_side_by_side_are_the_whole(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, session)
    until = datetime.fromisoformat(sorted(death["time"] for death in whole["deaths"])[4])
    since = until + timedelta(microseconds=1)
    first = answer(capsys, session, "--until", until.isoformat())
    then = answer(capsys, session, "--since", since.isoformat())
    assert [*first["deaths"], *then["deaths"]] == whole["deaths"]
    for count in ("calls", "failed", "probes", "exits_that_failed"):
        assert first[count] + then[count] == whole[count]
    assert Counter(first["verdicts"]) + Counter(then["verdicts"]) == Counter(whole["verdicts"])
    assert 0 < first["calls"] < whole["calls"]


def test_each_list_of_the_answer_is_counted() -> None:
    with Database(FLEET) as database:
        whole = report.summary(database)
    lists = {key for key, value in whole.items() if isinstance(value, list)}
    assert list(whole["counts"]) == [key for key in whole if key in lists]  # in one order, however the work was shared
    assert all(len(whole[key]) == min(whole["counts"][key], 1_000) for key in lists)


def test_the_module_writes_a_page_and_says_what_to_do_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sigtrace.report", EVIDENCE, "--html", "out.html"]
    environment = {**os.environ, "PYTHONPATH": str(Path(sigtrace.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert done.stdout == ""
    assert done.stderr == "out.html: open it in any browser, or send it; it needs no network.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EVIDENCE, "--html", "/no/such/folder/out.html"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "sigtrace: /no/such/folder/out.html: No such file or directory: give a path in a folder that can be written\n"
    )


def test_a_report_as_markdown_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EVIDENCE, "--markdown"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"**`{EVIDENCE}`**: 5 processes were killed")
    assert printed.err == ""


def test_two_forms_at_once_are_wrong_usage() -> None:
    with pytest.raises(SystemExit) as exited:
        main(["report", EVIDENCE, "--json", "--markdown"])
    assert exited.value.code == 2


def test_one_of_a_kind_is_said_in_the_singular() -> None:
    log = b"            bash-4711    [000] d..21  7.000001: bpf_trace_printk: hello\n"
    session = sigtrace.read(log)
    session.accounting.lost_by_cpu[3] = 1
    session.accounting.lines_by_kind["half"] = 1
    said = unknown(session)
    assert said is not None
    assert said.startswith("1 event was lost on CPU 3, so calls made there are missing; 1 call has only one of two")
    session.accounting.losses_of_unknown_size[2] = 1
    assert str(unknown(session)).startswith("1 event and an unknown number more were lost on CPU 2, 3")


def test_a_notebook_shows_a_session_s_first_deaths_in_sentences() -> None:
    shown = str(sigtrace.read(SCENE)._repr_html_())
    items = re.findall(r"<li>(.*?)</li>", shown)
    assert len(items) == 6
    assert items[0] == (
        "2026-11-22 14:02:47.312844Z <b>web-1 (13546)</b> was killed by <b>deployer (13554)</b> with SIGTERM."
    )
    assert items[4].endswith("<b>cache (13561)</b> ended itself with SIGABRT.")
    assert items[5].startswith("and 5 more: ")
    assert "<ul>" not in str(sigtrace.read(LOSSY)._repr_html_())


def test_a_notebook_shows_no_name_as_markup() -> None:
    session = sigtrace.read(EVIDENCE)
    rows = session.table.to_pylist()
    hostile = [{key: "<script>x()\x1b" if value == "bash" else value for key, value in row.items()} for row in rows]
    table = type(session.table).from_pylist(hostile, schema=session.table.schema)
    shown = notebook.html(sigtrace.Session("s", table, session.accounting, {"lost_by_kernel_count": {"0": 3}}))
    assert "<script>" not in shown
    assert r"<b>&lt;script&gt;x()\x1b (5573)</b>" in shown
    assert "3 events: calls and deaths may be missing" in shown
