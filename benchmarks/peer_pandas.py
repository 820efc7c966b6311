"""pandas: the report's questions about calls, of sessions that it reads whole.

`python peer_pandas.py FOLDER`
"""

import json
import sys
from pathlib import Path

import pandas as pd
from pandas import DataFrame

COLUMNS = ["event", "log", "ts", "pid", "comm", "sig", "target", "ret"]


def main() -> None:
    """Print the totals, and the calls by signal, by sender and by failure, as `sigtrace report --json` names them."""
    parts = sorted(Path(sys.argv[1]).glob("*/*/*.parquet/part-*.parquet"))
    events = pd.concat([pd.read_parquet(part, columns=COLUMNS, dtype_backend="pyarrow") for part in parts])
    calls = events[events["event"] == "kill"]
    calls = calls.assign(failed=calls["ret"] < 0, probes=calls["sig"] == 0)
    counts = {"calls": ("ret", "size"), "failed": ("failed", "sum"), "probes": ("probes", "sum")}
    senders = calls.groupby(["log", "pid", "comm"]).agg(
        **counts, targets=("target", "nunique"), first_ts=("ts", "min"), last_ts=("ts", "max")
    )
    signals = calls.groupby("sig").agg(calls=("ret", "size"), failed=("failed", "sum"))
    failures = calls[calls["failed"]].groupby(["log", "pid", "comm", "ret"])
    answer = {
        "calls": len(calls),
        "failed": int(calls["failed"].sum()),
        "probes": int(calls["probes"].sum()),
        "senders": _most(senders, ["log", "pid", "comm"]),
        "signals": _most(signals, ["sig"]),
        "failures": _most(
            failures.agg(calls=("ret", "size"), targets=("target", "nunique")), ["log", "pid", "comm", "ret"]
        ),
    }
    json.dump(answer, sys.stdout, default=int)


def _most(found: DataFrame, by: list[str]) -> list[dict[str, object]]:
    ordered = found.reset_index().sort_values(["calls", *by], ascending=[False, *[True] * len(by)])
    return [{str(key): value for key, value in row.items()} for row in ordered.head(1000).to_dict("records")]


if __name__ == "__main__":
    main()
