"""Description: what a session says of itself, as JSON, and whether that can be so.

Its file is Parquet without rows, in which the JSON stands before the footer. So whatever reads all files of a folder
reads it too, and finds nothing; and a recorder writes it without pyarrow.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

from sigtrace.errors import SessionError
from sigtrace.facts.rules import FIRST_TIME, LAST_TIME
from sigtrace.facts.signals import LAST_SIGNAL
from sigtrace.store.trust import checksum

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rule = tuple[Callable[[Any], bool], str]

_CHECKSUM = "crc32"
_MAGIC = b"PAR1"
_LENGTH = 4  # of the number that says how long the footer is
# What pyarrow writes behind the magic for `sigtrace.facts.schema.SCHEMA`, if no row comes.
_NO_ROWS = zlib.decompress(
    base64.b85decode(
        "c-pN{OHRWu6nsk4P#~KMf)Xj9Y$Aa~D_RM}mVFk83q)38QcH<#Y^Pj;qj1D7@XM!!J(d@v@tg6y3Eb##{Rp9_iydu9@C<>QI-zS="
        "L(|LbYZ>1Io{n{lhQP64R>&3tKZS5k_mrCyvKWWDH^a&SNkl%{6{2bW3~5&N$TLJ$)C{yjgo^W?&Zk1;7w@d5oY-&^H)~%~2ml=_"
        "C68V@y~(~W7Ryn5vLn2#sT#E?IIEOsWnNM;Wc7-U8E0_sxm|?op_y7}gAgoaoc5wwEvjiEPa9&|v90#lL#uy(?-JpDHq`XD(>_2x"
        "*64AaW0O}9`L~HA>Z7G*RY<uaN{P>8PnBkZC)=m>!+H}PV(awp7w#N@*O#}=4{DEL`v"
    )
)
_MOST_PARTS = 100_000
_INT64 = 1 << 63


def sealed(description: dict[str, Any]) -> str:
    """Return a description as JSON, with its checksum in it."""
    stored = json.loads(json.dumps(description))  # JSON's keys are texts, and are sorted as such
    return json.dumps({**stored, _CHECKSUM: _checksum(stored)}, indent=1)


def parquet(text: str) -> bytes:
    """Return a Parquet file with the columns of a session and without rows, in which a text stands."""
    return b"%b\n%b\n%b" % (_MAGIC, text.encode(), _NO_ROWS)


def text(data: bytes) -> bytes:
    """Return what stands before the footer of a Parquet file without rows; of another file, all of it."""
    if not data.startswith(_MAGIC):
        return data
    tail = len(data) - _LENGTH - len(_MAGIC)
    footer = int.from_bytes(data[tail : tail + _LENGTH], "little")
    return data[len(_MAGIC) : max(tail - footer, 0)]


def read(path: Path, data: bytes) -> dict[str, Any]:
    """Return the description that a file holds.

    Raises `SessionError` where it does not match its checksum, where it is no object of JSON, and as `checked` does.
    """
    try:
        described = json.loads(text(data))
    except (ValueError, RecursionError) as error:
        raise SessionError(f"{path}: damaged: it is not JSON") from error
    if isinstance(described, dict) and described.pop(_CHECKSUM, None) not in {None, _checksum(described)}:
        raise SessionError(f'{path}: damaged, or changed by hand: if you changed it, remove its "{_CHECKSUM}"')
    return checked(path, described)


def checked(path: Path | str, described: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever JSON can be)
    """Return a description if each value that an answer rests on can be one. Raises `SessionError`.

    Keys that are not known are passed over: a newer sigtrace may have written them.
    """
    if not isinstance(described, dict):
        raise SessionError(f"{path}: damaged: it is no object of JSON")
    for key, (holds, what) in _RULES.items():
        if key in described and not holds(described[key]):
            raise SessionError(f"{path}: damaged: {key} is not {what}")
    if "lines" in described and (lacking := sorted(_ACCOUNT - described.keys())):
        raise SessionError(f"{path}: damaged: it lacks {', '.join(lacking)}")
    return described


def _checksum(description: dict[str, Any]) -> str:
    try:
        return checksum.text(json.dumps(description, sort_keys=True).encode())
    except (TypeError, ValueError, RecursionError):
        return ""  # keys that JSON cannot sort, for it cannot have written them


def is_parts(value: object) -> bool:
    """Tell whether a value can be the numbers of parts: a part is of a quarter of an hour, or of a million rows."""
    return isinstance(value, list) and len(value) <= _MOST_PARTS and all(_is_count(n) and n <= 10**15 for n in value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_int(value) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_offset(value: object) -> bool:
    return value is None or (isinstance(value, int) and _is_int(value) and FIRST_TIME <= value <= LAST_TIME)


def _is_time(value: object) -> bool:
    from datetime import datetime  # a short log is parsed without

    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
    except ValueError:
        return False


def _is_gap(value: object) -> bool:
    return isinstance(value, dict) and _is_time(value.get("since")) and _is_text(value.get("why"))


def _is_choice(value: object) -> bool:
    if not isinstance(value, dict) or not value.keys() >= {"pids", "units"}:
        return False
    return _list_of(_is_count)(value["pids"]) and _list_of(_is_text)(value["units"])


def _is_account(value: object) -> bool:
    return isinstance(value, dict) and value.keys() >= _ACCOUNT and all(_RULES[key][0](value[key]) for key in _ACCOUNT)


def _is_cpu(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 10


def _counts_by(holds: Callable[[str], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(holds(key) and _is_count(n) for key, n in value.items())


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


_TEXT: Rule = (_is_text, "a text")
_TEXTS: Rule = (_list_of(_is_text), "a list of texts")
_TIME: Rule = (_is_time, "a time in UTC")
_BY_CPU: Rule = (_counts_by(_is_cpu), "numbers by CPU")
_RULES: dict[str, Rule] = {
    "schema": (_is_count, "a number"),
    "sigtrace": _TEXT,
    "log": (lambda value: value is None or _is_text(value), "a text"),
    "logs": (_list_of(lambda value: value is None or _is_text(value)), "a list of texts"),
    "host": _TEXT,
    "utc_offset_us": (_is_offset, "an offset that leads to a year from 1 to 9999"),
    "started": _TIME,
    "ended": _TIME,
    "recovered": _TIME,
    "clock": _TEXT,
    "events": _TEXTS,
    "missing": _TEXTS,
    "command": _TEXTS,
    "signals": (_list_of(lambda value: _is_count(value) and 0 < value <= LAST_SIGNAL), "a list of signals"),
    "chosen": (_is_choice, "pids and units"),
    "disturbed": _TEXTS,
    "lost_by_kernel_count": _BY_CPU,
    "parts": (is_parts, "a list of numbers"),
    "part": (_is_count, "a number"),
    "lines": (_is_count, "a number"),
    "lines_by_kind": (_counts_by(lambda _: True), "numbers by kind"),
    "lost_by_cpu": _BY_CPU,
    "losses_of_unknown_size": _BY_CPU,
    "layouts": _TEXTS,
    "ts_unit": (lambda value: _is_text(value) and value in {"us", "day", "none", "ticks", "utc", "mixed"}, "a unit"),
    "tools": _TEXTS,
    "segment": (_is_count, "a number"),
    "gap": (_is_gap, "a time in which nothing was recorded"),
}
_RULES["before"] = (_is_account, "an account")
_ACCOUNT = {"lines", "lines_by_kind", "lost_by_cpu", "losses_of_unknown_size", "layouts", "ts_unit"}
