"""Look through so many made-up logs and lives, and print where sigtrace and the plain ones disagree.

Then through recordings of the zoo in folders, if any are named.
"""

import sys
import time
from pathlib import Path

import difference
import made_up_logs
from made_up_lives import Lives


def main(logs: int, lives: int, *zoos: str) -> int:
    """Return how many they disagree about."""
    wrong = 0
    began = time.monotonic()
    for number in range(logs):
        if said := difference.of_log(made_up_logs.log(number)):
            wrong += 1
            print(f"log {number}: {said}")
    print(f"{logs:,} logs in {time.monotonic() - began:.0f} s, {wrong} differ")
    began, before = time.monotonic(), wrong
    for number in range(lives):
        if said := difference.of_lives(Lives(number)):
            wrong += 1
            print(f"lives {number}: {said}")
    print(f"{lives:,} lives in {time.monotonic() - began:.0f} s, {wrong - before} differ")
    for zoo in zoos:
        rows, said = difference.of_zoo(Path(zoo))
        wrong += bool(said)
        print(f"{zoo}: {said or f'{rows:,} rows, and none of their endings differs'}")
    return wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]) > 0)
