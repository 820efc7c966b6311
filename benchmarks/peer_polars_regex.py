"""Polars with the fastest regular expressions found: `peer_polars_regex.py LOG OUT.parquet`.

peer_polars.py says what else was tried. The fixed columns are cut out, and one expression for each kind of
line reads the rest. It reads a log of the default options that lost nothing, and pairs the lines of a CPU by
their position.
"""

import sys

import polars as pl

LINE = pl.col("line")
# The kernel's format fixes these: `%16s-%-7d [%03d] ` and five characters of flags.
TID = LINE.str.slice(17, 7).str.strip_chars_end().cast(pl.Int32)
CPU = LINE.str.slice(26, 3).cast(pl.Int32)
SENT = r"(?<secs>\d+)\.(?<usecs>\d+): \w+: PID (?<pid>\d+) \((?<comm>.*)\) sent signal (?<sig>-?\d+)"
TO = r"PID (?<target>-?\d+), ret = (?<ret>-?\d+)$"
TS = pl.col("secs").cast(pl.Int64) * 1_000_000 + pl.col("usecs").cast(pl.Int64)


def main() -> None:
    """Parse the log named first into the Parquet file named second."""
    log, out = sys.argv[1:]
    lines = pl.scan_lines(log, name="line")
    is_to = LINE.str.contains(", ret = ", literal=True)
    sent = lines.filter(~is_to).select(cpu=CPU, tid=TID, groups=LINE.str.slice(36).str.extract_groups(SENT))
    to = lines.filter(is_to).select(cpu=CPU, groups=LINE.str.slice(60).str.extract_groups(TO))
    halves = pl.collect_all(
        [
            sent.unnest("groups").select(TS.alias("ts"), "cpu", "tid", pl.col("pid", "sig").cast(pl.Int32), "comm"),
            to.unnest("groups").select("cpu", pl.col("target", "ret").cast(pl.Int32)),
        ],
        engine="streaming",
    )
    first, second = (half.sort("cpu", maintain_order=True) for half in halves)
    pl.concat([first, second.drop("cpu")], how="horizontal").write_parquet(out, compression="zstd")


if __name__ == "__main__":
    main()
