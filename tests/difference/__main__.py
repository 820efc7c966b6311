"""Look through so many made-up logs and lives, and print where sigtrace and the plain ones disagree."""

import sys
import time

import difference
import made_up_logs
from made_up_lives import Lives


def main(logs: int, lives: int) -> int:
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
    return wrong


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
