"""Sections: what a report of a session tells besides its deaths: a title, a sentence, and the rows under it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import ERRORS, error_name, signal_name
from sigtrace.output.clock import Clock
from sigtrace.output.terminal import count, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[str, Any]

Pieces = list[tuple[bool, str]]
"""A sentence: pieces of text, each with whether it is a name out of the log, which a reader must not take for ours."""

_SAID = {
    "killed": ("was killed", "were killed"),
    "oom": ("was the OOM killer's victim", "were the OOM killer's victims"),
    "fault": ("died of a fault of its own", "died of faults of their own"),
    "self": ("ended itself", "ended themselves"),
    "unknown": ("ended and why is unknown", "ended and why is unknown"),
    "exited": ("exited", "exited"),
}
_TIMES = frozenset({"first_ts", "last_ts", "asked_ts", "killed_ts"})
_SPANS = frozenset({"grace_us"})
_NUMBERS = frozenset(
    {
        *("calls", "failed", "probes", "signals", "exits", "targets", "senders", "found", "asks", "deaths"),
        *("per_second", "losses", "lost", "lines"),
    }
)
_PLAIN = frozenset({"pid", "target", "cpu", "first_line", "last_line"})


@dataclass(frozen=True)
class Section:
    """A title, a sentence in pieces, and rows; `columns`: by the key of what is shown the head over it.

    `n`: how many rows there are, of which the answer may lack some. `each_once`: whether no row has more than another.
    """

    key: str
    title: str
    sentence: Pieces
    columns: dict[str, str]
    rows: list[Row]
    n: int
    each_once: bool


def headline(answer: Row) -> str:
    """Return in a sentence what happened; no name out of the log is in it."""
    ended, called = _ended(answer), _called(answer)
    if ended is not None:
        return f"{ended}; {called}."
    return f"{called[0].upper()}{called[1:]}; whether any process ended is not in {_logs(answer)}."


def held(section: Section) -> str:
    """Return what of a section's rows an answer as JSON has: `all`, or `the first 1,000`."""
    return "all" if section.n == len(section.rows) else f"the first {len(section.rows):,}"


def told(death: Row) -> Pieces:
    """Return a death's sentence from its victim on, in pieces, without the numbers of its lines."""
    text = re.sub(r" \[(?:.*: )?lines? [\d, ]+\]$", "", death["sentence"])
    victim = process(death["victim_comm"], death["victim_pid"])
    _, found, rest = text.partition(victim)
    names = {process(death[f"{who}_comm"], death[f"{who}_pid"]) for who in ("victim", "killer", "actor")}
    names |= {escaped(name) for name in death["ancestors"]}
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    parts = re.split(f"({pattern})", found + rest or text)
    return [(bool(i % 2), part) for i, part in enumerate(parts) if part]


def process(comm: str | None, pid: int | None) -> str:
    """Return a process as sentences name it, escaped: `bash (5573)`."""
    return f"{escaped(comm or '?')} ({pid})"


def facts(row: Row) -> list[tuple[str, str]]:
    """Return what a row of the log says besides when, where and who: names of columns, and values, escaped."""
    said = {key: value for key, value in row.items() if key not in _HEAD_OF_A_ROW}
    if "sig" in said:
        said["sig"] = f"{said['sig']} {signal_name(said['sig'])}"
    if said.get("ret", 0) < 0:
        said["ret"] = f"{said['ret']} {error_name(said['ret'])} ({ERRORS.get(-said['ret'], ('', 'see errno(3)'))[1]})"
    return [
        (key, str(value).lower() if isinstance(value, bool) else escaped(str(value))) for key, value in said.items()
    ]


_HEAD_OF_A_ROW = frozenset({"line", "ts", "time", "cpu", "event", "comm", "pid", "tid", "signal", "log"})


def cell(key: str, row: Row, clock: Clock) -> tuple[str, float | None]:
    """Return what a row shows under a key, escaped, and the number that it is sorted by, or None for text."""
    value = row[key]
    if value is None:
        return "", None
    if key == "log":
        return escaped(clock.short(value)), None
    if key in _TIMES:
        return clock.told(row["log"], value), value
    if key in _SPANS:
        return clock.span(value), value
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


