"""Tracee: its events of execs, ends and calls, in the form that it had (`eventName`) and in that of now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.trace.witness.sensors.fields import (
    MALFORMED,
    OTHER,
    Told,
    at,
    fatal,
    number,
    pid,
    signal,
    status,
    text,
    texts,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL = "Tracee"

_TARGETS = {"kill": ("pid",), "tkill": ("tid",), "tgkill": ("tid", "pid")}
_VALUES = ("value", "str", "int32", "int64", "u_int32", "u_int64", "uInt32", "uInt64", "bool", "str_array", "strArray")
_LATEST = 4096  # ends that are remembered: threads that end at once are each said to be the last

_Data = dict[str, tuple[Any, str]]


def is_one(event: dict[str, Any]) -> bool:
    """Tell whether an object is an event of Tracee."""
    former = isinstance(event.get("eventName"), str) and "processId" in event
    return "timestamp" in event and (former or (isinstance(event.get("name"), str) and "workload" in event))


class Tracee:
    """The events of one log."""

    def __init__(self) -> None:
        self._ended: dict[tuple[Any, ...], None] = {}

    def told(self, event: dict[str, Any]) -> Told | None:
        """Return what an event tells; None if it is none of Tracee."""
        if not is_one(event):
            return None
        name = event.get("eventName") or event.get("name")
        read: Callable[[dict[str, Any], _Data, dict[str, Any]], Told]
        if name == "sched_process_exit":
            read = self._exit
        elif name == "sched_process_exec":
            read = _exec
        elif name in _TARGETS:
            read = _call
        else:
            return OTHER
        who = _who(event)
        found = MALFORMED if who is None else read(who, _data(event), event)
        if found.row is None:
            return found
        at_us, utc = when(event["timestamp"])
        return found._replace(at_us=at_us, utc=utc, host=text(event.get("hostName")))

    def _exit(self, who: dict[str, Any], data: _Data, event: dict[str, Any]) -> Told:
        dead = data.get("process_group_exit", (None, ""))[0]
        if not isinstance(dead, bool):
            dead = None
        if dead:
            key = who["pid"], event.get("processEntityId"), event.get("threadStartTime")
            dead = key not in self._ended
            self._ended[key] = None
            if len(self._ended) > _LATEST:
                del self._ended[next(iter(self._ended))]
        row = {"event": "sched_process_exit", **who, "group_dead": dead}
        whole = dead if dead is not None else who["pid"] == who.get("tid", who["pid"])
        return Told("sched_process_exit", {**row, **_cause(data)} if whole else row)


def _cause(data: _Data) -> dict[str, int]:
    code, type_ = data.get("exit_code", (None, ""))
    sig = data.get("signal_code", (None, ""))[0]
    if type_ == "long":  # so it was called as long as it was the kernel's: both in one number
        raw = number(code)
        if raw is None:
            return {}
        code, sig = raw >> 8, raw & 0xFF
    killed = number(sig)
    if killed:
        ended_by = fatal(killed & 0x7F)
        return {} if ended_by is None else {"sig": ended_by}
    exited = status(code)
    return {} if exited is None else {"status": exited}


def _exec(who: dict[str, Any], data: _Data, _: dict[str, Any]) -> Told:
    row = {"event": "sched_process_exec", **who, "filename": text(data.get("pathname", (None, ""))[0])}
    return Told("sched_process_exec", {**row, "command": texts(data.get("argv", (None, ""))[0])})


def _call(who: dict[str, Any], data: _Data, event: dict[str, Any]) -> Told:
    name = str(event.get("eventName") or event.get("name"))
    target = next((number(data[one][0]) for one in _TARGETS[name] if one in data), None)
    sig = signal(data.get("sig", (None, ""))[0])
    ret = number(event.get("returnValue", data.get("returnValue", (None, ""))[0]))
    if target is None or sig is None:
        return MALFORMED
    return Told("call", {"event": "kill", **who, "sig": sig, "target": target, "ret": ret})


def _who(event: dict[str, Any]) -> dict[str, Any] | None:
    process = at(event, "workload", "process")
    if isinstance(process, dict):
        thread = process.get("thread")
        host_tid = pid(_either(thread, "host_tid", "hostTid"))
        host_pid = pid(_either(process, "host_pid", "hostPid"))
        if host_pid is None and pid(at(thread, "tid")) == pid(process.get("pid")):
            host_pid = host_tid  # it is the thread that its process is named by
        found = host_pid, host_tid, text(at(thread, "name"))
    else:
        found = pid(event.get("hostProcessId")), pid(event.get("hostThreadId")), text(event.get("processName"))
    if found[0] is None:
        return None
    who: dict[str, Any] = {"pid": found[0], "comm": found[2]}
    if found[1] is not None:
        who["tid"] = found[1]
    cpu = pid(event.get("processorId"))
    return who if cpu is None else {**who, "cpu": cpu}


def _either(one: Any, *names: str) -> Any:  # noqa: ANN401  (whatever JSON has)
    return next((found for name in names if (found := at(one, name)) is not None), None)


def _data(event: dict[str, Any]) -> _Data:
    given = event.get("args", event.get("data"))
    found: _Data = {}
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            value = next((one[name] for name in _VALUES if name in one), None)
            found[one["name"]] = value, str(one.get("type"))
    return found
