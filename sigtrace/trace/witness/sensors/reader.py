"""Reader: objects of JSON, one a line, of a tool that is told by the first of them, become rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sigtrace.trace.accounting import Accounting
from sigtrace.trace.prefix.known import Known
from sigtrace.trace.witness.lines import Lines
from sigtrace.trace.witness.sensors import gadget, tetragon, tracee
from sigtrace.trace.witness.sensors.gadget import Gadget
from sigtrace.trace.witness.sensors.tracee import Tracee

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.trace.witness.sensors.fields import Told

    Object = dict[str, Any]

_HEAD_LINES = 20
_SAMPLE_LINES = 2000  # of which one shows whether a gadget tells calls or signals


def of(sample: bytes, log: str | None) -> Reader | None:
    """Return a reader for the log that begins so; None if none of these tools wrote it."""
    known = Known()
    lines = sample.split(b"\n", _SAMPLE_LINES)[:_SAMPLE_LINES]
    for line in lines[:_HEAD_LINES]:
        if line in known:
            return None
        event = _object(line)
        if event is None:
            continue
        if tetragon.is_one(event):
            return Reader(tetragon.TOOL, tetragon.told, log)
        if tracee.is_one(event):
            return Reader(tracee.TOOL, Tracee().told, log)
        if gadget.is_one(event):
            objects = [found for one in lines if (found := _object(one)) is not None]
            return Reader(gadget.TOOL, Gadget(objects).told, log)
    return None


class Reader(Lines):
    """Read what one tool wrote. Raises `OSError` if it is of more than one host."""

    def __init__(self, tool: str, told: Callable[[Object], Told | None], log: str | None) -> None:
        super().__init__(log, Accounting(ts_unit="utc", tools=[tool]))
        self._told = told
        self._utc: bool | None = None
        self._host: str | None = None

    def line(self, number: int, line: bytes) -> None:
        """Read a line."""
        event = _object(line)
        if event is None:
            torn = line.lstrip()[:1] == b"{" or line in self.known
            self.count("malformed" if torn else "other" if line.strip() else "blank")
            return
        found = self._told(event)
        if found is None or found.row is None:
            self.count("other" if found is None else found.kind)
        elif self._utc is not None and found.utc != self._utc:
            self.count("malformed")
        else:
            self._one_clock(found.utc)
            self._one_host(found.host)
            at: Object = {} if found.at_us is None else {"ts": found.at_us}
            if at and found.utc:
                at["time"] = found.at_us
            self.add({**at, **found.row}, number)
            self.count(found.kind)

    def _one_clock(self, utc: bool) -> None:  # noqa: FBT001
        self._utc = utc
        if not utc:
            self.accounting.ts_unit = "us"  # since boot

    def _one_host(self, host: str | None) -> None:
        if self._host is None:
            self._host = host
        elif host is not None and host != self._host:
            raise OSError(
                None,
                f"events come from {self._host} and from {host}, whose processes have the same numbers: "
                "give the events of each as a log of its own",
            )


def _object(line: bytes) -> Object | None:
    if line.lstrip()[:1] != b"{":
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