def telling(answer: Row) -> list[Section]:
    """Return the sections that say what the list of deaths before them does not."""
    return [section for section in sections(answer) if section.key != "matrix" or not section.each_once]


def absent(answer: Row) -> str | None:
    """Return in a sentence which sections have no rows, or None where all have some."""
    nouns = {
        "storms": "storms of calls",
        "escalations": "processes asked to end and then killed",
        "failures": "failed calls",
        "probed": "probes (signal 0)",
    }
    missing = [noun for key, noun in nouns.items() if not answer[key]]
    return f"Not in {_logs(answer)}: {_list(missing, 'or')}." if missing else None


def _logs(answer: Row) -> str:
    return "this log" if answer["counts"]["logs"] == 1 else "these logs"


def _ended(answer: Row) -> str | None:
    verdicts = answer["verdicts"]
    said = [f"{n:,} {_SAID[verdict][n != 1]}" for verdict in _SAID if (n := verdicts.get(verdict))]
    if said:
        n, ended = said[0].split(" ", 1)
        return _list([f"{n} {'process' if n == '1' else 'processes'} {ended}", *said[1:]], "and")
    if "sched_process_exit" in answer["accounting"]["lines_by_kind"]:
        return "No process ended"
    return None


def _called(answer: Row) -> str:
    several = f" in {count(answer['counts']['logs'], 'log')}" if answer["counts"]["logs"] > 1 else ""
    if not answer["calls"]:
        others = answer["accounting"]["lines_by_kind"].get("other", 0)
        of_others = f", {others:,} of other programs" if others else ""
        return f"no whole call is in {count(answer['accounting']['lines'], 'line')}{several}{of_others}"
    took = "" if answer["seconds"] is None else f" in {answer['seconds']:,.3f} s"
    made = f"{count(answer['calls'], 'call')} by {count(answer['counts']['senders'], 'sender')}{several}{took}"
    probes = f", {answer['probes']:,} only asked (signal 0)" if answer["probes"] else ""
    return f"{made}, {_failed(answer)}{probes}"


def _failed(row: Row) -> str:
    return {0: "none failed", row["calls"]: "all failed"}.get(row["failed"], f"{row['failed']:,} failed")


