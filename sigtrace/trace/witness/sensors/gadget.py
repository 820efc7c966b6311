"""Gadget: what the gadgets `trace signal` and trace_signal of Inspektor Gadget write."""

from __future__ import annotations

from typing import Any

from sigtrace.trace.witness.sensors.fields import MALFORMED, OTHER, Told, at, number, pid, signal, text, when

TOOL = "Inspektor Gadget"


def is_one(event: dict[str, Any]) -> bool:
    """Tell whether an object is an event of these gadgets."""
    image = "sig_raw" in event or ("sig" in event and "tpid" in event)
    return image or ("pid" in event and "comm" in event and "signal" in event)


class Gadget:
    """The events of one log: signals, or, if one failed, asked or named a group, calls."""

    def __init__(self, sample: list[dict[str, Any]]) -> None:
        self._calls = any(_is_call(event) for event in sample if is_one(event))

    def told(self, event: dict[str, Any]) -> Told | None:
        """Return what an event tells; None if it is none of these gadgets."""
        if not is_one(event):
            return None if event.get("type") not in {"warn", "err", "info", "debug"} else OTHER
        process = event.get("proc") if isinstance(event.get("proc"), dict) else event
        who = {"pid": pid(at(process, "pid")), "comm": text(at(process, "comm"))}
        tid = pid(at(process, "tid"))
        if tid is not None:
            who["tid"] = tid
        sig, target = _signal(event), number(event.get("tpid"))
        if who["pid"] is None or sig is None:
            return MALFORMED
        at_us, utc = when(event.get("timestamp_raw") if "timestamp" not in event else event["timestamp"])
        host = text(at(event, "k8s", "node") or event.get("node"))
        return self._row(who, event, sig, target)._replace(at_us=at_us, utc=utc, host=host)

    def _row(self, who: dict[str, Any], event: dict[str, Any], sig: int, target: int | None) -> Told:
        if not self._calls:
            if target is None:
                return MALFORMED
            named = text(event.get("tcomm"))
            return Told(
                "signal_generate",
                {"event": "signal_generate", **who, "sig": sig, "target": target, "target_comm": named},
            )
        if "signal" not in event:  # the newer gadget has no target of calls, whatever stands there
            return Told("half", {"event": "kill_half", **who, "sig": sig, "ret": _result(event)})
        return Told("call", {"event": "kill", **who, "sig": sig, "target": target or 0, "ret": _result(event)})


def _signal(event: dict[str, Any]) -> int | None:
    # Of a signal without a name, such as 0, the former gadget says nothing.
    return next((signal(event[name]) for name in ("sig_raw", "sig", "signal") if name in event), None)


def _result(event: dict[str, Any]) -> int | None:
    if "error_raw" in event:
        raised = number(event["error_raw"])
        return None if raised is None else -abs(raised)
    return number(event.get("ret", 0))


def _is_call(event: dict[str, Any]) -> bool:
    target = number(event.get("tpid", 0))
    return bool(_result(event)) or _signal(event) == 0 or target is None or target <= 0
