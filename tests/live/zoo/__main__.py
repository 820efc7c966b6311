"""`python -m zoo [SCENE...]`: record the scenes, ask `sigtrace who`, and print its verdicts beside the truth.

With `--keep FOLDER`, the recording and the truths stay there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from zoo.judge import Judgement, judge
from zoo.recording import record


def main() -> int:
    """Return 0 if all is right."""
    parser = argparse.ArgumentParser(prog="python -m zoo")
    parser.add_argument("scenes", nargs="*", metavar="SCENE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a folder for the recording, which is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
        folder = Path(scratch)
        if asked.keep is not None:
            folder = asked.keep.absolute()
            if folder.exists():
                parser.error(f"{folder} is there already")
            folder.mkdir(parents=True)
        truths, answers = record(folder, asked.scenes)
    judgements = [judge(truth, answers) for truth in truths]
    widths = [max(len(column) for column in columns) for columns in zip(*map(_columns, judgements), strict=True)]
    for judgement in judgements:
        line = "  ".join(text.ljust(width) for text, width in zip(_columns(judgement), widths, strict=True))
        print(line.rstrip())
        for complaint in judgement.wrong:
            print(f"    {complaint}")
    wrong = sum(bool(judgement.wrong) for judgement in judgements)
    skipped = sum(judgement.skipped is not None for judgement in judgements)
    print(f"{len(judgements)} scenes: {len(judgements) - wrong - skipped} right, {wrong} wrong, {skipped} skipped.")
    return 1 if wrong else 0


def _columns(judgement: Judgement) -> tuple[str, str, str, str]:
    if judgement.skipped:
        return judgement.scene, "skipped", judgement.skipped, ""
    return judgement.scene, "WRONG" if judgement.wrong else "right", judgement.truth, judgement.answer


if __name__ == "__main__":
    sys.exit(main())
