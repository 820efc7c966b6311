"""Watched: what a flight recorder reads, told as it comes: neither root nor a probe is needed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.causes.feed import Parts
from sigtrace.commands.record import Run
from sigtrace.commands.streams import tell
from sigtrace.commands.watch import Shown
from sigtrace.output.terminal import escaped
from sigtrace.store.flight.tail import Tail

if TYPE_CHECKING:
    from pathlib import Path

    from sigtrace.commands.watch import Endings


def watch(view: Endings, home: Path, duration: float | None) -> None:
    """Print the endings in the record of a folder as they come, for `duration` seconds, until a signal, or its end.

    Raises `SessionError` if nobody records there.
    """
    shown = Shown(view)
    with Tail(home) as tail, Run((), duration) as run:
        run.stop = tail.stop
        events = {event.rsplit(":", 1)[-1] for event in tail.about.get("events", ())}
        signals = tail.about.get("signals", ())
        view.catch_up(events, Parts([*map(str, tail.files)], lossy=True, witnessed=True, signals=signals), tail.past())
        shown.begin()
        run.begin()
        for batch in tail.batches():
            shown.show(() if batch is None else (batch,), tail.stop, all_read=batch is None)
        shown.show((), tail.stop, all_read=True)
    if not tail.stopped:
        tell(f"sigtrace: {escaped(str(home))}: the recorder has ended")
