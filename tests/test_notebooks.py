"""What a notebook shows is what happens: each runs from empty, and its stored outputs are those."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
assert NOTEBOOKS

pytestmark = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])

Output = dict[str, Any]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def told(output: Output) -> Output:
    """What an output says: its text to the letter, and of a picture that it is there, for fonts draw differently."""
    if output["output_type"] == "stream":
        return {output["name"]: output["text"]}
    figure = "image/png" in output["data"]
    texts = {kind: said for kind, said in output["data"].items() if kind.startswith("text/") and not figure}
    if texts.get("text/html", "").startswith("<iframe"):
        texts["text/html"] = "there"  # a page of its own, with a style and a script that change
    return texts | ({"image/png": "there"} if figure else {})


def run(path: Path, folder: Path) -> Any:
    notebook = read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=120,
        resources={"metadata": {"path": str(folder)}},
        # What other programs write to the terminal is no output: Java says at its start which logging it has.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    )
    client.execute()
    return notebook


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the notebooks read; and nobody's settings of Jupyter or IPython."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1")  # for a run so short, half of Java's time
    folder = tmp_path / "notebooks"
    shutil.copytree(ROOT / "notebooks" / "data", folder / "data")
    return folder


def test_a_notebook_runs_from_empty_and_says_what_is_stored(
    notebook: Path, place: Path, request: pytest.FixtureRequest
) -> None:
    if "pyspark" in "".join(cell.source for cell in code_cells(read(notebook))):
        request.getfixturevalue("java")
    stored = [[told(output) for output in cell.outputs] for cell in code_cells(read(notebook))]
    ran = [[told(output) for output in cell.outputs] for cell in code_cells(run(notebook, place))]
    assert ran == stored


def test_every_code_cell_is_stored_with_its_output_and_none_complains(notebook: Path) -> None:
    for number, cell in enumerate(code_cells(read(notebook)), 1):
        assert cell.execution_count == number
        assert cell.outputs, cell.source
        assert not [output for output in cell.outputs if "stderr" in told(output)], cell.source


def test_no_stored_output_names_a_place_of_the_machine_that_ran_it(notebook: Path) -> None:
    said = [str(told(output)) for cell in code_cells(read(notebook)) for output in cell.outputs]
    assert not re.findall(r"(?<![\w/<.])/(?:home|root|work|Users|tmp|usr)\b", "\n".join(said))
