"""`python -m torture [ROUNDS [SEED]]`: kill so many recorders under load, 300 by default, and check their sessions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from torture.kills import rounds
from torture.load import compiled, running

_RATE = 20_000


def main() -> int:
    """Return 0 if all is right."""
    number = int(sys.argv[1]) if sys.argv[1:] else 300
    seed = int(sys.argv[2]) if sys.argv[2:] else 0
    calls = wrong = recorded = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        load = compiled(Path(folder))
        if load is None:
            print("nothing here compiles C: install a compiler", file=sys.stderr)
            return 1
        with running(load, _RATE) as process:
            for turn, one in enumerate(rounds(number, process.pid, Path(folder), seed)):
                calls += one.calls
                recorded += one.calls > 0
                wrong += bool(one.wrong)
                for complaint in one.wrong:
                    print(f"round {turn}, killed after {one.after:.3f} s: {complaint}", flush=True)
    print(f"{number} recorders killed, {recorded} with calls, {calls:,} calls kept: {wrong} sessions are wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
