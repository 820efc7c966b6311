"""Sections: what a report says besides the deaths: each a title, a sentence, and the rows under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigtrace.output.clock import Clock, duration_text
from sigtrace.output.sentence import Piece, joined, name, process
from sigtrace.output.terminal import count, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[str, Any]

_ENDED = {
    "killed": ("was killed", "were killed"),
    "asked": ("was asked to end and exited", "were asked to end and exited"),
    "fault": ("died of a fault of its own", "died of faults of their own"),
    "oom": ("was the OOM killer's victim", "were the OOM killer's victims"),
    "self": ("ended itself", "ended themselves"),
    "unknown": ("ended for an unknown reason", "ended for unknown reasons"),
    "exited": ("exited", "exited"),
}
_TIMES = frozenset({"first_ts", "last_ts", "asked_ts", "killed_ts"})
_SPANS = frozenset({"grace_us"})
_NUMBERS = frozenset(
    {
        *("calls", "failed", "probes", "signals", "exits", "targets", "senders", "found", "asks", "deaths"),
        *("per_second", "losses", "lost", "lines", "both", "only", "of_only", "disagree", "deaths_apart"),
    }
)
_PLAIN = frozenset({"pid", "target", "cpu", "first_line", "last_line", "line", "of_line", "ret", "of_ret"})


@dataclass(frozen=True)
class Section:
    """A title, a sentence in pieces, and rows; `columns`: by the key of what is shown the head over it.

    `n`: how many rows there are, of which the answer may lack some. `each_once`: whether all rows count just one.
    """

    key: str
    title: str
    sentence: list[Piece]
    columns: dict[str, str]
    rows: list[Row]
    n: int
    each_once: bool


def headline(answer: Row) -> str:
    """Return in a sentence what happened; no name out of the log is in it."""
    ended, called = _ended(answer), _called(answer)
    if ended is not None:
        return f"{ended}; {called}."
    logs = "this log does" if answer["counts"]["logs"] == 1 else "these logs do"
    return f"{called[0].upper()}{called[1:]}; {logs} not say whether any process ended."


def json_holds(section: Section) -> str:
    """Return which of a section's rows the answer as JSON holds: `all`, or `the first 1,000`."""
    return "all" if section.n == len(section.rows) else f"the first {len(section.rows):,}"


def cell(key: str, row: Row, clock: Clock, *, short: bool = False) -> tuple[str, float | None]:
    """Return what a row shows under a key, escaped, and the number that it is sorted by, or None for text.

    A `short` time lacks its day if all are of the same one.
    """
    value = row[key]
    if value is None:
        return "", None
    if key in ("log", "of_log"):
        return escaped(clock.short_name(value)), None
    if key in _TIMES:
        return clock.time_text(row["log"], value, short=short), value
    if key in _SPANS:
        return clock.duration_text(value), value
    if key in _NUMBERS:
        return f"{value:,.0f}", value
    return escaped(str(value)), value if key in _PLAIN else None


def numeric(key: str) -> bool:
    """Return whether what stands under a key is a number, a time or a span."""
    return key in _TIMES | _SPANS | _NUMBERS | _PLAIN


def sections(answer: Row) -> list[Section]:
    """Return the sections of an answer of `sigtrace.report.summary` that have rows, what matters most first."""
    several = Clock(answer).several
    kinds = answer["accounting"]["lines_by_kind"]
    account = [{"kind": kind, "lines": n, "what": _KINDS.get(kind, _KERNEL_S)} for kind, n in kinds.items()]
    found = []
    for key, title, sentence, keys in _SECTIONS:
        if rows := account if key == "accounting" else answer[key]:
            shown = (*keys, "log") if several and key not in _OF_ALL_LOGS else keys
            heads = {key: _HEADS.get(key, key) for key in shown}
            n = len(rows) if key == "accounting" else answer["counts"][key]
            each_once = key in _EACH and rows[0][_EACH[key]] == 1
            found.append(Section(key, title, sentence(answer, rows), heads, rows, n, each_once))
    return found


