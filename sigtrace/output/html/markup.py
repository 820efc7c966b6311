"""Markup: text and names out of a log as HTML, whatever is in them."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import TYPE_CHECKING

from sigtrace.output.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigtrace.output.clock import Clock
    from sigtrace.output.sentence import Piece

_LONG_NAME = 30
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def text(value: str) -> str:
    """Return text as HTML; letters that run from right to left are set apart, lest they reorder their neighbours."""
    return "".join(
        f"<bdi>{escape(run)}</bdi>" if right_to_left else escape(run) for right_to_left, run in _runs(escaped(value))
    )


def name(value: str) -> str:
    """Return a name out of the log as HTML: it stays on its line, unless it is wider than a phone."""
    return f'<b class="name{" long" if len(value) > _LONG_NAME else ""}">{text(value)}</b>'


def rendered(pieces: list[Piece]) -> str:
    """Return a sentence as HTML."""
    return "".join(name(piece.text) if piece.is_name else text(piece.text) for piece in pieces)


def titled(log: str, clock: Clock) -> str:
    """Return the end of a tag and the short name of a log; the pointer shows the whole name."""
    return f' title="{escape(escaped(log))}">{text(clock.short_name(log))}'


def _runs(text: str) -> Iterable[tuple[bool, str]]:
    start = 0
    flags = [unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text]
    for i in range(1, len(text) + 1):
        if i == len(text) or flags[i] != flags[start]:
            yield flags[start], text[start:i]
            start = i
