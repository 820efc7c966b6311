"""The section on starting: what a recording costs a shell that starts processes as fast as it can."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from section import Section, Target, recorder, table

PROCESSES = 4_000
_LOOP = f"i=0; while [ $i -lt {PROCESSES} ]; do /bin/true; i=$((i+1)); done"

_TIMED = """
import subprocess, sys, time
start = time.perf_counter()
subprocess.run(["sh", "-c", sys.argv[1]], check=True)
print(time.perf_counter() - start)
"""


def sections(runs: int) -> Iterator[Section]:
    """Measure the loop beside no recording and beside one, in turns, where recording is possible."""
    found = Section(f"A shell that starts {PROCESSES:,} processes one after the other, beside a recording")
    script = recorder(found)
    if script is None:
        yield found
        return
    alone, beside, sizes, recorded = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(3 * runs):
            session = Path(folder) / f"{turn}.parquet"
            alone.append(_loop())
            beside.append(_loop(script, "record", "-o", session, "--"))
            sizes.append(sum(part.stat().st_size for part in session.glob("part-*.parquet")))
            recorded.append(_executed(script, session))
    rows = [
        (name, str(len(took)), f"{statistics.median(took) / PROCESSES * 1e6:.0f}")
        for name, took in (("alone", alone), ("beside sigtrace record", beside))
    ]
    found.body.append(table(("", "runs", "µs a process"), rows))
    found.body.append(f"{statistics.median(sizes) / PROCESSES:.1f} bytes of Parquet a process")
    slower = statistics.median(b / a for a, b in zip(alone, beside, strict=True)) - 1
    found.targets = [
        Target("slower beside a recording", 5, 100 * slower, "%"),
        Target("processes recorded", PROCESSES, min(recorded), "", at_least=True),
    ]
    yield found


def _loop(*before: str | Path) -> float:
    # The loop's own time, without the beginning and the end of a recording.
    command = [*before, sys.executable, "-c", _TIMED, _LOOP]
    return float(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)


def _executed(script: Path, session: Path) -> int:
    query = "SELECT count(*) AS n FROM events WHERE event = 'exec' AND filename = '/bin/true'"
    said = subprocess.run([script, "query", session, query, "--csv"], stdout=subprocess.PIPE, text=True, check=True)
    return int(said.stdout.split()[-1])
