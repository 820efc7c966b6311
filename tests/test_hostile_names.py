"""Names that somebody chose to harm whoever reads an answer: no form of it passes one on as it is."""

from __future__ import annotations

import csv
import io
import json
import pwd
import re
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sigtrace
from sigtrace import Database, analyze
from sigtrace.capture import users
from sigtrace.capture.proc import snapshot
from sigtrace.cli import main
from sigtrace.facts.schema import PLAIN, VERSION
from sigtrace.output import notebook, plot
from sigtrace.store.recorder import Recorder
from tests.story import fork, kill, line

PART = Path(__file__).parent.parent / "notebooks" / "data" / "scene.parquet" / "part-00000.parquet"
NAMES = [
    "\x1b[31m\x1b]0;title\x07",
    "\x9b31m\x7f\r\b",
    "new\nline\n- **fake** [lines 1]",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "[click](http://evil.example) @all",
    "| a | b |\n|---|\n```\n# head",
    "=cmd|' /C calc'!A0",
    '+HYPERLINK("http://evil.example")',
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "\u202egnp.exe\u2066\u200f",
    'x",le="1"} 1\nkilled 9',
    "\\xff\\x80",
    "$x^2$ $(reboot) `reboot`",
    "'; DROP TABLE events; --",
]
FORMULA = re.compile(r"\s*[=+\-@]")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> str:
    table = pq.read_table(PART)
    for column in ("comm", "target_comm", "command", "filename", "cgroup", "user"):
        if column not in table.column_names:
            continue
        values = table[column].to_pylist()
        known = dict(zip(sorted({value for value in values if value is not None}), cycle(NAMES), strict=False))
        hostile = [None if value is None else known[value] for value in values]
        at = table.column_names.index(column)
        table = table.set_column(at, table.schema.field(column), pa.array(hostile, table.schema.field(column).type))
    path = tmp_path_factory.mktemp("hostile") / "s\x1b[31m\n=<b>.parquet"
    pq.write_table(table, path)
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert not [c for c in out + err if not c.isprintable() and c != "\n"]
    return out


@pytest.mark.parametrize(
    "arguments",
    [["who"], ["who", "-v"], ["who", "--json"], ["report"], ["report", "--json"], ["report", "--markdown"]],
)
def test_nothing_that_a_terminal_obeys_is_printed(
    arguments: list[str], session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *form = arguments
    out = printed(capsys, command, session, *form)
    assert "- **fake**" not in [line[:10] for line in out.splitlines()]
    if "--json" in form:
        assert json.loads(out)


def test_a_table_a_csv_and_json_of_a_query_pass_on_no_escape_and_no_formula(
    session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = 'SELECT comm, count(*) AS "=1+1\x1b", -1 AS n, list(DISTINCT target_comm) AS l FROM events GROUP BY ALL'
    printed(capsys, "query", session, asked)
    rows = list(csv.reader(io.StringIO(printed(capsys, "query", session, asked, "--csv"))))
    assert not [cell for row in rows for cell in row if FORMULA.match(cell) and cell != "-1"]
    assert {row[2] for row in rows} == {"n", "-1"}
    assert any(row[0].startswith("'=cmd|") for row in rows)
    objects = json.loads(printed(capsys, "query", session, asked, "--json"))
    assert {one["comm"] for one in objects} - {None} <= set(NAMES)  # JSON has its own escapes, and loses nothing


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def assert_is_tame(html: str) -> None:
    tags = Tags(html)
    assert tags.found.isdisjoint({"img", "iframe", "object"})
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "alert(1)</script>" not in html
    assert not [c for c in html if not c.isprintable() and c not in "\n\t"]


def test_a_page_and_a_notebook_have_no_tag_and_no_handler_out_of_a_name(
    session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "report", session, "--html", str(tmp_path / "out.html"))
    for html in ((tmp_path / "out.html").read_text(), notebook.html(sigtrace.read(session))):
        assert_is_tame(html)


def test_markdown_has_names_in_code_alone(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "report", session, "--markdown")
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"(?ms)^ *```\n.*?^ *```$", "", out))
    assert not re.search(r"(?<!\\)<(img|svg|script)", outside)
    assert not re.search(r"(?<!\\)\]\(http", outside)
    assert not re.search(r"(?<!\\)@all", outside)


def test_a_picture_draws_names_as_they_are_spelled(session: str) -> None:
    table = sigtrace.read(session).table
    for picture in (plot.matrix, plot.graph):
        figure = picture(table)
        labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
        assert labels
        assert all(label.replace("\n", "").isprintable() for label in labels)
        figure.canvas.draw()


