"""Write the endings of a made-up fleet beside its sessions, as flight recorders write those of theirs."""

import argparse
from pathlib import Path

from sigtrace.causes.ledgers import clerk
from sigtrace.store.sessions import Found, find


def main() -> None:
    """Write the endings of the fleet that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the fleet")
    folder = parser.parse_args().folder
    sessions = [one for path in folder.glob("host=*/date=*/*.parquet") for one in find(path, folder)]
    for one in sessions:
        if isinstance(one, Found):
            clerk.write([one], final=True)
    print(f"{folder}: the endings of {len(sessions):,} sessions")


if __name__ == "__main__":
    main()
