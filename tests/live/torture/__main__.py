"""`python -m torture [ROUNDS [SEED]]`: kill so many recorders under load, 300 by default, and check their sessions."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from torture.kills import Round, rounds
from torture.load import compiled, running

_RATE = 20_000


def main() -> int:
    """Return 0 if all is right."""
    number = int(sys.argv[1]) if sys.argv[1:] else 300
    seed = int(sys.argv[2]) if sys.argv[2:] else 0
    done: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        load = compiled(Path(folder))
        if load is None:
            print("nothing here compiles C: install a compiler", file=sys.stderr)
            return 1
        with running(load, _RATE) as process, contextlib.suppress(KeyboardInterrupt):
            for one in rounds(number, process.pid, Path(folder), seed):
                for complaint in one.wrong:
                    print(f"round {len(done)}, killed after {one.after:.3f} s: {complaint}", flush=True)
                done.append(one)
    wrong = sum(bool(one.wrong) for one in done)
    recorded, calls = sum(one.calls > 0 for one in done), sum(one.calls for one in done)
    print(f"{len(done)} recorders killed, {recorded} with calls, {calls:,} calls kept: {wrong} sessions are wrong.")
    return 1 if wrong or not done else 0


if __name__ == "__main__":
    sys.exit(main())
