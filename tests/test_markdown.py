"""A report as Markdown: it says what matters first, and in which a name is code whatever it is."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

import sigtrace
from sigtrace.output import summary as report
from sigtrace.output.markdown import markdown
from sigtrace.output.terminal import escaped
from sigtrace.questions.database import Database
from tests.renaming import renamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

    Answer = dict[str, Any]

HOSTILE = [
    "<script>x()",
    "a|b|c",
    "`",
    "``a`b```",
    " a ",
    "\\|`\\",
    "x\n\n# x\n| a |",
    "```\nx",
    "@everyone #1",
    "[x](http://a)",
    "![x](//a/b.png)",
    "**x** _y_ ~~z~~",
    "&lt;&#60;$x$",
    "\x1b[31mred\x1b[0m",
    "a\u202egpj.exe",
]
OURS = {
    *("paragraph_open", "paragraph_close", "inline", "text", "code_inline", "strong_open", "strong_close"),
    *("heading_open", "heading_close", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    *("fence", "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
    *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "text_special"),
}


@pytest.fixture(scope="module")
def events() -> Answer:
    return report.summary(sigtrace.read("tests/fixtures/evidence_events.txt"))


@pytest.fixture(scope="module")
def lossy() -> Answer:
    return report.summary(sigtrace.read("tests/fixtures/lossy.txt.gz"))


def tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        yield token
        yield from token.children or ()


def kinds(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def test_what_happened_and_what_is_unknown_come_first(events: Answer, lossy: Answer) -> None:
    first, second, third, *_ = markdown(events).split("\n\n")
    assert first.startswith(
        "**`tests/fixtures/evidence_events.txt`**: 5 processes were killed, 1 was asked to end and "
    )
    assert second == "Nothing was lost."
    assert third == "### Deaths"
    _, second, *_ = markdown(lossy).split("\n\n")
    assert second.startswith("**Unknown:** 18,176 events were lost on CPU 1")


def test_a_death_has_its_sentence_and_the_lines_that_it_rests_on(events: Answer) -> None:
    text = markdown(events)
    assert (
        "- **killed** 830.669668 `bash (5580)` was killed by `bash (5573)` for `python3 (5567)` with SIGTERM, "
        "as one of a group, 76 µs after it was sent; the killer's ancestors: `bash (5568)` \\< `python3 (5567)`.\n\n"
        "  ```\n"
        "  command: /usr/bin/bash\n"
        "  killer's command: /usr/bin/bash\n"
        "  line 31: 830.669592 bash (5573) signal_generate sig=15 SIGTERM target=5580 target_comm=bash code=0 "
        "grp=true res=0\n"
        "  line 33: 830.669598 bash (5573) kill sig=15 SIGTERM target=0 ret=0\n"
        "  line 37: 830.669662 bash (5580) signal_deliver sig=15 SIGTERM code=0 handler=default\n"
        "  line 38: 830.669668 bash (5580) sched_process_exit group_dead=true\n"
        "  ```\n"
    ) in text


def test_a_table_has_a_sentence_before_it(events: Answer) -> None:
    seen = [token for token in kinds(markdown(events)) if token in {"heading_open", "paragraph_open", "table_open"}]
    for i, kind in enumerate(seen):
        assert kind != "table_open" or seen[i - 2 : i] == ["heading_open", "paragraph_open"]
    assert "table_open" in seen


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_out_of_the_log_is_code(events: Answer, name: str) -> None:
    plain, hostile = markdown(events), markdown(renamed(events, "bash", name))
    assert set(kinds(hostile)) <= OURS
    assert sorted(kinds(hostile)) == sorted(kinds(plain))
    code = [token.content for token in tokens(hostile) if token.type == "code_inline"]
    assert escaped(name) in code
    assert f"{escaped(name)} (5573)" in code
    # A name in a fence stands in its line.
    was = [token.content.count("\n") for token in tokens(plain) if token.type == "fence"]
    assert [token.content.count("\n") for token in tokens(hostile) if token.type == "fence"] == was


@pytest.mark.parametrize("name", HOSTILE)
def test_a_session_s_name_is_code(events: Answer, name: str) -> None:
    text = markdown({**events, "session": name})
    assert kinds(text) == kinds(markdown(events))
    assert next(token.content for token in tokens(text) if token.type == "code_inline") == escaped(name)


def test_a_long_table_says_how_many_rows_more_there_are() -> None:
    text = markdown(report.summary(sigtrace.read("tests/fixtures/default.txt")))
    assert "no such process). The first 10 of 41 are shown; `--json` has all." in text


def test_a_table_of_which_the_sentence_says_all_is_left_out(lossy: Answer) -> None:
    text = markdown(lossy)
    assert "### Targets\n\n70,781 targets named, each once.\n\n### Signals" in text
    assert len(text) < 65_536  # the most that GitHub takes


def test_many_deaths_end_with_how_many_more_there_are(events: Answer) -> None:
    many = {**events, "deaths": events["deaths"] * 10, "counts": {**events["counts"], "deaths": 1_234}}
    text = markdown(many)
    assert "1,234 processes, in the order of time" in text
    assert "The first 20 of 1,234 are shown; `sigtrace who` prints all." in text
    assert len(text) < 65_536


def test_a_log_is_named_where_there_are_several(events: Answer) -> None:
    assert "| log |" not in markdown(events)
    with Database("notebooks/data/fleet") as database:
        text = markdown(report.summary(database))
    assert "2026-11-21 15:48:26.915589Z (`web-1@2026-11-21T15:48:26.128155Z`) `backup (19374)` was killed" in text
    assert "| log |" in text
    assert "| `web-1@2026-11-21` |" in text


def test_a_log_s_name_is_code_too(events: Answer) -> None:
    two = deepcopy(events)
    two["counts"]["logs"] = 2
    for i, row in enumerate(row for key in ("logs", "deaths", "senders", "targets") for row in two[key]):
        row["log"] = f"web|{1 + i % 2}"
    text = markdown(two)
    assert "830.666299 (`web|2`) `aborts (5575)`" in text
    assert "| `web\\|1` |" in text
