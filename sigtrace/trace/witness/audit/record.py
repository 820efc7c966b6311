"""Record: a line of auditd's log, or of what ausearch prints of it, told apart into its fields."""

from __future__ import annotations

import re
from typing import NamedTuple

from sigtrace.facts.signals import ERRORS, SIGNALS

_HEAD = re.compile(rb"(?:node=(\S+) )?type=(\w+(?:\[\d+\])?) msg=audit\(([^()\n]{3,60}):(\d{1,20})\) ?: ?")
_EPOCH = re.compile(rb"(\d{1,11})\.(\d{3})")
_DAY = re.compile(rb"(.{1,40}) (\d\d):(\d\d):(\d\d)\.(\d{3})")
_ENRICHED = b"\x1d"
_QUOTED = re.compile(rb'"([^"]*)"')
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_NUMBER = re.compile(rb"(?:0x)?([0-9a-f]{1,16})")
_RESULT = re.compile(rb"(-?\d{1,10})(?:\(.*)?|(E[A-Z0-9]+)(?:\(.*)?")
_UNKNOWN = re.compile(rb"unknown-signal\((0x[0-9a-f]{1,16})\)?")
_ENDS = re.compile(rb" sig=([\w()-]+)(?: res=\w+)? *$")

_SIGNALS = {name.encode(): number for number, name in SIGNALS.items()}
_SIGNALS |= {b"SIG0": 0, b"SIGPOLL": 29, b"SIGIOT": 6, b"SIGCLD": 17}
_ERRNO = {name.encode(): number for number, (name, _) in ERRORS.items()}
_LONGEST_NAME = 15


class Record(NamedTuple):
    """A record: its type, the event that it is of, and its text.

    `at_us` is microseconds since 1970, or, of ausearch -i, since the midnight of the `day` as it is written there.
    """

    type_: bytes
    event: tuple[bytes | None, bytes, bytes]
    node: bytes | None
    day: bytes | None
    at_us: int
    text: bytes

    def value(self, name: bytes) -> bytes | None:
        """Return a field that stands before the record's name, which anybody may have chosen."""
        found = re.search(rb"(?:^| )%b=((?:(?! \w+=).)*)" % name, self.text.partition(b" comm=")[0], re.DOTALL)
        return None if found is None else found[1]

    def argument(self, i: int) -> int | None:
        """Return an argument of a system call, as the kernel takes an int; it may be written as a signal."""
        value = self.value(b"a%d" % i) or b""
        return signal(value, base=16)

    def result(self) -> int | None:
        """Return what a system call returned, as a negated errno if it failed."""
        found = _RESULT.fullmatch(self.value(b"exit") or b"")
        if found is None:
            return None
        if found[2] is not None:
            return -_ERRNO[found[2]] if found[2] in _ERRNO else None
        return int(found[1])

    def name(self, field: bytes) -> str | None:
        """Return the name of a process; None if it is not certain where it ends."""
        _, there, rest = self.text.partition(b" " + field + b"=")
        if not there:
            return None
        if self.day is None:
            quoted = _QUOTED.match(rest)
            named = rest.split(b" ", 1)[0]
            if quoted is None and _HEX.fullmatch(named) is None:
                return None
            return _text(bytes.fromhex(named.decode()) if quoted is None else quoted[1])
        # Interpreted, it is written as it is, and may hold what looks like the next field.
        if field != b"ocomm":
            if rest.count(b" exe=") + rest.count(b" reason=") != 1:
                return None
            rest = re.split(rb" (?:exe|reason)=", rest)[0]
        return _text(rest.rstrip(b" "))

    def ended_by(self) -> int | None:
        """Return the signal of an abnormal end: the last field but one, where no name can stand."""
        found = _ENDS.search(self.text)
        return None if found is None else signal(found[1], base=10)


def of(line: bytes) -> Record | None:
    """Return the record that a line is; None if it is none."""
    found = _HEAD.match(line)
    if found is None:
        return None
    node, type_, stamp, serial = found.groups()
    text = line[found.end() :].partition(_ENRICHED)[0].rstrip(b"\r")
    epoch = _EPOCH.fullmatch(stamp)
    if epoch is not None:
        at_us = int(epoch[1]) * 1_000_000 + int(epoch[2]) * 1_000
        return Record(type_, (node, stamp, serial), node, None, at_us, text)
    day = _DAY.fullmatch(stamp)
    if day is None:
        return None
    hours, minutes, seconds, ms = map(int, day.groups()[1:])
    at_us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + ms * 1_000
    return Record(type_, (node, stamp, serial), node, day[1], at_us, text)


def signal(value: bytes, base: int) -> int | None:
    """Return a number of 32 bits with a sign, as hexadecimal or decimal digits or as the name of a signal."""
    if value in _SIGNALS:
        return _SIGNALS[value]
    unknown = _UNKNOWN.fullmatch(value)
    digits = _NUMBER.fullmatch(value if unknown is None else unknown[1])
    if digits is None or (base == 10 and unknown is None and not digits[1].isdigit()):
        return None
    number = int(digits[1], base if unknown is None else 16) & 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "backslashreplace")
