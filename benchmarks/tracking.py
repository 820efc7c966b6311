"""The section on tracking: a made-up build farm, followed process by process."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asking import said, script, usages
from measure import MB, Command, Rounds
from section import Section, Target

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
FARM = DATA / "farm"
FARM_ROWS = 100_000_000
PART_ROWS = 10_000_000
NAMED = 100_000
SCENE = HERE.parent / "notebooks" / "data" / "scene.parquet"

REPORT = "sigtrace report"
TRACK = "the process tracker alone"
WHO_NAME = "sigtrace who worker"
WHO_SMALL = "sigtrace who, of a small scene"
REPORT_SMALL = "sigtrace report, of it"

_TRACK = """
import gc
import sys
gc.set_threshold(100_000)  # as the command does
import pyarrow as pa
pa.set_cpu_count(1)
pa.set_io_thread_count(1)
from sigtrace.causes import feed
from sigtrace.causes.endings import track
rows = feed.Parts(sys.argv[1:], lossy=False, witnessed=True)
ended = []
tracker = track(rows, lambda *_: ended.append(1), all_endings=False)
print(len(ended), tracker.exited)
"""


def sections(runs: int) -> Iterator[Section]:
    """Follow a part of the farm on one core, report all of it, and ask by a name that many have, and a small scene."""
    if not FARM.exists():
        print("writing the farm ...", file=sys.stderr)
        subprocess.run([sys.executable, HERE / "farm.py", FARM, "--rows", str(FARM_ROWS)], check=True)
    yield _tracker(runs)
    yield _report()
    yield _small(runs)


def _tracker(runs: int) -> Section:
    parts = sorted(FARM.glob("part-*.parquet"))[: PART_ROWS // 1_000_000]
    if len(parts) != PART_ROWS // 1_000_000:
        sys.exit(f"{FARM}: not the farm that this measures; remove it, and it is written anew")
    commands = {TRACK: Command(["taskset", "-c", "0", sys.executable, "-c", _TRACK, *parts], runs)}
    rounds = Rounds(commands)
    found = Section(f"Tracking {PART_ROWS:,} rows of a build farm on one core, from Parquet, imports and all")
    found.body.append(usages(rounds, commands))
    rate = PART_ROWS / rounds.wall(TRACK) / 1e6
    found.targets = [
        Target("millions of rows a second", 2, rate, "", at_least=True),
        Target("memory", 300, rounds.peak(TRACK) / MB, "MB"),
    ]
    return found


def _report() -> Section:
    (rows,) = json.loads(said("query", FARM, "SELECT count(*) AS n FROM events", "--json"))
    commands = {REPORT: Command([script(), "report", FARM], 1)}
    rounds = Rounds(commands)
    found = Section(f"Reporting the build farm: {rows['n']:,} rows in one recording")
    found.body.append(usages(rounds, commands))
    found.targets = [
        Target("time of the report", 90, rounds.wall(REPORT), "s"),
        Target("memory of the report", 1500, rounds.peak(REPORT) / MB, "MB"),
    ]
    return found


def _small(runs: int) -> Section:
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        named = Path(folder) / "named"
        subprocess.run(
            [sys.executable, HERE / "farm.py", named, "--rows", str(4 * NAMED), "--name", "worker"], check=True
        )
        scene = Path(folder) / "scene.parquet"
        shutil.copytree(SCENE, scene)
        commands = {
            WHO_NAME: Command([script(), "who", named, "worker"], runs),
            WHO_SMALL: Command([script(), "who", scene, "web-2"], runs),
            REPORT_SMALL: Command([script(), "report", scene], runs),
        }
        rounds = Rounds(commands)
    found = Section(f"A name that some {NAMED:,} processes have, and a small session")
    found.body.append(usages(rounds, commands))
    found.targets = [
        Target("time of who NAME", 1.5, rounds.wall(WHO_NAME), "s"),
        Target("time of who", 0.4, rounds.wall(WHO_SMALL), "s"),
        Target("time of report", 0.4, rounds.wall(REPORT_SMALL), "s"),
    ]
    return found