def _list(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _by(row: Row) -> tuple[bool, str]:
    return True, process(row["comm"], row["pid"])


def _matrix(answer: Row, rows: list[Row]) -> Pieces:
    most = max(rows, key=lambda row: row["deaths"])
    deaths = count(answer["counts"]["deaths"], "death")
    if most["deaths"] == 1:
        same = ", no two of the same killer and victim by the same signal" if len(rows) > 1 else ""
        return [(False, f"{deaths}{same}.")]
    return [
        (False, f"{deaths}; most often, {most['deaths']:,} times, "),
        (True, escaped(most["killer"])),
        (False, " ended "),
        (True, escaped(most["victim"])),
        (False, f" with {most['signal'] or 'an unknown signal'}."),
    ]


def _storms(answer: Row, rows: list[Row]) -> Pieces:
    most = max(rows, key=lambda row: row["per_second"] or 0)
    rate = "" if most["per_second"] is None else f", {most['per_second']:,.0f} a second"
    n = answer["counts"]["storms"]
    return [
        (False, "1 storm, of " if n == 1 else f"{count(n, 'storm')}; the fastest was of "),
        _by(most),
        (False, f": {count(most['calls'], 'call')}{rate}, {_failed(most)}."),
    ]


def _escalations(answer: Row, rows: list[Row]) -> Pieces:
    least = min(rows, key=lambda row: row["grace_us"])
    n = answer["counts"]["escalations"]
    dead = {(death["log"], death["victim_pid"]): death["victim_comm"] for death in answer["deaths"]}
    name = dead.get((least["log"], least["target"]))
    grace = f"{Clock(answer).span(least['grace_us'])} after {least['asked']} from "
    return [
        (False, f"{count(n, 'process was', 'processes were')} asked to end before SIGKILL came"),
        (False, ": " if n == 1 else "; least time had "),
        (False, str(least["target"])) if name is None else (True, process(name, least["target"])),
        (False, f", {grace}"),
        _by(least),
        (False, "."),
    ]


def _failures(answer: Row, rows: list[Row]) -> Pieces:
    most = max(rows, key=lambda row: row["calls"])
    said = f"{answer['failed']:,} of {count(answer['calls'], 'call')} failed"
    many = ": of " if len(rows) == 1 else f"; most, {most['calls']:,}, were of "
    return [(False, said + many), _by(most), (False, f" with {most['error']} ({most['meaning']}).")]


def _probed(answer: Row, _: list[Row]) -> Pieces:
    found = answer["found"]
    asked = count(answer["probes"], "call")
    return [(False, f"{asked} only asked whether a process is there (signal 0); {found:,} found it.")]


def _most_by(key: str, noun: str, verb: str, nouns: str | None = None) -> Callable[[Row, list[Row]], Pieces]:
    def sentence(answer: Row, rows: list[Row]) -> Pieces:
        most = max(rows, key=lambda row: row["calls"])
        said = f"{count(answer['counts'][key], noun, nouns)} {verb}"
        if most["calls"] == 1:
            return [(False, f"{said}, each once." if len(rows) > 1 else f"{said} once.")]
        name = _by(most) if "comm" in most else (False, most.get("signal") or most["means"])
        often = "; most often " if len(rows) > 1 else ": "
        return [(False, f"{said}{often}"), name, (False, f", {most['calls']:,} times.")]

    return sentence


def _losses(answer: Row, _: list[Row]) -> Pieces:
    lost = count(answer["lost"], "event was", "events were")
    more = ", and an unknown number more" if answer["accounting"]["losses_of_unknown_size"] else ""
    return [(False, f"{lost} lost on {count(answer['counts']['losses'], 'CPU')}{more}.")]


def _account(answer: Row, _: list[Row]) -> Pieces:
    lines = count(answer["accounting"]["lines"], "line was", "lines were")
    return [(False, f"{lines} read; each is counted once, by its kind.")]


_OF_ALL_LOGS = frozenset({"matrix", "signals", "accounting"})
_EACH = {"matrix": "deaths", "senders": "calls", "targets": "calls", "signals": "calls"}
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
    "meaning": "which means",
    "found": "found it",
    "means": "target",
    "cpu": "CPU",
    "lost": "events",
    "first_line": "first line",
    "last_line": "last line",
    "what": "what they are",
}
_KERNEL_S = "an event of the kernel's own"
_KINDS = {
    "kill": "made a call, with another one",
    "half": "a call of which the other line is missing",
    "lost": "the kernel's word of a loss",
    "other": "another program's, or another event's",
    "continuation": "goes on with the line before it",
    "comment": "begins with #",
    "blank": "nothing in it",
    "malformed": "cut or changed, or no line of a trace",
    "unstitchable": "under a header that names no CPU",
}
_SPAN = ("first_ts", "last_ts")
# key of the answer, title, sentence, and the keys of its rows that are shown
_SECTIONS: tuple[tuple[str, str, Callable[[Row, list[Row]], Pieces], tuple[str, ...]], ...] = (
    ("matrix", "Who killed whom", _matrix, ("killer", "victim", "signal", "deaths")),
    ("storms", "Storms", _storms, ("comm", "pid", "calls", "per_second", "failed", "targets", *_SPAN)),
    (
        "escalations",
        "Asked to end, then killed",
        _escalations,
        ("comm", "pid", "target", "asked", "asks", "grace_us", "asked_ts", "killed_ts"),
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
    ("losses", "Losses", _losses, ("cpu", "losses", "lost", "first_line", "last_line")),
    ("accounting", "Account", _account, ("lines", "kind", "what")),
)
