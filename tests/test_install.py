"""Installing: what the wheel and the source distribution have in them, and that each works where no checkout is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from sigtrace import __version__
from tests.shown import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = ("sigtrace", "tests", "docs", "notebooks", "packaging", "benchmarks", "tools", ".ci")
FILES = (
    *("setup.py", "pyproject.toml", "MANIFEST.in", "Makefile", "requirements-dev.txt", ".gitignore", "LICENSE"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "mkdocs.yml"),
)
MADE = ("__pycache__", "*.so", ".*_cache", ".ipynb_checkpoints")  # belongs to no distribution
DATA = {
    *("py.typed", "probe.c", "context.c", "trace/scan.pxd", "output/html/page.css", "output/html/page.js"),
    *("output/html/colors.css", "output/html/lifelines/chart.css", "output/html/lifelines/chart.js"),
    "output/html/lifelines/frame.css",
    *("commands/demo/stored.txt", "capture/shim/include/vmlinux.h", "capture/shim/include/bpf/bpf_helpers.h"),
}
GUIDES = {
    *("bash-completion/completions/sigtrace", "zsh/site-functions/_sigtrace"),
    *("fish/vendor_completions.d/sigtrace.fish", "man/man1/sigtrace.1", "man/man1/sigtrace-who.1"),
}
# The commands and the Python of the documents, the command line, and what the versions of others bear on.
TESTS = [f"tests/test_{name}.py" for name in ("docs", "readme", "cli", "query", "database", "analyze", "part")]
LEFT_OUT = [
    *("-k", "not spark"),  # a cluster's, and not among what is installed here
    *("--deselect", "tests/test_docs.py::test_what_is_linked_to_is_there"),  # sigtrace/probe.c is not
    *("--deselect", "tests/test_readme.py::test_a_command_of_the_readme_prints_what_the_readme_shows[make demo]"),
]


def _alone() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTEST_ADDOPTS"}}


def ran(*command: str | Path, cwd: Path, **more: str) -> str:
    """Return what a command prints, without this checkout on its path; fail with that if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=_alone() | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-20_000:]}"
    return done.stdout


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _made(folder: str, names: list[str]) -> set[str]:
    made = {name for name in names if any(fnmatch(name, pattern) for pattern in MADE)}
    made |= {name for name in names if name.endswith(".c") and f"{name[:-2]}.pxd" in names}  # by Cython
    return made | ({"data"} if Path(folder) == ROOT / "benchmarks" else set())


class Built(NamedTuple):
    """What was built of a copy of the checkout."""

    copied: set[str]
    wheel: Path
    sdist: Path
    wheel_of_sdist: Path
    tree: Path
    """The source distribution unpacked, without the package."""
    cythonized: Path
    """The copy, in which what is hot is C already."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    source, unpacked, cythonized = folder / "source", folder / "unpacked", folder / "cythonized"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=_made)
    for name in FILES:
        shutil.copy2(ROOT / name, source)
    copied = files(source)

    def build(what: str, of: Path, into: Path) -> Path:
        ran(sys.executable, "-m", "build", "--no-isolation", what, "--outdir", into, cwd=of)
        (made,) = into.iterdir()
        return made

    sdist = build("--sdist", source, folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    shutil.copytree(source, cythonized)
    with ThreadPoolExecutor() as pool:
        wheel = pool.submit(build, "--wheel", source, folder / "wheel")
        wheel_of_sdist = pool.submit(build, "--wheel", tree, folder / "wheel of sdist")
    shutil.rmtree(tree / "sigtrace")
    return Built(copied, wheel.result(), sdist, wheel_of_sdist.result(), tree, cythonized)


def shipped(archive: Path) -> dict[str, bytes]:
    """Return the files of a wheel or a source distribution, by name, without what tells of the distribution itself."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            found = {name: zipped.read(name) for name in zipped.namelist()}
        return {name: content for name, content in found.items() if ".dist-info/" not in name}
    with tarfile.open(archive) as tarred:
        entries = [(entry.name.partition("/")[2], tarred.extractfile(entry)) for entry in tarred if entry.isfile()]
    return {name: b"" for name, _ in entries if not re.match(r"sigtrace\.egg-info/|PKG-INFO$|setup\.cfg$", name)}


def test_the_metadata_of_both_is_as_the_index_asks(built: Built) -> None:
    said = ran(sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist, cwd=built.tree)
    assert said.count("PASSED") == 2


def test_every_file_of_the_package_is_in_the_wheel_and_what_is_hot_is_compiled(built: Built) -> None:
    names = set(shipped(built.wheel))
    assert names >= {f"sigtrace/{name}" for name in DATA}
    compiled = {name for name in names if name.endswith(".so")}
    hot = {name.partition(".")[0] for name in names if name.endswith(".pxd")}
    assert {name.partition(".")[0] for name in compiled} == hot
    guides = {name for name in names if ".data/data/share/" in name}
    assert names - compiled - guides == {name for name in built.copied if name.startswith("sigtrace/")}


def test_the_wheel_brings_man_pages_and_completions(built: Built) -> None:
    names = {name.partition(".data/data/share/")[2]: content for name, content in shipped(built.wheel).items()}
    assert names.keys() >= GUIDES
    assert all(names[name] for name in GUIDES)


def test_the_source_distribution_is_the_whole_checkout(built: Built) -> None:
    assert set(shipped(built.sdist)) == built.copied


