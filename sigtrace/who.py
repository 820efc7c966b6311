"""Who: who sent what to a process, when, and with what result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace import analyze, terminal
from sigtrace.errors import SessionError
from sigtrace.signals import error_name, signal_name, target_name

if TYPE_CHECKING:
    from sigtrace.session import Session


def who(session: Session, asked: str = "all") -> list[dict[str, Any]]:
    """Return who sent what to `asked`: a pid, a name, or `all`; the earliest first.

    Each object has sender_pid, sender_comm, sig, signal, target, target_comm (null where the target made no call of
    its own under which to know it), means (the target in words), group (true where it is a group: the lines do not
    say who is in it), ret, result, calls, first_ts, last_ts, line. Raises `SessionError` where nobody of that name
    made a call.
    """
    events = session.table
    names = _names(events)
    rows = analyze.sent(events).to_pylist()
    if asked != "all":
        pids = {int(asked)} if asked.lstrip("-").isdigit() else {pid for pid, comms in names.items() if asked in comms}
        if not pids:
            raise SessionError(
                f"{session.name}: no process called {terminal.escaped(asked)} made a call, so its pid is not known: "
                "ask by pid"
            )
        rows = [row for row in rows if row["target"] in pids or (row["target"] <= 0 <= row["ret"])]
    rows.sort(key=lambda row: (row["first_ts"], row["first_line"]))
    return [
        {
            "sender_pid": row["pid"],
            "sender_comm": row["comm"],
            "sig": row["sig"],
            "signal": signal_name(row["sig"]),
            "target": row["target"],
            "target_comm": min(names[row["target"]]) if row["target"] in names else None,
            "means": target_name(row["target"]),
            "group": row["target"] <= 0,
            "ret": row["ret"],
            "result": error_name(row["ret"]),
            "calls": row["calls"],
            "first_ts": row["first_ts"],
            "last_ts": row["last_ts"],
            "line": row["first_line"],
        }
        for row in rows
    ]


def write_text(session: Session, asked: str, answer: list[dict[str, Any]], unknown: str | None) -> None:
    """Print what `who` returned as a sentence and a table, and what losses leave unknown."""
    whom = "anybody" if asked == "all" else terminal.escaped(asked)
    if not answer:
        nobody = f"Nobody sent {whom} a signal in this log."
        terminal.sentence(f"Who sent {whom} a signal is unknown." if unknown else nobody)
    else:
        named = terminal.count(sum(row["calls"] for row in answer if not row["group"]), "call")
        groups = sum(row["calls"] for row in answer if row["group"])
        besides = f"; {groups:,} went to groups, and the log does not say who was in them" if groups else ""
        terminal.table(
            f"{named} named {whom}{besides}",
            ["at", "sender", "signal", "target", "result", "calls", "line"],
            [
                [
                    _at(session, row["first_ts"]),
                    f"{row['sender_comm']} ({row['sender_pid']})",
                    row["signal"],
                    row["means"] + (f" ({row['target_comm']})" if row["target_comm"] else ""),
                    row["result"],
                    row["calls"],
                    row["line"],
                ]
                for row in answer
            ],
        )
    if unknown:
        terminal.sentence(f"Unknown: {unknown}")


def _at(session: Session, ts: int) -> str:
    return f"{ts / 1e6:.6f}" if session.accounting.ts_unit == "us" else str(ts)


def _names(events: Any) -> dict[int, list[str]]:  # noqa: ANN401  (a frame of any engine)
    names: dict[int, list[str]] = {}
    for row in analyze.names(events).to_pylist():
        names.setdefault(row["pid"], []).append(row["comm"])
    return names
