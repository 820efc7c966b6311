"""The section on parsing: `sigtrace parse` and its peers on one log of few names and on one of many."""

import compileall
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import MB, Command, Rounds, floor
from section import Section, Target, table

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
KINDS = {
    "few": "4 threads and names on 2 CPUs",
    "many": "1,000 threads and names on 8 CPUs",
}
SIGTRACE = "sigtrace parse"
GREP = "grep -c"
POLARS = "polars, split and dictionary"
POLARS_REGEX = "polars, regular expressions"
PYTHON = "obvious Python"
EMPTY = "python -c pass"
PEERS = {
    POLARS: HERE / "peer_polars.py",
    POLARS_REGEX: HERE / "peer_polars_regex.py",
    PYTHON: HERE / "peer_python.py",
}
SLOW = {PYTHON}
SMALL_LINES = 1000


def sections(megabytes: int, runs: int, slow_runs: int) -> Iterator[Section]:
    """Measure on each kind of log, then on a small one."""
    small = _log("few", SMALL_LINES, "lines")
    compileall.compile_dir(HERE.parent / "sigtrace", quiet=1)  # as pip leaves a package
    for kind in KINDS:
        yield _large(kind, _log(kind, megabytes, "megabytes"), small, runs, slow_runs)
    yield _small(small, runs)


def _large(kind: str, log: Path, small: Path, runs: int, slow_runs: int) -> Section:
    size = log.stat().st_size
    found = Section(f"Parsing {size / MB:.0f} MB, {KINDS[kind]}, whole process")
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        for command in _commands(small, Path(folder), 1, 1).values():
            # Unmeasured: what a process imports is then in the cache, as the log is.
            command.run()
        commands = _commands(log, Path(folder), runs, slow_runs)
        rounds = Rounds(commands)
        outs = [command.out for command in commands.values() if command.out is not None]
        compared = subprocess.run(
            [sys.executable, HERE / "rows.py", *outs], stdout=subprocess.PIPE, text=True, check=False
        )
    found.body.append(_usages(rounds, commands, size))
    found.body += ["", *compared.stdout.splitlines()]
    if compared.returncode:
        found.faults.append("WRONG: not all rows are the same")
    found.targets = [
        Target("speed beside the obvious Python", 25, rounds.ratio(PYTHON, SIGTRACE), "x", at_least=True),
        Target("speed beside polars", 6, rounds.ratio(POLARS, SIGTRACE), "x", at_least=True),
        Target("time beside grep -c", 6, rounds.ratio(SIGTRACE, GREP), "x"),
        Target("peak memory", 300, rounds.peak(SIGTRACE) / MB, "MB"),
    ]
    return found


def _small(log: Path, runs: int) -> Section:
    found = Section(f"Parsing {SMALL_LINES:,} lines, beside an empty Python")
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        commands = {
            SIGTRACE: _sigtrace(log, Path(folder), 4 * runs),
            EMPTY: Command([sys.executable, "-c", "pass"], 4 * runs),
        }
        rounds = Rounds(commands)
    found.body.append(_usages(rounds, commands, log.stat().st_size))
    found.targets = [Target(f"time more than {EMPTY}", 0.25, rounds.difference(SIGTRACE, EMPTY), "s")]
    return found


def _commands(log: Path, folder: Path, runs: int, slow_runs: int) -> dict[str, Command]:
    commands = {
        SIGTRACE: _sigtrace(log, folder, runs),
        # `env` becomes grep, so it is grep that is measured.
        GREP: Command(["env", "LC_ALL=C", "grep", "-c", "sent signal", log], runs),
    }
    for name, script in PEERS.items():
        out = folder / f"{script.stem}.parquet"
        commands[name] = Command([sys.executable, script, log, out], slow_runs if name in SLOW else runs, out)
    return commands


def _sigtrace(log: Path, folder: Path, runs: int) -> Command:
    out = folder / "sigtrace.parquet"
    script = Path(sys.executable).with_name("sigtrace")
    argv = [script] if script.exists() else [sys.executable, "-c", "from sigtrace.cli import run; run()"]
    return Command([*argv, "parse", log, "-o", out], runs, out)


def _usages(rounds: Rounds, commands: dict[str, Command], size: int) -> str:
    head = ("", "runs", "wall s", "CPU s", "peak MB", "MB/s", "x sigtrace")
    rows = [
        (
            name,
            str(command.runs),
            f"{rounds.wall(name):.3f}",
            f"{rounds.cpu(name):.3f}",
            f"{rounds.peak(name) / MB:.0f}",
            f"{size / MB / rounds.wall(name):.0f}",
            f"{rounds.ratio(name, SIGTRACE):.2f}",
        )
        for name, command in commands.items()
    ]
    return f"{table(head, rows)}\n(no peak under the driver's own {floor() / MB:.0f} MB can be measured)"


# The log of a kind, written by a process of its own where it is not there yet, and read to warm the cache.
def _log(kind: str, count: int, unit: str) -> Path:
    path = DATA / f"{kind}-{count}-{unit}.txt"
    if not path.exists():
        print(f"writing {path.name} ...", file=sys.stderr)
        subprocess.run([sys.executable, HERE / "capture.py", kind, str(count), unit, path], check=True)
    with path.open("rb") as log:
        while log.read(MB):
            pass
    return path
