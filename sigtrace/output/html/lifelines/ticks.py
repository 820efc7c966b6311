"""Ticks: round moments on an axis of time, in UTC or by a log's own clock; the page's script adds the reader's zone."""

from __future__ import annotations

from datetime import timedelta

from sigtrace.questions.deaths import EPOCH

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86400 * _SECOND
STEPS = (
    *(n * 10**power for power in range(6) for n in (1, 2, 5)),
    *(n * _SECOND for n in (1, 2, 5, 10, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 20, 30)),
    *(n * _HOUR for n in (1, 2, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
"""The spans between ticks that read well, in microseconds."""


def ticks(first: int, last: int, most: int, *, utc: bool, unit: str) -> list[tuple[int, str]]:
    """Return `most` moments at most between two, and how they are written; `unit` is as of `Accounting.ts_unit`."""
    step = next((step for step in STEPS if last // step - (first - 1) // step <= most), STEPS[-1])
    days = utc and first // _DAY != last // _DAY
    begin = -(-first // step) * step
    return [(at, _text(at, step, utc=utc, days=days, unit=unit)) for at in range(begin, last + 1, step)]


def _text(at: int, step: int, *, utc: bool, days: bool, unit: str) -> str:
    digits = 0 if step >= _SECOND else 6 - next(power for power in range(5, -1, -1) if step % 10**power == 0)
    if not utc:
        return f"{at / _SECOND:.{digits}f}" if unit == "us" else str(at)
    moment = EPOCH + timedelta(microseconds=at)
    if step >= _DAY:
        return f"{moment:%m-%d}"
    text = f"{moment:%H:%M}" if step >= _MINUTE else f"{moment:%H:%M:%S}"
    if digits:
        text += f".{at % _SECOND:06}"[: digits + 1]
    return f"{moment:%m-%d} {text}" if days else text
