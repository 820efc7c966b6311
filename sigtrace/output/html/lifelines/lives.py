"""Lives: from when to when the processes around some deaths lived, whose children they were, and who sent them what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sigtrace.causes.judging.asking import ENDED, SENT, fate
from sigtrace.causes.judging.origin import origin
from sigtrace.causes.tracking.rows import NO_TIME
from sigtrace.facts.signals import signal_name
from sigtrace.output.html.lifelines.gaps import Gap, gaps
from sigtrace.questions.choice.period import NO_LINES

if TYPE_CHECKING:
    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.questions.database import Database

    Row = dict[str, Any]
    Key = tuple[str | None, int, int]

_MOST_SIGNALS = 8  # to one process: one that handles a signal a second has no end of them
_MOST_GENERATIONS = 16  # over a process that is drawn


@dataclass(frozen=True)
class Life:
    """A process, named `bash (5573)`; `parent` is its place among the lives, and `death` its place among the deaths.

    `start` and `end` are None if the log shows none. `folded`: whether it is an ancestor and nothing else.
    """

    log: str | None
    name: str
    start: int | None
    end: int | None
    parent: int | None
    death: int | None
    folded: bool


@dataclass(frozen=True)
class Sent:
    """A signal that one of the lives sent to another, by their places.

    `fate` is as of `sigtrace.analyze.victims`; `decides`: whether the verdict rests on it.
    """

    by: int
    to: int
    at: int
    signal: str
    fate: str
    decides: bool


@dataclass(frozen=True)
class _Person:
    log: str | None
    death: int | None = None
    folded: bool = False


@dataclass
class Lives:
    """The lives around some deaths: parents stand before their children, those of one log together.

    The signals on which a verdict rests stand last.

    Times are microseconds of UTC if `utc`, and else those of the only log. `spans` are the first and the last moment of
    each log. `unsent` signals came too, and `forebears` are older ancestors: both are left out.
    """

    utc: bool
    spans: dict[str | None, tuple[int, int]] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    signals: list[Sent] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    unsent: int = 0
    forebears: int = 0


def lives(database: Database, deaths: list[Row]) -> Lives | None:
    """Return the lives around deaths, which are objects of `sigtrace.analyze.deaths`.

    None if these are of several logs of which one does not know UTC, for their clocks do not compare; and of a log
    without times.
    """
    among = dict.fromkeys(death["log"] for death in deaths)
    known = {log: database.about_of(log).get("utc_offset_us") for log in among}
    offsets = {log: int(offset) for log, offset in known.items() if offset is not None}
    utc = len(offsets) == len(known)
    if (not utc and len(known) > 1) or any(death["ts"] is None for death in deaths):
        return None
    found = _Found(deaths, offsets if utc else dict.fromkeys(known, 0))
    database.follow(found.ended, among=among)  # all endings: of a killer that just exited, too, the end is drawn
    answer = Lives(utc)
    found.tell(answer)
    if answer.lives:
        answer.spans = _spans(database, found.offsets)
        answer.gaps = gaps(database, found.offsets, utc=utc)
    return answer


def _spans(database: Database, offsets: dict[str | None, int]) -> dict[str | None, tuple[int, int]]:
    rows = database.rows(
        f"SELECT log, min(ts) AS first, max(ts) AS last FROM all_events WHERE event NOT IN {NO_LINES} GROUP BY log"  # noqa: S608
    )
    spans = {row["log"]: (row["first"], row["last"]) for row in rows}
    if len(database.logs) == 1:
        spans = dict.fromkeys(offsets, (min(s[0] for s in spans.values()), max(s[1] for s in spans.values())))
    return {log: (spans[log][0] + offset, spans[log][1] + offset) for log, offset in offsets.items()}


class _Found:
    def __init__(self, deaths: list[Row], offsets: dict[str | None, int]) -> None:
        self.offsets = offsets
        self._deaths = deaths
        self._places: dict[Key, int] = {
            (death["log"], death["victim_pid"], death["ts"]): n for n, death in enumerate(deaths)
        }
        self._died: list[tuple[int, Process, list[Signal]]] = []

    def ended(self, log: str | None, _judge: Judge, process: Process, _lost: bool) -> None:  # noqa: FBT001
        died = process.died
        place = None if died is None else self._places.get((log, process.pid, died.ts))
        if place is not None:
            # A process forgets its signals some time after its end.
            self._died.append((place, process, list(process.signals or ())))

    def tell(self, answer: Lives) -> None:
        """Tell who is drawn: those that died, who sent them signals, and the ancestors of all these."""
        people: dict[Process, _Person] = {}
        chosen: list[tuple[Signal, int]] = []
        for place, process, signals in self._died:
            people[process] = _Person(self._deaths[place]["log"], place)
            sent = sorted(filter(_is_drawn, signals), key=lambda one: self._decides(one, place))
            answer.unsent += len(sent[:-_MOST_SIGNALS])
            chosen += [(signal, place) for signal in sent[-_MOST_SIGNALS:]]
        for signal, place in chosen:
            people.setdefault(signal.sender, _Person(self._deaths[place]["log"]))
        forebears: set[Process] = set()
        for process, person in list(people.items()):
            line = process.ancestors()[1:]
            forebears.update(line[_MOST_GENERATIONS:])
            for one in line[:_MOST_GENERATIONS]:
                people.setdefault(one, _Person(person.log, folded=True))
        answer.forebears = len(forebears - people.keys())
        ordered = self._by_parentage(people)
        places = {process: n for n, process in enumerate(ordered)}
        answer.lives = [self._life(process, people[process], places) for process in ordered]
        told = [self._sent(signal, place, places) for signal, place in chosen]
        answer.signals = sorted(told, key=lambda one: (one.decides, one.at, one.by, one.to))

    def _life(self, process: Process, person: _Person, places: dict[Process, int]) -> Life:
        offset = self.offsets[person.log]
        start = None if process.start == NO_TIME else process.start + offset
        end = None if process.died is None else process.died.ts + offset
        parent = None if process.parent is None else places.get(process.parent)
        name = f"{process.name() or '?'} ({process.pid})"
        return Life(person.log, name, start, end, parent, person.death, person.folded)

    def _sent(self, signal: Signal, place: int, places: dict[Process, int]) -> Sent:
        return Sent(
            places[signal.sender],
            places[signal.victim],
            signal.row.ts + self.offsets[self._deaths[place]["log"]],
            signal_name(signal.sig),
            fate(signal),
            self._decides(signal, place),
        )

    def _decides(self, signal: Signal, place: int) -> bool:
        death = self._deaths[place]
        delay: int | None = death["delay_us"]
        return delay is not None and signal.sig == death["sig"] and signal.row.ts == death["ts"] - delay

    def _by_parentage(self, people: dict[Process, _Person]) -> list[Process]:
        logs = {log: n for n, log in enumerate(self.offsets)}
        born = sorted(people, key=lambda one: (logs[people[one].log], one.start, one.pid))
        children: dict[Process | None, list[Process]] = {}
        for process in born:
            parent = process.parent
            children.setdefault(parent if parent in people else None, []).append(process)
        ordered: list[Process] = []
        waiting = children.pop(None, [])[::-1]
        while waiting:
            process = waiting.pop()
            ordered.append(process)
            waiting += children.pop(process, [])[::-1]
        return ordered


def _is_drawn(signal: Signal) -> bool:
    # What another process sent, or the end of one.
    return signal.sender is not signal.victim and origin(signal) in SENT + ENDED
