"""The site: mkdocs builds it of docs/ without a warning, and its links lead to what it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

import sigtrace
from sigtrace import analyze
from tests.shown import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return folder


def test_each_page_of_the_docs_is_in_the_site_and_in_its_contents(site: Path) -> None:
    contents = (site / "index.html").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").exists()
        assert f'href="{page.stem}.html"' in contents


def test_each_link_leads_to_a_file_of_the_site(site: Path) -> None:
    leads = [
        (page, unquote(unescape(link)))
        for page in site.rglob("*.html")
        if page.name != "404.html"  # whose links are those of a server
        for link in re.findall(r'(?:href|src)="(?!\w+:|#)([^"#?]+)', page.read_text())
    ]
    assert len(leads) > 400
    assert [(str(page), link) for page, link in leads if not (page.parent / link).exists()] == []


def test_what_a_page_links_to_outside_docs_comes_along_and_links_back(site: Path) -> None:
    assert 'href="repository/sigtrace/probe.c"' in (site / "recording.html").read_text()
    assert (site / "repository/sigtrace/probe.c").read_bytes() == (ROOT / "sigtrace/probe.c").read_bytes()
    assert 'href="repository/CONTRIBUTING.html#the-zoo"' in (site / "reliability.html").read_text()
    assert 'href="../kernels.html"' in (site / "repository/CONTRIBUTING.html").read_text()


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("sigtrace", [name for name in sigtrace.__all__ if name != "plot"]),
        ("sigtrace.analyze", analyze.__all__),
        ("sigtrace.output.plot", ["graph", "matrix", "timeline"]),
    ],
)
def test_the_reference_has_each_name_of_the_package(site: Path, package: str, names: list[str]) -> None:
    found = set(re.findall(rf'<h[2-4] id="{re.escape(package)}\.(\w+)"', (site / "python.html").read_text()))
    assert found >= set(names)


def test_the_site_asks_no_other_host_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        asked = re.findall(
            r'<(?:script|img|iframe)[^>]*src="(\w+:[^"]*)"|<link[^>]*href="(\w+:[^"]*)"', page.read_text()
        )
        assert asked == [], page
