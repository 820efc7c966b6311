"""`python tests/fuzz/kept.py FOLDER COMPILED`: check all that fuzzing kept in FOLDER, and the corpus, in every way.

The modules are those of the folder COMPILED.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpus"


def main() -> None:
    """Check them, and say how many they were."""
    found = Path(sys.argv[1])
    sys.path[:0] = [str(Path(sys.argv[2]).resolve()), str(HERE.parent / "difference")]
    import limits
    import targets

    limits.lower_plain()
    for target, folders in {
        targets.scan: (CORPUS / "log", found / "scan", found / "log"),
        targets.log: (CORPUS / "log", found / "scan", found / "log"),
        targets.rows: (CORPUS / "rows", found / "rows"),
    }.items():
        start = time.monotonic()
        paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
        for path in paths:
            try:
                target(path.read_bytes(), all_of_it=True)
            except BaseException:
                print(f"{path} breaks {target.__name__}", file=sys.stderr)
                raise
        print(f"{target.__name__}: {len(paths)} inputs in {time.monotonic() - start:.0f} s, none broken")


if __name__ == "__main__":
    main()