def after_deaths(answer: Row) -> list[Section]:
    """Return the sections for a reader of the list of deaths: without a matrix that only repeats it."""
    return [section for section in sections(answer) if section.key not in {"matrix", "askers"} or not section.each_once]


def absent(answer: Row) -> str | None:
    """Return in a sentence which sections have no rows, or None if all have some."""
    nouns = {
        "storms": "storms of calls",
        "escalations": "processes asked to end and then killed",
        "failures": "failed calls",
        "probed": "probes (signal 0)",
    }
    missing = [noun for key, noun in nouns.items() if not answer[key]]
    logs = "This log contains" if answer["counts"]["logs"] == 1 else "These logs contain"
    return f"{logs} no {listed(missing, 'or')}." if missing else None


def _ended(answer: Row) -> str | None:
    verdicts = answer["verdicts"]
    found = [(n, phrases[n != 1]) for verdict, phrases in _ENDED.items() if (n := verdicts.get(verdict))]
    if found:
        (most, ended), *others = found
        first = f"{count(most, 'process', 'processes')} {ended}"
        failed = answer["exits_that_failed"]
        of_them = f", {failed:,} of them with a status other than 0" if failed else ""
        return listed([first, *(f"{n:,} {phrase}" for n, phrase in others)], "and") + of_them
    if "sched_process_exit" in answer["accounting"]["lines_by_kind"]:
        return "No process ended"
    return None


def _called(answer: Row) -> str:
    several = f" in {count(answer['counts']['logs'], 'log')}" if answer["counts"]["logs"] > 1 else ""
    if not answer["calls"]:
        others = answer["accounting"]["lines_by_kind"].get("other", 0)
        of_others = f" ({others:,} of other programs)" if others else ""
        return f"no complete call in {count(answer['accounting']['lines'], 'line')}{of_others}{several}"
    seconds = answer["seconds"]
    took = "" if seconds is None else f" in {duration_text(round(seconds * 1e6), 'us')}"
    made = f"{count(answer['calls'], 'call')} by {count(answer['counts']['senders'], 'sender')}{several}{took}"
    probes = f", {count(answer['probes'], 'was a probe', 'were probes')} (signal 0)" if answer["probes"] else ""
    return f"{made}, {_failed(answer)}{probes}"


def _failed(row: Row) -> str:
    return {0: "none failed", row["calls"]: "all failed"}.get(row["failed"], f"{row['failed']:,} failed")


def _sender(row: Row) -> Piece:
    return process(row["comm"], row["pid"])


def _matrix(answer: Row, rows: list[Row]) -> list[Piece]:
    deaths = count(answer["counts"]["deaths"] - answer["verdicts"].get("asked", 0), "death")
    apart = ", no two with the same killer, victim and signal" if len(rows) > 1 else ""
    return joined(deaths, *(_most_often(rows, "deaths", "killer", "ended") or [apart]), ".")


def _askers(answer: Row, rows: list[Row]) -> list[Piece]:
    asked = count(answer["verdicts"]["asked"], "process was", "processes were")
    return joined(asked, " asked to end and exited", *_most_often(rows, "asks", "asker", "asked"), ".")


def _most_often(rows: list[Row], times: str, who: str, did: str) -> list[Piece | str]:
    most = max(rows, key=lambda row: row[times])
    if most[times] == 1:
        return []
    how = f" with {most['signal'] or 'an unknown signal'}"
    return [f"; most often, {most[times]:,} times, ", name(most[who]), f" {did} ", name(most["victim"]), how]


def _storms(answer: Row, rows: list[Row]) -> list[Piece]:
    most = max(rows, key=lambda row: row["per_second"] or 0)
    rate = "" if most["per_second"] is None else f", {most['per_second']:,.0f} a second"
    n = answer["counts"]["storms"]
    return joined(
        "1 storm, by " if n == 1 else f"{count(n, 'storm')}; the fastest was by ",
        _sender(most),
        f": {count(most['calls'], 'call')}{rate}, {_failed(most)}.",
    )


