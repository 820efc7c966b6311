"""The page: one file that loads nothing, in which names are text; and in a browser, what a reader does with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from copy import deepcopy
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

import sigtrace
from sigtrace.output import summary as report
from sigtrace.output.html.deaths import MOST
from sigtrace.output.html.page import page
from sigtrace.output.terminal import escaped
from sigtrace.questions.database import Database
from tests.renaming import renamed
from tests.story import fork, kill

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

    Answer = dict[str, Any]

EVENTS = "tests/fixtures/evidence_events.txt"
LOSSY = "tests/fixtures/lossy.txt.gz"
SCENE = "notebooks/data/scene.parquet"

# A process name has 15 bytes.
HOSTILE = [
    "<script>x()",
    "</script><b>x",
    "</style><b>x",
    '"onload=x()"',
    "'onclick='x()",
    "--><b>x</b><!--",
    "<svg/onload=x()",
    "&lt;b&gt;&#60;b>",
    "x\nx\r\tx",
    "\x1b[31mred\x1b[0m",
    "a\u202egpj.exe",
    "\u05d0\u05d1<b>\u05d2",
    "]]><![CDATA[",
    "{{7*7}}${x}",
]


@pytest.fixture(scope="module")
def events() -> Answer:
    return report.summary(sigtrace.read(EVENTS))


@pytest.fixture(scope="module")
def scene() -> Answer:
    return report.summary(sigtrace.read(SCENE))


@pytest.fixture(scope="module")
def fleet() -> Answer:
    with Database("notebooks/data/fleet") as database:
        return report.summary(database)


@pytest.fixture(scope="module")
def lossy() -> Answer:
    return report.summary(sigtrace.read(LOSSY))


@pytest.fixture(scope="module")
def many() -> Answer:
    """A log of 10,050 deaths, as the page asks for it."""
    told = [
        fork(1000 + n, parent=10, comm="boss", ts=1 + n / 100)
        + kill(1000 + n, (9, 15)[n % 2], by=20 + n % 7, name=f"killer-{n % 7}", ts=1.002 + n / 100)
        for n in range(10_050)
    ]
    return report.summary(sigtrace.read("".join(told).encode()), most_deaths=MOST)


class Tags(HTMLParser):
    """The tags of a page, which must close in order, their attributes, and the text between."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_tag_is_closed(events: Answer, scene: Answer, lossy: Answer) -> None:
    for answer in (events, scene, lossy):
        assert Tags(page(answer)).open == []


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(events: Answer) -> None:
    html = page(events)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert found is not None
    hashes = []
    for tag in ("style", "script"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        hashes.append(f"{tag}-src 'sha256-{digest}'")
    assert found[1] == f"default-src 'none'; {'; '.join(hashes)}; base-uri 'none'; form-action 'none'"


def test_nothing_in_the_page_points_elsewhere(scene: Answer) -> None:
    tags = Tags(page(scene))
    assert tags.links
    assert all(link.startswith("#") for link in tags.links)
    assert "url(" not in page(scene)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_out_of_the_log_is_text(events: Answer, name: str) -> None:
    plain, hostile = Tags(page(events)), Tags(page(renamed(events, "bash", name)))
    # A letter that runs from right to left is set apart, and that is all.
    assert sorted(tag for tag in hostile.seen if tag != "bdi") == sorted(plain.seen)
    assert hostile.attributes == plain.attributes
    assert escaped(name) in hostile.text


@pytest.mark.parametrize("name", HOSTILE)
def test_who_asked_and_who_victim_and_killer_are_is_text(events: Answer, name: str) -> None:
    def known(name: str) -> Answer:
        killed = events["deaths"][2]
        asked = {"verdict": "asked", "how": "handled", "exit_status": 0, "hops": [f"{name} (1)", "bash (2)"]}
        who = {"victim_unit": name, "killer_container": name, "killer_command": name, "victim_user": name}
        return {**events, "deaths": [{**killed, **asked, **who}]}

    plain, hostile = Tags(page(known("systemd"))), Tags(page(known(name)))
    assert sorted(tag for tag in hostile.seen if tag != "bdi") == sorted(plain.seen)
    assert hostile.attributes == plain.attributes
    assert "exited with status 0, 76 µs after it handled SIGTERM from" in hostile.text
    assert hostile.text.count(escaped(name)) >= 4


def test_a_session_s_name_is_text(events: Answer) -> None:
    name = "</title><script>x()</script>"
    hostile = Tags(page({**events, "session": name}))
    assert hostile.seen == Tags(page(events)).seen
    assert hostile.text.count(name) == 2


def test_what_happened_and_what_is_unknown_come_first(scene: Answer, lossy: Answer) -> None:
    text = Tags(page(scene)).text
    assert "8 processes were killed, 1 died of a fault of its own, 1 ended itself and 25 exited; 14 calls" in text
    assert text.index("8 processes were killed") < text.index("Nothing was lost.") < text.index("Open one to see")
    text = Tags(page(lossy)).text
    assert "70,781 calls by 4 senders in 313.3 ms, all failed; this log does not say whether any process ended." in text
    assert text.index("Unknown: 18,176 events were lost on CPU 1") < text.index("A bar counts what happened")
    assert "Nothing was lost" not in text


def test_a_table_of_very_many_rows_says_how_many_more_there_are(lossy: Answer) -> None:
    html = page(lossy)
    assert len(html) < 1_000_000
    assert "This page shows and searches the first 1,000 of 70,781 rows; sigtrace query prints all." in Tags(html).text
    assert html.count("<tr>") < 3_000


def test_ten_thousand_deaths_are_listed_and_those_without_their_lines_have_the_numbers(many: Answer) -> None:
    html = page(many)
    assert len(re.findall(r'class="death killed"', html)) == MOST == 10_000
    assert html.count("<details") == 1_000
    last = Tags(html.split('id="death-9999"')[1].split("</div>")[0]).text
    assert last.endswith(f"[lines {', '.join(map(str, many['deaths'][9_999]['lines']))}]100.992000")
    text = re.sub("<[^>]*>", "", html)
    assert "The first 1,000 have the lines themselves, the others their numbers." in text
    assert "This page shows and searches the first 10,000 of 10,050 deaths; sigtrace who prints all." in text


def test_every_death_has_its_lines(events: Answer) -> None:
    html = page(events)
    for i, death in enumerate(events["deaths"]):
        evidence = html.split(f'id="death-{i}"')[1].split("</details>")[0]
        assert re.findall(r'<tr><td class="n">(\d+)</td>', evidence) == [str(row["line"]) for row in death["evidence"]]
        assert [row["line"] for row in death["evidence"]]


def test_a_log_is_named_where_there_are_several(scene: Answer, fleet: Answer) -> None:
    assert '<th scope="col">log</th>' not in page(scene)
    html = page(fleet)
    senders = html.split('<section id="senders">')[1].split("</section>")[0]
    whole = "web-1@2026-11-21T15:48:26.128155Z"
    # As short as tells it from the others; the whole name is there, and found by the search.
    assert f'<td title="{whole}">web-1@2026-11-21</td>' in senders
    assert f'<span class="log" title="{whole}">web-1@2026-11-21</span>' in html
    assert f"<dt>log</dt><dd>{whole}</dd>" in html
    assert all(row["log"] in html for row in fleet["deaths"])


def test_logs_of_several_hosts_stand_on_one_timeline_by_the_time_of_day(fleet: Answer) -> None:
    html = page(fleet)
    lefts = sorted(float(left) for left in re.findall(r'<circle cx="([\d.]+)%', html))
    times = sorted(death["time"].timestamp() for death in fleet["deaths"])
    assert len(lefts) == len(times)
    # In proportion, whatever each host's own clock says.
    (first, *_, last), whole = times, lefts[-1] - lefts[0]
    for left, time in zip(lefts, times, strict=True):
        assert (left - lefts[0]) / whole == pytest.approx((time - first) / (last - first), abs=0.001)
    # A bar begins no later than what it counts.
    bars = [float(left) for left in re.findall(r'<rect class="signals" x="([\d.]+)%', html)]
    assert min(bars) <= lefts[0]


def test_logs_of_no_time_of_day_do_not_stand_side_by_side() -> None:
    with Database(EVENTS, "tests/fixtures/default.txt") as database:
        text = Tags(page(report.summary(database))).text
    assert "These logs do not name the time of day" in text
    assert "10 processes. Open one" in text  # in no order that could be told
    assert "Times are seconds of the trace clock, because the logs do not name the day." in text


def test_a_death_has_the_time_that_its_row_has(scene: Answer) -> None:
    whens = re.findall(r'<span class="when">([^<]*)</span>', page(scene))
    assert whens == [f"{death['time']:%H:%M:%S.%f}" for death in scene["deaths"]]


def test_a_clock_of_bare_ticks_has_no_seconds(events: Answer) -> None:
    ticks = {**events, "accounting": {**events["accounting"], "ts_unit": "ticks"}}
    text = Tags(page(ticks)).text
    assert "Times are ticks of the trace clock" in text
    assert str(events["deaths"][0]["ts"]) in text


def test_an_answer_out_of_json_makes_the_same_page(scene: Answer) -> None:
    assert page(json.loads(json.dumps(scene, default=str))) == page(scene)


def test_a_log_without_a_call_makes_a_page() -> None:
    line = b"            bash-4711    [000] d..21  7.000001: bpf_trace_printk: hello\n"
    text = Tags(page(report.summary(sigtrace.read(line)))).text
    assert "No complete call in 1 line (1 of other programs); this log does not say whether any process ended." in text


# In a browser.


@pytest.fixture
def read(visit: Callable[[str], Chrome]) -> Callable[[Answer], Chrome]:
    """Open an answer's page."""
    return lambda answer: visit(page(answer))


def script(browser: Chrome, code: str) -> Any:
    return browser.execute_script(code)


def shown(browser: Chrome, selector: str) -> list[str]:
    return [found.text for found in browser.find_elements("css selector", selector) if found.is_displayed()]


def column(browser: Chrome, section: str, number: int) -> list[str]:
    cells = f"#{section} tbody td:nth-child({number})"
    return [cell.get_property("textContent") for cell in browser.find_elements("css selector", cells)]  # type: ignore[misc]


def test_a_click_unfolds_the_evidence(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    assert shown(browser, ".evidence") == []
    browser.find_elements("css selector", ".death summary")[2].click()
    (evidence,) = shown(browser, ".evidence")
    assert "signal_generate" in evidence
    assert all(str(line) in evidence for line in events["deaths"][2]["lines"])


def test_without_javascript_all_can_be_read_and_nothing_is_there_that_does_nothing(
    read: Callable[[Answer], Chrome], events: Answer, browser: Chrome
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        read(events)
        assert shown(browser, "form, button") == []
        browser.find_elements("css selector", ".death summary")[2].click()
        assert len(shown(browser, ".evidence")) == 1
        assert len(shown(browser, "#senders tbody tr")) == len(events["senders"])
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_click_on_a_head_sorts_numbers_as_numbers(read: Callable[[Answer], Chrome], lossy: Answer) -> None:
    browser = read(lossy)
    head = browser.find_element("css selector", "#storms th:nth-child(3)")
    button = head.find_element("tag name", "button")
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(browser, "storms", 3) == ["20,000", "17,097", "16,861", "16,823"]
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(browser, "storms", 3) == ["16,823", "16,861", "17,097", "20,000"]
    assert column(browser, "storms", 1)[-1] == "w (3) sent"


def test_times_and_spans_are_sorted_by_what_they_mean(read: Callable[[Answer], Chrome], scene: Answer) -> None:
    answer = deepcopy(scene)
    (first,) = answer["escalations"]
    answer["escalations"] = [{**first, "grace_us": grace} for grace in (999, 1_500_000, 3_900, 76)]
    browser = read(answer)
    browser.find_element("css selector", "#escalations th:nth-child(6) button").click()
    assert column(browser, "escalations", 6) == ["1.5 s", "3.9 ms", "999 µs", "76 µs"]


def test_what_is_unknown_stands_last_whichever_way(read: Callable[[Answer], Chrome], lossy: Answer) -> None:
    answer = deepcopy(lossy)
    answer["storms"][0]["per_second"] = None
    browser = read(answer)
    for _ in range(2):
        browser.find_element("css selector", "#storms th:nth-child(4) button").click()
        assert column(browser, "storms", 4)[-1] == ""


def test_only_one_column_says_that_it_is_sorted(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    for number in (2, 1):
        browser.find_element("css selector", f"#senders th:nth-child({number}) button").click()
    assert len(browser.find_elements("css selector", "#senders [aria-sort]")) == 1
    assert column(browser, "senders", 1)[0] == "4"


def test_the_search_finds_deaths_and_rows_and_counts_them(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    box = browser.find_element("id", "search")
    box.send_keys("Memory HOG")
    assert [text.split(" was")[0] for text in shown(browser, ".death .sentence")] == ["memory hog (5583)"]
    assert shown(browser, "#senders") == []
    assert shown(browser, "output")[0].startswith("1 of ")
    assert shown(browser, ".timeline") != []
    box.clear()
    box.send_keys("5568")
    rows = shown(browser, "#senders tbody tr")
    assert len(rows) == 1
    assert "5568" in rows[0]
    box.clear()
    box.send_keys("no such thing")
    assert shown(browser, ".death, table.sortable tbody tr") == []
    assert shown(browser, "output")[0].startswith("0 of ")


def test_a_line_number_finds_the_death_that_rests_on_it(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    browser.find_element("id", "search").send_keys("87 oom mark_victim")
    assert len(shown(browser, ".death")) == 1


def test_ten_thousand_deaths_open_in_two_seconds_and_the_search_finds_the_last(
    visit: Callable[[str], Chrome], browser: Chrome, many: Answer
) -> None:
    html = page(many)
    visit("<!DOCTYPE html><title>nothing</title>")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    # What the page's own thread takes: other processes that want the processor do not slow it down.
    before = thread_seconds(browser)
    visit(html)
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done))")
    assert thread_seconds(browser) - before < 2
    browser.execute_cdp_cmd("Performance.disable", {})
    browser.find_element("id", "search").send_keys("10999")
    (found,) = shown(browser, ".death:not([hidden])")
    assert "worker (10999) was killed by" in found


def thread_seconds(browser: Chrome) -> float:
    measured = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    (seconds,) = (one["value"] for one in measured if one["name"] == "ThreadTime")
    return float(seconds)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_run_or_drawn_as_markup(read: Callable[[Answer], Chrome], events: Answer, name: str) -> None:
    browser = read(renamed(events, "bash", name))
    for summary in browser.find_elements("css selector", ".death summary"):
        summary.click()
    assert len(browser.find_elements("tag name", "script")) == 1
    assert script(browser, "return document.querySelectorAll('section b:not([class]) b, main script').length") == 0
    said = script(browser, "return document.querySelector('#senders').textContent")
    assert escaped(name) in said


def test_letters_from_right_to_left_reorder_nothing(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(renamed(events, "bash", "\u05d0\u05d1 1 \u05d2\u05d3"))
    lefts = script(
        browser,
        """const sentence = document.querySelectorAll(".sentence")[1].querySelector(".name");
        const letters = document.createTreeWalker(sentence, NodeFilter.SHOW_TEXT), lefts = [];
        while (letters.nextNode()) {
          const range = document.createRange();
          range.selectNodeContents(letters.currentNode);
          lefts.push(range.getBoundingClientRect().left);
        }
        return lefts;""",
    )
    assert len(lefts) > 2
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("of", ["events", "scene", "lossy", "fleet"])
@pytest.mark.parametrize("wide", [320, 360, 768])
def test_a_phone_shows_the_page_without_sideways_scroll(
    read: Callable[[Answer], Chrome], browser: Chrome, request: pytest.FixtureRequest, of: str, wide: int
) -> None:
    phone = {"width": wide, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    answer = deepcopy(request.getfixturevalue(of))
    # The longest that a name and a path can look.
    read(renamed(renamed(answer, "bash", "\x01" * 15), "deployer", "W" * 15))
    script(browser, "for (const item of document.querySelectorAll('details')) item.open = true")
    assert script(browser, "return document.documentElement.scrollWidth") <= wide


def test_dark_is_dark_and_light_is_light(read: Callable[[Answer], Chrome], scene: Answer) -> None:
    browser = read(scene)
    colors = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    sums = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
        sums.append([sum(map(int, re.findall(r"\d+", color)[:3])) for color in script(browser, colors)])
    (light_page, light_ink), (dark_page, dark_ink) = sums
    assert light_page - light_ink > 600
    assert dark_ink - dark_page > 500


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(
    read: Callable[[Answer], Chrome], events: Answer, scheme: str
) -> None:
    answer = deepcopy(events)
    answer["deaths"][0]["verdict"] = "asked"
    browser = read(answer)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    script(browser, "for (const item of document.querySelectorAll('details')) item.open = true")
    least = script(
        browser,
        """const rgb = (color) => {
          const canvas = document.createElement("canvas").getContext("2d");
          canvas.fillStyle = color;
          canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = (color) => rgb(color).slice(0, 3).map((c) => c / 255)
          .map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
          .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
        const behind = (item) => {
          const color = getComputedStyle(item).backgroundColor;
          return rgb(color)[3] === 255 || !item.parentElement ? color : behind(item.parentElement);
        };
        let least = [99, ""];
        for (const item of document.querySelectorAll("body *:not(script, rect, circle, title)")) {
          if (![...item.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
          const [a, b] = [light(getComputedStyle(item).color), light(behind(item))];
          const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
          if (contrast < least[0]) least = [contrast, item.outerHTML.slice(0, 80)];
        }
        return least;""",
    )
    assert least[0] >= 4.5, least


def test_paper_has_the_evidence_and_no_controls(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    # Selenium takes what is in a closed `details` for hidden, whatever the style says.
    drawn = script(
        browser,
        """return [...document.querySelectorAll(".evidence table")]
        .filter((table) => table.checkVisibility() && table.getBoundingClientRect().height > 20).length""",
    )
    assert drawn == len(events["deaths"])
    assert shown(browser, "input, nav") == []
    assert script(browser, "return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    folded = browser.find_elements("css selector", "details[open]")
    assert folded == []  # as they were before


def test_a_mark_on_the_timeline_leads_to_its_death(read: Callable[[Answer], Chrome], events: Answer) -> None:
    browser = read(events)
    script(browser, "document.querySelector('a[href=\"#death-3\"] circle').parentNode.focus()")
    script(browser, "location.hash = '#death-3'")
    assert len(shown(browser, ".evidence")) == 1
    assert "segv" in shown(browser, "details[open] .sentence")[0]
