"""Analyze: questions to a session, each a function from frame to frame.

A frame of pandas, pyarrow, polars, DuckDB or PySpark with the columns of a session goes in, and a frame of the same
kind comes out, with the columns that the function's docstring lists, in no order. A frame may hold many sessions: `log`
tells their rows apart, and a pid is a process of its log. Times are `ts`, in microseconds of the trace clock, and what
ends in `_us` is a time between two of them; of a clock of bare ticks (`Accounting.ts_unit`) both are ticks. `sig` is a
number, `ret` 0 or the negated errno. What is no such frame, or lacks a column, is an error of narwhals or the engine.
"""

from sigtrace.questions.calls import (
    by_result,
    by_sender,
    by_signal,
    by_target,
    calls,
    compare,
    escalations,
    failures,
    names,
    probes,
    sent,
    storms,
    timeline,
    totals,
)
from sigtrace.questions.fates import (
    ancestors,
    blast_radius,
    compare_deaths,
    cycles,
    deaths,
    delays,
    matrix,
    restarts,
    victims,
)
from sigtrace.questions.losses import halves, losses, unknown

__all__ = [
    "ancestors",
    "blast_radius",
    "by_result",
    "by_sender",
    "by_signal",
    "by_target",
    "calls",
    "compare",
    "compare_deaths",
    "cycles",
    "deaths",
    "delays",
    "escalations",
    "failures",
    "halves",
    "losses",
    "matrix",
    "names",
    "probes",
    "restarts",
    "sent",
    "storms",
    "timeline",
    "totals",
    "unknown",
    "victims",
]
