"""Values: what the options of a command line take. Each raises `ArgumentTypeError` with what to give instead."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WITHOUT_PROCESSES = (".slice", ".target", ".timer", ".path", ".device", ".automount")


def kept(kind: str) -> Callable[[str], str]:
    """Return what looks at a value of --keep, --keep-size or --keep-free: an `age`, a `size` or a `share`."""

    def read(text: str) -> str:
        from sigtrace.store.flight import retention

        try:
            getattr(retention, kind)(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return read


def parquet(text: str) -> str:
    """Return the name of a session that is to be written: it ends in .parquet."""
    from pathlib import Path

    if Path(text).suffix != ".parquet":
        raise argparse.ArgumentTypeError(
            f"{text}: a session is found in a folder by a name that ends in .parquet: give NAME.parquet"
        )
    return text


def recording(text: str) -> Path:
    """Return the path of a recording: a name as `parquet` takes it, with placeholders that are known."""
    from datetime import UTC, datetime
    from pathlib import Path

    from sigtrace.errors import SessionError
    from sigtrace.store.folder import placed

    path = Path(text)
    try:
        placed(path, "", datetime.now(UTC))  # the recorder does it again, when it begins
    except SessionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(parquet(text))


def number(text: str) -> int:
    """Return a number, 0 or more."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: give a number, 0 or more")
    return int(text)


def pids(text: str) -> tuple[int, ...]:
    """Return the pids of a list such as 4242,4300."""
    if wrong := [
        word for word in text.split(",") if not (word.isascii() and word.isdigit() and 0 < int(word) < 1 << 31)
    ]:
        raise argparse.ArgumentTypeError(f"{wrong[0]}: no pid: give numbers, such as 4242,4300")
    return tuple(sorted(set(map(int, text.split(",")))))


def units(text: str) -> tuple[str, ...]:
    """Return the names of a list of systemd units such as nginx,cron.service."""
    names = text.split(",")
    if any(not name or "/" in name or name.endswith(_WITHOUT_PROCESSES) for name in names):
        raise argparse.ArgumentTypeError(f"{text}: give units that have processes, such as nginx or nginx.service")
    return tuple(sorted(set(names)))


def recorded(text: str) -> frozenset[int]:
    """Return the signals of a list as `signals` does, if each is one that can be sent."""
    found = signals(text)
    from sigtrace.facts.signals import LAST_SIGNAL

    if others := sorted(sig for sig in found if not 0 < sig <= LAST_SIGNAL):
        raise argparse.ArgumentTypeError(f"{others[0]}: no signal has this number: give 1 to {LAST_SIGNAL}, or a name")
    return found


def signals(text: str) -> frozenset[int]:
    """Return the signals of a list such as TERM,KILL or 15,9."""
    from sigtrace.facts.signals import signal_number

    try:
        return frozenset(signal_number(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
