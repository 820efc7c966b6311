"""Details: what a death and a row say besides the sentence."""

from __future__ import annotations

from typing import Any

from sigtrace.facts.signals import signal_name
from sigtrace.output.sentence.told import error_text
from sigtrace.output.terminal import escaped

Row = dict[str, Any]


def facts(row: Row) -> list[tuple[str, str]]:
    """Return what a row of the log says besides when, where and who: names of columns, and values, escaped."""
    found = {key: value for key, value in row.items() if key not in _HEAD_OF_A_ROW}
    if "sig" in found:
        found["sig"] = f"{found['sig']} {signal_name(found['sig'])}"
    if found.get("ret", 0) < 0:
        found["ret"] = f"{found['ret']} {error_text(found['ret'])}"
    return [
        (key, str(value).lower() if isinstance(value, bool) else escaped(str(value))) for key, value in found.items()
    ]


def details(death: Row) -> list[tuple[str, str]]:
    """Return who the victim and its killer are, as far as the log says: labels, and values, escaped."""
    itself = death["killer_pid"] == death["victim_pid"]
    found = [(label, death.get(key)) for key, label in _DETAILS.items() if not (itself and key.startswith("killer"))]
    if death.get("ns_pid") not in (None, death["victim_pid"]):
        found.append(("pid in its namespace", death["ns_pid"]))
    return [(label, escaped(str(value))) for label, value in found if value is not None]


_DETAILS = {
    "command": "command",
    "victim_user": "user",
    "victim_unit": "unit",
    "victim_container": "container",
    "victim_pod": "pod",
    "cgroup": "cgroup",
    "killer_command": "killer's command",
    "killer_user": "killer's user",
    "killer_unit": "killer's unit",
    "killer_container": "killer's container",
    "killer_pod": "killer's pod",
}
_HEAD_OF_A_ROW = frozenset({"line", "ts", "time", "cpu", "event", "comm", "pid", "tid", "signal", "log"})
