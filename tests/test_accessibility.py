"""The page for everybody: axe-core finds nothing to say against it, light or dark, wide or narrow, open or closed."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace.output.html.lifelines.chart import MOST
from sigtrace.output.html.lifelines.lives import lives
from sigtrace.output.html.page import page
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

# Playwright comes along and is not used: of the packages, this one has the newest axe-core.
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_FEW = 8
SESSIONS = {
    "events": "tests/fixtures/evidence_events.txt",
    "scene": "notebooks/data/scene.parquet",
    "lossy": "tests/fixtures/lossy.txt.gz",
    "hostile": "tests/fixtures/hostile.txt",
    "fleet": "notebooks/data/fleet",
}


def written(session: str) -> str:
    """Return a page with a few rows of each list: more of the same take axe-core minutes."""
    with Database(session) as database:
        answer = summary(database)
        few = {key: value[:_FEW] if isinstance(value, list) else value for key, value in answer.items()}
        return page(few, lives(database, few["deaths"][:MOST]))


def violations(browser: Chrome) -> list[Any]:
    """Return what axe-core says against the page that is open: rule, help, and where."""
    browser.execute_script(AXE)
    found: list[Any] = browser.execute_async_script(
        """const done = arguments[0];
        axe.run(document, { rules: { "target-size": { enabled: true } } }).then(
          (said) => done(said.violations.map((one) => [one.id, one.help, one.nodes.map((node) => node.html)])),
          (error) => done([String(error)]))"""
    )
    return found


@pytest.mark.parametrize("session", SESSIONS)
def test_axe_finds_no_violation(visit: Callable[[str], Chrome], browser: Chrome, session: str) -> None:
    html = written(SESSIONS[session])
    for scheme, wide, is_open in (
        ("light", 390, True),
        ("light", 1200, False),
        ("dark", 390, False),
        ("dark", 1200, True),
    ):
        media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]}
        size = {"width": wide, "height": 800, "deviceScaleFactor": 1, "mobile": wide < 600}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        visit(html)
        if is_open:
            opened = "for (const item of document.querySelectorAll('details')) item.open = true;"
            browser.execute_script(f"{opened} document.querySelector('[data-do=unfold]')?.click()")
        assert violations(browser) == [], (scheme, wide, is_open)


def test_axe_would_find_one(visit: Callable[[str], Chrome]) -> None:
    html = (
        written(SESSIONS["scene"])
        .replace(' aria-label="Search deaths and tables"', "")
        .replace("placeholder=", "data-x=")
    )
    assert "label" in [rule for rule, *_ in violations(visit(html))]
