"""The kernels: what each of them prints of the same scene is judged alike, and docs/kernels.md has a row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import Database
from tests.kernels import table
from tests.kernels.findings import found, lines
from tests.shown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LOGS = sorted((ROOT / "tests" / "fixtures" / "kernels").glob("*.txt"))
DOCUMENT = ROOT / "docs" / "kernels.md"

# What tests/kernels/scene.py does: how who ended, by whom, and with what exit status.
TRUTH = [
    ("aborter", "self", 6, "aborter", None),
    ("crasher", "fault", 11, None, None),
    ("greedy", "oom", 9, None, None),
    ("many threads", "exited", None, None, 5),
    ("server", "asked", 15, "deployer", 3),
    ("sh", "exited", None, None, 7),
    ("sh", "self", 15, "sh", None),
    ("worker", "killed", 9, "reaper", None),
]
ASK = """
    SELECT victim_comm, verdict, sig, killer_comm, exit_status FROM deaths
    WHERE victim_comm NOT LIKE 'python%' AND victim_comm NOT IN ('reaper', 'deployer') ORDER BY victim_comm, verdict
"""


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_the_scene_is_told_as_it_was_on_every_kernel(log: Path) -> None:
    with Database(log) as database:
        assert [tuple(row.values()) for row in database.rows(ASK)] == TRUTH


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_every_line_of_every_kernel_is_understood(log: Path) -> None:
    with Database(log) as database:
        about = database.about_of(None)
    assert about["lines_by_kind"].keys() & {"other", "malformed", "half", "continuation"} == set()


def test_findings_are_read_from_a_console_on_which_others_print() -> None:
    findings = {"release": "7.2", "log": [str(number**9) for number in range(900)]}
    printed = [f"{line}\r\n" for line in lines(findings)]
    others = "[  9.5] clocksource: timekeeping watchdog\r\n"
    assert len(printed) > 3
    assert found([text for line in printed for text in (others, line)]) == findings


@pytest.mark.parametrize("gone", [0, 1, -2, -1])
def test_findings_that_lack_a_line_are_not_taken_for_whole(gone: int) -> None:
    printed = list(lines({"log": [str(number**9) for number in range(900)]}))
    del printed[gone]
    with pytest.raises(ValueError, match="not whole"):
        found(printed)


def told(**changed: Any) -> dict[str, Any]:
    """Return what is found on a kernel on which all is right."""
    return {
        "release": "6.1.0-50",
        "doctor": {"checks": [["ok", "context", "loaded"]]},
        "formats": {"sched:sched_process_exit": 'print fmt: "prio=%d"', "oom:mark_victim": 'print fmt: "pid=%d"'},
        "watch": {
            "watch": ["17:29:29.156     105 sh               SIGTERM          106 ok"],
            "watch --deaths": ["17:29:29.185 sleep (106) was killed by sh (105) with SIGTERM, 28.5 ms after it was"],
        },
        "log": {"storm": {"made": 12000, "calls": 12000, "lost": 0, "noted": 0}},
        "zoo": {"right": ["abort"], "wrong": {}, "skipped": {}},
    } | changed


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"watch": {"watch": [], "watch --deaths": []}}, "watch told: []"),
        (
            {"log": {"storm": {"made": 9, "calls": 7, "lost": 0, "noted": 0}}},
            "storm: 9 calls were made, 7 told, and no",
        ),
        ({"zoo": {"right": [], "wrong": {"abort": ["it is alive"]}, "skipped": {}}}, "abort: it is alive"),
        ({"doctor": {"error": "TimeoutExpired"}}, "doctor: TimeoutExpired"),
    ],
)
def test_what_is_wrong_on_a_kernel_is_a_fault(changed: dict[str, Any], fault: str) -> None:
    assert table.faults(told()) == []
    assert table.faults(told(**changed))[0].startswith(fault)


def test_what_a_kernel_lacks_is_in_its_row_and_no_fault() -> None:
    checks = [
        ["MISSING", "oom:mark_victim", "not in /sys"],
        ["MISSING", "context", "loaded, without sigtrace:arguments"],
    ]
    poor = told(doctor={"checks": checks}, zoo={"right": [], "wrong": {}, "skipped": {"cgroup_kill": "no cgroup.kill"}})
    assert table.faults(poor) == []
    assert "oom:mark_victim (not in /sys), sigtrace:arguments" in table.row("old", poor)
    assert "no cgroup_kill (no cgroup.kill)" in table.row("old", poor)


def test_a_row_is_written_in_its_place_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "kernels.md"
    path.write_text(f"Before.\n{table.BEGIN}| kernel |\n| --- |\n{table.END}After.\n")
    old, new = table.row("old", told()), table.row("new", told(release="7.2"))
    for row in (new, old, new):
        table.write(path, ["old", "new"], {row[0]: row})
    assert list(table.rows(path.read_text()).values()) == [old, new]
    assert path.read_text().startswith("Before.\n")
    assert path.read_text().endswith("After.\n")


def test_a_row_differs_by_what_the_kernel_can_and_not_by_its_release() -> None:
    row = table.row("old", told())
    assert table.differs(row, table.row("old", told(release="6.1.0-51"))) == []
    lossy = told(log={"storm": {"made": 9, "calls": 7, "lost": 0, "noted": 2}})
    assert table.differs(row, table.row("old", lossy)) == [
        "calls of a storm: docs/kernels.md says 'all told', and it is 'some lost, and that is noted'"
    ]


def test_each_log_is_of_a_kernel_in_the_table() -> None:
    assert LOGS
    assert {log.stem for log in LOGS} <= table.rows(DOCUMENT.read_text()).keys()
