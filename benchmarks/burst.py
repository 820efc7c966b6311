"""Count a burst of kills.c in what was recorded: `python burst.py SESSION|LOG` prints whole calls, and false ones."""

import sys

import numpy as np

import sigtrace


def main() -> None:
    """Print how many different calls are there, and how many rows were made of two."""
    table = sigtrace.read(sys.argv[1]).table
    event, pid, target, sig = (table[name].to_numpy(zero_copy_only=False) for name in ("event", "pid", "target", "sig"))
    ours = (event == "kill") & (target >= 2_000_000_000)
    pids, calls = np.unique(pid[ours], return_counts=True)
    ours &= pid == pids[calls.argmax()]  # somebody else may run a burst of his own
    print(len(np.unique(target[ours])), int((sig[ours] != target[ours] % 65).sum()))


if __name__ == "__main__":
    main()
