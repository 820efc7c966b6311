"""`python tests/fuzz/limits.py PACKAGE`: lower, in a copy of sigtrace, the limits that short inputs would never reach.

So would the sizes of tables be too large, of which most slots would stay empty.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LONGEST = 256
_LONGEST_RECORD = 128
_THREADS = 4
_LOWERED = {
    # Tables so small that their slots are shared, and quickly made: at most runs, most of the time went there.
    "trace/scan.py": {"_SLOTS": 16, "_NAMES": 4, "_PIECES": _LONGEST_RECORD},
    "causes/tracking/population.py": {"_LEAST": 4},
    "trace/parser.py": {"_LONGEST_LINE": _LONGEST},
    "trace/syscalls.py": {"_THREADS": _THREADS},
}


def lower(package: Path) -> None:
    """Lower them in the sources of a package."""
    for name, limits in _LOWERED.items():
        source = package / name
        text = source.read_text()
        for limit, value in limits.items():
            text, n = re.subn(rf"(?m)^({limit} = )[^#\n]*", rf"\g<1>{value}  ", text)
            assert n == 1, f"{name} has no {limit}"
        source.write_text(text)


def lower_plain() -> None:
    """Have the plain parser go by the same ones."""
    import plain_parser

    plain_parser._LONGEST, plain_parser._LONGEST_RECORD, plain_parser._THREADS = (  # noqa: SLF001
        *(_LONGEST, _LONGEST_RECORD, _THREADS),
    )


if __name__ == "__main__":
    lower(Path(sys.argv[1]))
