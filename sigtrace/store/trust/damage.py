"""Damage: what was left out of recordings, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FEW = 3


def texts(abouts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield in words, for what recordings say of themselves, what was left out of each, and that one is empty."""
    for about in abouts:
        left_out = about.get("damaged", ())
        told = [f"{one['file']} was left out ({one['why']})" for one in left_out[:_FEW]]
        if len(left_out) > _FEW:
            told.append(f"so were {len(left_out) - _FEW:,} more")
        if told:
            yield f"{', and '.join(told)}, so what only that tells is missing"
        elif not about["lines"] and "started" in about and "ended" not in about:
            yield f"the recorder of {about.get('log')} was killed before it had read anything"
