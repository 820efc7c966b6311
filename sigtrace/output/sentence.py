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


_SHORT_ID = 12  # so many characters of a container's id engines show
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
    accounting = session.accounting
    unit = accounting.ts_unit
    if "calls" in one:
        pieces = _call_pieces(one)
    elif one["verdict"] == "alive":
        pieces = _survivor_pieces(one)
    else:
        pieces = death_pieces(one, unit, statuses=any("exit_group" in kind for kind in accounting.lines_by_kind))
    return f"{time_text(one['ts'], one['time'], unit)} {plain(pieces)} {_citation(one, session)}"


def death_pieces(death: Row, unit: str, *, brief: bool = False, statuses: bool = False) -> list[Piece]:
    """Return a death in a sentence without its time.

    `unit` is that of the timestamps, as `Accounting.ts_unit`. A `brief` sentence says who ended it with which signal,
    and no more. `statuses`: whether the log has exit statuses, so that a missing one is worth a word.
    """
    ending = _ending(death, unit, brief=brief, statuses=statuses)
    return joined(_party(death, "victim"), " ", *ending, *([] if brief else _background(death, unit)), ".")


def plain(pieces: list[Piece]) -> str:
    """Return a sentence as plain text."""
    return "".join(piece.text for piece in pieces)


def joined(*parts: str | Piece) -> list[Piece]:
    """Return the pieces of a sentence: text of our own, and names."""
    return [part if isinstance(part, Piece) else Piece(part) for part in parts if part]


def name(text: str) -> Piece:
    """Return a name out of the log as a piece, escaped."""
    return Piece(escaped(text), is_name=True)


def process(comm: str | None, pid: int | None, place: str | None = None) -> Piece:
    """Return a process as a piece: `bash (5573)`, or with its `place` `nginx (812, nginx.service)`."""
    return name(f"{comm or '?'} ({pid})" if place is None else f"{comm or '?'} ({pid}, {place})")


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


def _ending(death: Row, unit: str, *, brief: bool, statuses: bool) -> list[str | Piece]:
    verdict = death["verdict"]
    signal = "an unknown signal" if death["sig"] is None else signal_name(death["sig"])
    if verdict == "exited":
        unknown = statuses and death.get("exit_status") is None
        return [_exited(death), "; its status is not known" if unknown else ""]
    if verdict == "asked":
        return _asked(death, signal, unit, brief=brief)
    if verdict == "unknown":
        return ["ended, and the cause is unknown", "" if death["sig"] is None else f"; {signal} was delivered to it"]
    if verdict == "self":
        return [f"ended itself with {signal}", _group(death)]
    delay = "" if brief or death["delay_us"] is None else f", {_delay(death, unit)} after it was sent"
    raised_anew = ", which it handled and raised anew" if death.get("reraised") else ""
    if death["killer_pid"] is None:
        return [f"was ended by {signal} {_FROM[death['source']]}{raised_anew}{delay}"]
    chain = _chain(death, f"passed on {signal}")
    by = ["was killed by ", *_killer(death), "" if chain and not _changed(death) else f" with {signal}", *chain]
    if chain and raised_anew:
        raised_anew = f"; it handled {signal} and raised it anew"
    return [*by, _group(death), raised_anew, delay]


def _exited(death: Row) -> str:
    status = death.get("exit_status")
    return "exited" if status is None else f"exited with status {status}"


def _asked(death: Row, signal: str, unit: str, *, brief: bool) -> list[str | Piece]:
    delay = "" if brief or death["delay_us"] is None else f", {_delay(death, unit)}"
    got = {"handled": f"handled {signal}", "waited for": f"waited for {signal} and got it"}
    asked = f"{_exited(death)}{delay} after it {got.get(death.get('how') or '', f'got {signal}')} "
    if death["killer_pid"] is None:
        return [asked, _FROM[death["source"]]]
    if death["killer_pid"] == death["victim_pid"]:
        return [asked, "from itself", _group(death)]
    return [asked, "from ", *_killer(death), *_chain(death, "passed it on"), _group(death)]


def _chain(death: Row, passed_on: str) -> list[str | Piece]:
    # `hops` has the senders from the first to the killer.
    senders = [name(hop) for hop in (death.get("hops") or [])[:-1]]
    if not senders:
        return []
    first, *between = senders
    if _changed(death):
        way = [part for hop in between for part in (" by way of ", hop)]
        return [f", after {signal_name(death['first_sig'])} from ", first, *way]
    nearest, *others = reversed(senders)
    return [
        f", which {passed_on} from ",
        nearest,
        *(part for hop in others for part in (", which passed it on from ", hop)),
    ]


def _changed(death: Row) -> bool:
    # A master that gets SIGINT may send SIGTERM to its workers.
    return death.get("first_sig") not in (None, death["sig"])


def _killer(death: Row) -> list[str | Piece]:
    killer = _party(death, "killer")
    # A chain of senders tells on whose behalf the killer did it.
    if death["actor_pid"] in (None, death["killer_pid"]) or len(death.get("hops") or []) > 1:
        return [killer]
    return [killer, " for ", process(death["actor_comm"], death["actor_pid"])]


def _party(death: Row, who: str) -> Piece:
    # A container says more than the unit that it runs in.
    container, place = death.get(f"{who}_container"), death.get(f"{who}_unit")
    if container is not None:
        place = f"container {container[:_SHORT_ID]}"
    return process(death[f"{who}_comm"], death[f"{who}_pid"], place)


def _group(row: Row) -> str:
    return ", as one of a group" if row["group"] else ""


def _delay(death: Row, unit: str) -> str:
    return duration_text(death["delay_us"], unit)


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
