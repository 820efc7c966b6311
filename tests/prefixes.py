"""What other tools write before, or around, each line of a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Writer = Callable[[bytes], bytes]

_FIELDS = {"_HOSTNAME": "host", "SYSLOG_IDENTIFIER": "cat", "_PID": "123", "PRIORITY": "6"}


def _entry(line: bytes) -> bytes:
    try:
        message: str | list[int] = line.decode()
    except UnicodeDecodeError:
        message = list(line)
    return json.dumps({**_FIELDS, "MESSAGE": message}).encode()


def _bytes_entry(line: bytes) -> bytes:
    return json.dumps({"MESSAGE": list(line), **_FIELDS}).encode()


_BEFORE = {
    "compose": b"tracer-1  | ",
    "compose with a short name": b"a-1 | ",
    "compose 1": b"tracer_1     | ",
    "compose in colour": b"\x1b[36mtracer-1  | \x1b[0m",
    "compose with stamps": b"tracer-1  | 2026-11-25T10:00:00.000021Z ",
    "kubectl": b"[pod/sigtrace-x7k2p/tracer] ",
    "kubectl with stamps": b"[pod/sigtrace-x7k2p/tracer] 2026-11-25T10:00:00.000021000Z ",
    "stamps": b"2026-11-25T10:00:00.5+01:00 ",
    "short": b"Nov 25 10:00:00 host unit[123]: ",
    "short of a day of one digit": b"Nov  5 10:00:00 host (sd-pam): ",
    "short-precise": b"Nov 25 10:00:00.000021 host unit[123]: ",
    "short-iso": b"2026-11-25T10:00:00+0100 host my unit[123]: ",
    "short-full": b"Wed 2026-11-25 10:00:00 CET host unit[123]: ",
    "quoted": b"> ",
    "quoted twice": b"> > ",
    "quoted tight and twice": b">> ",
    "quoted compose": b"> tracer-1  | ",
}

WRITERS: dict[str, Writer] = {
    **{name: before.__add__ for name, before in _BEFORE.items()},
    "json": _entry,
    "json of bytes": _bytes_entry,
    "quoted json": lambda line: b"> " + _entry(line),
    "repr": lambda line: repr(line + b"\n").encode(),
    "repr without its newline": lambda line: repr(line).encode(),
}


def prefixed(log: bytes, writer: Writer) -> bytes:
    """Return a log as it is behind a prefix; its last line may lack its newline."""
    lines = log.split(b"\n")
    last = lines.pop()
    return b"".join(writer(line) + b"\n" for line in lines) + (writer(last) if last else b"")
