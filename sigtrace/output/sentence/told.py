"""Told: what happened to a process, made once as pieces, which text, HTML, Markdown and notebooks render."""

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
    "leader": "when the leader of its session ended",
    "namespace": "when the init of its pid namespace ended",
    "kernel": "from the kernel",
    "oom": "from the OOM killer",
    "fault": "for a fault of its own",
}
_ENDED = {
    "parent": ("when its parent ", " ended"),
    "leader": ("when the leader of its session, ", ", ended"),
    "namespace": ("when the init of its pid namespace, ", ", ended"),
}
_SOURCES = {
    "fault": "a fault of its own",
    "oom": "the kernel's OOM killer",
    "terminal": "its terminal's keys",
    "timer": "a timer of its own",
    "parent": "its parent's ending",
    "leader": "its session leader's ending",
    "namespace": "its namespace's init's ending",
    "kernel": "the kernel, by itself",
}


def sentence(one: Row, session: Session | Database) -> str:
    """Return an object of `sigtrace.who` in a sentence: its time, what happened, and the lines that it rests on."""
    accounting = session.accounting
    unit = accounting.ts_unit
    if "calls" in one:
        pieces = _call_pieces(one)
    elif "outcome" in one:
        pieces = [*_signal_pieces(one, unit), Piece(".")]
    elif "fate" in one:
        pieces = [*_survivor_pieces(one), Piece(".")]
    else:
        pieces = death_pieces(one, unit, statuses=any("exit_group" in kind for kind in accounting.lines_by_kind))
    return f"{time_text(one['ts'], one['time'], unit)} {plain(pieces)} {_citation(one, session)}"


def death_pieces(death: Row, unit: str, *, brief: bool = False, statuses: bool = False) -> list[Piece]:
    """Return a death in a sentence without its time.

    `unit` is that of the timestamps, as `Accounting.ts_unit`. A `brief` sentence says who ended it with which signal,
    and no more. `statuses`: whether the log has exit statuses, so that a missing one is worth a word.
    """
    ending = _ending(death, unit, brief=brief, statuses=statuses)
    return joined(party(death, "victim"), " ", *ending, *([] if brief else _background(death, unit)), ".")


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


def error_text(ret: int | None) -> str:
    """Return what a call returned, in words: `ok`, `ESRCH (no such process)`."""
    if ret is None:
        return "its result is unknown"
    if ret >= 0:
        return error_name(ret)
    return f"{error_name(ret)} ({ERRORS[-ret][1] if -ret in ERRORS else 'see errno(3)'})"


def _ending(  # noqa: PLR0911  (one sentence a verdict)
    death: Row, unit: str, *, brief: bool, statuses: bool
) -> list[str | Piece]:
    verdict = death["verdict"]
    signal = "an unknown signal" if death["sig"] is None else signal_name(death["sig"])
    if verdict == "exited":
        unknown = statuses and death.get("exit_status") is None
        return [_exited(death), "; its status is not known" if unknown else ""]
    if verdict == "asked":
        return _asked(death, signal, unit, brief=brief)
    if verdict == "unknown":
        return _unknown(death, signal)
    if verdict == "self":
        return [f"ended itself with {signal}", _group(death)]
    delay = "" if brief or death["delay_us"] is None else f", {_delay(death, unit)} after it was sent"
    raised_anew = ", which it handled and raised anew" if death.get("reraised") else ""
    if verdict == "oom":
        return _oom(death, brief=brief, delay="" if brief or not delay else f", {_delay(death, unit)} after {signal}")
    if death["killer_pid"] is None:
        return [f"was ended by {signal} ", *_not_sent(death), raised_anew, delay]
    chain = _chain(death, f"passed on {signal}")
    by = ["was killed by ", *_killer(death), "" if chain and not _changed(death) else f" with {signal}", *chain]
    if chain and raised_anew:
        raised_anew = f"; it handled {signal} and raised it anew"
    return [*by, _group(death), raised_anew, delay]


def _unknown(death: Row, signal: str) -> list[str | Piece]:
    if death.get("exit_status") is not None:
        return [_exited(death), ", and whether it was asked to is unknown"]
    if death.get("how") == "not recorded":
        left_out = ": a signal that was not recorded may have ended it; "
        return ["ended, and the cause is unknown", f"{left_out}{signal} was delivered to it"]
    if death["sig"] is not None and len(death.get("lines") or ()) == 1:
        # One line that tells the end and the signal is of a tool that prints what its parent was told.
        return [f"was ended by {signal}, and who sent it is unknown"]
    why = ": no call to exit is told" if death.get("how") == "no exit call" else ""
    why += f"; {signal} was delivered to it" if death["sig"] is not None else why and ", and no signal"
    return ["ended, and the cause is unknown", why]


def _exited(death: Row) -> str:
    status = death.get("exit_status")
    return "exited" if status is None else f"exited with status {status}"


def _asked(death: Row, signal: str, unit: str, *, brief: bool) -> list[str | Piece]:
    delay = "" if brief or death["delay_us"] is None else f", {_delay(death, unit)}"
    got = {"handled": f"handled {signal}", "waited for": f"waited for {signal} and got it"}
    asked = f"{_exited(death)}{delay} after it {got.get(death.get('how') or '', f'got {signal}')} "
    if death["killer_pid"] is None:
        return [asked, *_not_sent(death)]
    if death["killer_pid"] == death["victim_pid"]:
        return [asked, "from itself", _group(death)]
    return [asked, "from ", *_killer(death), *_chain(death, "passed it on"), _group(death)]


