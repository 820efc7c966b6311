"""Entries: what journalctl prints with `-o json`, or dmesg, line by line."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sigtrace.errors import Error
from sigtrace.trace.log import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# All that says anything of an ending; each by a field that only journald sets.
_ASKED = (
    "_TRANSPORT=kernel",
    "_PID=1",
    "SYSLOG_IDENTIFIER=systemd-coredump",
    "_SYSTEMD_UNIT=containerd.service",
    "_SYSTEMD_UNIT=kubelet.service",
)
_DMESG = re.compile(r"\[ *(\d{1,12})\.(\d{6})\] (.*)")
_COMMAND = "journalctl"


class Entry(NamedTuple):
    """An entry: the how manyth it is, its time in UTC and since boot in microseconds, if known, its text and fields."""

    number: int
    time: int | None
    ts: int | None
    text: str
    fields: Mapping[str, Any]


def of_host() -> Iterator[Entry]:
    """Yield the entries of this host's journal that may say something of an ending. Raises `Error` if it has none."""
    command = [_COMMAND, "-o", "json", "--all", "--no-pager", "--quiet", *" + ".join(_ASKED).split(" ")]
    try:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise Error(
            f"{_COMMAND}: {error.strerror}: name a file that `journalctl -o json` or `dmesg` wrote elsewhere"
        ) from error
    with asked:
        try:
            yield from read(iter(asked.stdout or ()), _COMMAND)
        finally:
            asked.terminate()


def of_file(path: str) -> Iterator[Entry]:
    """Yield the entries in a file, also .gz, .xz or .zst, or `-` for standard input. Raises `Error` as `read` does."""
    yield from read(lines_of(path), path)


def read(lines: Iterable[bytes], name: str) -> Iterator[Entry]:
    """Yield the entries of lines. Raises `Error` if there are lines, and the first is of no journal."""
    for number, line in enumerate(lines, 1):
        entry = _entry(number, line)
        if entry is not None:
            yield entry
        elif number == 1:
            raise Error(f"{name}: no journal: give what `journalctl -o json` or `dmesg` prints")


def _entry(number: int, line: bytes) -> Entry | None:
    if line.startswith(b"{"):
        return _of_json(number, line)
    found = _DMESG.fullmatch(line.decode(errors="replace").rstrip("\r\n"))
    if found is None:
        return None
    return Entry(number, None, int(found[1] + found[2]), found[3], {"_TRANSPORT": "kernel"})


def _of_json(number: int, line: bytes) -> Entry | None:
    with suppress(ValueError, TypeError, RecursionError):
        fields = json.loads(line)
        text = fields.get("MESSAGE")
        if isinstance(text, list):
            text = bytes(text).decode(errors="replace")  # what is no UTF-8 comes as numbers
        time, ts = (number_of(fields.get(key)) for key in ("__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP"))
        known = time is not None or ts is not None  # journalctl says both of each entry
        return Entry(number, time, ts, text if isinstance(text, str) else "", fields) if known else None
    return None


def number_of(value: object, most_digits: int = 18) -> int | None:
    """Return a field as a number; journalctl prints them as text. None if it is none."""
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= most_digits
    return int(str(value)) if is_number else None
