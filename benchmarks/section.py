"""A section of the benchmark: a title, tables, targets, and whether all was well."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A promise, and what was measured of it."""

    what: str
    limit: float
    measured: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def cells(self) -> tuple[str, ...]:
        """Return the target as a row of a table."""
        limit = f"{'>=' if self.at_least else '<='} {self.limit:g} {self.unit}"
        return self.what, limit, f"{self.measured:.3g} {self.unit}", "ok" if self.met else "MISSED"


@dataclass
class Section:
    """What a part of the benchmark found: text to print, its targets, and its faults."""

    title: str
    body: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every target is met and nothing is wrong."""
        return not self.faults and all(target.met for target in self.targets)

    def text(self) -> str:
        """Return the section as plain text, under 80 columns."""
        targets = table(("target", "promised", "measured", ""), [target.cells() for target in self.targets])
        return "\n".join([self.title, "-" * len(self.title), *self.body, "", targets, *self.faults, ""])


def recorder(found: Section) -> Path | None:
    """Return the command that records; where recording is not possible, say so in the section, and return None."""
    script = Path(sys.executable).with_name("sigtrace")
    if subprocess.run([script, "doctor"], capture_output=True, check=False).returncode:
        found.body.append("not measured here: `sigtrace doctor` says what is missing")
        return None
    return script


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)
