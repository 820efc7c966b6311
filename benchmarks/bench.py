"""Measure sigtrace beside its peers, and say which promises are kept: `make bench`.

Exits 1 where a target is missed or a peer's rows differ. A new section is a module with a function that
gives a Section; name it in main.
"""

import argparse
import compileall
import sys
from itertools import chain
from pathlib import Path

import always_on
import asking
import parsing
import recording
import starting
import tracking
from measure import machine


def main() -> None:
    """Run the sections and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=300, metavar="MB", help="size of the logs (300)")
    parser.add_argument("--runs", type=int, default=9, help="runs of each process (9)")
    parser.add_argument("--slow-runs", type=int, default=3, help="runs of the slow peers (3)")
    args = parser.parse_args()
    compileall.compile_dir(Path(__file__).parents[1] / "sigtrace", quiet=1)  # as pip does when it installs
    print(machine(), end="\n\n")
    ok = True
    found = parsing.sections(args.size, args.runs, args.slow_runs)
    slow = (module.sections(args.slow_runs) for module in (asking, tracking, starting, always_on, recording))
    for section in chain(found, *slow):
        print(section.text(), flush=True)
        ok = ok and section.ok
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