def _escalations(answer: Row, rows: list[Row]) -> list[Piece]:
    least = min(rows, key=lambda row: row["grace_us"])
    n = answer["counts"]["escalations"]
    grace = Clock(answer).duration_text(least["grace_us"])
    return joined(
        f"{count(n, 'process was', 'processes were')} asked to end and then sent SIGKILL",
        ": " if n == 1 else "; the shortest grace was for ",
        name(least["means"]) if least["means"] != str(least["target"]) else f"process {least['target']}",
        f", {grace} after {least['asked']} from ",
        _sender(least),
        ".",
    )


def _failures(answer: Row, rows: list[Row]) -> list[Piece]:
    most = max(rows, key=lambda row: row["calls"])
    return joined(
        f"{answer['failed']:,} of {count(answer['calls'], 'call')} failed",
        ": " if len(rows) == 1 else f"; most often, {most['calls']:,} times, ",
        _sender(most),
        f" got {most['error']} ({most['meaning']}).",
    )


def _probed(answer: Row, _: list[Row]) -> list[Piece]:
    probes = count(answer["probes"], "call")
    return joined(f"{probes} only asked whether a process exists (signal 0); {answer['found']:,} found it.")


def _most_by(key: str, noun: str, verb: str, nouns: str | None = None) -> Callable[[Row, list[Row]], list[Piece]]:
    def sentence(answer: Row, rows: list[Row]) -> list[Piece]:
        most = max(rows, key=lambda row: row["calls"])
        all_of_them = f"{count(answer['counts'][key], noun, nouns)} {verb}"
        if most["calls"] == 1:
            return joined(all_of_them, ", each once." if len(rows) > 1 else " once.")
        first = _sender(most) if "comm" in most else most.get("signal") or most["means"]
        return joined(all_of_them, "; most often " if len(rows) > 1 else ": ", first, f", {most['calls']:,} times.")

    return sentence


def _witnesses(answer: Row, rows: list[Row]) -> list[Piece]:
    most = max(rows, key=lambda row: row["both"])
    n = answer["counts"]["disagreements"]
    two = "2 logs are" if len(rows) == 1 else f"{count(len(rows), 'pair')} of logs are"
    differ = f"; of {n:,} they differ" if n else ""
    both = count(most["both"], "call")
    n_deaths = most["deaths"]
    deaths = f", and so do{'es' * (n_deaths == 1)} {count(n_deaths, 'death')}" if n_deaths else ""
    stand = f"{both} stand{'s' * (most['both'] == 1)} in both{deaths}, counted once"
    return joined(f"{two} of one moment; {stand}{differ}.")


def _disagreements(answer: Row, _: list[Row]) -> list[Piece]:
    calls = count(answer["counts"]["disagreements"], "call that two logs saw is", "calls that two logs saw are")
    return joined(f"{calls} told differently.")


def _verdicts_apart(answer: Row, _: list[Row]) -> list[Piece]:
    deaths = count(answer["counts"]["verdicts_apart"], "death that two logs tell is", "deaths that two logs tell are")
    return joined(f"{deaths} told differently.")


def _losses(answer: Row, _: list[Row]) -> list[Piece]:
    lost = count(answer["lost"], "event was", "events were")
    more = ", and an unknown number more" if answer["accounting"]["losses_of_unknown_size"] else ""
    return joined(f"{lost} lost on {count(answer['counts']['losses'], 'CPU')}{more}.")


def _account(answer: Row, _: list[Row]) -> list[Piece]:
    lines = count(answer["accounting"]["lines"], "line was", "lines were")
    return joined(f"{lines} read; each is counted once, by its kind.")


