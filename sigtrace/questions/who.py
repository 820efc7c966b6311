"""Who: who ended a process, or sent it what, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.causes.endings import Exits
from sigtrace.causes.judging.asking import fate
from sigtrace.causes.judging.verdict import Brief
from sigtrace.causes.ledgers.kept import SpoiltError, ending
from sigtrace.causes.tracking.rows import NO_TIME, NONE
from sigtrace.causes.victims import victim
from sigtrace.errors import SessionError
from sigtrace.facts.witness import filtered, missing
from sigtrace.questions import sent
from sigtrace.questions.choice.lines import Alike, Lines, in_time
from sigtrace.questions.choice.matching import Matcher, Names
from sigtrace.questions.choice.period import Period
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import answered, time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process, Signal
    from sigtrace.store.session import Session

    Object = dict[str, Any]
    _Key = tuple[str | None, str | None, int, Brief]

_NONE = Exits(0, 0)


class Question(NamedTuple):
    """Whom an answer is about: `asked` and `by` are as `Matcher` takes them, `since` and `until` as `Period`."""

    asked: str = "all"
    by: str | None = None
    since: str | None = None
    until: str | None = None


class Answer(NamedTuple):
    """What a question brought: answers, each or many alike, and how many processes exited that are not among them.

    `unseen` is the pid that was asked for, if no row names it.
    """

    lines: list[Object | Alike]
    exits: Exits
    unseen: int | None = None


def who(
    source: Session | Database,
    asked: str = "all",
    *,
    by: str | None = None,
    exits: bool = True,
    since: str | None = None,
    until: str | None = None,
) -> list[Object]:
    """Return how `asked` ended, in the order of time: a pid, a name, or `all`; or what it got from `by`.

    `asked` can be a pid, the name of a process or thread, a word of its command line, a unit, a container's id or
    pod's uid or its beginning, or a user. If the session has the kernel's events, an object is a death, with the
    columns of `sigtrace.analyze.deaths` and `signal` by name; of one that did not end, a signal that it got, with
    `verdict` alive and its `fate`. If the session has none, an object is a kind of calls that named it, or a group that
    it may have been in: with `verdict` unknown, for two lines do not say who died, and `result` and `calls` besides.
    Every object has log, victim_pid, victim_comm, time, ts, signal, verdict, killer_pid, killer_comm, group, ancestors,
    lost and lines; what is not known is null. Of `all`, `exits` says whether those that only exited are among them. For
    a pid that no row names there are none.

    `by` is like `asked`, of the sender: an object is a signal that it sent, with its `fate`, `outcome` (ended, asked,
    ended later, lived on, unknown), and the `verdict` and `exit_status` of who got it; or a kind of calls that failed
    or only asked. `since` and `until` are as `sigtrace.questions.choice.period.Period` takes them. Raises
    `SessionError` if nobody of that name is known, and `Error` if a time is none.
    """
    if not isinstance(source, Database):
        with Database(source) as database:
            return who(database, asked, by=by, exits=exits, since=since, until=until)
    lines = ask(source, Question(asked, by, since, until), each=True, exits=exits).lines
    return [one for one in lines if not isinstance(one, Alike)]


def ask(database: Database, question: Question, *, each: bool, exits: bool) -> Answer:
    """Return what `who` does; unless `each` is told, many alike are one."""
    period = Period(database, question.since, question.until)
    matcher = None if question.asked == "all" else Matcher(question.asked)
    if question.by is not None:
        return _by(database, Matcher(question.by), matcher, period, each=each)
    answer = _of_ledgers(database, matcher, period, each=each, exits=exits)
    return answer or _followed(database, matcher, period, each=each, exits=exits)


def _followed(database: Database, matcher: Matcher | None, period: Period, *, each: bool, exits: bool) -> Answer:
    found = _Found(database, matcher, period, each=each, exits=exits or matcher is not None)
    if matcher is None:
        # If no log shows who ended, whom a signal hit is all there is.
        dying = _dying(database)
        settled = None if dying else found.settled
        found.both = not dying
        more = database.follow(found.ended, settled, all_endings=exits or not period.open)
        more = Exits(more.exited + found.exits.exited, more.failed + found.exits.failed)
        if found.lines.n or more.exited:
            return Answer(_with_calls(database, period, _answers(found.lines), None), more)
        return Answer(_calls(database, period, None), _NONE)
    logs = _logs_with(database, matcher.pid)
    database.follow(found.ended, found.settled, among=logs)
    if found.lines.n:
        return Answer(_with_calls(database, period, _answers(found.lines), _naming(database, matcher)), _NONE)
    if matcher.pid is not None:
        return _calls_to(database, period, matcher.pid)
    pids = _known(database, matcher, found.names)
    return Answer(_calls(database, period, lambda one: (one["log"], one["target"]) in pids), _NONE)


def _dying(database: Database) -> bool:
    return any("sched_process_exit" not in missing(about) for about in database.abouts)


def _of_ledgers(
    database: Database, matcher: Matcher | None, period: Period, *, each: bool, exits: bool
) -> Answer | None:
    # Who died is not asked for what it survived: so the endings alone answer, if there are any.
    while True:
        try:
            if matcher is None:
                return _all_of_ledgers(database, period, each=each, exits=exits)
            return None if matcher.pid is None else _pid_of_ledgers(database, matcher, period, each=each)
        except SpoiltError as error:
            database.spoil(error)


def _all_of_ledgers(database: Database, period: Period, *, each: bool, exits: bool) -> Answer | None:
    known = [one for _, one in database.endings()]
    if None in known or not period.open or not _dying(database):
        return None
    found = _Found(database, None, period, each=each, exits=exits)
    exited = failed = 0
    for one in known:
        if one is None:
            continue
        for row in one.rows_of_all() if exits else one.told():
            found.told(row)
        exited += one.verdicts.get("exited", 0)
        failed += one.failed
    if not found.lines.n and (exits or not exited):
        return None
    return Answer(_answers(found.lines), _NONE if exits else Exits(exited, failed))


def _pid_of_ledgers(database: Database, matcher: Matcher, period: Period, *, each: bool) -> Answer | None:
    rest: set[str | None] = set()
    found = _Found(database, matcher, period, each=each, exits=True)
    for logs, one in database.endings():
        if one is None:
            rest.update(logs)
        for row in () if one is None else one.of_pid(matcher.pid or 0):
            found.told(row)
    if not found.lines.n:
        return None
    if rest:
        database.follow(found.ended, found.settled, among=rest.intersection(_logs_with(database, matcher.pid) or ()))
    return Answer(_answers(found.lines), _NONE)


class _Found:
    """Deaths, and signals that hit, of those who are asked for, or of all."""

    def __init__(self, database: Database, matcher: Matcher | None, period: Period, *, each: bool, exits: bool) -> None:
        self.lines = Lines(each=each)
        self.exits = _NONE
        self._exits = exits
        self.names = Names()
        self._matcher = matcher
        self._period = period
        self._each = each
        self._database = database
        self._died = False
        self.both = False  # whether the ends that are told are not all that there were

    def ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        died = process.died
        if died is None or not self._period.holds(log, died.ts) or (log, died.line) in self._database.passed_deaths:
            return
        if self._matcher is not None:
            fatal = process.fatal
            if not self._matcher.matches(process, died.comm, None if fatal is None else fatal.comm):
                if self._matcher.pid is None:
                    self.names.see(process)
                return
        brief = judge.brief(process, lost)
        key = log, process.name(), process.status, brief
        at = None if died.time == NO_TIME else died.time
        self._take(key, died.ts, at, lambda: {"log": log, **judge.ending(process, lost)})

    def told(self, row: Object) -> None:
        """Take an ending of who is asked for, as a row of a ledger."""
        if self._period.holds(row["log"], row["ts"]):
            brief = Brief(*(row[name] for name in Brief._fields))
            status = NONE if row["status"] is None else row["status"]
            self._take((row["log"], row["victim_comm"], status, brief), row["ts"], row["time"], lambda: ending(row))

    def _take(self, key: _Key, ts: int, at: int | None, make: Callable[[], Object]) -> None:
        if not self._died and not self.both:
            self._died, self.lines = True, Lines(each=self._each)  # who died is not asked for what it survived
        _, _, status, brief = key
        if brief.verdict == "exited" and not self._exits:
            self.exits = Exits(self.exits.exited + 1, self.exits.failed + (status > 0))
            return
        self.lines.add(key, ts, at, make)

    def settled(self, log: str | None, signal: Signal) -> None:
        if self._died or not self._period.holds(log, signal.row.ts):
            return
        if self._matcher is not None and not self._matcher.matches(signal.victim, signal.row.target_comm):
            return
        if self.both and fate(signal) == "fatal":
            return  # its end is told
        one = self._survived(log, victim(signal))
        whom = one["victim_comm"] or one["victim_pid"]
        key = one["killer_pid"], one["killer_comm"], one["sig"], one["source"], whom, one["fate"]
        self.lines.add((log, *key), one["ts"], one["time"], lambda: one)

    def _survived(self, log: str | None, hit: Object) -> Object:
        unseen = missing(self._database.about_of(log))
        fate = None if hit["fate"] == "delivered" and "signal_deliver" in unseen else hit["fate"]
        return {
            "log": log,
            "victim_pid": hit["victim_pid"],
            "victim_comm": hit["victim_comm"],
            "time": hit["time"],
            "ts": hit["ts"],
            "sig": hit["sig"],
            "verdict": "unknown" if "sched_process_exit" in unseen else "alive",
            "source": hit["source"],
            "killer_pid": hit["sender_pid"],
            "killer_comm": hit["sender_comm"],
            "group": hit["group"],
            "ancestors": [],
            "lost": self._database.lossy,
            "lines": [line for line in (hit["line"], hit["call_line"]) if line is not None],
            "fate": fate,
        }


def _answers(lines: Lines) -> list[Object | Alike]:
    return [
        one._replace(first=answered(one.first)) if isinstance(one, Alike) else answered(one) for one in lines.answers()
    ]


def _logs_with(database: Database, pid: int | None) -> Collection[str | None] | None:
    if pid is None or len(database.logs) == 1:
        return None
    # Each by itself: of a condition with OR, DuckDB leaves out no row group by its statistics.
    named = (f"pid = {pid}", f"target = {pid}", f"tid = {pid} AND pid IS NULL")
    found = " UNION ".join(f"SELECT log FROM events WHERE {one}" for one in named)
    return [row["log"] for row in database.rows(found)]


def _calls_to(database: Database, period: Period, pid: int) -> Answer:
    if not _seen(database, pid):
        return Answer([], _NONE, pid)
    return Answer(_calls(database, period, lambda one: one["target"] == pid), _NONE)


def _seen(database: Database, pid: int) -> bool:
    # The group of a call has the number of the process that began it.
    named = (f"pid = {pid}", f"tid = {pid}", f"target IN ({pid}, -{pid})")
    return any(database.rows(f"SELECT event FROM events WHERE {one} LIMIT 1") for one in named)


def _calls(database: Database, period: Period, named: Callable[[Object], bool] | None) -> list[Object | Alike]:
    return [
        {**one, "time": time(one["time"])}
        for one in sent.calls(database, period)
        if named is None or named(one) or _may_have_hit(database, one)
    ]


def _with_calls(
    database: Database, period: Period, answers: list[Object | Alike], named: Callable[[Object], bool] | None
) -> list[Object | Alike]:
    # A tool that shows a part only may have the end of a process, and the call, but not the signal between.
    if not any(map(filtered, database.abouts)):
        return answers
    calls = [
        one
        for one in _calls(database, period, named)
        if not isinstance(one, Alike)
        and filtered(about := database.about_of(one["log"]))
        and not sent.told_by_signal(about, one)
    ]
    return sorted([*answers, *calls], key=lambda one: in_time(one.first if isinstance(one, Alike) else one))


def _naming(database: Database, matcher: Matcher) -> Callable[[Object], bool]:
    if matcher.pid is not None or not any(map(filtered, database.abouts)):
        return lambda call: call["target"] == matcher.pid
    pids = _known(database, matcher, None)
    return lambda call: (call["log"], call["target"]) in pids


def _may_have_hit(database: Database, call: Object) -> bool:
    # Whom a call to a group reached is not known if the log does not show the signals; one that failed reached nobody.
    to_group = call["target"] <= 0 and (call["ret"] is None or call["ret"] >= 0)
    return to_group and "signal_generate" in missing(database.about_of(call["log"]))


def _by(database: Database, by: Matcher, matcher: Matcher | None, period: Period, *, each: bool) -> Answer:
    found = sent.Sent(database, by, matcher, period)
    logs = _logs_with(database, by.pid)
    database.follow(found.ended, found.settled, among=logs)
    pids = set() if by.pid is not None else _known(database, by, None)
    lines = found.lines(pids, each=each)
    if not lines.n and by.pid is None:
        _known(database, by, Names())  # nobody of that name is another answer than nothing
    for one in (by, matcher):
        if not lines.n and one is not None and one.pid is not None and not _seen(database, one.pid):
            return Answer([], _NONE, one.pid)
    return Answer(_answers(lines), _NONE)


def _known(database: Database, matcher: Matcher, names: Names | None) -> set[tuple[str | None, int]]:
    # Those who neither ended nor got a signal are known by other rows.
    rows = sent.known(database)
    found = {(row["log"], row["pid"]) for row in rows if matcher.matches_row(row)}
    if not found and names is not None:
        for row in rows:
            names.see_row(row)
        like = names.like(matcher.asked)
        meant = f" did you mean {' or '.join(like)}?" if like else ""
        raise SessionError(
            f"{database.name}: no process called {matcher.asked} is known by that name here:{meant}"
            " ask by pid, or `who` for all"
        )
    return found
