"""Sift: SQL for the calls among which storms and escalations can be at all."""

from __future__ import annotations

from sigtrace.facts.rules import ASKING, ASKING_OR_KILLING, KILL, STORM_CALLS, STORM_GAP_US

_OF_A_CALL = "event, ts, line, log, pid, tid, comm, sig, target, ret"  # what analyze asks of one

# A storm of 100 calls, 10 ms apart at most: the last of them is within 99 gaps of the call 99 before it, whosever; but
# for those that stand a little out of order. A log whose CPUs were put one behind the other is looked at as a whole.
_FIND_DENSE = f"""
CREATE OR REPLACE TABLE dense AS SELECT DISTINCT coalesce(log, '') FROM (
    SELECT log, ts - lag(ts, {STORM_CALLS - 1}) OVER () AS took, lag(log, {STORM_CALLS - 1}) OVER () AS before,
        lag(ts) OVER () - ts AS back, lag(log) OVER () AS behind
    FROM {{kills}}
) WHERE (took <= {STORM_CALLS * STORM_GAP_US} AND before IS NOT DISTINCT FROM log)
    OR (back > {STORM_GAP_US} AND behind IS NOT DISTINCT FROM log)
"""  # noqa: S608 -- our own numbers


def find_dense(kills: str) -> str:
    """Return what makes the table `dense`, of a view of calls: the logs in which so many calls come so fast."""
    return _FIND_DENSE.format(kills=kills)


DENSE = f"SELECT {_OF_A_CALL} FROM kills WHERE coalesce(log, '') IN (FROM dense)"  # noqa: S608 -- likewise
"""The calls in these."""

FIND_ASKED = f"""
CREATE OR REPLACE TABLE both_sent AS
SELECT coalesce(log, '') AS of_log, target FROM tallied WHERE ret = 0
GROUP BY ALL HAVING bool_or(sig = {KILL}) AND bool_or(sig IN {ASKING})
"""  # noqa: S608 -- likewise
"""What makes the table `both_sent`: the targets that got SIGKILL and something milder, out of the counts `tallied`."""

ALONE = f"ret = 0 AND sig IN {ASKING_OR_KILLING}"
"""Which calls asked somebody to end, or killed, and reached their target."""

ASKED = (
    f"SELECT {_OF_A_CALL} FROM kills WHERE {ALONE}"  # noqa: S608 -- likewise
    " AND (coalesce(log, ''), target) IN (FROM both_sent)"
)
"""The calls that named these, and reached them."""
