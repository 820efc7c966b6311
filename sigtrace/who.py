"""Who: who ended a process, or sent it what, and how that is known; each answer in a sentence, or as an object."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sigtrace import analyze
from sigtrace.errors import SessionError
from sigtrace.signals import error_name, signal_name, target_name
from sigtrace.terminal import count, escaped, sentence

if TYPE_CHECKING:
    from sigtrace.session import Session

_SOURCES = {
    "terminal": "from its terminal",
    "timer": "from a timer of its own",
    "parent": "when its parent ended",
    "kernel": "from the kernel",
    "oom": "from the OOM killer",
    "fault": "for a fault of its own",
}


def who(session: Session, asked: str = "all") -> list[dict[str, Any]]:
    """Return how `asked` ended: a pid, a name, or `all`; in the order of time.

    Where the session has the kernel's events, an object is a death, with the columns of `sigtrace.analyze.deaths` and
    `signal` by name; of one that did not end, a signal that it got, with `verdict` alive and its `fate`. Where the
    session has none, an object is a kind of calls that named it, or a group that it may have been in: with `verdict`
    unknown, for two lines do not say who died, and `result` and `calls` besides. Every object has victim_pid,
    victim_comm, time, ts, signal, verdict, killer_pid, killer_comm, group, ancestors, lost and lines; what is not known
    is null. Raises `SessionError` where nobody of that name is known.
    """
    dead = deaths(session)
    if asked == "all":
        return dead or _sent(session, None)
    if asked.isdigit():
        found = [death for death in dead if death["victim_pid"] == int(asked)]
        pids = {int(asked)}
    else:
        found = [death for death in dead if asked in (death["victim_comm"], _file(death["command"]))]
        pids = set() if found else _pids(session, asked)
    return found or _survived(session, pids) or _sent(session, pids)


def deaths(session: Session) -> list[dict[str, Any]]:
    """Return the deaths of `sigtrace.analyze.deaths` in the order of time, each with its `signal` by name."""
    rows = analyze.deaths(session.table).to_pylist()
    return [{**row, "signal": _signal(row["sig"])} for row in sorted(rows, key=lambda row: row["ts"])]


def tell(session: Session, asked: str, answer: list[dict[str, Any]], unknown: str | None) -> None:
    """Print what `who` returned, a sentence each, and what losses leave unknown."""
    whom = "anybody" if asked == "all" else escaped(asked)
    if not answer:
        sentence(f"Who sent {whom} a signal is unknown." if unknown else f"Nobody sent {whom} a signal in this log.")
    for one in answer if asked != "all" else [one for one in answer if one["verdict"] != "exited"]:
        sentence(_sentence(one, session))
    if asked == "all" and (exited := sum(one["verdict"] == "exited" for one in answer)):
        sentence(f"{count(exited, 'process', 'processes')} more ended by exiting.")
    if unknown:
        sentence(f"Unknown: {unknown}")


def death_sentence(death: dict[str, Any], session: Session) -> str:
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
    lines = ", ".join(map(str, death["lines"]))
    return f"{'; '.join(parts)}. [{'line' if len(death['lines']) == 1 else 'lines'} {lines}]"


def when(row: dict[str, Any], session: Session) -> str:
    """Return the time of a row: UTC where it is known, else seconds or ticks of the trace clock."""
    if isinstance(row.get("time"), datetime):
        return f"{row['time']:%Y-%m-%d %H:%M:%S.%f}Z"
    return f"{row['ts'] / 1e6:.6f}" if session.accounting.ts_unit == "us" else str(row["ts"])


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


def _sentence(one: dict[str, Any], session: Session) -> str:
    if "calls" in one:
        return _sent_sentence(one, session)
    return _survived_sentence(one, session) if one["verdict"] == "alive" else death_sentence(one, session)


def _survived_sentence(one: dict[str, Any], session: Session) -> str:
    victim = f"{escaped(one['victim_comm'] or '?')} ({one['victim_pid']})"
    source = _SOURCES.get(one["source"], "")
    if one["killer_pid"] is not None:
        source = f"from {escaped(one['killer_comm'] or '?')} ({one['killer_pid']})"
    group = ", as one of a group" if one["group"] else ""
    lines = ", ".join(map(str, one["lines"]))
    got = f"{victim} got {one['signal']} {source}{group}: {one['fate']}"
    return f"{when(one, session)} {got}; it lived on. [lines {lines}]"


def _survived(session: Session, pids: set[int]) -> list[dict[str, Any]]:
    return [
        {
            "victim_pid": row["victim_pid"],
            "victim_comm": row["victim_comm"],
            "time": row["time"],
            "ts": row["ts"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "verdict": "alive",
            "source": row["source"],
            "killer_pid": row["sender_pid"],
            "killer_comm": row["sender_comm"],
            "group": row["group"],
            "ancestors": [],
            "lost": session.accounting.lossy,
            "lines": [line for line in (row["line"], row["call_line"]) if line is not None],
            "fate": row["fate"],
        }
        for row in analyze.victims(session.table).to_pylist()
        if row["victim_pid"] in pids
    ]


def _sent_sentence(one: dict[str, Any], session: Session) -> str:
    sender = f"{escaped(one['killer_comm'])} ({one['killer_pid']})"
    target = target_name(one["target"]) + (f" ({escaped(one['victim_comm'])})" if one["victim_comm"] else "")
    times = "" if one["calls"] == 1 else f", {one['calls']:,} times"
    doubt = "; whether it was among them, the lines do not say" if one["group"] else ""
    return (
        f"{when(one, session)} {sender} sent {one['signal']} to {target}: {one['result']}{times}{doubt}. "
        f"[line {one['lines'][0]}]"
    )


def _sent(session: Session, pids: set[int] | None) -> list[dict[str, Any]]:
    events = session.table
    names = _names(events)
    rows = sorted(analyze.sent(events).to_pylist(), key=lambda row: (row["first_ts"], row["first_line"]))
    return [
        {
            "victim_pid": row["target"] if row["target"] > 0 else None,
            "victim_comm": min(names[row["target"]]) if row["target"] in names else None,
            "time": row["first_time"],
            "ts": row["first_ts"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "verdict": "unknown",
            "killer_pid": row["pid"],
            "killer_comm": row["comm"],
            "group": row["target"] <= 0,
            "ancestors": [],
            "lost": session.accounting.lossy,
            "lines": [row["first_line"]],
            "target": row["target"],
            "means": target_name(row["target"]),
            "ret": row["ret"],
            "result": error_name(row["ret"]),
            "calls": row["calls"],
            "last_ts": row["last_ts"],
        }
        for row in rows
        # A call to a group that failed reached nobody.
        if pids is None or row["target"] in pids or (row["target"] <= 0 <= row["ret"])
    ]


def _pids(session: Session, name: str) -> set[int]:
    pids = {pid for pid, comms in _names(session.table).items() if name in comms}
    if not pids:
        raise SessionError(
            f"{session.name}: no process called {name} is known by that name here: ask by pid, or `who` for all"
        )
    return pids


def _names(events: Any) -> dict[int, list[str]]:  # noqa: ANN401  (a frame of any engine)
    names: dict[int, list[str]] = {}
    for row in analyze.names(events).to_pylist():
        names.setdefault(row["pid"], []).append(row["comm"])
    return names


def _signal(sig: int | None) -> str | None:
    return None if sig is None else signal_name(sig)


def _file(command: str | None) -> str | None:
    return None if not command else command.split(" ", 1)[0].rsplit("/", 1)[-1]


def _duration(us: int) -> str:
    if us < 1_000:
        return f"{us} µs"
    return f"{us / 1e3:.1f} ms" if us < 1_000_000 else f"{us / 1e6:,.1f} s"
