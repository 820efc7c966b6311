"""The section on asking: a made-up fleet of 100 million rows, asked by sigtrace, and a part of it by pandas too.

It is asked as its rows are, and with the endings beside them that flight recorders write.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure import MB, Command, Rounds
from section import Section, Target, table

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
FLEET = DATA / "fleet"
ENDINGS = FLEET / "_endings"
PART_SESSIONS = 40  # a tenth: what pandas holds in some 2 GB
PID = 2_123_456

REPORT = "sigtrace report"
WHO = f"sigtrace who {PID}"
REPORT_OF_PART = "sigtrace report"
PANDAS = "pandas"


def sections(runs: int) -> Iterator[Section]:
    """Ask the whole fleet, then a part of it beside pandas."""
    if not FLEET.exists():
        print("writing the fleet ...", file=sys.stderr)
        subprocess.run([sys.executable, HERE / "fleet.py", FLEET], check=True)
    aside = DATA / "endings"  # of an earlier run
    if ENDINGS.exists():
        ENDINGS.rename(aside)
    yield _whole(runs)
    if aside.exists():
        aside.rename(ENDINGS)
    else:
        print("writing its endings ...", file=sys.stderr)
        subprocess.run([sys.executable, HERE / "book.py", FLEET], check=True)
    yield _with_endings(runs)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        for session in sorted(FLEET.glob("*/*/*.parquet"))[:PART_SESSIONS]:
            place = Path(folder) / session.relative_to(FLEET)
            shutil.copytree(session, place)
        yield _part(Path(folder), runs)


def _whole(runs: int) -> Section:
    sessions = list(FLEET.glob("*/*/*.parquet"))
    size = sum(file.stat().st_size for session in sessions for file in session.iterdir())
    (counted,) = json.loads(said("query", FLEET, "SELECT count(*) AS rows FROM events", "--json"))
    found = Section(
        f"Asking a fleet: {counted['rows']:,} rows, {len(sessions):,} sessions, {size / MB:,.0f} MB of Parquet"
    )
    commands = {
        REPORT: Command([script(), "report", FLEET], runs),
        WHO: Command([script(), "who", FLEET, str(PID)], runs),
    }
    rounds = Rounds(commands)
    found.body.append(usages(rounds, commands))
    found.targets = [
        Target("time of the report", 20, rounds.wall(REPORT), "s"),
        Target("memory of the report", 2000, rounds.peak(REPORT) / MB, "MB"),
        Target("time of who PID", 2, rounds.wall(WHO), "s"),
    ]
    return found


def _with_endings(runs: int) -> Section:
    size = sum(file.stat().st_size for kind in ("endings", "calls") for file in FLEET.glob(f"_*/*/*/*.{kind}"))
    found = Section(f"Asking the same fleet with its endings and counted calls beside it: {size / MB:,.0f} MB more")
    if not size:
        found.faults.append(f"WRONG: no endings were written: if {FLEET} is an older one, remove it")
        return found
    commands = {
        REPORT: Command([script(), "report", FLEET], runs),
        WHO: Command([script(), "who", FLEET, str(PID)], runs),
    }
    rounds = Rounds(commands)
    found.body.append(usages(rounds, commands))
    with_endings = [said("report", FLEET), said("who", FLEET, str(PID))]
    aside = DATA / "endings"
    ENDINGS.rename(aside)
    if with_endings != [said("report", FLEET), said("who", FLEET, str(PID))]:
        found.faults.append("WRONG: the answers differ")
    aside.rename(ENDINGS)
    found.targets = [
        Target("time of the report", 3, rounds.wall(REPORT), "s"),
        Target("time of who PID", 0.5, rounds.wall(WHO), "s"),
    ]
    return found


def _part(folder: Path, runs: int) -> Section:
    found = Section(f"Asking {PART_SESSIONS} sessions of it, beside pandas on what calls need")
    commands = {
        REPORT_OF_PART: Command([script(), "report", folder], runs),
        PANDAS: Command([sys.executable, HERE / "peer_pandas.py", folder], runs),
    }
    rounds = Rounds(commands)
    found.body.append(usages(rounds, commands))
    ours = json.loads(said("report", folder, "--json"))
    theirs = json.loads(subprocess.run(commands[PANDAS].argv, stdout=subprocess.PIPE, check=True).stdout)
    same = all(_comparable(ours[key], theirs[key]) for key in theirs)
    found.body += ["", f"{PANDAS}: {'the same' if same else 'OTHER'} {', '.join(theirs)}; it says nothing of deaths"]
    if not same:
        found.faults.append("WRONG: the answers differ")
    return found


def _comparable(ours: object, theirs: object) -> bool:
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return ours == theirs
    return [{key: row[key] for key in other} for row, other in zip(ours, theirs, strict=True)] == theirs


def said(command: str, *arguments: str | Path) -> str:
    """Return what a command of sigtrace prints."""
    return subprocess.run([script(), command, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def script() -> Path:
    """Return the command sigtrace of this environment."""
    return Path(sys.executable).with_name("sigtrace")


def usages(rounds: Rounds, commands: dict[str, Command]) -> str:
    """Return what commands took, as a table."""
    head: Sequence[str] = ("", "runs", "wall s", "CPU s", "peak MB")
    rows = [
        (
            re.sub(r"^.*/", "", name),
            str(command.runs),
            f"{rounds.wall(name):.2f}",
            f"{rounds.cpu(name):.2f}",
            f"{rounds.peak(name) / MB:.0f}",
        )
        for name, command in commands.items()
    ]
    return table(head, rows)
