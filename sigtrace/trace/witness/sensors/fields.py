"""Fields: what is in an object of JSON, taken for nothing but what it is."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from sigtrace.facts.signals import LAST_SIGNAL, SIGNALS

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_RT = re.compile(r"SIGRTM(IN|AX)(?:([+-])(\d{1,2}))?")
_DIGITS = re.compile(r"-?\d{1,20}")
_NUMBERS = {name: number for number, name in SIGNALS.items()}
_MOST_STATUS = 255
_ERAS_NS = 10**17  # nanoseconds: what is less counts since boot, and not since 1970


class Told(NamedTuple):
    """What an object tells: `kind` is that of its line. `at_us` is in UTC, or since boot if not `utc`."""

    kind: str
    row: dict[str, Any] | None
    at_us: int | None = None
    utc: bool = True
    host: str | None = None


OTHER = Told("other", None)
MALFORMED = Told("malformed", None)


def at(value: Any, *path: str) -> Any:  # noqa: ANN401  (whatever JSON has)
    """Return what stands at a path in an object; None if it is not there."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def number(value: Any, bits: int = 32) -> int | None:  # noqa: ANN401
    """Return a whole number with a sign, which protobuf writes as a text if it has 64 bits, or in an object."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if value >= 1 << 31 and bits == 32 and value < 1 << 32:
        value -= 1 << 32  # the tool's numbers have no sign
    return value if -(1 << (bits - 1)) <= value < 1 << (bits - 1) else None


def pid(value: Any) -> int | None:  # noqa: ANN401
    """Return the number of a process; None if it is none."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def text(value: Any) -> str | None:  # noqa: ANN401
    """Return a text as a row has it; None if it is none, or empty."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) and value else None


def texts(value: Any) -> str | None:  # noqa: ANN401
    """Return a list of texts as one, joined by blanks; None if it is none."""
    if isinstance(value, dict):
        value = value.get("value")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return None
    return text(" ".join(value))


def signal(value: Any) -> int | None:  # noqa: ANN401
    """Return the number of a signal, of its name or of its number."""
    if isinstance(value, str) and value in _NUMBERS:
        return _NUMBERS[value]
    real_time = _RT.fullmatch(value) if isinstance(value, str) else None
    if real_time is not None:
        first = 34 if real_time[1] == "IN" else LAST_SIGNAL
        return first + int((real_time[2] or "+") + (real_time[3] or "0"))
    return number(value)


def fatal(value: Any) -> int | None:  # noqa: ANN401
    """Return the signal that ended somebody; None if it can be none."""
    found = signal(value)
    return found if found is not None and 0 < found <= LAST_SIGNAL else None


def status(value: Any) -> int | None:  # noqa: ANN401
    """Return an exit status; None if it can be none."""
    found = number(value)
    return found if found is not None and 0 <= found <= _MOST_STATUS else None


def when(value: Any) -> tuple[int | None, bool]:  # noqa: ANN401
    """Return a time in microseconds, and whether it is UTC: a text, or nanoseconds since 1970 or since boot."""
    if isinstance(value, str) and (found := _TIME.fullmatch(value)):
        try:
            second = round(datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp())
        except (ValueError, OverflowError):
            return None, True
        at_us = second * 1_000_000 + int((found[2] or "").ljust(6, "0")[:6])
        return (at_us if at_us >= 0 else None), True
    if isinstance(value, dict):
        seconds, nanos = number(value.get("seconds"), 64), number(value.get("nanos", 0))
        if seconds is None or nanos is None or not 0 <= seconds < 1 << 34:
            return None, True
        return seconds * 1_000_000 + nanos // 1000, True
    found_ns = number(value, 64)
    return (None, True) if found_ns is None or found_ns < 0 else (found_ns // 1000, found_ns >= _ERAS_NS)
