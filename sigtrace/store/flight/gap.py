"""Gap: a time in which nobody recorded, between one run of the flight recorder and the next."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sigtrace.capture.proc import boot_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sigtrace.store.flight.segments import Segment

STOPPED, KILLED, REBOOTED = "stopped", "killed", "rebooted"
WHY = {
    STOPPED: "the recorder was stopped",
    KILLED: "the recorder was killed",
    REBOOTED: "the machine was restarted",
}
"""Why nobody recorded, as a session says it, and in words."""


def of(about: Mapping[str, Any]) -> dict[str, str] | None:
    """Return `since` when, `until` when and `why` nothing was recorded before a session that says `about` of itself.

    None if it does not say so.
    """
    return {**about["gap"], "until": about["started"]} if "gap" in about and "started" in about else None


def since(earlier: Sequence[Segment], told: Mapping[str, Any], now: datetime) -> dict[str, str] | None:
    """Return `since` when nothing was recorded, and `why`; None if nothing was before.

    `earlier` are the segments that there are, and `told` is what the recorder before has said of itself: if it was
    killed, it recorded at least until then.
    """
    if not earlier:
        return None
    last = earlier[-1]
    moment = last.ended
    if "ended" not in last.about:
        with suppress(KeyError, TypeError, ValueError):
            moment = datetime.fromisoformat(told["updated"])
    why = STOPPED if "ended" in last.about else KILLED
    if last.about.get("boot_id") != boot_id():
        why = REBOOTED
    return {"since": min(moment, now).isoformat(timespec="microseconds"), "why": why}
