"""Times and durations are written in one way each, everywhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from sigtrace.output.clock import duration_text, iso_text, time_of_day_text, time_text

MOMENT = datetime(2026, 11, 22, 14, 2, 47, 86_528, UTC)


@pytest.mark.parametrize(
    ("us", "said"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (1_000, "1.0 ms"),
        (301_562, "301.6 ms"),
        (999_949, "999.9 ms"),
        (999_950, "1.0 s"),
        (119_900_000, "119.9 s"),
        (432_000_000, "7.2 min"),
        (360_000_000_000, "6,000.0 min"),
    ],
)
def test_a_duration_has_the_unit_that_fits(us: int, said: str) -> None:
    assert duration_text(us, "us") == said


def test_a_duration_of_another_clock_is_no_seconds() -> None:
    assert [duration_text(n, "ticks") for n in (1, 70_000)] == ["1 tick", "70,000 ticks"]
    assert duration_text(70_000, "mixed") == "70,000 µs or ticks"


def test_a_time_is_utc_if_that_is_known_else_the_clock_s_own() -> None:
    assert time_text(5, MOMENT, "us") == "2026-11-22 14:02:47.086528Z"
    assert time_text(5, MOMENT.isoformat(), "us") == "2026-11-22 14:02:47.086528Z"
    assert time_text(830_669_592, None, "us") == "830.669592"
    assert time_text(3_145_728, None, "ticks") == "3145728"


def test_json_has_iso_8601() -> None:
    assert iso_text(MOMENT) == "2026-11-22T14:02:47.086528Z"


def test_the_time_of_day_is_the_machine_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert time_of_day_text(round(MOMENT.timestamp() * 1e6)) == "19:32:47.086"
    finally:
        monkeypatch.undo()
        time.tzset()
