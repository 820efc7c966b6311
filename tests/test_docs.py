"""What docs/ shows is what happens."""

from __future__ import annotations

import gzip
import re
import shlex
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sigtrace import analyze
from sigtrace.causes import endings as deaths
from sigtrace.commands.line.parser import joined, parser
from sigtrace.facts.schema import PLAIN
from tests.shown import ROOT, blocks, clone, commands, printed_by, run, same

if TYPE_CHECKING:
    from pathlib import Path

DOCS = sorted((ROOT / "docs").glob("*.md"))
PYTHON = [path for path in DOCS if blocks(path, "python") and path.stem != "fleet"]  # whose Spark test_fleet starts
_COMMANDS = [(path.stem, *shown) for path in DOCS for shown in commands(path)]
_TYPED = [
    line.removeprefix("sudo ")
    for path in (ROOT / "README.md", *DOCS)
    for text in blocks(path, "sh")
    for line in text.splitlines()
    if line.removeprefix("sudo ").startswith("sigtrace ")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.mark.parametrize(("document", "command", "shown"), _COMMANDS)
def test_a_command_of_the_docs_prints_what_the_docs_show(document: str, command: str, shown: str, place: Path) -> None:
    got = printed_by(command, place)
    assert same(shown, got), f"{document}: {command} printed:\n{got}"


@pytest.mark.parametrize("document", PYTHON, ids=[path.stem for path in PYTHON])
def test_the_python_of_the_docs_runs_and_draws_its_pictures(document: Path, place: Path) -> None:
    code = "".join(blocks(document, "python"))
    assert run(code, place)
    for picture in re.findall(r'savefig\("(.*?)"\)', code):
        assert (place / picture).stat().st_size > 1000


@pytest.mark.parametrize("line", _TYPED)
def test_a_command_that_needs_root_is_one_that_the_command_line_takes(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    assert parser().parse_args(joined(words))  # tests/live records; here it is only read


@pytest.mark.parametrize("question", analyze.__all__)
def test_every_question_is_in_the_recipes(question: str) -> None:
    assert f"`{question}`" in (ROOT / "docs" / "recipes.md").read_text()


_MARKDOWN = [
    *ROOT.glob("*.md"),
    *DOCS,
    *(ROOT / "tests" / "fixtures").glob("README.md"),
    *ROOT.glob("notebooks/*.ipynb"),
]


@pytest.mark.parametrize("document", _MARKDOWN, ids=[path.name for path in _MARKDOWN])
def test_what_is_linked_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)\)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]


def named(schema: pa.Schema) -> dict[str, str]:
    """Name the types as the docs do."""
    types = {str(pa.timestamp("us", "UTC")): "timestamp[us, UTC]", str(pa.list_(pa.string())): "list of string"}
    types |= {str(pa.list_(pa.int64())): "list of int64"}
    return {field.name: types.get(str(field.type), str(field.type)) for field in schema}


def typed(head: str) -> dict[str, str]:
    """Return the columns of the table of docs/schema.md under a head, with their types."""
    text = (ROOT / "docs" / "schema.md").read_text()
    found: dict[str, str] = {}
    for names, types in re.findall(r"^\| (`.*?`) \| (.*?) \|", text.split(head)[1].split("\n\n")[0], re.MULTILINE):
        columns = re.findall(r"\w+", names)
        each = re.split(r", (?!UTC)", types)
        found |= dict(zip(columns, each * (len(columns) // len(each)), strict=True))
    return found


@pytest.mark.parametrize(("head", "schema"), [("| column |", PLAIN), ("| column of `deaths` |", deaths.SCHEMA)])
def test_the_schema_has_each_column_and_its_type(head: str, schema: pa.Schema) -> None:
    assert typed(head) == named(schema)


@pytest.mark.parametrize("column", deaths.SCHEMA.names)
def test_the_docstring_of_deaths_names_each_column(column: str) -> None:
    assert column in re.findall(r"\w+", analyze.deaths.__doc__ or "")


_LOGS = [gzip.decompress(path.read_bytes()) for path in (ROOT / "tests" / "fixtures").glob("*.gz")]
_LOGS += [path.read_bytes() for path in (ROOT / "tests" / "fixtures").glob("**/*.txt")]


def unblanked(log: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in log.split("\n"))


_SHOWN = [lines for name in ("format", "witnesses") for lines in blocks(ROOT / "docs" / f"{name}.md", "text")]


@pytest.mark.parametrize("lines", _SHOWN)
def test_the_lines_that_the_docs_show_are_of_real_logs(lines: str) -> None:
    # A document has no blanks at the ends of its lines.
    assert any(lines in unblanked(log.decode(errors="replace")) for log in _LOGS)
