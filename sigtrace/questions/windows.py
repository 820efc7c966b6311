"""Windows: of each row of a frame, the row before it among those that have the same values; on any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

if TYPE_CHECKING:
    from narwhals.typing import FrameT


def over(expression: nw.Expr, frame: Any, by: list[str], order: list[str]) -> nw.Expr:  # noqa: ANN401
    """Return an expression over the windows of a frame by `by`, each in the order of `order`.

    pyarrow has windows over whole frames only, ordered by `by` too: the values of `by` are the caller's to compare.
    """
    if frame.implementation.is_pyarrow():
        return expression.over(order_by=[*by, *order])
    return expression.over(*by, order_by=order)


def with_before(frame: FrameT, columns: list[str], by: list[str], order: list[str]) -> FrameT:
    """Return the frame with `before_X` for each column X: its value in the row before of the same `by`, or null."""
    shifts = {f"before_{name}": over(nw.col(name).shift(1), frame, by, order) for name in columns}
    if not frame.implementation.is_pyarrow():
        return frame.with_columns(**shifts)
    of_by = {f"before_{name}": over(nw.col(name).shift(1), frame, by, order) for name in by}
    shifted = frame.with_columns(**shifts, **of_by)
    same = nw.all_horizontal(*(_equal(name) for name in by), ignore_nulls=True)
    kept = {name: nw.when(same).then(nw.col(name)) for name in shifts}
    return shifted.with_columns(**kept).drop([name for name in of_by if name not in shifts])


def with_since(frame: FrameT, by: list[str], order: list[str]) -> FrameT:
    """Return the frame with `since_us`: the time from the row before of the same `by`; null for the first."""
    timed = with_before(frame, ["ts"], by, order)
    return timed.with_columns(since_us=nw.col("ts") - nw.col("before_ts")).drop("before_ts")


def _equal(name: str) -> nw.Expr:
    here, before = nw.col(name), nw.col(f"before_{name}")
    # Where one alone is null they differ, and nothing says so: null.
    return ((here == before) | (here.is_null() & before.is_null())).fill_null(value=False)
