"""`python -m zoo [SCENE...]`: record the scenes, ask `sigtrace who`, and print its verdicts beside the truth."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from zoo.judge import Judgement, judge
from zoo.recording import record


def main() -> int:
    """Return 0 if all is right."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        truths, answers = record(Path(folder), sys.argv[1:])
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
