"""The section on the flight recorder: what it costs to be always on."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from section import Section, Target, recorder, table

RATES = (0, 1, 10, 100)  # processes a second
SECONDS = 60
_MB = 1 << 20
_TICKS = os.sysconf("SC_CLK_TCK")

_SPAWN = """
import subprocess, sys, time
rate, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
due = time.monotonic()
while time.monotonic() < end:
    if rate:
        subprocess.run(["/bin/true", "--an-argument"])
        due += 1 / rate
        time.sleep(max(0, due - time.monotonic()))
    else:
        time.sleep(1)
"""


class Cost(NamedTuple):
    """What a recorder has used: CPU seconds, its helpers' with them, times that it woke, resident bytes."""

    cpu: float
    woken: int
    resident: int


def sections(_: int) -> Iterator[Section]:
    """Measure the recorder beside so many processes a second, where recording is possible."""
    found = Section(f"The flight recorder for {SECONDS} s at a time, beside processes that start and end")
    script = recorder(found)
    if script is None:
        yield found
        return
    rows, shares, resident = [], {}, 0
    for rate in RATES:
        share, woken, size, took = _measured(script, rate)
        shares[rate], resident = share, max(resident, size)
        a_day = took / SECONDS * 86_400 / _MB
        rows.append((str(rate), f"{share:.2f}", f"{woken:.1f}", f"{size / _MB:.0f}", f"{a_day:,.0f}"))
    head = ("processes/s", "% of a core", "wake-ups/s", "resident MB", "MB a day")
    found.body.append(table(head, rows))
    found.body.append("Whatever else starts and ends on the machine is recorded, too.")
    found.targets = [
        Target("CPU at 10 processes a second", 0.5, shares[10], "%"),
        Target("resident memory", 60, resident / _MB, "MB"),
    ]
    yield found


def _measured(script: Path, rate: int) -> tuple[float, float, int, int]:
    folder = Path(tempfile.mkdtemp())
    home = folder / "flight"
    with subprocess.Popen([script, "record", "--flight", home], stderr=subprocess.DEVNULL) as recorder:
        try:
            while not (home / "_status.json").exists():
                time.sleep(0.1)
            time.sleep(2)
            before = _cost(recorder.pid)
            subprocess.run([sys.executable, "-c", _SPAWN, str(rate), str(SECONDS)], check=True)
            after = _cost(recorder.pid)
        finally:
            recorder.terminate()
    size = sum(part.stat().st_size for part in home.glob("host=*/date=*/*.parquet/part-*.parquet"))
    known = sum(part.stat().st_size for part in home.glob("host=*/date=*/*.parquet/part-00000.parquet"))
    shutil.rmtree(folder)
    share = 100 * (after.cpu - before.cpu) / SECONDS
    return share, (after.woken - before.woken) / SECONDS, after.resident, size - known


def _cost(pid: int) -> Cost:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu = sum(map(int, fields[11:15])) / _TICKS  # utime, stime, and those of children that have ended
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    woken = sum(
        int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )
    return Cost(cpu, woken, int(status["VmRSS"].split()[0]) * 1024)
