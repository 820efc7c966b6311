"""Doubt: what sessions leave unknown, in words: what was lost, what was not recorded, and what they do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.schema import VERSION
from sigtrace.facts.signals import signal_name
from sigtrace.facts.witness import FILTERED, LOSSES_UNTOLD, SENDERS_UNTOLD, SHOWN, filtered, losses_untold, missing
from sigtrace.output.clock import gap_text
from sigtrace.output.terminal import count, escaped, listed
from sigtrace.store.flight import gap
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sigtrace.questions.database import Database
    from sigtrace.store.session import Session


def unseen_text(abouts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in a sentence what sessions do not show because of the events that they lack, or None if they lack none.

    `abouts` are what they say of themselves. The sentence begins with a small letter. What tools of `FILTERED` do not
    show, `untold_text` says.
    """
    abouts = [about for about in abouts if not filtered(about)]
    lacking = {missing(about) for about in abouts}
    events = [event for event in SHOWN if any(event in one for one in lacking)]
    if not events:
        return None
    logs = "this log has" if len(abouts) == 1 else "these logs have" if len(lacking) == 1 else "some of these logs have"
    shown = listed([SHOWN[event] for event in events], "and")
    return f"{logs} no {listed(events, 'or')}, which would show {shown}; {how_to_record(abouts)}."


def untold_text(abouts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in a sentence that the text of a tool may leave out losses, or None if none may.

    `abouts` are what sessions say of themselves. The sentence begins with a small letter.
    """
    tools = sorted({tool for about in abouts for tool in losses_untold(about)})
    if not tools:
        return None
    untold = [words[tool] for words in (SENDERS_UNTOLD, LOSSES_UNTOLD, FILTERED) for tool in tools if tool in words]
    return f"{'; '.join(untold)}, so nobody can be ruled out where no line says who it was."


def narrowed_text(abouts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in a sentence that sessions hold some signals only, or None if they hold all.

    `abouts` are what they say of themselves. The sentence begins with a small letter.
    """
    chosen = signals_text(abouts)
    if chosen is None:
        return None
    where = _where("signals", abouts)
    were = "were" if " " in chosen else "was"
    return f"{where}only {chosen} {were} recorded: who sent another signal, and whom that asked to end, is unknown."


def signals_text(abouts: Sequence[Mapping[str, Any]], conjunction: str = "and") -> str | None:
    """Return the names of the signals that alone each of some sessions holds, or None if they hold all."""
    chosen = [set(about["signals"]) for about in abouts if about.get("signals")]
    return listed([signal_name(sig) for sig in sorted(set.intersection(*chosen))], conjunction) if chosen else None


def chosen_text(abouts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in a sentence that sessions hold some processes only, or None if they hold all.

    `abouts` are what they say of themselves. The sentence begins with a small letter.
    """
    chosen = [about["chosen"] for about in abouts if about.get("chosen")]
    if not chosen:
        return None
    pids = sorted({pid for one in chosen for pid in one["pids"]})
    units = sorted({escaped(unit) for one in chosen for unit in one["units"]})
    whom = []
    if pids:
        many, whose = ("process", "its") if len(pids) == 1 else ("processes", "their")
        whom.append(f"{many} {listed(list(map(str, pids)), 'and')} and {whose} descendants")
    if units:
        whom.append(f"the processes of {listed(units, 'and')}")
    where = _where("chosen", abouts)
    return (
        f"{where}only {listed(whom, 'and')} were recorded, and whoever had to do with them: of others nothing is known."
    )


def _where(narrowed: str, abouts: Sequence[Mapping[str, Any]]) -> str:
    return "" if all(about.get(narrowed) for about in abouts) else "in some of these logs, "


def newer_text(abouts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in a sentence that a newer sigtrace wrote rows that this one may pass over, or None if none did.

    `abouts` are what sessions say of themselves. The sentence begins with a small letter.
    """
    if all(about.get("schema", VERSION) <= VERSION for about in abouts):
        return None
    what = "this session" if len(abouts) == 1 else "one of these sessions"
    return f"a newer sigtrace wrote {what}, and this one passes over events that it does not know; upgrade sigtrace."


def how_to_record(abouts: Sequence[Mapping[str, Any]]) -> str:
    """Return in words how to record what sessions lack."""
    return "record " + (
        "without --no-evidence" if any(one.get("events") for one in abouts) else "with `sigtrace record`"
    )


def unknown(source: Session | Database, *, endings: bool = False) -> str | None:
    """Return in sentences what is unknown, or None if nothing is: with `endings`, of whether a signal ended somebody.

    Lines may be missing, events may have been off, some signals or processes alone may have been recorded, or a newer
    sigtrace may have written rows that this one passes over.
    """
    said = abouts(source)
    # Who ended of a signal that was not recorded has a row all the same, and an answer of its own.
    narrowed = [] if endings else [narrowed_text(said), chosen_text(said)]
    found = [lost_text(source), untold_text(said), unseen_text(said), *narrowed, newer_text(said)]
    return " ".join(text[0].upper() + text[1:] if i else text for i, text in enumerate(filter(None, found))) or None


def abouts(source: Session | Database) -> Sequence[Mapping[str, Any]]:
    """Return what sessions say of themselves."""
    return source.abouts if hasattr(source, "abouts") else [source.about]


def lost_text(source: Session | Database) -> str | None:
    """Return in sentences what losses leave unknown, or None if every line is there."""
    account = source.accounting
    halves = account.lines_by_kind.get("half", 0)
    parts = []
    if account.lossy:
        where = sorted({*account.lost_by_cpu, *account.losses_of_unknown_size})
        many = count(account.lost, "event was", "events were")
        if account.losses_of_unknown_size:
            many = (f"{count(account.lost, 'event')} and " if account.lost else "") + "an unknown number"
            many += " more were" if account.lost else " of events were"
        parts.append(f"{many} lost on CPU {', '.join(map(str, where))}, so calls made there are missing")
    if source.lost_by_kernel_count > account.lost:
        more = count(source.lost_by_kernel_count - account.lost, "lost event")
        parts.append(f"the kernel counted {more} that no line of the log mentions")
    if halves:
        half = count(halves, "call has", "calls have")
        parts.append(f"{half} only one of two lines, so the signal or the target is not known")
    if (malformed := account.lines_by_kind.get("malformed", 0)) or account.layouts:
        unread = malformed + account.lines_by_kind.get("unstitchable", 0)
        parts.append(f"{count(unread, 'line')} could not be read")
    parts += map(escaped, damage.texts(abouts(source), getattr(source, "left_out", ())))
    gaps = [f"nothing was recorded {gap_text(found)}" for about in abouts(source) if (found := gap.of(about))]
    parts += gaps
    if not parts:
        return None
    why = "lines are missing or unreadable" if len(parts) > len(gaps) else "not all of the time was recorded"
    if account.lossy or source.lost_by_kernel_count:
        why = "events were lost"
    return f"{'; '.join(parts)}. Other senders cannot be ruled out, because {why}."
