"""Deaths: who died of what, as HTML; each of the first unfolds to the lines of the log that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.output.html.markup import name, rendered, text, titled
from sigtrace.output.sentence import death_pieces, process
from sigtrace.output.sentence.details import details, facts
from sigtrace.output.terminal import count

if TYPE_CHECKING:
    from sigtrace.output.clock import Clock

    Row = dict[str, Any]


MOST = 10_000
"""So many deaths are listed: a page of more takes longer than two seconds to open."""


def deaths(answer: Row, clock: Clock, unfolding: int) -> str:
    """Return the first deaths of an answer, of which the first `unfolding` have their lines; nothing if none ended."""
    exited = answer["verdicts"].get("exited", 0)
    if not answer["deaths"]:
        return f"<p>{count(exited, 'process', 'processes')} exited; none was killed.</p>" if exited else ""
    listed = answer["deaths"][:MOST]
    items = "".join(_death(i, death, clock) for i, death in enumerate(listed[:unfolding]))
    items += "".join(_brief(i, death, clock) for i, death in enumerate(listed[unfolding:], unfolding))
    over = f"{count(answer['counts']['deaths'], 'process', 'processes')}{clock.ordered}."
    over += ' <span class="screen">Open one to see the lines of the log that it rests on.</span>'
    if exited:
        over += f" {count(exited, 'more process', 'more processes')} exited."
    if len(listed) > unfolding:
        over += (
            f' <span class="more">The first {unfolding:,} have the lines themselves, the others their numbers.</span>'
        )
    if (n := answer["counts"]["deaths"]) > len(listed):
        over += (
            f' <span class="more">This page shows and searches the first {len(listed):,} of {n:,} deaths; '
            "<code>sigtrace who</code> prints all.</span>"
        )
    return f'<p>{over}</p><div class="deaths">{items}</div>'


def _death(i: int, death: Row, clock: Clock) -> str:
    known = [*details(death), *([("log", death["log"])] if clock.several and death["log"] is not None else [])]
    terms = "".join(f"<dt>{label}</dt><dd>{text(value)}</dd>" for label, value in known)
    return (
        f'<details class="death {death["verdict"]}"><summary>{_line(death, clock)}</summary>'
        f'<div class="evidence" id="death-{i}">{terms and f"<dl>{terms}</dl>"}'
        f"{_evidence(death, clock)}</div></details>"
    )


def _brief(i: int, death: Row, clock: Clock) -> str:
    lines = f"lines {', '.join(map(str, death['lines']))}"
    return f'<div class="death {death["verdict"]}" id="death-{i}">{_line(death, clock, f" [{lines}]")}</div>'


def _line(death: Row, clock: Clock, lines: str = "") -> str:
    verdict = death["verdict"]
    return (
        f'<span class="verdict">{verdict}</span>'
        f'<span class="sentence">{rendered(death_pieces(death, clock.unit))}{lines}</span>'
        f'<span class="when">{clock.time_text(death["log"], death["ts"], short=True)}{_log(death, clock)}</span>'
    )


def _log(death: Row, clock: Clock) -> str:
    return f'<span class="log"{titled(death["log"], clock)}</span>' if clock.several else ""


def _evidence(death: Row, clock: Clock) -> str:
    rows = "".join(
        f'<tr><td class="n">{row["line"]}</td><td class="n">{_when(death, row, clock)}</td>'
        f'<td class="n">{row.get("cpu", "")}</td><td>{text(row["event"])}</td><td>{_who(row)}</td>'
        f"<td>{_facts(row)}</td></tr>"
        for row in death["evidence"]
    )
    heads = "".join(f'<th scope="col" class="n">{head}</th>' for head in ("line", "time", "CPU"))
    heads += "".join(f'<th scope="col">{head}</th>' for head in ("event", "running process", "details"))
    return f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _when(death: Row, row: Row, clock: Clock) -> str:
    return "" if row.get("ts") is None else clock.time_text(death["log"], row["ts"], short=True)


def _who(row: Row) -> str:
    if "pid" not in row and "tid" not in row:
        return ""
    thread = f", thread {row['tid']}" if row.get("tid") not in (None, row.get("pid")) else ""
    return f"{name(process(row.get('comm'), row.get('pid')).text)}{thread}"


def _facts(row: Row) -> str:
    return " ".join(f'<span class="fact"><i>{key}</i> {text(value)}</span>' for key, value in facts(row))
