"""The recording section: a burst of kill() calls that nothing may be lost of, and what it costs who makes them."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import MB, Command
from section import Section, Target, table

HERE = Path(__file__).parent
THREADS, CALLS = 2, 500_000
BUFFER_MB = 192

UNTRACED = "untraced"
SIGTRACE = "sigtrace record"
CAT = "cat trace_pipe"
DEV_NULL = "cat trace_pipe > /dev/null"


@dataclass(frozen=True)
class Burst:
    """What a burst took and left: nanoseconds a call, whole and false calls recorded, bytes of memory at the peak."""

    ns: float
    whole: int = 0
    false: int = 0
    peak: int = 0


def sections(runs: int) -> Iterator[Section]:
    """Measure a burst, where recording is possible."""
    found = Section(f"Recording {THREADS} threads that call kill() {CALLS:,} times each, as fast as they can")
    doctor = subprocess.run([_script("sigtrace"), "doctor"], capture_output=True, text=True, check=False)
    if doctor.returncode:
        missing = next((line for line in doctor.stdout.splitlines() if line.startswith("MISSING")), doctor.stderr)
        found.body.append(f"not measured here: {missing.strip()}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            _measure(found, Path(folder), runs)
    yield found


def _measure(found: Section, folder: Path, runs: int) -> None:
    kills = folder / "kills"
    subprocess.run(["cc", "-O2", "-pthread", "-o", kills, HERE / "kills.c"], check=True)
    bursts: dict[str, list[Burst]] = {UNTRACED: [], SIGTRACE: [], CAT: [], DEV_NULL: []}
    for turn in range(runs):
        bursts[UNTRACED].append(_burst([kills], folder))
        session = folder / f"{turn}.parquet"
        record = [_script("sigtrace"), "record", "--buffer", BUFFER_MB, "-o", session, "--", kills]
        bursts[SIGTRACE].append(_burst(record, folder, session))
        log = folder / f"{turn}.txt"
        bursts[CAT].append(_burst([sys.executable, HERE / "peer_cat.py", log, kills], folder, log))
        log.unlink()
        bursts[DEV_NULL].append(_burst([sys.executable, HERE / "peer_cat.py", "/dev/null", kills], folder))
    base = statistics.median(burst.ns for burst in bursts[UNTRACED])
    rows = []
    for name, of_name in bursts.items():
        ns = statistics.median(burst.ns for burst in of_name)
        recorded = name in (SIGTRACE, CAT)
        lost = statistics.median(1 - burst.whole / (THREADS * CALLS) for burst in of_name)
        rows.append(
            (
                name,
                str(len(of_name)),
                f"{ns:.0f}",
                f"{ns - base:.0f}",
                f"{lost:.1%}" if recorded else "",
                str(max(burst.false for burst in of_name)) if recorded else "",
            )
        )
    found.body.append(table(("", "runs", "ns a call", "more", "calls lost", "false"), rows))
    of_sigtrace = bursts[SIGTRACE]
    found.targets = [
        Target("calls recorded", THREADS * CALLS, min(burst.whole for burst in of_sigtrace), "", at_least=True),
        Target("false calls", 0, max(burst.false for burst in of_sigtrace), ""),
        Target("ring buffer", 192, BUFFER_MB, "MB"),
        Target("peak memory", 300, max(burst.peak for burst in of_sigtrace) / MB, "MB"),
    ]


def _burst(command: Sequence[object], folder: Path, recorded: Path | None = None) -> Burst:
    said = folder / "said"
    argv: list[str | Path] = ["sh", "-c", 'out=$1; shift; exec "$@" >"$out" 2>/dev/null', "sh", said]
    usage = Command([*argv, *map(str, command), str(THREADS), str(CALLS)], 1).run()
    ns = float(said.read_text().split()[0])
    if recorded is None:
        return Burst(ns)
    counted = subprocess.run(
        [sys.executable, HERE / "burst.py", recorded], stdout=subprocess.PIPE, text=True, check=True
    )
    whole, false = map(int, counted.stdout.split())
    return Burst(ns, whole, false, usage.peak)


def _script(name: str) -> Path:
    return Path(sys.executable).with_name(name)
