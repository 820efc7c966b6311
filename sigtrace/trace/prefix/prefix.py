"""Prefix: the forms that stand before a log's lines, one around the other, found out by its first lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sigtrace.trace.prefix.forms import FORMS, HIDDEN, Before

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sigtrace.trace.prefix.forms import Form
    from sigtrace.trace.prefix.known import Known

_MOST_LINES = 20_000  # far more than the 8 KiB in which the kernel ends a record
_DEEPEST = 4


def of(sample: bytes, known: Known) -> Prefix | None:
    """Return the prefix of the log that begins so, or None if it has none.

    A log that can be read as it stands is read so: it has a prefix only if most lines have the same form, if a line is
    known behind that alone, and if no line is known as it stands alone. Raises `OSError` if the lines that are known
    are of more than one source.
    """
    lines = sample.split(b"\n", _MOST_LINES)[:_MOST_LINES]
    texts = [line for line in lines if line.strip()]
    layers: list[Form] = []
    while not any(text in known and not _known_inside(text, known, _DEEPEST) for text in texts):
        for form in FORMS if len(layers) < _DEEPEST else ():
            inside = [found[1] for text in texts if (found := form.taken_off(text)) is not None]
            if 2 * len(inside) > len(texts):
                break
        else:
            return None
        layers.append(form)
        texts = [text for text in inside if text.strip()]
    return Prefix(layers, known, lines) if any(_known_only_behind(layers, line, known) for line in lines) else None


class Prefix:
    """The forms of a prefix, from the outside to the inside, and whose lines the trace is."""

    def __init__(self, forms: Sequence[Form], known: Known, lines: Iterable[bytes]) -> None:
        self._forms = forms
        self._known = known
        self._source: tuple[bytes, ...] | None = None
        for line in lines:
            self._inside(line)
        self._pattern = self._of_all_lines()

    def texts(self, block: bytes) -> bytes | None:
        """Return what is behind the prefix, in whole lines; None if they have to be looked at one by one."""
        if self._pattern is None:
            return None
        # Led by a newline, for which a search goes several times as fast as for the start of a line.
        texts, found = self._pattern.subn(b"\n", b"\n" + block)
        return texts[1:] if found == block.count(b"\n") and b"blob data]" not in texts else None

    def text(self, line: bytes) -> bytes | None:
        """Return what is behind the prefix of a line; None if the line lacks it, or is of another source."""
        inside = self._inside(line)
        return inside[1] if inside is not None and inside[0] == self._source else None

    def hides(self, line: bytes, text: bytes | None) -> bool:
        """Tell whether a line that has such a text behind the prefix may be one of the trace that cannot be read."""
        return line in self._known if text is None else HIDDEN.fullmatch(text) is not None

    def _inside(self, line: bytes) -> tuple[tuple[bytes, ...], bytes] | None:
        inside = _taken_off(self._forms, line)
        if inside is not None and inside[0] != self._source and inside[1] in self._known:
            if self._source is not None:
                raise OSError(None, _of_several(self._source, inside[0]))
            self._source = inside[0]
        return inside

    def _of_all_lines(self) -> re.Pattern[bytes] | None:
        parts = [b"\n"]
        for form, source in zip(self._forms, self._source or (), strict=True):
            if not isinstance(form, Before):
                return None
            parts.append(form.of(source))
        return re.compile(b"".join(parts), re.MULTILINE)


def _of_several(*sources: tuple[bytes, ...]) -> str:
    one, other = (b" ".join(filter(None, source)).decode("utf-8", "backslashreplace") for source in sources)
    return (
        f"lines of trace_pipe come from {one} and from {other}, which may be of two kernels: "
        "give the lines of each as a log of its own"
    )


def _taken_off(forms: Iterable[Form], line: bytes) -> tuple[tuple[bytes, ...], bytes] | None:
    sources = []
    for form in forms:
        found = form.taken_off(line)
        if found is None:
            return None
        source, line = found
        sources.append(source)
    return tuple(sources), line


def _known_only_behind(forms: Sequence[Form], line: bytes, known: Known) -> bool:
    inside = _taken_off(forms, line)
    return inside is not None and inside[1] in known and line not in known


def _known_inside(text: bytes, known: Known, depth: int) -> bool:
    # A name that holds a newline, or a header, makes a line that can be read in both ways. Such a line decides nothing.
    inside = [found[1] for form in FORMS if (found := form.taken_off(text)) is not None] if depth else []
    return any(one in known or _known_inside(one, known, depth - 1) for one in inside)
