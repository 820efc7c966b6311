"""Findings: what was found on a kernel, as lines on a console on which others print as well."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = "sigtrace found "
_WIDTH = 900


def lines(findings: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    packed = base64.b64encode(zlib.compress(json.dumps(findings).encode())).decode()
    for start in range(0, len(packed), _WIDTH):
        yield f"{_MARK}{start} {packed[start : start + _WIDTH]}"
    yield f"{_MARK}{len(packed)} ."


def found(printed: Iterable[str]) -> dict[str, Any]:
    """Read the findings from all that was printed; raise ValueError if they are not whole."""
    packed = ""
    for line in printed:
        match = re.search(rf"{_MARK}(\d+) (\S+)", line)
        if match and int(match[1]) != len(packed):
            break
        if match and match[2] == ".":
            findings: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
            return findings
        packed += match[2] if match else ""
    raise ValueError("the findings are not whole")
