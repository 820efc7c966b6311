"""Tetragon: its events of execs, ends, and calls that a policy has it look at."""

from __future__ import annotations

import re
from typing import Any

from sigtrace.trace.witness.sensors.fields import MALFORMED, OTHER, Told, at, fatal, number, pid, status, text, when

TOOL = "Tetragon"

_CALL = re.compile(r"(?:__[a-z0-9]+_)?(?:compat_)?sys_(kill|tkill|tgkill)")
_ARGUMENTS = {"kill": 2, "tkill": 2, "tgkill": 3}
_NUMBERS = ("int_arg", "long_arg", "size_arg", "uint_arg")
_NAME = 15


def is_one(event: dict[str, Any]) -> bool:
    """Tell whether an object is an event of Tetragon."""
    return "time" in event and any(isinstance(event[key], dict) for key in event if key.startswith("process_"))


def told(event: dict[str, Any]) -> Told | None:
    """Return what an event tells; None if it is none of Tetragon."""
    if "rate_limit_info" in event:
        return MALFORMED  # events were lost, and it does not say on which CPU
    if not is_one(event):
        return None
    for kind, read in (("process_exit", _exit), ("process_exec", _exec), ("process_kprobe", _kprobe)):
        if isinstance(event.get(kind), dict):
            found = read(event[kind])
            if found.row is None:
                return found
            at_us, utc = when(event["time"])
            return found._replace(at_us=at_us, utc=utc, host=text(event.get("node_name")))
    return OTHER


def _who(event: dict[str, Any]) -> dict[str, Any] | None:
    process = event.get("process")
    number_ = pid(at(process, "pid"))
    if number_ is None:
        return None
    # It names the file that was executed; the kernel names a process by that, too, until it names itself.
    binary = text(at(process, "binary"))
    name = None if binary is None else _cut(binary.rsplit("/", 1)[-1])
    return {"pid": number_, "comm": name or None}


def _cut(name: str) -> str:
    return name.encode()[:_NAME].decode("utf-8", "backslashreplace")


def _exit(event: dict[str, Any]) -> Told:
    who = _who(event)
    sig = fatal(event.get("signal")) if event.get("signal") else None
    code = status(event.get("status", 0))
    if who is None or (sig is None and (code is None or event.get("signal"))):
        return MALFORMED
    cause = {"sig": sig} if sig is not None else {"status": code}
    return Told("sched_process_exit", {"event": "sched_process_exit", **who, **cause})


def _exec(event: dict[str, Any]) -> Told:
    who = _who(event)
    process: dict[str, Any] = event.get("process") or {}
    binary = text(process.get("binary")) if isinstance(process, dict) else None
    if who is None or binary is None:
        return MALFORMED
    said = {"command": " ".join(filter(None, (binary, text(process.get("arguments")))))}
    uid = number(process.get("uid"))
    if uid is not None:
        said["uid"] = uid  # type: ignore[assignment]
    if "procFS" in str(process.get("flags")).split():
        return Told("args", {"event": "args", **who, **said})  # it ran when Tetragon began
    return Told("sched_process_exec", {"event": "sched_process_exec", **who, "filename": binary, **said})


def _kprobe(event: dict[str, Any]) -> Told:
    named = event.get("function_name")
    call = _CALL.fullmatch(named) if isinstance(named, str) else None
    if call is None:
        return OTHER
    who = _who(event)
    given = event.get("args")
    arguments = [_argument(one) for one in given] if isinstance(given, list) else []
    if who is None or len(arguments) != _ARGUMENTS[call[1]] or None in arguments:
        return MALFORMED
    tid = pid(at(event, "process", "tid"))
    row = {"event": "kill", **who, "sig": arguments[-1], "target": arguments[-2], "ret": _argument(event.get("return"))}
    return Told("call", row if tid is None else {**row, "tid": tid})


def _argument(one: Any) -> int | None:  # noqa: ANN401  (whatever JSON has)
    return next((number(one[name]) for name in _NUMBERS if name in one), None) if isinstance(one, dict) else None
