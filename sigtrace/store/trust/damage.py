"""Damage: what was left out of recordings, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FEW = 3


def texts(abouts: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, Any]] = ()) -> Iterator[str]:
    """Yield in words, for what recordings say of themselves, what was left out of each, and that one is empty.

    `left_out` are whole sessions, told as the parts of one are.
    """
    for about in [{"damaged": left_out}] * bool(left_out) + [*abouts]:
        damaged = about.get("damaged", ())
        told = [f"{one['file']} was left out ({one['why']})" for one in damaged[:_FEW]]
        if len(damaged) > _FEW:
            told.append(f"so were {len(damaged) - _FEW:,} more")
        if told:
            yield f"{', and '.join(told)}, so what only that tells is missing"
        elif not about["lines"] and "started" in about and "ended" not in about:
            yield f"the recorder of {about.get('log')} was killed before it had read anything"
