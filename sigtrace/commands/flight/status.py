"""Status: how the flight recorder is, and what it has kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sigtrace.output.clock import gap_text
from sigtrace.output.terminal import count, escaped, write_sentence
from sigtrace.output.text import write_json
from sigtrace.store.flight import gap, home, segments

if TYPE_CHECKING:
    from pathlib import Path

_SILENT = timedelta(seconds=60)  # a recorder says how it is every ten seconds


_TOLD = (
    "pid",
    "started",
    "updated",
    "lines",
    "lines_per_second",
    "rows",
    "lost",
    "losses_of_unknown_size",
    "disturbed",
    "last_error",
)


def run(path: Path, form: str | None) -> int:
    """Print how the recorder of a folder is, as sentences, `json` or `prometheus`.

    Returns 0 if it records; 1 if none does, or if it has said nothing for a minute. Raises `SessionError` if the folder
    may not be read.
    """
    found = status(path, datetime.now(UTC))
    if form == "json":
        write_json(found)
    elif form == "prometheus":
        print("\n".join(_prometheus(found)))
    else:
        _write(found)
    return 0 if found["recording"] else 1


def status(path: Path, now: datetime) -> dict[str, Any]:
    """Return how the recorder of a folder is, and what it has kept, as JSON can hold it.

    `recording` is whether it records now; `started`, `updated`, `pid`, `lines`, `lines_per_second` (of late), `rows`,
    `lost` events and `losses_of_unknown_size`, `disturbed` and `last_error` are of the last run, as it said; null if
    none said anything. `segments`, `bytes`, `oldest` and `newest` are of what is kept, and `gaps` are the times in
    which nobody recorded: from `since` to `until`, and `why`.
    """
    held = home.is_held(path)
    told = home.status(path)
    kept = segments.find(path)
    updated = told.get("updated")
    silent = updated is None or now - datetime.fromisoformat(updated) > _SILENT
    return {
        "home": str(path),
        "recording": held and not silent,
        "held": held,
        **{name: told.get(name) for name in _TOLD},
        "segments": len(kept),
        "bytes": sum(one.size for one in kept),
        "oldest": kept[0].started.isoformat() if kept else None,
        "newest": kept[-1].started.isoformat() if kept else None,
        "gaps": [found for one in kept if (found := gap.of(one.about)) is not None],
        "damaged": sum(not one.about for one in kept),
    }


def _write(found: dict[str, Any]) -> None:
    path = escaped(found["home"])
    if found["recording"]:
        rate = found["lines_per_second"] or 0
        write_sentence(f"{path}: sigtrace (pid {found['pid']}) records since {found['started']}, {rate:,.0f} events/s.")
    elif found["held"]:
        write_sentence(
            f"{path}: sigtrace (pid {found['pid']}) holds it, and has said nothing since {found['updated']}."
        )
    elif found["started"] is None:
        write_sentence(f"{path}: nobody has recorded here: sudo sigtrace record --flight")
    else:
        write_sentence(f"{path}: nobody records; the last one did until {found['updated']}.")
    if found["segments"]:
        kept = f"{count(found['segments'], 'segment')}, {found['bytes'] / 1e6:,.1f} MB"
        write_sentence(f"Kept: {kept}, the oldest from {found['oldest']}.")
    if found["started"] is not None:
        lost = found["lost"] or found["losses_of_unknown_size"]
        what = f"{count(found['lost'], 'event')} or more were lost" if lost else "nothing was lost"
        write_sentence(f"The last run: {count(found['rows'], 'row')}; {what}.")
    for one in found["gaps"]:
        write_sentence(f"Nothing was recorded {gap_text(one)}.")
    if found["damaged"]:
        write_sentence(f"{count(found['damaged'], 'segment is', 'segments are')} damaged.")
    if found["last_error"]:
        write_sentence(f"The last error, at {found['last_error']['time']}: {escaped(found['last_error']['what'])}")


_METRICS = (
    ("recording", "gauge", "Whether a recorder records now.", lambda found: int(found["recording"])),
    ("started_seconds", "gauge", "When the last run began.", lambda found: _seconds(found["started"])),
    ("updated_seconds", "gauge", "When it last said how it is.", lambda found: _seconds(found["updated"])),
    ("events_total", "counter", "Events of the last run.", lambda found: found["lines"]),
    ("lost_events_total", "counter", "Events lost in it, as far as they are counted.", lambda found: found["lost"]),
    (
        "uncounted_losses_total",
        "counter",
        "Losses in it of unknown size.",
        lambda found: found["losses_of_unknown_size"],
    ),
    ("disturbances_total", "counter", "How often somebody disturbed it.", lambda found: found["disturbed"]),
    ("segments", "gauge", "Segments that are kept.", lambda found: found["segments"]),
    ("kept_bytes", "gauge", "Their bytes.", lambda found: found["bytes"]),
    ("oldest_seconds", "gauge", "When the oldest began.", lambda found: _seconds(found["oldest"])),
    ("gaps", "gauge", "Times in which nobody recorded, of what is kept.", lambda found: len(found["gaps"])),
)


def _prometheus(found: dict[str, Any]) -> list[str]:
    lines = []
    for name, kind, what, value in _METRICS:
        number = value(found)
        if number is not None:
            lines += [f"# HELP sigtrace_{name} {what}", f"# TYPE sigtrace_{name} {kind}", f"sigtrace_{name} {number}"]
    return lines


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
