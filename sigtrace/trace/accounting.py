"""Accounting: what became of every line that was read, so that loss is data."""

from __future__ import annotations

from typing import Any, TypeVar

_K = TypeVar("_K")


class Accounting:  # noqa: PLW1641  (no key: its counts change)
    """What became of every line that was read: the values of `lines_by_kind` add up to `lines`.

    `kill` counts the lines that made calls (two each) and `half` those that lack their other line. `pending` is there
    only while a log is still being read. `lost_by_cpu` counts events that the kernel threw away, and
    `losses_of_unknown_size` the times when it could not say how many. `layouts` names the options under whose headers
    lines could not be stitched; `ts_unit` is `us`, `ticks` for the clocks counter, uptime and x86-tsc, `day`
    for microseconds since the midnight of a day that nobody named, `utc` for microseconds since 1970, or `none` if the
    log has no times. `tools` names
    the tools that printed logs which are not trace_pipe's own text.
    """

    # No dataclass: to import what makes one takes longer than to read a short log.
    def __init__(
        self,
        lines: int = 0,
        lines_by_kind: dict[str, int] | None = None,
        lost_by_cpu: dict[int, int] | None = None,
        losses_of_unknown_size: dict[int, int] | None = None,
        layouts: list[str] | None = None,
        ts_unit: str = "us",
        tools: list[str] | None = None,
    ) -> None:
        self.lines = lines
        self.lines_by_kind = {} if lines_by_kind is None else lines_by_kind
        self.lost_by_cpu = {} if lost_by_cpu is None else lost_by_cpu
        self.losses_of_unknown_size = {} if losses_of_unknown_size is None else losses_of_unknown_size
        self.layouts = [] if layouts is None else layouts
        self.ts_unit = ts_unit
        self.tools = [] if tools is None else tools

    def __repr__(self) -> str:
        return f"Accounting({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Accounting) and vars(self) == vars(other)

    @property
    def lost(self) -> int:
        """Events lost in all, as far as the kernel said how many."""
        return sum(self.lost_by_cpu.values())

    @property
    def lossy(self) -> bool:
        """Whether anything was lost, counted or not."""
        return bool(self.lost_by_cpu or self.losses_of_unknown_size)

    def __add__(self, other: Accounting) -> Accounting:
        units = {a.ts_unit for a in (self, other) if a.lines}
        if len(units) > 1:
            units.discard("none")
        if len(units) > 1 and units <= {"us", "day", "utc"}:
            units = {"us"}  # all are microseconds
        return Accounting(
            self.lines + other.lines,
            _sum(self.lines_by_kind, other.lines_by_kind),
            _sum(self.lost_by_cpu, other.lost_by_cpu),
            _sum(self.losses_of_unknown_size, other.losses_of_unknown_size),
            sorted({*self.layouts, *other.layouts}),
            units.pop() if len(units) == 1 else "mixed" if units else "us",
            sorted({*self.tools, *other.tools}),
        )

    def since(self, before: Accounting) -> Accounting:
        """Return the account of the lines that were read after those that `before` accounts for."""
        return Accounting(
            self.lines - before.lines,
            _less(self.lines_by_kind, before.lines_by_kind),
            _less(self.lost_by_cpu, before.lost_by_cpu),
            _less(self.losses_of_unknown_size, before.losses_of_unknown_size),
            self.layouts,
            self.ts_unit,
            self.tools,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "lines": self.lines,
            "lines_by_kind": self.lines_by_kind,
            "lost_by_cpu": {str(cpu): n for cpu, n in self.lost_by_cpu.items()},
            "losses_of_unknown_size": {str(cpu): n for cpu, n in self.losses_of_unknown_size.items()},
            "layouts": self.layouts,
            "ts_unit": self.ts_unit,
            **({"tools": self.tools} if self.tools else {}),
            **({"utc_offset_us": 0} if self.ts_unit == "utc" else {}),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Accounting:
        """Return what `to_dict` gave."""
        return cls(
            stored["lines"],
            stored["lines_by_kind"],
            {int(cpu): n for cpu, n in stored["lost_by_cpu"].items()},
            {int(cpu): n for cpu, n in stored["losses_of_unknown_size"].items()},
            stored["layouts"],
            stored["ts_unit"],
            stored.get("tools"),
        )


def _less(a: dict[_K, int], b: dict[_K, int]) -> dict[_K, int]:
    # What was pending before may be pending no more, and is of a kind now.
    return {key: n for key in a if (n := a[key] - b.get(key, 0)) > 0}


def _sum(a: dict[_K, int], b: dict[_K, int]) -> dict[_K, int]:
    return {key: a.get(key, 0) + b.get(key, 0) for key in [*a, *(key for key in b if key not in a)]}
