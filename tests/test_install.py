"""Installing sigtrace where no C compiler is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOG = ROOT / "tests" / "fixtures" / "hostile.txt"


def test_without_a_compiler_it_installs_says_so_and_gives_the_same_rows(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    ignored = shutil.ignore_patterns("*.so", "scan.c", "__pycache__")
    shutil.copytree(ROOT / "sigtrace", source / "sigtrace", ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    install = ["-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--target", str(target)]
    without = {**os.environ, "CC": "false", "PYTHONPATH": str(target)}
    subprocess.run([sys.executable, *install, str(source)], env=without, check=True, capture_output=True)
    assert not list(target.rglob("*.so"))

    def parse(environment: dict[str, str], out: Path) -> tuple[str, bytes]:
        code = "import sys; sys.path[:0] = sys.argv.pop(1).split(); from sigtrace.cli import main; sys.exit(main())"
        path = str(target) if environment is without else ""
        command = [sys.executable, "-c", code, path, "parse", str(LOG), "-o", str(out)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stderr, out.read_bytes()

    said, rows = parse(without, tmp_path / "interpreted.parquet")
    assert said.count("runs interpreted") == 1
    nothing, same = parse(dict(os.environ), tmp_path / "compiled.parquet")
    assert nothing == ""
    assert rows == same
