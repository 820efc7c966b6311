"""Who: print who ended a process, or sent it what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.commands import table
from sigtrace.commands.streams import interrupting
from sigtrace.errors import SessionError
from sigtrace.facts.rules import EXITS
from sigtrace.facts.witness import CALLS, filtered, missing
from sigtrace.output.clock import time_text
from sigtrace.output.progress import Progress
from sigtrace.output.sentence import (
    alike_pieces,
    chosen_text,
    doubt_of_journal,
    how_to_record,
    lost_text,
    plain,
    sentence,
    signals_text,
    testified,
    unknown,
)
from sigtrace.output.terminal import count, escaped, write_sentence, write_warnings
from sigtrace.questions.choice.lines import Alike
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import time
from sigtrace.questions.who import ask
from sigtrace.store.trust import damage

if TYPE_CHECKING:
    from datetime import datetime

    from sigtrace.questions.who import Answer, Question

_FORMS = ("json", "csv", "parquet")


def run(
    session: str,
    question: Question,
    *,
    form: str | None,
    limit: int | None,
    asked_within_us: int,
    first: datetime | None = None,
    exit_code: bool = False,
) -> int:
    """Print what `sigtrace.who` answers: a sentence for each answer, and what the session leaves unknown.

    `form` is None, `each` if many alike are not to be one sentence, or `json`, `csv` or `parquet`. No more than `limit`
    answers are printed. The exit code that is returned is 0, unless `exit_code` is asked for: see `_exit_code`. Raises
    `SessionError` if no row names the pid that is asked for.
    """
    with (
        Database(session, asked_within_us=asked_within_us, since=first) as database,
        interrupting(database.interrupt),
    ):
        # For a pid, few of the logs are followed.
        work = 0 if question.asked.isdigit() else database.work()
        with Progress("following processes", work) as progress:
            database.fed = progress.advance
            answer = ask(database, question, each=form is not None, exits=form in _FORMS)
        if answer.unseen is not None:
            raise SessionError(_unseen(answer.unseen, database))
        if form in _FORMS:
            write_warnings(damage.texts(database.abouts, database.left_out))
            table.write_answers([line for line in answer.lines[:limit] if not isinstance(line, Alike)], str(form))
            return _exit_code(answer, database, question) if exit_code else 0
        for line in answer.lines[:limit]:
            write_sentence(_alike_text(line, database) if isinstance(line, Alike) else sentence(line, database))
        _tell_limit(limit, len(answer.lines))
        exited, failed = answer.exits
        if exited:
            more = "more " if answer.lines else ""
            of_them = f", {failed:,} of them with a status other than 0" if failed else ""
            write_sentence(f"{count(exited, f'{more}process', f'{more}processes')} exited{of_them}.")
        doubt = unknown(database)
        if not answer.lines and not exited:
            denial, doubt = _none(database, question)
            write_sentence(denial)
        if doubt:
            write_sentence(f"Unknown: {doubt}")
        return _exit_code(answer, database, question) if exit_code else 0


def of_journal(path: str | None, asked: str, *, form: str | None, limit: int | None) -> int:
    """Print who ended by this host's journal, or by one in a file, as far as systemd and the kernel noticed it.

    `asked` is as of `sigtrace.questions.journal.endings.endings`; `form` and `limit` are as of `run`.
    """
    from sigtrace.questions.journal import entries
    from sigtrace.questions.journal.endings import endings

    found = endings(entries.of_host() if path is None else entries.of_file(path), asked)
    if form in _FORMS:
        table.write_answers(found[:limit], str(form))
        return 0
    for one in found[:limit]:
        write_sentence(testified(one))
    _tell_limit(limit, len(found))
    if not found:
        write_sentence(f"This journal tells of no ending of {'anybody' if asked == 'all' else escaped(asked)}.")
    write_sentence(f"Unknown: {doubt_of_journal()}")
    return 0


def _tell_limit(limit: int | None, n: int) -> None:
    if limit is not None and n > limit:
        write_sentence(f"The first {limit:,} of {n:,} answers are told.")


def _exit_code(answer: Answer, database: Database, question: Question) -> int:
    """Return 0 if a signal ended one of those who are told of, 3 if none of them, 4 if that is unknown."""
    found = [_ended_by_signal(line.first if isinstance(line, Alike) else line) for line in answer.lines]
    if True in found:
        return 0
    # Of some processes alone, a recording may have left out another one of that name, or who lived on or did not.
    told = (line.first if isinstance(line, Alike) else line for line in answer.lines)
    alone = question.asked.isdigit() and found and all(one.get("verdict") not in {None, "alive"} for one in told)
    left_out = not alone and chosen_text(database.abouts)
    return 4 if None in found or left_out or unknown(database, endings=question.by is None) else 3


def _ended_by_signal(one: dict[str, Any]) -> bool | None:
    if "ret" in one:
        return False  # a call that failed or only asked; if the log does not show what a call did, that is unknown
    if "outcome" in one:
        return None if one["outcome"] == "unknown" else one["outcome"] == "ended"
    return None if one["verdict"] == "unknown" else one["verdict"] not in {*EXITS, "alive"}


def _alike_text(many: Alike, database: Database) -> str:
    unit = database.accounting.ts_unit
    begin = time_text(many.first["ts"], many.first["time"], unit)
    end = time_text(many.last_ts, time(many.last_time), unit)
    return f"{many.n:,} times {plain(alike_pieces(many.first, unit))}, from {begin} to {end}."


def _unseen(pid: int, database: Database) -> str:
    """Return in a line that no row names a pid, as far as rows are not missing."""
    doubt = unknown(database)
    said = f"{database.name}: no row names pid {pid}"
    return f"{said}. Unknown: {doubt}" if doubt else f"{said}: check the number, or ask `who` for all"


def _none(database: Database, question: Question) -> tuple[str, str | None]:
    """Return in a sentence that nothing was found, as far as the session can deny it; and what else is unknown."""
    asked, by = escaped(question.asked), None if question.by is None else escaped(question.by)
    lacking = {event for about in database.abouts for event in missing(about)}
    lost = lost_text(database)
    whom = "anybody" if asked == "all" else asked
    open_ = f"what {by} sent" if by is not None else f"who sent {whom} a signal"
    if lost or any(map(filtered, database.abouts)):
        return f"It is unknown {open_}.", unknown(database)
    if "signal_generate" in lacking:
        why = f"this log has no signal_generate; {how_to_record(database.abouts)}."
        if CALLS in lacking:
            return f"It is unknown {open_}: {why}", None
        called = f"{by} made no such call" if by is not None else f"No call named {whom}"
        return f"{called}. Other signals are unknown: {why}", None
    if chosen_text(database.abouts):
        return f"No row that was kept tells {open_}.", unknown(database)
    where = "in this log" if question.since is None and question.until is None else "in that time"
    chosen = signals_text(database.abouts, "or")
    if by is None:
        return f"Nobody sent {whom} {chosen or 'a signal'} {where}.", unknown(database)
    none = "no signal" if chosen is None else f"no {chosen}"
    nobody = f"nobody {chosen or 'a signal'} {where}" if asked == "all" else f"{asked} {none} {where}"
    return f"{by} sent {nobody}.", unknown(database)
