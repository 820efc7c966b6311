"""Compare the rows of Parquet files, in whatever order they stand: `rows.py OURS.parquet PEER.parquet...`.

Prints a line for each peer, and exits 1 where one differs.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = ("ts", "cpu", "tid", "pid", "comm", "sig", "target", "ret")
SCHEMA = pa.schema([pa.field(name, pa.string() if name == "comm" else pa.int64()) for name in COLUMNS])


def read(path: Path) -> pa.Table:
    """Return the whole calls of a Parquet file, in an order that depends on their values alone."""
    table = pq.read_table(path)
    if "event" in table.column_names:
        event = table.column("event").cast(pa.string())
        table = table.filter(pc.equal(event, pa.scalar("kill")))
    return table.select(COLUMNS).cast(SCHEMA).sort_by([(name, "ascending") for name in COLUMNS])


def difference(ours: pa.Table, theirs: pa.Table) -> str | None:
    """Say in what two tables differ, or return None."""
    if ours.num_rows != theirs.num_rows:
        return f"{theirs.num_rows:,} rows, where sigtrace has {ours.num_rows:,}"
    for name in COLUMNS:
        if not ours.column(name).equals(theirs.column(name)):
            where = pc.index(pc.not_equal(ours.column(name), theirs.column(name)), True).as_py()
            row, other = (table.slice(where, 1).to_pylist()[0] for table in (ours, theirs))
            return f"{name} differs: {other}, where sigtrace has {row}"
    return None


def main() -> None:
    """Compare the first file named with the others."""
    first, *others = map(Path, sys.argv[1:])
    ours = read(first)
    if not ours.num_rows:
        sys.exit("sigtrace wrote no rows")
    same = True
    for path in others:
        different = difference(ours, read(path))
        print(f"{path.stem}: {different or f'the same {ours.num_rows:,} rows'}")
        same = same and not different
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
