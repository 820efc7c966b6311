"""Parse: write raw logs as one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.commands.streams import tell
from sigtrace.output.terminal import escaped
from sigtrace.store.conversion import convert
from sigtrace.trace.log import Log
from sigtrace.trace.parser import COMPILED

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(logs: Sequence[str], output: str) -> None:
    """Write logs to a Parquet file, and print what became of their lines."""
    if not COMPILED:
        tell("sigtrace: the scanner is not compiled and some 200 times slower: reinstall where there is a C compiler")
    account = convert([Log(log) for log in logs], Path(output))
    kinds = account.lines_by_kind
    calls = kinds.get("kill", 0) // 2 + kinds.get("call", 0)
    by_kind = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    print(f"{escaped(output)}: {calls:,} calls from {account.lines:,} lines ({by_kind}).")
    if account.lossy:
        print(f"{account.lost:,} events were lost: `sigtrace report` says what is unknown because of that.")
    print(f"Now ask it: sigtrace report {escaped(output)}")