def _not_sent(death: Row) -> list[str | Piece]:
    # `hops` has the senders from the first to the one whose end sent the signal.
    source, hops = death["source"], [name(hop) for hop in death.get("hops") or []]
    if source not in _ENDED or not hops:
        return [_FROM[source]]
    *before, ended = hops
    parts: list[str | Piece] = [_ENDED[source][0], ended, _ENDED[source][1]]
    if before:
        parts += [", which ", before[-1], " had ended"]
    if before[:-1]:
        parts += ["; that goes back to ", before[0]]
        parts += [part for hop in before[1:-1] for part in (" by way of ", hop)]
    return parts


def _oom(death: Row, *, brief: bool, delay: str) -> list[str | Piece]:
    asker = death.get("oom_asker")
    if brief or asker is None:
        return ["was ended by the OOM killer", delay]
    itself = asker == process(death["victim_comm"], death["victim_pid"]).text
    found: list[str | Piece] = ["was ended by the OOM killer when ", "it" if itself else name(asker)]
    found.append(" asked for memory")
    if death.get("oom_cgroup") is not None:
        found += [" in cgroup ", name(death["oom_cgroup"])]
    figures = death.get("oom_figures")
    return [*found, delay, "" if figures is None else f"; {escaped(figures)}"]


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
    killer = party(death, "killer")
    # A chain of senders tells on whose behalf the killer did it.
    if death["actor_pid"] in (None, death["killer_pid"]) or len(death.get("hops") or []) > 1:
        return [killer]
    return [killer, " for ", process(death["actor_comm"], death["actor_pid"])]


def place(death: Row, who: str) -> str | None:
    """Return where the `victim` or the `killer` ran: a container, which says more than its unit, a unit, or None."""
    container: str | None = death.get(f"{who}_container")
    return death.get(f"{who}_unit") if container is None else f"container {container[:_SHORT_ID]}"


def party(death: Row, who: str) -> Piece:
    """Return the `victim` or the `killer` as a piece, with where it ran."""
    thread = death.get("killer_thread") if who == "killer" else None
    places = [place(death, who), None if thread is None else f"thread {thread}"]
    return process(death[f"{who}_comm"], death[f"{who}_pid"], ", ".join(filter(None, places)) or None)


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
        sender = "asker" if death["verdict"] == "asked" else "killer"
        for i, ancestor in enumerate(death["ancestors"]):
            parts += [" < " if i else f"; the {sender}'s ancestors: ", name(ancestor)]
    if death["lost"]:
        parts.append("; events were lost around that time")
    return parts


def _survivor_pieces(one: Row, *, alike: bool = False) -> list[Piece]:
    sender: list[str | Piece] = []
    if one["killer_pid"] is not None:
        sender = [" from ", party(one, "killer")]
    elif one["source"] in _FROM:
        sender = [f" {_FROM[one['source']]}"]
    got = f" got {signal_name(one['sig'])}"
    end = "; what became of it is unknown" if one["fate"] is None else f": {one['fate']}"
    lived = "; it lived on" if one["verdict"] == "alive" else ""
    return joined(_hit(one, alike=alike), got, *sender, _group(one), end, lived)


def _signal_pieces(one: Row, unit: str, *, alike: bool = False) -> list[Piece]:
    sent = f" sent {signal_name(one['sig'])} to "
    return joined(party(one, "killer"), sent, _hit(one, alike=alike), _group(one), "; ", _outcome(one, unit, alike))


def _hit(one: Row, *, alike: bool) -> Piece:
    # Those that are alike have no pid in common.
    return name(one["victim_comm"] or "?") if alike else process(one["victim_comm"], one["victim_pid"])


def _outcome(one: Row, unit: str, alike: bool) -> str:  # noqa: FBT001
    fate = one["fate"] or "what became of it is unknown"
    if one["outcome"] == "ended":
        return "it was ended by that"
    if one["outcome"] not in {"asked", "ended later"}:
        return f"{fate}; it lived on" if one["outcome"] == "lived on" else fate
    status = "" if one["exit_status"] is None else f" with status {one['exit_status']}"
    ended = f"exited{status}" if one["verdict"] in {"asked", "exited"} else _LATER.get(one["verdict"], "ended")
    return f"{fate}; it {ended}" + ("" if alike else f" {duration_text(one['delay_us'], unit)} later")


_LATER = {"killed": "was killed", "self": "ended itself", "oom": "was ended by the OOM killer"}


def alike_pieces(one: Row, unit: str) -> list[Piece]:
    """Return what happened to many alike, by the first of them, as the pieces of a sentence without its end."""
    if "outcome" in one:
        return _signal_pieces(one, unit, alike=True)
    if "fate" in one:
        return _survivor_pieces(one, alike=True)
    victim, verdict = _hit(one, alike=True), one["verdict"]
    signal = "an unknown signal" if one["sig"] is None else signal_name(one["sig"])
    sender: list[str | Piece] = ["from ", process(one["killer_comm"], one["killer_pid"])]
    if one["killer_pid"] is None:
        sender = [_FROM.get(one["source"], "")]
    if verdict == "asked":
        return joined(victim, f" {_exited(one)} after it got {signal} ", *sender)
    if verdict == "killed" and one["killer_pid"] is not None:
        return joined(victim, " was killed by ", sender[1], f" with {signal}")
    if verdict in {"killed", "fault"}:
        return joined(victim, f" was ended by {signal} ", *sender)
    return joined(victim, " ", *_ending({**one, "group": False}, unit, brief=True, statuses=False))


def _call_pieces(one: Row) -> list[Piece]:
    # The kernel's own lines of a call name a thread, and not always its process.
    sender = name(one["killer_comm"] or "?") if one["killer_pid"] is None else party(one, "killer")
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
