"""Sentence: an answer of `sigtrace.questions.who` in a sentence or two."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import signal_name, target_name
from sigtrace.output.terminal import escaped
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    from sigtrace.store.session import Session

_SOURCES = {
    "terminal": "from its terminal",
    "timer": "from a timer of its own",
    "parent": "when its parent ended",
    "kernel": "from the kernel",
    "oom": "from the OOM killer",
    "fault": "for a fault of its own",
}


def death_sentence(death: dict[str, Any], session: Session | Database) -> str:
    """Return a death of `who` in a sentence or two, with the lines that it rests on."""
    victim = f"{escaped(death['victim_comm'] or '?')} ({death['victim_pid']})"
    parts = [f"{when(death, session)} {victim} {_ended(death)}"]
    if death["earlier_sig"] is not None:
        grace = f"{death['grace_us'] / 1e6:,.3f} s before"
        parts.append(f"{signal_name(death['earlier_sig'])} had come {grace} ({death['earlier_fate']})")
    if death["killer_pid"] is not None and death["ancestors"] and death["killer_pid"] != death["victim_pid"]:
        line = " < ".join(map(escaped, death["ancestors"]))
        parts.append(f"the killer's ancestors: {line}")
    if death["lost"]:
        parts.append("events were lost about then")
    return f"{'; '.join(parts)}. {_cited(death, session)}"


def when(row: dict[str, Any], session: Session | Database) -> str:
    """Return the time of a row: UTC where it is known, else seconds or ticks of the trace clock."""
    if isinstance(row.get("time"), datetime):
        return f"{row['time']:%Y-%m-%d %H:%M:%S.%f}Z"
    return f"{row['ts'] / 1e6:.6f}" if session.accounting.ts_unit == "us" else str(row["ts"])


def _cited(row: dict[str, Any], session: Session | Database) -> str:
    lines = f"{'line' if len(row['lines']) == 1 else 'lines'} {', '.join(map(str, row['lines']))}"
    several = isinstance(session, Database) and len(session.logs) > 1
    return f"[{escaped(row['log'] or '')}: {lines}]" if several else f"[{lines}]"


def _ended(death: dict[str, Any]) -> str:
    signal = death["signal"]
    after = "" if death["delay_us"] is None else f", {_duration(death['delay_us'])} after it was sent"
    if death["verdict"] == "exited":
        return "exited"
    if death["verdict"] == "unknown":
        return "ended, and why is unknown" + (f"; {signal} was delivered to it" if signal else "")
    if death["verdict"] == "self":
        return f"ended itself with {signal}" + (", as one of a group" if death["group"] else "")
    if death["killer_pid"] is None:
        return f"was ended by {signal} {_SOURCES[death['source']]}{after}"
    killer = f"{escaped(death['killer_comm'] or '?')} ({death['killer_pid']})"
    if death["actor_pid"] not in (None, death["killer_pid"]):
        killer += f" for {escaped(death['actor_comm'])} ({death['actor_pid']})"
    group = ", as one of a group" if death["group"] else ""
    return f"was killed by {killer} with {signal}{group}{after}"


def told(one: dict[str, Any], session: Session | Database) -> str:
    """Return one answer of `who` in a sentence."""
    if "calls" in one:
        return _sent_sentence(one, session)
    return _survived_sentence(one, session) if one["verdict"] == "alive" else death_sentence(one, session)


def _survived_sentence(one: dict[str, Any], session: Session | Database) -> str:
    victim = f"{escaped(one['victim_comm'] or '?')} ({one['victim_pid']})"
    source = _SOURCES.get(one["source"], "")
    if one["killer_pid"] is not None:
        source = f"from {escaped(one['killer_comm'] or '?')} ({one['killer_pid']})"
    group = ", as one of a group" if one["group"] else ""
    got = f"{victim} got {one['signal']} {source}{group}: {one['fate']}"
    return f"{when(one, session)} {got}; it lived on. {_cited(one, session)}"


def _sent_sentence(one: dict[str, Any], session: Session | Database) -> str:
    sender = f"{escaped(one['killer_comm'])} ({one['killer_pid']})"
    target = target_name(one["target"]) + (f" ({escaped(one['victim_comm'])})" if one["victim_comm"] else "")
    times = "" if one["calls"] == 1 else f", {one['calls']:,} times"
    doubt = "; whether it was among them, the lines do not say" if one["group"] else ""
    return (
        f"{when(one, session)} {sender} sent {one['signal']} to {target}: {one['result']}{times}{doubt}. "
        f"{_cited(one, session)}"
    )


def _duration(us: int) -> str:
    if us < 1_000:
        return f"{us} µs"
    return f"{us / 1e3:.1f} ms" if us < 1_000_000 else f"{us / 1e6:,.1f} s"
