"""`python tests/fuzz/fuzz.py TARGET RUNS FOLDER [COMPILED]`: look for bytes that break a target, by what they reach.

It needs atheris. The modules that sigtrace compiles are taken as they stand there, so that each branch is seen; or
those of the folder COMPILED as they are. What is found stays in FOLDER: the bytes that reach something new, and those
that break the target.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import atheris
import limits

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpus"
# What is not compiled, and has branches that bytes lead to. The target `scan` is to be quick.
INSTRUMENTED = {
    "log": ["sigtrace.trace.syscalls"],
    "rows": ["sigtrace.causes.judging"],
    "session": ["sigtrace.store"],
}


def main() -> None:
    """Fuzz one target."""
    target, runs, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    found = folder / target
    found.mkdir(parents=True, exist_ok=True)
    instrumented = INSTRUMENTED.get(target, [])
    with tempfile.TemporaryDirectory() as interpreted:
        if sys.argv[4:]:
            root = str(Path(sys.argv[4]).resolve())
        else:
            root = interpreted
            instrumented = [*instrumented, "sigtrace.trace", "sigtrace.causes"]
            leave = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(HERE.parents[1] / "sigtrace", Path(root) / "sigtrace", ignore=leave)
            limits.lower(Path(root) / "sigtrace")
        sys.path[:0] = [root, str(HERE.parent / "difference")]
        with atheris.instrument_imports(include=instrumented) if instrumented else nullcontext():
            import targets
        limits.lower_plain()
        corpus = CORPUS / ("log" if target == "scan" else target)  # bytes that are read as a log
        bounds = ["-max_len=512", "-timeout=30", "-rss_limit_mb=2048", "-detect_leaks=0", "-print_final_stats=1"]
        options = [f"-runs={runs}", *bounds, f"-artifact_prefix={found}-"]
        gc.freeze()
        atheris.Setup([sys.argv[0], *options, str(found), str(corpus)], getattr(targets, target))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
