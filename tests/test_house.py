"""The house: imports go one way, and nothing heavy stands in the door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from itertools import pairwise, product
from pathlib import Path

import pytest

import sigtrace

HOUSE = Path(sigtrace.__file__).parent
ROOT = HOUSE.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
ROOMS = sorted(HOUSE.rglob("*.py"))
FOLDERS = sorted({room.parent for room in ROOMS})
HEAVY = {"pyarrow", "pandas", "numpy", "narwhals", "rich", "bcc", "duckdb", "dataclasses", "inspect"}


def test_the_contracts_of_imports_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_graph_of_the_packages_is_the_contract() -> None:
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer.split(" | ") for layer in contract["layers"]]
    (graph,) = re.findall(r"```mermaid\n(.*?)```", GUIDE, re.DOTALL)
    arrows = re.findall(r"(\w+) --> (\w+)", graph)
    assert sorted(arrows) == sorted(arrow for pair in pairwise(layers) for arrow in product(*pair))


def test_the_guide_names_each_package_and_only_what_is_there() -> None:
    named = {name for row in re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)}
    assert not [name for name in named if not (HOUSE / name).exists()]
    assert {folder.name for folder in FOLDERS if folder.parent == HOUSE} <= named


@pytest.mark.parametrize("folder", FOLDERS, ids=[str(folder.relative_to(ROOT)) for folder in FOLDERS])
def test_a_folder_has_ten_files_at_most(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file()]
    made = [
        path for path in files if path.suffix == ".so" or (path.suffix == ".c" and path.with_suffix(".pxd").exists())
    ]
    assert len(files) - len(made) <= 10


@pytest.mark.parametrize("room", ROOMS, ids=[str(room.relative_to(HOUSE)) for room in ROOMS])
def test_a_file_has_400_lines_at_most(room: Path) -> None:
    # The scanner is one grammar, and Cython cannot inline from one compiled module into another.
    assert room.name == "scan.py" or len(room.read_text().splitlines()) <= 400


def _imported(source: str) -> set[str]:
    """Return the packages that are imported when the source is, and not by what is called later."""
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            nodes += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("room", ROOMS, ids=[str(room.relative_to(HOUSE)) for room in ROOMS])
def test_bcc_is_imported_only_when_it_is_called(room: Path) -> None:
    assert "bcc" not in _imported(room.read_text())


@pytest.mark.parametrize(
    ("source", "packages"),
    [
        ("import bcc", {"bcc"}),
        ("from bcc.utils import x", {"bcc"}),
        ("def f():\n    import bcc", set()),
        ("class C:\n    import bcc", {"bcc"}),
        ("class C:\n    def f(self):\n        from bcc import BPF", set()),
        ("try:\n    import bcc\nexcept ImportError:\n    pass", {"bcc"}),
        ("from .bcc import x", set()),
    ],
)
def test_every_way_to_import_a_package_is_seen(source: str, packages: set[str]) -> None:
    assert _imported(source) == packages


@pytest.mark.parametrize("module", ["sigtrace", "sigtrace.cli", "sigtrace.trace.log"])
def test_the_door_is_light(module: str) -> None:
    program = f"import sys, {module}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "sigtrace" in loaded
    assert loaded & HEAVY == set()
