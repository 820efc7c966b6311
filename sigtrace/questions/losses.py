"""Gaps: questions about what a session cannot know: losses, and calls of which one line is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from sigtrace.questions.windows import over, with_before

if TYPE_CHECKING:
    from narwhals.typing import FrameT

_BY = ["_log", "cpu"]
_ORDER = ["line"]
_LINES = (nw.col("line").min().alias("first_line"), nw.col("line").max().alias("last_line"))


@nw.narwhalify
def halves(events: FrameT) -> FrameT:
    """Return the calls of which one line is missing, by CPU.

    Columns: log, cpu, halves, first_line, last_line.
    """
    found = events.filter(nw.col("event") == "kill_half")
    return found.group_by("log", "cpu").agg(nw.len().alias("halves"), *_LINES)


@nw.narwhalify
def losses(events: FrameT) -> FrameT:
    """Return where events were lost, by CPU.

    Columns: log, cpu, losses, lost, first_line, last_line. `losses` is how often, and `lost` how many events, as far as
    the kernel said; null where it never said.
    """
    found = events.filter(nw.col("event") == "lost")
    summed = found.group_by("log", "cpu").agg(
        nw.len().alias("losses"), nw.col("lost").sum(), nw.col("lost").count().alias("_counted"), *_LINES
    )
    return summed.with_columns(lost=nw.when(nw.col("_counted") > 0).then(nw.col("lost"))).drop("_counted")


@nw.narwhalify
def unknown(events: FrameT) -> FrameT:
    """Return when a CPU's events are unknown, for they were lost.

    Columns: log, cpu, line, lost, from_ts, to_ts. A row is a loss: nothing is known of what happened on `cpu` after
    `from_ts` and before `to_ts`, the times of the rows around it; null where there are none. `lost` is how many events,
    null where the kernel did not say. Who sent a signal there and then, and who ended, cannot be known.
    """
    # Joins leave out null keys. Losses in a row are one gap, and number the rows after them, up to the next.
    rows = events.filter(nw.col("event") != "process").with_columns(
        _log=nw.col("log").fill_null(""), _lost=(nw.col("event") == "lost").cast(nw.Int64)
    )
    placed = with_before(rows, ["_lost"], _BY, _ORDER)
    begins = nw.col("_lost") * (1 - nw.col("before__lost").fill_null(0))
    begun = placed.with_columns(_begins=begins)
    numbered = begun.with_columns(_gap=over(nw.col("_begins").cum_sum(), begun, _BY, _ORDER))
    seen = numbered.filter(nw.col("_lost") == 0).group_by(*_BY, "_gap")
    seen_before = seen.agg(nw.col("ts").max().alias("from_ts")).with_columns(_gap=nw.col("_gap") + 1)
    seen_after = seen.agg(nw.col("ts").min().alias("to_ts"))
    lost = numbered.filter(nw.col("_lost") == 1).select("log", "cpu", "line", "lost", "_log", "_gap")
    around = lost.join(seen_before, on=[*_BY, "_gap"], how="left").join(seen_after, on=[*_BY, "_gap"], how="left")
    return around.select("log", "cpu", "line", "lost", "from_ts", "to_ts")
