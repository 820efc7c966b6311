"""Sentence: what happened to a process, made once as pieces, which text, HTML, Markdown and notebooks render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.facts.signals import ERRORS, error_name, signal_name, target_name
from sigtrace.output.clock import duration_text, time_text
from sigtrace.output.terminal import escaped

if TYPE_CHECKING:
    from sigtrace.questions.database import Database
    from sigtrace.store.session import Session

    Row = dict[str, Any]


class Piece(NamedTuple):
    """A piece of a sentence: printable text, and whether it is a name out of the log, which anybody may have chosen."""

    text: str
    is_name: bool = False


_FROM = {
    "terminal": "from its terminal",
    "timer": "from a timer of its own",
    "parent": "when its parent ended",
    "kernel": "from the kernel",
    "oom": "from the OOM killer",
    "fault": "for a fault of its own",
}
_SOURCES = {
    "fault": "a fault of its own",
    "oom": "the kernel's OOM killer",
    "terminal": "its terminal's keys",
    "timer": "a timer of its own",
    "parent": "its parent's ending",
    "kernel": "the kernel, by itself",
}


def sentence(one: Row, session: Session | Database) -> str:
    """Return an object of `sigtrace.who` in a sentence: its time, what happened, and the lines that it rests on."""
    unit = session.accounting.ts_unit
    if "calls" in one:
        pieces = _call_pieces(one)
    elif one["verdict"] == "alive":
        pieces = _survivor_pieces(one)
    else:
        pieces = death_pieces(one, unit)
    return f"{time_text(one['ts'], one['time'], unit)} {plain(pieces)} {_citation(one, session)}"


def death_pieces(death: Row, unit: str, *, brief: bool = False) -> list[Piece]:
    """Return a death in a sentence without its time.

    `unit` is that of the timestamps, as `Accounting.ts_unit`. A `brief` sentence says who ended it with which signal,
    and no more.
    """
    victim = process(death["victim_comm"], death["victim_pid"])
    if brief:
        return joined(victim, " ", *_ending(death), ".")
    return joined(victim, " ", *_ending(death), _delay(death, unit), *_background(death, unit), ".")


def plain(pieces: list[Piece]) -> str:
    """Return a sentence as plain text."""
    return "".join(piece.text for piece in pieces)


def joined(*parts: str | Piece) -> list[Piece]:
    """Return the pieces of a sentence: text of our own, and names."""
    return [part if isinstance(part, Piece) else Piece(part) for part in parts if part]


def name(text: str) -> Piece:
    """Return a name out of the log as a piece, escaped."""
    return Piece(escaped(text), is_name=True)


def process(comm: str | None, pid: int | None) -> Piece:
    """Return a process as a piece: `bash (5573)`."""
    return name(f"{comm or '?'} ({pid})")


def source_text(source: str | None) -> str:
    """Return in words what ended a process if no other process did: a `source` of `sigtrace.analyze.deaths`.

    No name can be taken for one of these: they are longer than the 15 bytes that a name has.
    """
    return _SOURCES.get(source or "", "killer not in the log")


def error_text(ret: int) -> str:
    """Return what a call returned, in words: `ok`, `ESRCH (no such process)`."""
    if ret >= 0:
        return error_name(ret)
    return f"{error_name(ret)} ({ERRORS[-ret][1] if -ret in ERRORS else 'see errno(3)'})"


def _ending(death: Row) -> list[str | Piece]:
    signal = "an unknown signal" if death["sig"] is None else signal_name(death["sig"])
    if death["verdict"] == "exited":
        return ["exited"]
    if death["verdict"] == "unknown":
        return ["ended, and the cause is unknown", "" if death["sig"] is None else f"; {signal} was delivered to it"]
    if death["verdict"] == "self":
        return [f"ended itself with {signal}", _group(death)]
    if death["killer_pid"] is None:
        return [f"was ended by {signal} {_FROM[death['source']]}"]
    return ["was killed by ", *_killer(death), f" with {signal}", _group(death)]


def _killer(death: Row) -> list[str | Piece]:
    killer = process(death["killer_comm"], death["killer_pid"])
    if death["actor_pid"] in (None, death["killer_pid"]):
        return [killer]
    return [killer, " for ", process(death["actor_comm"], death["actor_pid"])]


def _group(row: Row) -> str:
    return ", as one of a group" if row["group"] else ""


def _delay(death: Row, unit: str) -> str:
    if death["delay_us"] is None or death["verdict"] in ("exited", "unknown", "self"):
        return ""
    return f", {duration_text(death['delay_us'], unit)} after it was sent"


def _background(death: Row, unit: str) -> list[str | Piece]:
    parts: list[str | Piece] = []
    if death["earlier_sig"] is not None:
        grace = duration_text(death["grace_us"], unit)
        parts.append(f"; {signal_name(death['earlier_sig'])} had come {grace} before ({death['earlier_fate']})")
    if death["killer_pid"] is not None and death["ancestors"] and death["killer_pid"] != death["victim_pid"]:
        for i, ancestor in enumerate(death["ancestors"]):
            parts += [" < " if i else "; the killer's ancestors: ", name(ancestor)]
    if death["lost"]:
        parts.append("; events were lost around that time")
    return parts


def _survivor_pieces(one: Row) -> list[Piece]:
    sender: list[str | Piece] = []
    if one["killer_pid"] is not None:
        sender = [" from ", process(one["killer_comm"], one["killer_pid"])]
    elif one["source"] in _FROM:
        sender = [f" {_FROM[one['source']]}"]
    victim = process(one["victim_comm"], one["victim_pid"])
    got = f" got {signal_name(one['sig'])}"
    return joined(victim, got, *sender, _group(one), f": {one['fate']}; it lived on.")


def _call_pieces(one: Row) -> list[Piece]:
    sender = process(one["killer_comm"], one["killer_pid"])
    target: str | Piece = target_name(one["target"])
    if one["victim_comm"]:
        target = process(one["victim_comm"], one["target"])
    times = "" if one["calls"] == 1 else f", {one['calls']:,} times"
    doubt = "; the log does not say who was in that group" if one["group"] else ""
    return joined(sender, f" sent {signal_name(one['sig'])} to ", target, f": {error_text(one['ret'])}{times}{doubt}.")


def _citation(row: Row, session: Session | Database) -> str:
    lines = f"{'line' if len(row['lines']) == 1 else 'lines'} {', '.join(map(str, row['lines']))}"
    several = len(getattr(session, "logs", ())) > 1  # only a database has many
    return f"[{escaped(row['log'] or '')}: {lines}]" if several else f"[{lines}]"
