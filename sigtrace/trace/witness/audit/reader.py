"""Reader: auditd's records of calls that send signals, and of abnormal ends, become rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import LAST_SIGNAL
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.prefix.known import Known
from sigtrace.trace.witness.audit import calls, record
from sigtrace.trace.witness.lines import Lines

if TYPE_CHECKING:
    from sigtrace.trace.witness.audit.calls import Call
    from sigtrace.trace.witness.audit.record import Record

    Numbered = tuple[int, Record]

_HEAD_LINES = 20
_OPEN = 64  # events that may go on: the kernel writes their records side by side
_ALIKE = 2  # records of a type that are kept of an event: of more than one none is used
_DAY_US = 86_400_000_000


def of(sample: bytes, log: str | None) -> Reader | None:
    """Return a reader for the log that begins so; None if these are no records of auditd."""
    known = Known()
    for line in sample.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]:
        if line in known:
            return None
        found = record.of(line)
        if found is not None:
            return Reader(found, log)
    return None


class Reader(Lines):
    """Read auditd's log, or what ausearch prints of it. Raises `OSError` if it is of more than one node."""

    def __init__(self, first: Record, log: str | None) -> None:
        super().__init__(log, Accounting(ts_unit="utc" if first.day is None else "day", tools=["auditd"]))
        self._interpreted = first.day is not None
        self._events: dict[Any, list[Numbered]] = {}
        self._node: bytes | None = None
        self._days: tuple[bytes | None, bytes | None] = (None, None)
        self._day = -1

    def line(self, number: int, line: bytes) -> None:
        """Read a line."""
        found = record.of(line)
        if found is None or (found.day is not None) != self._interpreted:
            self._other(line)
        elif found.type_ == b"ANOM_ABEND":
            self._ended(number, found)
        elif found.type_ == b"OBJ_PID" or (found.type_ == b"SYSCALL" and _call(found) is not None):
            self._open(number, found)
        else:
            if found.type_ == b"EOE" and found.event in self._events:
                self._finish(found.event)
            self.count("other")

    def finish(self) -> None:
        """Finish what is still open."""
        while self._events:
            self._finish(next(iter(self._events)))

    def _other(self, line: bytes) -> None:
        if line.rstrip(b"\r") == b"----" or line.startswith(b"time->"):
            self.count("comment")
        elif not line.strip():
            self.count("blank")
        else:
            self.count("malformed" if b"msg=audit(" in line or line in self.known else "other")

    def _ended(self, number: int, found: Record) -> None:
        pid, sig = _pid(found, b"pid"), found.ended_by()
        if pid is None or sig is None or not 0 < sig <= LAST_SIGNAL:
            self.count("malformed")
            return
        row = {"event": "sched_process_exit", "pid": pid, "comm": found.name(b"comm"), "sig": sig}
        self.add({**self._at(found), **row}, number)
        self.count("ending")

    def _open(self, number: int, found: Record) -> None:
        event = self._events.setdefault(found.event, [])
        if sum(one.type_ == found.type_ for _, one in event) < _ALIKE:
            event.append((number, found))
        else:
            self.count("other")
        if len(self._events) > _OPEN:
            self._finish(next(iter(self._events)))

    def _finish(self, event: Any) -> None:  # noqa: ANN401  (whatever names one)
        records = self._events.pop(event)
        of_calls = [one for one in records if one[1].type_ == b"SYSCALL"]
        call = _call(of_calls[0][1]) if len(of_calls) == 1 else None
        if call is None:
            self.count("other", len(records))
        else:
            self._called(call, *of_calls[0], [one for one in records if one[1].type_ == b"OBJ_PID"])

    def _called(self, call: Call, number: int, found: Record, hit: list[Numbered]) -> None:
        pid, sig = _pid(found, b"pid"), found.argument(call.sig)
        target = None if call.target is None else found.argument(call.target)
        success, ret = found.value(b"success"), found.result()
        if pid is None or sig is None or (call.target is not None and target is None) or (success and ret is None):
            self.count("malformed")
            self.count("other", len(hit))
            return
        who = {**self._at(found), "pid": pid, "comm": found.name(b"comm"), "sig": sig}
        sent = self._sent(call, who, ret, hit) if success else None
        lines = [number, *(line for line, _ in hit)] if sent is not None else [number]
        if sent is not None:
            self.add(sent, min(lines))
            self.count("signal_generate")
        self.count("other", len(hit) - (sent is not None))
        if call.name not in calls.OF_KILL:
            self.count("other")
        else:
            self.add({**who, "event": "kill", "target": target, "ret": ret}, max(lines))
            self.count("call")

    def _sent(self, call: Call, who: dict[str, Any], ret: int | None, hit: list[Numbered]) -> dict[str, Any] | None:
        # OBJ_PID names whoever was looked at. Of one, a call that succeeded has sent the signal to it; of several it
        # may have failed for some.
        if ret != 0 or not who["sig"] or len(hit) != 1:
            return None
        named = hit[0][1]
        target = _pid(named, b"opid")
        if target is None:
            return None
        sent = {**who, "event": "signal_generate", "target": target, "target_comm": named.name(b"ocomm")}
        if call.code is not None:
            sent["code"] = call.code
        if call.name == "kill":
            sent["grp"] = True
        return sent

    def _at(self, found: Record) -> dict[str, Any]:
        if self._node is None:
            self._node = found.node
        elif found.node is not None and found.node != self._node:
            one, other = (name.decode("utf-8", "backslashreplace") for name in (self._node, found.node))
            raise OSError(
                None,
                f"records come from node {one} and from {other}, whose processes have the same numbers: "
                "give the records of each as a log of its own (ausearch --node)",
            )
        if found.day is None:
            return {"ts": found.at_us, "time": found.at_us}
        return {"ts": self._day_of(found.day) * _DAY_US + found.at_us}

    def _day_of(self, day: bytes) -> int:
        # How a date is written depends on the locale, so only that it is another one is sure.
        now, before = self._days
        if day == before:
            return self._day - 1
        if day != now:
            self._days = day, now
            self._day += 1
        return self._day


def _call(found: Record) -> Call | None:
    return calls.of(found.value(b"arch") or b"", found.value(b"syscall") or b"")


def _pid(found: Record, field: bytes) -> int | None:
    value = found.value(field)
    return int(value) if value is not None and value.isdigit() and len(value) < 10 else None
