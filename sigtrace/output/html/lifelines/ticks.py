"""Ticks: round moments on an axis of time, in UTC or by a log's own clock; the page's script adds the reader's zone."""

from __future__ import annotations

from datetime import timedelta

from sigtrace.questions.deaths import EPOCH

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86400 * _SECOND
STEPS: tuple[int, ...] = (
    *(n * 10**power for power in range(6) for n in (1, 2, 5)),
    *(n * _SECOND for n in (1, 2, 5, 10, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 20, 30)),
    *(n * _HOUR for n in (1, 2, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
"""The spans between ticks that read well, in microseconds."""


def ticks(first: int, last: int, most: int, *, utc: bool, unit: str) -> list[tuple[int, str]]:
    """Return `most` moments at most between two, and how they are written; `unit` is as of `Accounting.ts_unit`."""
    apart = step(first, last, most)
    days = utc and first // _DAY != last // _DAY
    begin = -(-first // apart) * apart
    return [(at, text(at, apart, utc=utc, days=days, unit=unit)) for at in range(begin, last + 1, apart)]


def step(first: int, last: int, most: int) -> int:
    """Return the span that leaves `most` ticks at most between two moments."""
    return next((one for one in STEPS if last // one - (first - 1) // one <= most), STEPS[-1])


def text(at: int, step: int, *, utc: bool, days: bool, unit: str) -> str:
    """Return how a moment is written at a tick, if ticks are a `step` apart; with the day, if there are several."""
    digits = 0 if step >= _SECOND else 6 - next(power for power in range(5, -1, -1) if step % 10**power == 0)
    if not utc:
        return f"{at / _SECOND:.{digits}f}" if unit == "us" else str(at)
    moment = EPOCH + timedelta(microseconds=at)
    if step >= _DAY:
        return f"{moment:%m-%d}"
    said = f"{moment:%H:%M}" if step >= _MINUTE else f"{moment:%H:%M:%S}"
    if digits:
        said += f".{at % _SECOND:06}"[: digits + 1]
    return f"{moment:%m-%d} {said}" if days else said
