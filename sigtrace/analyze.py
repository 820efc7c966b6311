"""Analyze: questions to a session, each a function from frame to frame.

A frame of pandas, pyarrow, polars, DuckDB or PySpark with the columns of a session goes in, and a frame of the same
kind comes out, with the columns that the function's docstring lists, in no order. If a `sigtrace.Session` goes in, a
pandas frame comes out. A frame may hold many sessions: `log` tells their rows apart, and a pid is a process of its log.
Times are `ts`, in microseconds of the trace clock, and what ends in `_us` is a time between two of them; of a clock of
bare ticks (`Accounting.ts_unit`) both are ticks. `sig` is a number, `ret` 0 or the negated errno. What is no such
frame, or lacks a column, is an error of narwhals or the engine.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import narwhals as nw
import pyarrow as pa

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
from sigtrace.store import session as _session

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


# A category takes no other value in place of a null, and pandas' own whole numbers take no null of others.
_ARROW: dict[str, pa.DataType] = {
    "category": pa.string(),
    "Int8": pa.int8(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "boolean": pa.bool_(),
}


def _of_any(question: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(question)
    def ask(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        return question(*map(_frame, given), **{name: _frame(value) for name, value in named.items()})

    return ask


def _frame(given: Any) -> Any:  # noqa: ANN401  (what a question is asked of, or a number)
    if isinstance(given, _session.Session):
        return _session.in_pandas(given.table)
    if not nw.dependencies.is_pandas_dataframe(given):
        return given
    import pandas as pd

    better = {name: pd.ArrowDtype(_ARROW[str(type_)]) for name, type_ in given.dtypes.items() if str(type_) in _ARROW}
    return given.astype(better) if better else given


# Each question takes whatever one of them does, so that none has to know of it.
globals().update({name: _of_any(globals()[name]) for name in __all__})