def test_an_error_that_suggests_a_name_passes_on_no_escape(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", session, "31m-title"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


def test_no_name_becomes_sql(session: str) -> None:
    with Database(session, session) as database:
        (row,) = database.rows("SELECT count(*) AS n FROM events")
        assert row["n"] == pq.read_metadata(PART).num_rows
    assert len(analyze.deaths(sigtrace.read(session).table)) > 0


# Who they are: a user's name, a unit, a control group, a command line, each a name that somebody chose.
def who_they_are(number: int) -> dict[str, str]:
    name = NAMES[number % len(NAMES)]
    return {"comm": name[:15], "user": name, "command": f"/bin/{name} {name}", "filename": f"/bin/{name}"}


def a_life(number: int, unit: str, line: int) -> list[dict[str, Any]]:
    """A victim and its killer, both there before, in a unit of that name; and what the one does to the other."""
    victim, killer = 1000 + 2 * number, 1001 + 2 * number
    there = {"event": "process", "line": 0, "ts": 1, "target": 1, "cgroup": f"/system.slice/{unit}.service"}
    name = who_they_are(number)["comm"]
    happened = [
        {"event": "signal_generate", "tid": killer, "pid": killer, "sig": 9, "code": 0, "grp": True, "res": 0},
        {"event": "kill", "tid": killer, "pid": killer, "sig": 9, "ret": 0},
        {"event": "mark_victim", "tid": killer, "pid": killer, "command": f"total-vm={name}"},
        {"event": "signal_deliver", "tid": victim, "pid": victim, "sig": 9, "code": 0, "handler": "default"},
        {"event": "sched_process_exit", "tid": victim, "pid": victim, "group_dead": True},
    ]
    if number % 2:
        happened[0]["code"] = 128  # the OOM killer's
        del happened[1]
    else:
        del happened[2]
    for at, row in enumerate(happened):
        row |= {"line": line + at, "ts": 1_000 * (line + at), "cpu": 0, "comm": name}
        if row["event"] in {"signal_generate", "kill", "mark_victim"}:
            row |= {"target": victim, "target_comm": name}
    return [
        *({**there, "tid": pid, "pid": pid, **who_they_are(number)} for pid in (victim, killer)),
        *happened,
    ]


@pytest.fixture(scope="module")
def identified(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = [row for number, name in enumerate(NAMES) for row in a_life(number, name.replace("/", "-"), 1 + 10 * number)]
    account = (pq.read_metadata(PART).metadata or {})[b"sigtrace"]
    told = json.loads(account) | {"schema": VERSION}
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: int(row["line"])), PLAIN)
    path = tmp_path_factory.mktemp("identified") / "s.parquet"
    pq.write_table(table.replace_schema_metadata({b"sigtrace": json.dumps(told).encode()}), path)
    return str(path)


def test_users_units_and_commands_keep_their_names_in_json(identified: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "who", identified, "--json"))
    assert len(found) == len(NAMES)
    assert {one["victim_user"] for one in found} == set(NAMES)
    assert {one["victim_unit"] for one in found} == {f"{name.replace('/', '-')}.service" for name in NAMES}
    assert {one["verdict"] for one in found} == {"killed", "oom"}


@pytest.mark.parametrize(
    "arguments", [["who", "-v"], ["report"], ["report", "--json"], ["report", "--markdown"], ["query", "FROM deaths"]]
)
def test_nothing_that_a_terminal_obeys_comes_of_users_units_and_commands(
    arguments: list[str], identified: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *more = arguments
    out = printed(capsys, command, identified, *more)
    assert "- **fake**" not in [line[:10] for line in out.splitlines()]


def test_a_spreadsheet_takes_no_user_unit_or_command_for_a_formula(
    identified: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = "SELECT victim_user, victim_unit, command, cgroup, oom_figures, killer_user, hops FROM deaths"
    rows = list(csv.reader(io.StringIO(printed(capsys, "query", identified, asked, "--csv"))))
    assert len(rows) == 1 + len(NAMES)
    assert not [cell for row in rows for cell in row if FORMULA.match(cell)]


def test_a_page_has_no_tag_and_no_handler_out_of_a_user_a_unit_or_a_command(
    identified: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "report", identified, "--html", str(tmp_path / "out.html"))
    for html in ((tmp_path / "out.html").read_text(), notebook.html(sigtrace.read(identified))):
        assert_is_tame(html)


def test_markdown_has_users_units_and_commands_in_code_alone(
    identified: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "report", identified, "--markdown")
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"(?ms)^ *```\n.*?^ *```$", "", out))
    assert not re.search(r"(?<!\\)<(img|svg|script)", outside)
    assert not re.search(r"(?<!\\)\]\(http", outside)
    assert not re.search(r"(?<!\\)@all", outside)


@pytest.mark.parametrize("name", NAMES)
def test_a_users_name_from_this_host_is_printed_as_it_is_spelled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = pwd.struct_passwd((name, "x", 4711, 4711, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    users.name.cache_clear()
    try:
        log = fork(100) + line("bpf_trace_printk: sigtrace args uid=4711 cgroup=1 web", of=100) + kill(100)
        with Recorder(tmp_path / "s.parquet", {}, utc_offset_us=0, processes=snapshot()[:2]) as recorder:
            recorder.feed(log.encode())
            recorder.finish({})
    finally:
        users.name.cache_clear()
    (one,) = json.loads(printed(capsys, "who", str(tmp_path / "s.parquet"), "100", "--json"))
    assert one["victim_user"] == name
    assert len(printed(capsys, "report", str(tmp_path / "s.parquet"), "--markdown").splitlines()) > 3
    asked = "SELECT victim_user FROM deaths WHERE victim_pid = 100"
    (_, (cell,)) = csv.reader(io.StringIO(printed(capsys, "query", "--csv", str(tmp_path / "s.parquet"), asked)))
    assert not FORMULA.match(cell)
