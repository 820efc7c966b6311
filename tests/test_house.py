"""The house: which room may enter which, and that nothing heavy stands in the door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sigtrace

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSE = Path(sigtrace.__file__).parent
ROOMS = sorted(path.stem for path in HOUSE.glob("*.py"))
FREE = {"__init__", "__main__", "cli"}  # may enter every room

# What is not drawn here is not imported.
DRAWN: dict[str, set[str]] = {
    "errors": set(),
    "scan": set(),
    "signals": set(),
    "accounting": set(),
    "terminal": set(),
    "schema": {"scan"},
    "parse": {"scan", "schema", "accounting"},
    "part": {"parse", "row_groups", "schema", "errors"},
    "log": {"part", "parse", "accounting", "errors"},
    "folder": {"part", "errors"},
    "spool": {"part", "errors"},
    "session": {"showing", "folder", "spool", "part", "log", "parse", "schema", "scan", "accounting", "errors"},
    "processes": set(),
    "lives": {"processes", "signals"},
    "sources": {"lives", "signals"},
    "deaths": {"sources", "lives", "schema", "signals"},
    "victims": {"deaths", "sources", "lives", "signals"},
    "lineage": {"deaths"},
    "windows": set(),
    "tally": {"signals"},
    "calls": {"tally", "windows"},
    "fates": {"windows", "victims", "lineage", "deaths"},
    "gaps": {"windows"},
    "analyze": {"calls", "fates", "gaps"},
    "row_groups": set(),
    "shelf": {"session", "folder", "log", "part", "errors"},
    "evidence": {"deaths", "signals"},
    "database": {
        "analyze",
        "calls",
        "signals",
        "shelf",
        "session",
        "evidence",
        "deaths",
        "victims",
        "tally",
        "schema",
        "accounting",
        "errors",
    },
    "clock": set(),
    "sections": {"clock", "signals", "terminal"},
    "page": {"sections", "clock", "terminal", "errors"},
    "ticket": {"sections", "clock", "terminal"},
    "plot": {"analyze", "signals", "terminal", "errors"},
    "showing": {"analyze", "accounting", "signals", "terminal"},
    "report": {"who", "database", "analyze", "tally", "session", "sections", "clock", "signals", "terminal"},
    "who": {"database", "analyze", "tally", "session", "signals", "terminal", "errors"},
    "query": {"database", "terminal", "errors"},
    "tracefs": {"errors"},
    "probe": {"tracefs", "errors"},
    "doctor": {"probe", "tracefs", "errors"},
    "recorder": {"folder", "spool", "part", "parse", "schema", "accounting", "errors"},
    "record": {"recorder", "processes", "probe", "terminal", "accounting", "errors"},
    "watch": {"record", "probe", "parse", "signals", "terminal", "accounting", "errors"},
    "demo": {"record", "report", "who", "session", "errors"},
}
ENGINES = {"pandas", "pyarrow", "polars", "duckdb", "pyspark", "numpy"}
HEAVY = {"pyarrow", "pandas", "numpy", "narwhals", "rich", "bcc", "duckdb", "dataclasses", "inspect"}


def _walk(tree: ast.Module) -> Iterator[ast.AST]:
    for node in tree.body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"):
            yield from ast.walk(node)


def rooms_entered(source: str) -> set[str]:
    entered = set()
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            dotted = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(filter(None, ["sigtrace" if node.level else "", node.module]))
            named = [name.name for name in node.names if name.name != "__version__"]  # a name plate, no room
            dotted = [package] if package != "sigtrace" else [f"sigtrace.{name}" for name in named]
        else:
            continue
        for name in dotted:
            outer, _, inner = name.partition(".")
            if outer == "sigtrace":
                room = inner.partition(".")[0]
                entered.add(room if room in ROOMS else "__init__")
    return entered


def packages(source: str, *, at_import: bool = False) -> set[str]:
    found = set()
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        if not (at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            nodes += ast.iter_child_nodes(node)
    return found


def text(room: str) -> str:
    return (HOUSE / f"{room}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_enters_only_the_rooms_that_are_drawn(room: str) -> None:
    if room not in FREE:
        assert room in DRAWN, f"{room}.py is not drawn"
        assert rooms_entered(text(room)) <= DRAWN[room]


def test_imports_go_one_way() -> None:
    behind = {room: set(doors) for room, doors in DRAWN.items()}
    while open_rooms := {room for room, doors in behind.items() if not doors}:
        behind = {room: doors - open_rooms for room, doors in behind.items() if room not in open_rooms}
    assert behind == {}


@pytest.mark.parametrize("room", ROOMS)
def test_only_probe_imports_bcc_and_only_when_it_is_called(room: str) -> None:
    assert "bcc" not in packages(text(room), at_import=True)
    assert room == "probe" or "bcc" not in packages(text(room))


def test_analyze_imports_no_engine() -> None:
    if "analyze" in ROOMS:
        assert packages(text("analyze")) & ENGINES == set()


@pytest.mark.parametrize(
    ("source", "entered"),
    [
        ("import sigtrace.scan", {"scan"}),
        ("import sigtrace.scan as s, os", {"scan"}),
        ("from sigtrace import scan, schema", {"scan", "schema"}),
        ("from sigtrace.log import Log", {"log"}),
        ("from .log import Log", {"log"}),
        ("from . import log", {"log"}),
        ("def f():\n    from sigtrace import log", {"log"}),
        ("if TYPE_CHECKING:\n    from sigtrace.log import Log", {"log"}),
        ("from sigtrace import Log", {"__init__"}),
        ("import sigtrace", {"__init__"}),
        ("from sigtrace import __version__, scan", {"scan"}),
        ("import os, pyarrow", set()),
        ('if __name__ == "__main__":\n    from sigtrace.cli import main', set()),
    ],
)
def test_every_way_to_enter_a_room_is_seen(source: str, entered: set[str]) -> None:
    assert rooms_entered(source) == entered


@pytest.mark.parametrize(
    ("source", "at_import", "anywhere"),
    [
        ("import bcc", {"bcc"}, {"bcc"}),
        ("from bcc.utils import x", {"bcc"}, {"bcc"}),
        ("def f():\n    import bcc", set(), {"bcc"}),
        ("class C:\n    import bcc", {"bcc"}, {"bcc"}),
        ("class C:\n    def f(self):\n        from bcc import BPF", set(), {"bcc"}),
        ("try:\n    import bcc\nexcept ImportError:\n    pass", {"bcc"}, {"bcc"}),
        ("from .bcc import x", set(), set()),
    ],
)
def test_every_way_to_import_a_package_is_seen(source: str, at_import: set[str], anywhere: set[str]) -> None:
    assert packages(source, at_import=True) == at_import
    assert packages(source) == anywhere


@pytest.mark.parametrize("module", ["sigtrace", "sigtrace.cli", "sigtrace.log"])
def test_the_door_is_light(module: str) -> None:
    program = f"import sys, {module}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "sigtrace" in loaded
    assert loaded & HEAVY == set()