_OF_ALL_LOGS = frozenset({"matrix", "askers", "signals", "accounting", "witnesses", "disagreements", "verdicts_apart"})
_EACH = {"matrix": "deaths", "askers": "asks", "senders": "calls", "targets": "calls", "signals": "calls"}
_HEADS = {
    "comm": "process",
    "per_second": "a second",
    "first_ts": "first",
    "last_ts": "last",
    "asked": "asked with",
    "asks": "times",
    "grace_us": "grace",
    "asked_ts": "asked at",
    "killed_ts": "killed at",
    "meaning": "meaning",
    "found": "found it",
    "means": "target",
    "cpu": "CPU",
    "both": "both saw",
    "only": "one alone",
    "of_only": "the other alone",
    "disagree": "differ",
    "of_log": "other log",
    "of_line": "its line",
    "of_comm": "its process",
    "of_ret": "its result",
    "deaths_apart": "deaths differ",
    "of_verdict": "its verdict",
    "of_signal": "its signal",
    "ret": "result",
    "lost": "events",
    "first_line": "first line",
    "last_line": "last line",
    "what": "meaning",
}
_KERNEL_S = "events of the kernel"
_KINDS = {
    "kill": "lines of complete calls, two each",
    "ending": "lines that tell how a process ended",
    "half": "lines of calls whose other line is missing",
    "repeated": "lines of the kernel for calls that the program's lines tell already",
    "lost": "messages of the kernel that it lost events",
    "other": "lines of other programs or events",
    "continuation": "lines that continue the one before",
    "foreign": "lines without the prefix that the trace has, or of another name",
    "comment": "lines that begin with #",
    "blank": "empty lines",
    "malformed": "damaged lines, or text that is no trace",
    "unstitchable": "lines whose header names no CPU",
}
_SPAN = ("first_ts", "last_ts")
# key of the answer, title, sentence, and the keys of its rows that are shown
_SECTIONS: tuple[tuple[str, str, Callable[[Row, list[Row]], list[Piece]], tuple[str, ...]], ...] = (
    ("matrix", "Who killed whom", _matrix, ("killer", "victim", "signal", "deaths")),
    ("askers", "Who asked whom to end", _askers, ("asker", "victim", "signal", "asks")),
    ("storms", "Storms", _storms, ("comm", "pid", "calls", "per_second", "failed", "targets", *_SPAN)),
    (
        "escalations",
        "Asked to end, then killed",
        _escalations,
        ("comm", "pid", "means", "asked", "asks", "grace_us", "asked_ts", "killed_ts"),
    ),
    ("failures", "Failed calls", _failures, ("calls", "comm", "pid", "error", "meaning", "targets", *_SPAN)),
    ("probed", "Probes", _probed, ("calls", "found", "comm", "pid", "means", *_SPAN)),
    (
        "senders",
        "Senders",
        _most_by("senders", "sender", "called"),
        ("calls", "comm", "pid", "failed", "probes", "targets", *_SPAN),
    ),
    (
        "targets",
        "Targets",
        _most_by("targets", "target", "named"),
        ("calls", "means", "failed", "probes", "senders", *_SPAN),
    ),
    (
        "signals",
        "Signals",
        _most_by("signals", "kind of signal", "sent", "kinds of signal"),
        ("calls", "signal", "failed", "senders", "targets"),
    ),
    (
        "witnesses",
        "Witnesses",
        _witnesses,
        ("log", "of_log", "both", "only", "of_only", "disagree", "deaths", "deaths_apart"),
    ),
    (
        "disagreements",
        "Disagreements",
        _disagreements,
        ("pid", "signal", "target", "log", "line", "comm", "ret", "of_log", "of_line", "of_comm", "of_ret"),
    ),
    (
        "verdicts_apart",
        "Verdicts apart",
        _verdicts_apart,
        ("pid", "log", "line", "verdict", "signal", "of_log", "of_line", "of_verdict", "of_signal"),
    ),
    ("losses", "Losses", _losses, ("cpu", "losses", "lost", "first_line", "last_line")),
    ("accounting", "Lines read", _account, ("lines", "kind", "what")),
)
