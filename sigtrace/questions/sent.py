"""Sent: what somebody sent, and what became of it; and calls, of which a log may tell no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.causes.victims import victim
from sigtrace.facts.signals import error_name, signal_name, target_name
from sigtrace.facts.witness import filtered, missing
from sigtrace.questions.choice.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.questions.choice.matching import Matcher
    from sigtrace.questions.choice.period import Period
    from sigtrace.questions.database import Database

    Object = dict[str, Any]

_KNOWN = """
SELECT DISTINCT log, coalesce(pid, tid) AS pid, comm, filename, command, cgroup, "user"
FROM events WHERE event IN ('process', 'args', 'exec', 'sched_process_exec')
"""


class Sent:
    """The signals that `by` sent to those whom `victims` names, or to anybody, in a period: followed by the tracker."""

    def __init__(self, database: Database, by: Matcher, victims: Matcher | None, period: Period) -> None:
        self._database = database
        self._by = by
        self._victims = victims
        self._period = period
        self._hits: list[tuple[Process, Object]] = []
        self._ends: dict[Process, tuple[str, int | None, int]] = {}
        self._senders: set[tuple[str | None, int]] = set()

    def ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: ARG002, FBT001
        """Take a process that ended."""
        if process.died is not None and any(self._by.sent(signal) for signal in process.signals or ()):
            verdict = judge.brief(process, lost).verdict
            status = process.status if verdict in {"asked", "exited"} and process.status >= 0 else None
            self._ends[process] = verdict, status, process.died.ts

    def settled(self, log: str | None, signal: Signal) -> None:
        """Take a signal of which is known what became of it."""
        if not self._by.sent(signal):
            return
        hit = victim(signal)
        if hit["sender_pid"] is None:  # the kernel did, in its context
            return
        self._senders.add((log, hit["sender_pid"]))
        chosen = self._victims is None or self._victims.matches(signal.victim, signal.row.target_comm)
        if chosen and self._period.holds(log, signal.row.ts):
            self._hits.append((signal.victim, {"log": log, **hit}))

    def lines(self, pids: Collection[tuple[str | None, int]], *, each: bool) -> Lines:
        """Return what was sent, in the order of time; `pids` are senders too, who may only have called."""
        found = [self._became(process, hit) for process, hit in self._hits]
        found += self._calls(self._senders.union(pids))
        made = Lines(each=each)
        for one in sorted(found, key=lambda one: (one["time"] or 0, one["ts"] or 0)):
            key = (
                *(one["log"], one["killer_pid"], one["killer_comm"], one["sig"], one["victim_comm"], one["fate"]),
                *(one["outcome"], one["exit_status"]),
            )
            # Calls are counted already.
            made.add((*key, one["target"], one["ret"]) if "ret" in one else key, one["ts"], one["time"], lambda: one)  # noqa: B023
        return made

    def _became(self, process: Process, hit: Object) -> Object:
        about = self._database.about_of(hit["log"])
        verdict, status, ended_ts = self._ends.get(process, (None, None, None))
        unseen = missing(about)
        if verdict == "unknown" and hit["fate"] == "fatal":
            hit = {**hit, "fate": None}  # another signal may have ended it that was not recorded
        if hit["fate"] == "fatal":
            outcome = "ended"
        elif verdict is not None and not filtered(about):  # which may have another process of that pid
            outcome = "asked" if verdict == "asked" else "ended later"
        else:
            outcome = "unknown" if "sched_process_exit" in unseen else "lived on"
        return {
            "log": hit["log"],
            "victim_pid": hit["victim_pid"],
            "victim_comm": hit["victim_comm"],
            "time": hit["time"],
            "ts": hit["ts"],
            "sig": hit["sig"],
            "verdict": verdict or ("alive" if outcome == "lived on" else "unknown"),
            "source": hit["source"],
            "killer_pid": hit["sender_pid"],
            "killer_comm": hit["sender_comm"],
            "group": hit["group"],
            "ancestors": [],
            "lost": self._database.lossy,
            "lines": [line for line in (hit["line"], hit["call_line"]) if line is not None],
            "fate": None if hit["fate"] == "delivered" and "signal_deliver" in unseen else hit["fate"],
            "outcome": outcome,
            "exit_status": status,
            "delay_us": None if ended_ts is None else ended_ts - hit["ts"],
        }

    def _calls(self, senders: Collection[tuple[str | None, int]]) -> list[Object]:
        # A call that sent a signal is told by that, if the log has it.
        found = []
        for one in calls(self._database, self._period):
            if told_by_signal(self._database.about_of(one["log"]), one):
                continue
            named = {"pid": one["killer_pid"], "comm": one["killer_comm"]}
            by = (one["log"], one["killer_pid"]) in senders or self._by.matches_row(named)
            whom = {"pid": one["victim_pid"], "comm": one["victim_comm"]}
            if by and (self._victims is None or self._victims.matches_row(whom)):
                found.append({**one, "fate": None, "outcome": None, "exit_status": None})
        return found


def told_by_signal(about: Mapping[str, Any], call: Object) -> bool:
    """Tell whether a call sent a signal that its log has as well."""
    if call["ret"] is None or call["ret"] < 0 or call["sig"] == 0:
        return False
    if filtered(about):  # it shows the signal of a call that named one process
        return call["target"] > 0 and bool(about["lines_by_kind"].get("signal_generate"))
    return "signal_generate" not in missing(about)


def calls(database: Database, period: Period) -> list[Object]:
    """Return the calls of a period, counted by who sent what to whom with what result, in the order of time."""
    from sigtrace.questions import counts

    names: dict[tuple[str | None, int], str] = {}
    for row in _names(database):
        key = row["log"], row["pid"]
        names[key] = min(row["comm"], names.get(key, row["comm"]))
    database.keep("sent", counts.of(database.events.filter(period.sql())))
    return [
        {
            "log": row["log"],
            "victim_pid": row["target"] if row["target"] > 0 else None,
            "victim_comm": names.get((row["log"], row["target"])),
            "time": row["first_us"],
            "ts": row["first_ts"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "verdict": "unknown",
            "killer_pid": row["pid"],
            "killer_comm": row["comm"],
            "group": row["target"] <= 0,
            "ancestors": [],
            "lost": database.lossy,
            "lines": [row["first_line"]],
            "target": row["target"],
            "means": target_name(row["target"]),
            "ret": row["ret"],
            "result": None if row["ret"] is None else error_name(row["ret"]),
            "calls": row["calls"],
            "last_ts": row["last_ts"],
        }
        for row in database.rows(
            "SELECT *, epoch_us(first_time) AS first_us FROM sent ORDER BY first_time, first_ts, log, first_line"
        )
    ]


def known(database: Database) -> list[Object]:
    """Return the processes that rows name, with what they can be asked for by."""
    return [*_names(database), *database.rows(_KNOWN)]


def _names(database: Database) -> list[Object]:
    from sigtrace.questions.calls import names

    found: list[Object] = names(database.events).to_arrow_table().to_pylist()
    return found
