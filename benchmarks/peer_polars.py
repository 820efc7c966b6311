"""Polars at its fastest: `peer_polars.py LOG OUT.parquet`.

What was tried, on 300 MB of few names and of many, whole process, two cores (seconds on the machine where the
fastest was chosen; the same rows came out of all):

    2.8  scan_lines, one expression of nine groups (extract_groups), shift().over("cpu"), sink_parquet
    2.4  one expression for each of the two kinds of line, each kind filtered, sorted by CPU, side by side
    2.0  the same, the fixed columns cut out first: peer_polars_regex.py
    1.3  no regular expressions: splitn and split_exact, one query streaming from the file for each kind
    1.2  the same, and each distinct message parsed once
    1.0  the same, structs unnested instead of taking their fields one by one: this file
    0.9  the same, and the timestamp cut at fixed bytes: wrong from 100,000 s of uptime on, so not taken

Other things that did not help: read_csv with a separator that does not occur (0.4 s to read, read_lines
0.2, scan_lines hidden behind the rest), reading the file once and splitting afterwards (1.5), find and slice
in place of splits (1.5), Float64 for the timestamp (the same), joining the messages by name in place of
taking them by code (0.1 more), the in-memory engine (the same, more memory), other compressions and levels
(0.02 s).

It reads a log of the default options that lost nothing, and pairs the lines of a CPU by their position.
"""

import sys

import polars as pl

LINE = pl.col("line")
# The kernel's format fixes these: `%16s-%-7d [%03d] ` and five characters of flags.
TID = LINE.str.slice(17, 7).str.strip_chars_end().cast(pl.Int32)
CPU = LINE.str.slice(26, 3).cast(pl.Int32)
# `secs.usecs`, the function's name, the message; a name may hold `: `, but it is in the last.
PARTS = LINE.str.slice(36).str.splitn(": ", 3)
TS = pl.col("field_0").str.strip_chars_start().str.replace(".", "", literal=True).cast(pl.Int64)
MESSAGE = pl.col("field_2")
SENT = r"^PID (?<pid>\d+) \((?<comm>.*)\) sent signal (?<sig>-?\d+)"
TO = r"^to PID (?<target>-?\d+), ret = (?<ret>-?\d+)"


def main() -> None:
    """Parse the log named first into the Parquet file named second."""
    log, out = sys.argv[1:]
    lines = pl.scan_lines(log, name="line").select("line", parts=PARTS).unnest("parts")
    is_sent = MESSAGE.str.starts_with("P")
    sent, to = pl.collect_all(
        [
            lines.filter(is_sent).select(ts=TS, cpu=CPU, tid=TID, message=code("sent")),
            lines.filter(~is_sent).select(cpu=CPU, message=code("to")),
        ],
        engine="streaming",
    )
    sent = sent.sort("cpu", maintain_order=True)
    to = to.sort("cpu", maintain_order=True)
    columns = [
        sent.drop("message"),
        parsed(sent["message"], SENT, "pid", "sig"),
        parsed(to["message"], TO, "target", "ret"),
    ]
    pl.concat(columns, how="horizontal").write_parquet(out, compression="zstd")


def code(kind: str) -> pl.Expr:
    """Return the messages of a kind as categories of their own, so that the codes run from 0."""
    return MESSAGE.cast(pl.Categorical(pl.Categories(kind)))


def parsed(messages: pl.Series, pattern: str, *numbers: str) -> pl.DataFrame:
    """Return the groups of `pattern` in each message, having searched each distinct message once."""
    distinct = messages.unique()
    table = (
        distinct.cast(pl.String)
        .str.extract_groups(pattern)
        .struct.unnest()
        .with_columns(pl.col(*numbers).cast(pl.Int32), code=distinct.to_physical())
        .sort("code")
    )
    return table.drop("code")[messages.to_physical()]


if __name__ == "__main__":
    main()
