"""Form: what one tool writes before, or around, each line that passes through it."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_SHORT = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{6})?"
_FULL = rb"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})? [A-Z0-9+-]{1,8}"
_COLOUR = rb"(?:\x1b\[[\d;]{1,15}m)?"
_BLANK = rb"(?: |(?=\r?$))"  # a paste may have lost it at the end of a line

HIDDEN = re.compile(rb"\[(?:[\d.]+[BKMGTPE] )?blob data\]\r?")
"""What journalctl prints instead of a message that a terminal should not see, and what stands here for a null."""

_REPR = re.compile(
    rb"""b'((?:[^\\']++|\\(?:[tnr'\\]|x[0-9a-f]{2}))*+)'|b"((?:[^\\"]++|\\(?:[tnr\\]|x[0-9a-f]{2}))*+)\""""
)


class Form(Protocol):
    """A form: how one line is told from what stands around it."""

    def taken_off(self, line: bytes) -> tuple[bytes, bytes] | None:
        """Return whose line it is, and its text; None for a line that does not have the form."""


class Before:
    """Text before a line, of which a part may name whose it is."""

    def __init__(self, before: bytes, source: bytes = b"", after: bytes = b"") -> None:
        self._before, self._after = before, after
        self._any = re.compile(before + b"(" + source + b")" + after, re.MULTILINE)

    def taken_off(self, line: bytes) -> tuple[bytes, bytes] | None:
        """Return whose line it is, and its text; None for a line that does not have the form."""
        found = self._any.match(line)
        return None if found is None else (found[1], line[found.end() :])

    def of(self, source: bytes) -> bytes:
        """Return a pattern of the text before the lines of one source."""
        return self._before + re.escape(source) + self._after


class _Json:
    def taken_off(self, line: bytes) -> tuple[bytes, bytes] | None:
        if not line.startswith(b"{"):
            return None
        try:
            entry: dict[str, Any] = json.loads(line)
            message = entry["MESSAGE"]
            if isinstance(message, str):
                text = message.encode("utf-8", "surrogatepass")
            elif message is None:
                text = b"[blob data]"
            elif isinstance(message, list):
                text = bytes(message)
            else:
                return None
        except (ValueError, TypeError, LookupError, RecursionError):
            return None
        who = "{_HOSTNAME} {SYSLOG_IDENTIFIER}[{_PID}]".format_map(_Named(entry))
        return (who.encode("utf-8", "surrogatepass"), text) if b"\n" not in text else None


class _Named(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "-"


class _Repr:
    def taken_off(self, line: bytes) -> tuple[bytes, bytes] | None:
        found = _REPR.fullmatch(line.rstrip(b"\r"))
        if found is None:
            return None
        text: bytes = found[found.lastindex or 0]
        if b"\\" in text:
            text = text.decode("unicode_escape").encode("latin-1")
        text = text.removesuffix(b"\n")
        return (b"", text) if b"\n" not in text else None


FORMS: tuple[Form, ...] = (
    _Json(),
    _Repr(),
    Before(rb">(?:(?=>)|" + _BLANK + b")"),
    Before(rb"\[", rb"pod/[^/\[\] \n]{1,253}/[^/\[\] \n]{1,253}", rb"\]" + _BLANK),
    Before(_COLOUR, rb"[A-Za-z0-9][\w.-]{0,254}", rb" {0,255}\|" + _BLANK + _COLOUR),
    Before(
        b"(?:" + b"|".join((_SHORT, _FULL, _STAMP)) + b") ",
        rb"\S{1,255} [^\[\]:\n]{1,255}?(?:\[\d{1,10}\])?",
        b":" + _BLANK,
    ),
    Before(_STAMP, b"", _BLANK),
)
"""The forms, the narrower one first where a line can have two."""
