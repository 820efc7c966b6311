"""Write the man pages and the completions for bash, zsh and fish, made from the parser: python3 tools/guides.py FOLDER.

They go to FOLDER/share, where man and the shells look below a prefix. setup.py puts them into the wheel.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["COLUMNS"] = "80"  # whatever terminal it is built in, a page is the same

from sigtrace import __version__
from sigtrace.commands.line.parser import parser

_COMPLETIONS = {
    "bash": "bash-completion/completions/sigtrace",
    "zsh": "zsh/site-functions/_sigtrace",
    "fish": "fish/vendor_completions.d/sigtrace.fish",
}
_FILES = {"SESSION", "LOG", "NAME.parquet", "OUT.parquet", "OUT.html", "OUT.pftrace"}
_ESCAPED = {"\\": r"\\", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga"}


def make(folder: Path) -> None:
    """Write all of them below a folder."""
    whole = parser()
    (commands,) = (action.choices for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    for one in commands.values():
        for action in one._actions:
            if action.metavar in _FILES:
                action.complete = shtab.FILE
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY
    for shell, place in _COMPLETIONS.items():
        _write(folder / "share" / place, shtab.complete(whole, shell))
    pages = folder / "share/man/man1"
    for name, one in commands.items():
        _write(pages / f"sigtrace-{name}.1", _page(one, f"sigtrace-{name}"))
    _write(pages / "sigtrace.1", _page(whole, "sigtrace"))


def _page(of: argparse.ArgumentParser, name: str) -> str:
    sections, of.epilog = of.epilog.split("\n\n"), None
    page = Manpage(of)
    page.prog = name
    page.description = f"{of.description[0].lower()}{of.description[1:].rstrip('.')}"
    page.source, page.manual, page.date = f"sigtrace {__version__}", "sigtrace", ""
    for section in sections:
        title, *lines = (line.strip().translate(str.maketrans(_ESCAPED)) for line in section.splitlines())
        page.add_section(title.rstrip(":"), "=", "\n".join([".nf", *lines, ".fi"]))
    return str(page)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