def test_the_source_distribution_has_every_file_that_git_has(built: Built) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(kept.split("\0")) - {""} - set(shipped(built.sdist)) == set()


def test_the_wheel_of_the_source_distribution_is_the_wheel_of_the_checkout(built: Built) -> None:
    one, other = shipped(built.wheel), shipped(built.wheel_of_sdist)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name] and not name.endswith(".so")] == []


class Installed(NamedTuple):
    """An environment that sigtrace was installed in, and tests that run there."""

    python: Path
    tests: subprocess.Popen[bytes]
    printed: Path


def _installed(wheel: Path, versions: str, folder: Path) -> Path:
    """Install a wheel into a fresh environment beside the oldest or newest of what it needs; return its Python."""
    beside = ROOT / f".venv-{versions}"
    ran("sh", "tools/dependencies.sh", beside, versions, cwd=ROOT, PYTHON=sys.executable)
    environment = folder / "environment"
    ran(beside / "bin/python", "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin/python"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python)
    ran(*pip, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    packages = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    (environment / packages / "beside.pth").write_text(f"{beside / packages}\n")
    ran(*pip, "check", cwd=folder)
    return python


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Installed]]:
    """Return the wheel beside the newest versions and the source distribution beside the oldest, both being tested."""
    with ExitStack() as stack:
        found = {}
        for versions, wheel in (("newest", built.wheel), ("oldest", built.wheel_of_sdist)):
            folder = tmp_path_factory.mktemp(versions)
            python, printed = str(_installed(wheel, versions, folder)), folder / "printed"
            command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "tests")]
            with printed.open("wb") as file:
                tests = subprocess.Popen(
                    [*command, *LEFT_OUT, *TESTS], cwd=built.tree, env=_alone(), stdout=file, stderr=file
                )
            stack.callback(tests.wait)
            stack.callback(tests.kill)
            found[versions] = Installed(Path(python), tests, printed)
        yield found


VERSIONS = pytest.mark.parametrize("versions", ["newest", "oldest"])


@VERSIONS
def test_what_is_installed_is_compiled_and_comes_from_no_checkout(
    installed: dict[str, Installed], versions: str, built: Built, tmp_path: Path
) -> None:
    python = installed[versions].python
    code = "import sigtrace; from sigtrace.trace.parser import COMPILED; print(sigtrace.__file__, COMPILED)"
    for place in (tmp_path, built.tree):
        file, compiled = ran(python, "-c", code, cwd=place).split()
        assert Path(file).is_relative_to(python.parents[1])
        assert compiled == "True"


def test_the_oldest_versions_are_those_that_the_metadata_admits(
    installed: dict[str, Installed], tmp_path: Path
) -> None:
    code = """
from importlib.metadata import requires, version
from packaging.requirements import Requirement
for asked in map(Requirement, requires("sigtrace")):
    if not asked.marker:
        (least,) = asked.specifier
        print(asked.name, least.version, version(asked.name))
"""
    lines = ran(installed["oldest"].python, "-c", code, cwd=tmp_path).splitlines()
    assert len(lines) == 5
    for line in lines:
        name, least, found = line.split()
        # For a newer Python there may be no wheel of the very oldest.
        assert found.split(".")[0] == least.split(".")[0], name
        if sys.version_info < (3, 13):
            assert re.fullmatch(rf"{re.escape(least)}(\.0)*", found), name


@VERSIONS
def test_the_command_runs_from_an_empty_folder(installed: dict[str, Installed], versions: str, tmp_path: Path) -> None:
    command = installed[versions].python.with_name("sigtrace")
    assert ran(command, "--version", cwd=tmp_path) == f"sigtrace {__version__}\n"
    told = ran(command, "demo", cwd=tmp_path, TMPDIR=str(tmp_path))  # probe.c and what it includes, or a stored log
    assert re.search(r"[\d,]+ calls by [\d,]+ senders? ", told)
    ran(command, "report", ROOT / "notebooks" / "data" / "scene.parquet", "--html", "scene.html", cwd=tmp_path)
    assert "<style>" in (tmp_path / "scene.html").read_text()


@VERSIONS
def test_the_tests_of_the_documents_and_the_commands_pass_outside_the_checkout(
    installed: dict[str, Installed], versions: str
) -> None:
    _, tests, printed = installed[versions]
    code = tests.wait()
    said = printed.read_text()
    assert code == 0, said[-20_000:]
    assert re.fullmatch(r"\d+ passed, \d+ deselected in .*", said.splitlines()[-1])  # and none was skipped


def test_without_a_compiler_it_installs_says_so_and_gives_the_same_rows(built: Built, tmp_path: Path) -> None:
    def parse(name: str, distribution: Path, **more: str) -> tuple[str, bytes]:
        target, out = tmp_path / name, tmp_path / f"{name}.parquet"
        install = ("-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--target", target)
        ran(sys.executable, *install, distribution, cwd=tmp_path, **more)
        assert bool(list(target.rglob("*.so"))) == (name == "compiled")
        parse = ("-m", "sigtrace", "parse", ROOT / "tests" / "fixtures" / "hostile.txt", "-o", out)
        said = ran(sys.executable, *parse, cwd=tmp_path, PYTHONPATH=str(target))
        return said, out.read_bytes()

    said, rows = parse("interpreted", built.cythonized, CC="false")
    assert said.count("is not compiled") == 1
    said, same = parse("compiled", built.wheel)
    assert "is not compiled" not in said
    assert rows == same
