"""The obvious Python: a regular expression a line, a dict by tid, pandas to Parquet.

`python peer_python.py LOG OUT.parquet`
"""

import re
import sys
from pathlib import Path

import pandas as pd

LINE = re.compile(
    r"\s*.+?-(?P<tid>\d+)\s+\[(?P<cpu>\d+)\] \S+\s+(?P<secs>\d+)\.(?P<usecs>\d+): bpf_trace_printk: "
    r"(?:PID (?P<pid>\d+) \((?P<comm>.*)\) sent signal (?P<sig>-?\d+)"
    r"|to PID (?P<target>-?\d+), ret = (?P<ret>-?\d+))",
)
COLUMNS = ["ts", "cpu", "tid", "pid", "comm", "sig", "target", "ret"]


def main() -> None:
    """Parse the log named first into the Parquet file named second."""
    log, out = sys.argv[1:]
    pending = {}
    rows = []
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = LINE.match(line)
            if match is None:
                continue
            tid, cpu, secs, usecs, pid, comm, sig, target, ret = match.groups()
            if pid is not None:
                ts = int(secs) * 1_000_000 + int(usecs)
                pending[tid] = (ts, int(cpu), int(tid), int(pid), comm, int(sig))
            elif tid in pending:
                rows.append((*pending.pop(tid), int(target), int(ret)))
    pd.DataFrame(rows, columns=COLUMNS).to_parquet(out, index=False)


if __name__ == "__main__":
    main()
