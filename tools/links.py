"""Links: what the pages link to outside docs/ comes along in the site, and each link leads there as in the repository.

MkDocs calls it, as mkdocs.yml says.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, InclusionLevel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parents[1]
_DOCS = "docs/"
_ELSEWHERE = "repository/"
"""The folder of the site for what is outside docs/."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the pages link to, what those pages link to, and so on."""
    pages = [file.src_uri for file in files.documentation_pages()]
    while pages:
        page = pages.pop()
        for target in _targets(page):
            uri = _uri(target)
            if files.get_file_from_path(uri) or not (_ROOT / target).is_file():
                continue
            source = str(_ROOT / target)
            files.append(File.generated(config, uri, abs_src_path=source, inclusion=InclusionLevel.NOT_IN_NAV))
            if uri.endswith(".md"):
                pages.append(uri)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Have the links of a page lead to where the site has the files."""
    uri = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        target = _target(uri, link[1])
        there = (_ROOT / target).exists()  # else it may be code, and if it is none, the strict build says so
        return posixpath.relpath(_uri(target), posixpath.dirname(uri) or ".") if there else link[1]

    return _LINK.sub(led, markdown)


def _targets(page: str) -> list[str]:
    return [_target(page, link) for link in _LINK.findall((_ROOT / _path(page)).read_text())]


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(_path(page)), link))


def _path(uri: str) -> str:
    """Return where the repository has what the site has here."""
    return uri.removeprefix(_ELSEWHERE) if uri.startswith(_ELSEWHERE) else _DOCS + uri


def _uri(path: str) -> str:
    """Return where the site has what the repository has here."""
    return path.removeprefix(_DOCS) if path.startswith(_DOCS) else _ELSEWHERE + path
