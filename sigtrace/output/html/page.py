"""Page: a report as one HTML file that loads nothing: deaths with their evidence, pictures, tables to sort and search.

Without JavaScript all of it can be read, but not sorted, searched and zoomed.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from sigtrace import __version__
from sigtrace.output.clock import Clock
from sigtrace.output.html.deaths import deaths
from sigtrace.output.html.document import document
from sigtrace.output.html.lifelines.chart import MOST, chart
from sigtrace.output.html.markup import rendered, text, titled
from sigtrace.output.html.matrix import matrix
from sigtrace.output.html.timeline import timeline
from sigtrace.output.sections import Section, absent, cell, headline, numeric, sections
from sigtrace.store.disk import whole

if TYPE_CHECKING:
    from pathlib import Path

    from sigtrace.output.html.lifelines.lives import Lives

    Row = dict[str, Any]

_STYLES = ("colors.css", "page.css", "lifelines/chart.css")
_SCRIPTS = ("lifelines/chart.js", "page.js")
_MOST_ROWS = 1_000  # a browser on a phone draws so many at once


def page(answer: Row, lives: Lives | None = None) -> str:
    """Return what `sigtrace.report.summary` answered as the text of one HTML file, with a picture of the `lives`.

    Names out of the log are text in it, whatever they are. A table shows its first 1,000 rows, the list of deaths the
    first 10,000, and both say how many more there are.
    """
    clock = Clock(answer)
    parts = {section.key: section for section in sections(answer)}
    pairs = parts.pop("matrix", None)
    every = [
        ("deaths", "Deaths", deaths(answer, clock, _MOST_ROWS)),
        ("lives", "Life-lines", chart(lives, answer["deaths"][:MOST], answer["counts"]["deaths"], clock)),
        ("matrix", "Who killed whom", matrix(pairs) if pairs else ""),
        ("timeline", "Timeline", timeline(answer, clock, _MOST_ROWS)),
        *((part.key, part.title, _section(part, clock)) for part in parts.values()),
    ]
    shown = [(key, title, html) for key, title, html in every if html]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in shown)
    main = "".join(f'<section id="{key}"><h2>{title}</h2>{html}</section>' for key, title, html in shown)
    body = f"""<header>
<p class="brand">sigtrace report</p>
<h1>{text(answer["session"])}</h1>
<p class="lede">{escape(headline(answer))}</p>
{_unknown(answer)}
<p class="note">{escape(clock.note())}{_absent(answer)}</p>
</header>
<div class="bar"><form role="search" hidden><input type="search" id="search" autocomplete="off" spellcheck="false"
placeholder="Search deaths and tables" aria-label="Search deaths and tables"><output for="search"></output></form>
<nav aria-label="Sections">{links}</nav></div>
<main>{main}</main>
<footer>Made by sigtrace {__version__}. This page loads nothing and sends nothing.</footer>"""
    return document(f"{answer['session']}: who killed whom", body, _STYLES, _SCRIPTS)


def write(answer: Row, lives: Lives | None, path: Path) -> None:
    """Write the page of an answer to a file, whole or not at all. Raises `Error` if it cannot be written."""
    whole.write(path, page(answer, lives).encode())


def _unknown(answer: Row) -> str:
    if not answer["unknown"]:
        return '<p class="known">Nothing was lost.</p>'
    return f'<p class="doubt"><strong>Unknown:</strong> {text(answer["unknown"])}</p>'


def _absent(answer: Row) -> str:
    none = absent(answer)
    return "" if none is None else " " + escape(none)


def _more(n: int) -> str:
    if n <= _MOST_ROWS:
        return ""
    return (
        f' <span class="more">This page shows and searches the first {_MOST_ROWS:,} of {n:,} rows; '
        "<code>sigtrace query</code> prints all.</span>"
    )


def _section(section: Section, clock: Clock) -> str:
    heads = "".join(
        f'<th scope="col" class="n">{head}</th>' if numeric(key) else f'<th scope="col">{head}</th>'
        for key, head in section.columns.items()
    )
    rows = "".join(
        f"<tr>{''.join(_cell(key, row, clock) for key in section.columns)}</tr>" for row in section.rows[:_MOST_ROWS]
    )
    return (
        f"<p>{rendered(section.sentence)}{_more(section.n)}</p>"
        f'<div class="wide" tabindex="0"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(key: str, row: Row, clock: Clock) -> str:
    if key == "log":
        return f"<td{titled(row[key], clock)}</td>"
    shown, number = cell(key, row, clock, short=True)
    if key == "comm":
        return f'<td class="name">{text(shown)}</td>'
    if not numeric(key):
        return f"<td>{text(shown)}</td>"
    if number is None or shown == str(number):
        return f'<td class="n">{escape(shown)}</td>'
    return f'<td class="n"><data value="{number}">{escape(shown)}</data></td>'
