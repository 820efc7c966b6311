"""The life-lines: who lived from when to when, whose child, and who sent it what; in a browser, zoomed and unfolded."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace.output import plot
from sigtrace.output.html.lifelines.chart import MOST
from sigtrace.output.html.lifelines.lives import Lives, lives
from sigtrace.output.html.lifelines.ticks import ticks
from sigtrace.output.html.page import page
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.questions.deaths import EPOCH
from tests.story import call, execute, fork, hit, kill, leave, lost, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

    Answer = dict[str, Any]

SCENE = "notebooks/data/scene.parquet"
FLEET = "notebooks/data/fleet"

# init has a boss, who has two workers. A killer ends one of them; the other handles SIGTERM, and then the boss ends it.
STORY = (
    fork(10, parent=1, comm="init", ts=0.1)
    + execute(10, "/bin/boss", ts=0.2)
    + fork(100, parent=10, ts=1.0)
    + fork(101, parent=10, ts=1.1)
    + hit(101, 15, ts=2.0)
    + call(101, 15, ts=2.0)
    + take(101, 15, "55b94a72ee40", ts=2.1)
    + kill(100, 9, ts=3.0)
    + kill(101, 9, by=10, name="boss", ts=9.0)
    + leave(50, comm="killer", ts=9.5)
)


def told(source: Any) -> tuple[Answer, Lives]:
    with Database(source) as database:
        answer = summary(database)
        found = lives(database, answer["deaths"][:MOST])
    assert found is not None
    return answer, found


def of_log(log: str) -> tuple[Answer, Lives]:
    return told(sigtrace.read(log.encode()))


def drawn(source: Any) -> str:
    return page(*(of_log(source) if isinstance(source, str) and "\n" in source else told(source)))


def test_a_life_is_from_birth_to_end_below_its_parent() -> None:
    _, found = of_log(STORY)
    by_name = {one.name: one for one in found.lives}
    parents = {one.name: None if one.parent is None else found.lives[one.parent].name for one in found.lives}
    assert parents == {
        "init (1)": None,
        "boss (10)": "init (1)",
        "worker (100)": "boss (10)",
        "worker (101)": "boss (10)",
        "killer (50)": None,
    }
    assert (by_name["worker (100)"].start, by_name["worker (100)"].end) == (1_000_000, 3_000_000)
    assert by_name["killer (50)"].end == 9_500_000  # who did not die is followed, too
    assert (by_name["boss (10)"].start, by_name["boss (10)"].end) == (100_000, None)
    assert all(one.parent is None or one.parent < place for place, one in enumerate(found.lives))


def test_only_who_neither_died_nor_sent_a_signal_is_folded() -> None:
    _, found = of_log(STORY)
    assert [one.name for one in found.lives if one.folded] == ["init (1)"]


def test_each_signal_is_from_its_sender_to_its_victim_and_those_that_verdicts_rest_on_are_marked() -> None:
    _, found = of_log(STORY)
    named = [(found.lives[one.by].name, found.lives[one.to].name, one.signal, one.decides) for one in found.signals]
    assert sorted(named) == [
        ("boss (10)", "worker (101)", "SIGKILL", True),
        ("killer (50)", "worker (100)", "SIGKILL", True),
        ("killer (50)", "worker (101)", "SIGTERM", False),
    ]


def test_every_death_of_a_recording_is_drawn_once_with_the_time_that_its_row_has() -> None:
    answer, found = told(SCENE)
    ends = {one.death: one.end for one in found.lives if one.death is not None}
    assert ends == {n: round(death["time"].timestamp() * 1e6) for n, death in enumerate(answer["deaths"])}
    killers = {(f"{death['killer_comm']} ({death['killer_pid']})") for death in answer["deaths"] if death["killer_pid"]}
    assert killers <= {one.name for one in found.lives}


def test_logs_of_several_hosts_are_drawn_by_the_time_of_day() -> None:
    answer, found = told(FLEET)
    assert found.utc
    ends = {one.death: one.end for one in found.lives if one.death is not None}
    assert ends == {n: round(death["time"].timestamp() * 1e6) for n, death in enumerate(answer["deaths"])}
    logs = [one.log for one in found.lives]
    assert sum(a != b for a, b in pairwise(logs)) == len(set(logs)) - 1  # side by side


def test_logs_of_which_one_knows_no_time_of_day_are_not_drawn_together() -> None:
    with Database("tests/fixtures/evidence_events.txt", SCENE) as database:
        answer = summary(database)
        found = lives(database, answer["deaths"])
    assert found is None
    assert 'id="lives"' not in page(answer, found)


def test_a_loss_is_a_gap_from_the_last_event_before_to_the_first_one_after() -> None:
    _, found = of_log(STORY + lost(0, 4) + kill(102, 9, ts=12.0))
    assert [(one.first, one.last, one.why) for one in found.gaps] == [(9_500_000, 12_000_000, "events were lost")]
    assert "Where events are missing, it is shaded." in drawn(STORY + lost(0, 4) + kill(102, 9, ts=12.0))
    assert of_log(STORY)[1].gaps == []


def test_many_gaps_are_few_shades_that_leave_out_none() -> None:
    seen = [10 + n + n % 3 / 10 for n in range(900)]
    log = STORY + "".join(take(100, 10, "5", ts=ts) + take(100, 10, "5", ts=ts + 0.4) + lost(0, 1) for ts in seen)
    _, found = of_log(log)
    assert 100 < len(found.gaps) <= 200
    assert {gap.why for gap in found.gaps} == {"events were lost", "events were lost, not all of the time"}
    for ts in seen[:-1]:
        moment = round((ts + 0.5) * 1e6)
        assert any((gap.first or 0) <= moment <= (gap.last or moment) for gap in found.gaps)


def test_the_time_in_which_nobody_recorded_is_a_gap_too() -> None:
    session = sigtrace.read(STORY.encode())
    began = {"started": "1970-01-01T00:00:02.500000+00:00", "utc_offset_us": 0}
    stopped = {"gap": {"since": "1970-01-01T00:00:02.000000+00:00", "why": "stopped"}}
    about = {**session.about, **began, **stopped}
    _, found = told(sigtrace.Session("flight", session.table, session.accounting, about))
    (gap,) = found.gaps
    assert (gap.first, gap.last, gap.why) == (2_000_000, 2_500_000, "nobody recorded: the recorder was stopped")


def test_what_a_damaged_part_held_is_a_gap_too() -> None:
    session = sigtrace.read(STORY.encode())
    line = next(row["line"] for row in session.table.to_pylist() if row["ts"] == 2_100_000)
    left_out = {"file": "part-00001.parquet", "why": "it is damaged", "after_line": line}
    damaged = {**session.about, "damaged": [left_out]}
    _, found = told(sigtrace.Session("damaged", session.table, session.accounting, damaged))
    assert [(one.first, one.last, one.why) for one in found.gaps] == [
        (2_100_000, 3_000_000, "a part could not be read")
    ]


def test_a_period_has_the_lives_of_those_who_died_in_it() -> None:
    with Database(sigtrace.read(STORY.encode())) as database:
        database.within("5", None)
        found = lives(database, summary(database)["deaths"])
    assert found is not None
    assert [one.name for one in found.lives if one.death is not None] == ["worker (101)"]


def test_what_is_not_drawn_is_counted() -> None:
    log = "".join(fork(1000 + n, parent=10, ts=1 + n / 1000) for n in range(130))
    log += "".join(hit(1000, 10, ts=2 + n / 100) + call(1000, 10, ts=2 + n / 100) for n in range(20))
    log += "".join(kill(1000 + n, 9, ts=3 + n / 1000) for n in range(130))
    answer, found = of_log(log)
    assert sum(one.death is not None for one in found.lives) == MOST
    # Of SIGUSR1, those that were pending already came too.
    assert (found.unsent, len([one for one in found.signals if found.lives[one.to].death == 0])) == (13, 8)
    assert "30 deaths and 13 signals more are not drawn" in page(answer, found)


def test_a_page_of_nobody_s_death_has_no_life_lines() -> None:
    assert 'id="lives"' not in page(*told("tests/fixtures/lossy.txt.gz"))


def test_two_runs_draw_the_same() -> None:
    assert drawn(FLEET) == drawn(FLEET)


@pytest.mark.parametrize("name", ["<script>x()", "a\u202egpj.exe", '"onload=x()', "\x1b[31mred"])
def test_a_name_in_the_picture_is_text(name: str) -> None:
    answer, found = of_log(STORY)
    hostile = [one if one.folded else type(one)(**{**vars(one), "name": f"{name} (7)"}) for one in found.lives]
    plain, drawn = page(answer, found), page(answer, Lives(**{**vars(found), "lives": hostile}))
    assert re.findall(r"<[a-z]+", drawn) == re.findall(r"<[a-z]+", plain)
    assert "\u202e" not in drawn
    assert "\x1b" not in drawn


@pytest.mark.parametrize(
    ("first", "last", "utc", "texts"),
    [
        ("2026-11-22T14:02:47.300000", "2026-11-22T14:02:48.000000", True, ["14:02:47.5", "14:02:48.0"]),
        ("2026-11-22T14:02:47.000100", "2026-11-22T14:02:47.000103", True, ["14:02:47.000100", "14:02:47.000102"]),
        (
            "2026-11-22T23:58:30.000000",
            "2026-11-23T00:01:00.000000",
            True,
            ["11-22 23:59", "11-23 00:00", "11-23 00:01"],
        ),
        ("2026-11-01T01:00:00.000000", "2026-11-12T00:00:00.000000", True, ["11-03", "11-08"]),
        ("1970-01-01T00:00:01.500000", "1970-01-01T00:00:04.000000", False, ["2", "3", "4"]),
    ],
)
def test_ticks_are_at_round_moments(first: str, last: str, *, utc: bool, texts: list[str]) -> None:
    begin, end = (
        (datetime.fromisoformat(one).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for one in (first, last)
    )
    assert [text for _, text in ticks(begin, end, 3, utc=utc, unit="us")] == texts


# In a browser.

ZONE = "Asia/Kolkata"  # half an hour off all others


@pytest.fixture
def chart(visit: Callable[[str], Chrome], browser: Chrome) -> Callable[[Any], Chrome]:
    def opened(source: Any) -> Chrome:
        browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ZONE})
        return visit(drawn(source))

    return opened


def asked(browser: Chrome, code: str) -> Any:
    return browser.execute_script(code)


def names(browser: Chrome) -> list[str]:
    """Return the names of the lives that are shown, from top to bottom."""
    found = asked(
        browser,
        """return [...document.querySelectorAll(".life")].filter((one) => one.getClientRects().length)
        .map((one) => [one.getBoundingClientRect().top, one.querySelector("text").textContent])""",
    )
    return [name for _, name in sorted(found)]


def middle(browser: Chrome, selector: str) -> float:
    """Return where the middle of something is, from left to right."""
    code = f"const at = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
    return float(asked(browser, f"{code} return (at.left + at.right) / 2"))


def do(browser: Chrome, what: str) -> None:
    browser.find_element("css selector", f"[data-do={what}]").click()


def press(browser: Chrome, *keys: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        ActionChains(browser).send_keys(getattr(Keys, key, key)).perform()


def test_the_ancestors_are_folded_until_they_are_asked_for(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    shown = ["boss (10)", "worker (100)", "worker (101)", "killer (50)"]
    assert names(browser) == shown
    do(browser, "unfold")
    assert names(browser) == ["init (1)", *shown]
    do(browser, "unfold")
    assert names(browser) == shown


def test_an_arrow_leads_from_its_sender_to_its_victim_folded_or_not(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    for _ in range(2):
        rows = asked(
            browser,
            """const lives = [...document.querySelectorAll(".run")].map((one) => one.getBoundingClientRect());
            return [...document.querySelectorAll(".sent")].map((one) => {
              const [by, to] = [lives[one.dataset.by], lives[one.dataset.to]];
              const [dot, head] = ["circle", "path"].map((part) => one.querySelector(part).getBoundingClientRect());
              const down = to.top > by.top;
              const apart = down ? to.top - head.bottom : head.top - to.bottom;
              return [(dot.top + dot.bottom - by.top - by.bottom) / 2, apart];
            })""",
        )
        assert len(rows) == 3
        for start, end in rows:
            assert start == pytest.approx(0, abs=1)
            assert 0 <= end < 3
        do(browser, "unfold")


def test_zooming_keeps_the_moment_that_is_pointed_at(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    mark = ".life.killed .mark"  # the death at 3.0
    before = middle(browser, mark)
    asked(
        browser,
        f"""const box = document.querySelector(".lives");
        for (let i = 0; i < 3; i++) box.dispatchEvent(new WheelEvent("wheel",
          {{ deltaY: -150, ctrlKey: true, clientX: {before}, bubbles: true, cancelable: true }}))""",
    )
    assert middle(browser, mark) == pytest.approx(before, abs=8)
    # The next one, six seconds on, is far outside.
    assert middle(browser, "[data-to='9000000'] .mark") > 1200


def test_the_wheel_alone_scrolls_the_page(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    prevented = asked(
        browser,
        """const event = new WheelEvent("wheel", { deltaY: 100, bubbles: true, cancelable: true });
        document.querySelector(".lives").dispatchEvent(event);
        return event.defaultPrevented""",
    )
    assert prevented is False


def test_buttons_and_keys_zoom_move_and_fit(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    mark = ".life.killed .mark"
    fit = middle(browser, mark)
    do(browser, "in")
    zoomed = middle(browser, mark)
    assert zoomed < fit
    do(browser, "back")
    assert middle(browser, mark) > zoomed
    do(browser, "fit")
    assert middle(browser, mark) == pytest.approx(fit, abs=1)
    asked(browser, "document.querySelector('.lives').focus()")
    press(browser, "+")
    assert middle(browser, mark) == pytest.approx(zoomed, abs=1)
    press(browser, "ARROW_LEFT")
    assert middle(browser, mark) > zoomed
    press(browser, "0")
    assert middle(browser, mark) == pytest.approx(fit, abs=1)
    press(browser, "-", "-", "-")
    assert middle(browser, "[data-from='1000000'] .fork") > 0  # the births come into sight


def test_what_is_pointed_at_or_has_the_focus_says_who_and_when(chart: Callable[[Any], Chrome]) -> None:
    from selenium.webdriver import ActionChains

    browser = chart(STORY)
    tip = browser.find_element("css selector", ".tip")
    ActionChains(browser).move_to_element(browser.find_element("css selector", ".sent.decides .near")).perform()
    assert tip.text == "3.000000 killer (50) sent SIGKILL to worker (100): it ended of it."
    ActionChains(browser).move_to_element(browser.find_element("css selector", "h1")).perform()
    assert not tip.is_displayed()
    asked(browser, "document.querySelector('.lives').focus()")
    press(browser, "ARROW_DOWN", "ARROW_DOWN")
    assert tip.text.startswith("3.000000 worker (100) was killed by killer (50) with SIGKILL")
    assert tip.text.endswith("It was born 1.000000.")
    press(browser, "ESCAPE")
    assert not tip.is_displayed()


def test_a_click_on_a_death_leads_to_its_lines(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(STORY)
    browser.find_element("css selector", ".life.killed a .run").click()
    (opened,) = asked(
        browser, "return [...document.querySelectorAll('details[open] .sentence')].map((s) => s.textContent)"
    )
    assert opened.startswith("worker (100) was killed by killer (50)")


def test_ticks_are_in_utc_and_in_the_zone_of_whoever_reads(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(SCENE)
    texts = asked(
        browser, "return [...document.querySelectorAll('.axis text')].map((t) => [t.getAttribute('y'), t.textContent])"
    )
    utc = [text for y, text in texts if y == "12"]
    local = [text for y, text in texts if y == "26"]
    assert "14:02:47.5" in utc
    assert local == [text.replace("14:02:", "19:32:") for text in utc]
    assert ZONE.split("/")[1] in browser.find_element("css selector", ".zone").text.replace("Calcutta", "Kolkata")
    ends = asked(browser, "return [...document.querySelectorAll('.timeline [data-us]')].map((t) => t.innerText)")
    assert len(ends) == 3
    assert all(end.startswith("14:02:4") and "\n19:32:4" in end for end in ends)


def test_without_javascript_there_is_the_picture_and_no_button(visit: Callable[[str], Chrome], browser: Chrome) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit(drawn(SCENE))
        assert "web-2 (13547)" in names(browser)
        assert not any(button.is_displayed() for button in browser.find_elements("css selector", "[data-do]"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_script_draws_at_first_what_is_there_without_it(visit: Callable[[str], Chrome]) -> None:
    places = """const parts = ".life, .run, .plot .mark, .sent, .sent path, .fork, .gap, .plot text";
      const zero = document.querySelector(".plot").getBoundingClientRect().top;
      return [...document.querySelectorAll(parts)]
      .filter((one) => one.getClientRects().length).flatMap((one) => {
        const { left, top, width, height } = one.getBoundingClientRect();
        return [left, top - zero, width, height].map(Math.round);
      })"""
    html = drawn(STORY + lost(0, 4) + kill(102, 9, ts=12.0))
    after = asked(visit(html), places)
    still = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert asked(visit(still), places) == pytest.approx(after, abs=1)


@pytest.mark.parametrize("wide", [320, 390])
def test_a_phone_shows_the_life_lines_without_sideways_scroll(
    chart: Callable[[Any], Chrome], browser: Chrome, wide: int
) -> None:
    phone = {"width": wide, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    chart(FLEET)
    do(browser, "unfold")
    do(browser, "in")
    assert asked(browser, "return document.documentElement.scrollWidth") <= wide


def test_paper_has_all_lives_and_no_buttons(chart: Callable[[Any], Chrome]) -> None:
    browser = chart(FLEET)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    inside, whole = asked(
        browser,
        """return [".lives", ".plot"].map((one) => document.querySelector(one).getBoundingClientRect().height)""",
    )
    assert inside >= whole > 600
    assert not any(button.is_displayed() for button in browser.find_elements("css selector", "[data-do]"))


# In a notebook.


def test_a_notebook_shows_the_life_lines_and_zooms_them(visit: Callable[[str], Chrome]) -> None:
    shown = plot.lives(sigtrace.read(STORY.encode()))._repr_html_()
    browser = visit(f"<!DOCTYPE html><title>a notebook</title><body>{shown}")
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))
    try:
        assert names(browser) == ["boss (10)", "worker (100)", "worker (101)", "killer (50)"]
        before = middle(browser, ".life.killed .mark")
        do(browser, "in")
        assert middle(browser, ".life.killed .mark") < before
        assert asked(browser, "return document.documentElement.scrollHeight <= innerHeight")
        assert browser.find_elements("css selector", "a") == []
    finally:
        browser.switch_to.default_content()


def test_a_picture_of_several_sessions_is_of_a_database() -> None:
    with Database(FLEET) as database:
        assert repr(plot.lives(database)).endswith(f"'notebooks/data/fleet': {len(told(FLEET)[1].lives)} processes>")


def test_rows_without_deaths_give_a_sentence_instead_of_life_lines() -> None:
    session = sigtrace.read("tests/fixtures/lossy.txt.gz")
    assert plot.lives(session)._repr_html_() == "<p>There is nothing to draw in these rows.</p>"


def test_a_session_s_name_is_text_in_a_notebook() -> None:
    session = sigtrace.read(STORY.encode())
    named = sigtrace.Session('</title>"><script>x()</script>', session.table, session.accounting, session.about)
    assert plot.lives(named)._repr_html_().count("<") == plot.lives(session)._repr_html_().count("<") == 2
