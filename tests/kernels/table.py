"""Table: a row for each kernel, made of what was found on it, and the table in docs/kernels.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (
    *("kernel", "release", "`doctor` misses", "an exit says if it was the last thread's", "an OOM kill names"),
    *("`watch`, `watch --deaths`", "calls of a storm", "scenes of the zoo"),
)

BEGIN, END = "<!-- made by `make kernels` -->\n", "<!-- end -->\n"

_OF_A_RUN = 2  # the first cells: the same kernel's next release changes them and means nothing
_OOM = {"comm": "name", "total_vm": "memory", "uid": "user"}


def row(name: str, findings: dict[str, Any]) -> list[str]:
    """Return the cells of a kernel's row."""
    return [name, f"{findings['release']}", *(cell(findings) for cell in (_doctor, _exit, _oom, _watch, _storm, _zoo))]


def failed(findings: dict[str, Any]) -> list[str]:
    """Say what could not be tried on a kernel: then there is no row of it."""
    steps = ("doctor", "formats", "watch", "log", "zoo")
    return [f"{step}: {findings[step]['error']}" for step in steps if "error" in findings[step]]


def faults(findings: dict[str, Any]) -> list[str]:
    """Say what went wrong on a kernel; what it lacks is no fault."""
    wrong = failed(findings)
    if wrong:
        return wrong
    wrong += [f"{name} told: {said}" for name, said in findings["watch"].items() if not _tells(name, said)]
    storm = findings["log"]["storm"]
    if storm["calls"] != storm["made"] and not storm["lost"] + storm["noted"]:
        wrong.append(f"storm: {storm['made']} calls were made, {storm['calls']} told, and no loss was noted")
    wrong += [f"{scene}: {why}" for scene, complaints in findings["zoo"]["wrong"].items() for why in complaints]
    return wrong


def rows(document: str) -> dict[str, list[str]]:
    """Read the rows of a document's table, by the kernel's name."""
    table = document.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return {row[0]: row for row in cells}


def differs(told: list[str], found: list[str]) -> list[str]:
    """Say where a kernel's row is not what was found."""
    pairs = list(zip(COLUMNS, told, found, strict=True))[_OF_A_RUN:]
    return [f"{column}: docs/kernels.md says {old!r}, and it is {new!r}" for column, old, new in pairs if old != new]


def write(path: Path, order: list[str], found: dict[str, list[str]]) -> None:
    """Put rows into the table of a document; those of other kernels stay."""
    document = path.read_text()
    known = rows(document) | found
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(known[name] for name in order if name in known)]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    before, after = document.partition(BEGIN)[0], document.partition(END)[2]
    path.write_text(before + BEGIN + table + END + after)


def _doctor(findings: dict[str, Any]) -> str:
    missing = []
    for state, name, detail in findings["doctor"]["checks"]:
        without = re.search(r"without (.*)$", detail)
        if state != "ok":
            missing.append(without[1] if without else f"{name} ({detail})")
    return ", ".join(missing) or "nothing"


def _exit(findings: dict[str, Any]) -> str:
    return "yes" if "group_dead" in findings["formats"]["sched:sched_process_exit"] else "no"


def _oom(findings: dict[str, Any]) -> str:
    printed = findings["formats"]["oom:mark_victim"].split("print fmt:")[1]
    return ", ".join(["pid", *(word for field, word in _OOM.items() if field in printed)])


def _watch(findings: dict[str, Any]) -> str:
    return "; ".join(f"no {name}" for name, said in findings["watch"].items() if not _tells(name, said)) or "both tell"


def _tells(name: str, said: list[str]) -> bool:
    wanted = (
        r"\bsh +SIGTERM +\d+ ok$" if name == "watch" else r" \(\d+\) was killed by sh \(\d+\)( for .*)? with SIGTERM\b"
    )
    return any(re.search(wanted, line) for line in said)


def _storm(findings: dict[str, Any]) -> str:
    storm = findings["log"]["storm"]
    return "all told" if storm["calls"] == storm["made"] else "some lost, and that is noted"


def _zoo(findings: dict[str, Any]) -> str:
    zoo = findings["zoo"]
    cells = [f"{name} wrong" for name in zoo["wrong"]]
    cells += [f"no {name} ({why})" for name, why in zoo["skipped"].items()]
    return "; ".join(cells) or "all right"
