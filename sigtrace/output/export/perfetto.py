"""Perfetto: the lives in sessions as slices, and their signals as flows, in a trace that https://ui.perfetto.dev opens.

It is written with the perfetto package's own messages, which come with `pip install 'sigtrace[perfetto]'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigtrace.errors import Error
from sigtrace.facts.signals import signal_name
from sigtrace.output.sentence import sentence
from sigtrace.output.terminal import escaped
from sigtrace.questions.choice.period import NO_LINES
from sigtrace.questions.deaths import answered
from sigtrace.store.disk import whole

if TYPE_CHECKING:
    from pathlib import Path

    from sigtrace.causes.judging.verdict import Judge
    from sigtrace.causes.tracking.process import Process
    from sigtrace.questions.database import Database

_SEQUENCE = 1
_REALTIME, _BOOTTIME = 1, 6  # builtin_clock.proto
_CATEGORY = "sigtrace"


def write(database: Database, path: Path) -> None:
    """Write the endings of sessions as a trace of Perfetto's, whole or not at all.

    A track is a process, in a track of its log. A slice is its life, from its birth or the begin of the log to its end;
    its arguments are the columns of `sigtrace.analyze.deaths`, and `sentence`. Who sent a signal that ended somebody
    has an event at that moment, with a flow to the event of who got it. Times are UTC if all logs know it. If not, they
    are the trace clock's, of which a tick is shown as a microsecond. Raises `Error` if the package is missing, if a log
    has no times, or if the file cannot be written.
    """
    trace = _Trace(database)
    database.follow(trace.ended)
    whole.write(path, trace.content())


@dataclass
class _Life:
    track: int
    ended: int | None = None


class _Trace:
    def __init__(self, database: Database) -> None:
        self._protos = _protos()
        self._database = database
        self._packets: list[bytes] = []
        self._uuids = 0
        self._flows = 0
        self._tracks: dict[tuple[str | None, int], _Life] = {}
        untimed = [log or database.name for log, one in database.about_by_log.items() if one.get("ts_unit") == "none"]
        if untimed:
            raise Error(f"{untimed[0]}: has no times, and a trace is made of them: the tool prints them with -t")
        offsets = {log: about.get("utc_offset_us") for log, about in database.about_by_log.items()}
        known = {log: int(offset) for log, offset in offsets.items() if offset is not None}
        self._utc = len(known) == len(offsets)
        self._offsets = known if self._utc else dict.fromkeys(offsets, 0)
        began = f"SELECT log, min(ts) AS ts FROM events WHERE event NOT IN {NO_LINES} GROUP BY log"  # noqa: S608
        self._began = {row["log"]: row["ts"] for row in database.rows(began)}
        self._logs = {log: self._track(str(log or database.name), None) for log in database.logs}

    def content(self) -> bytes:
        """Return all packets: a trace is a list of them."""
        return b"".join([*self._clocks(), *self._packets])

    def ended(self, log: str | None, judge: Judge, process: Process, lost: bool) -> None:  # noqa: FBT001
        """Add an ending."""
        if process.died is None:
            return
        death = answered({"log": log, **judge.ending(process, lost)})
        life = self._life(log, death, "victim", death["ts"])
        life.ended, victim = death["ts"], life.track
        began = self._began.get(log, process.died.ts)
        name = f"{death['victim_comm'] or '?'}: {death['verdict']}"
        arguments = {**death, "sentence": sentence(death, self._database)}
        self._event("TYPE_SLICE_BEGIN", log, max(death["victim_start"] or began, began), victim, name, arguments)
        if death["killer_pid"] is not None and death["delay_us"] is not None:
            self._sent(log, death, victim)
        self._event("TYPE_SLICE_END", log, death["ts"], victim)

    def _life(self, log: str | None, death: dict[str, Any], whom: str, ts: int) -> _Life:
        key = log, death[f"{whom}_pid"]
        life = self._tracks.get(key)
        if life is None or (life.ended is not None and life.ended < ts):
            # Whoever has the pid next is another.
            life = self._tracks[key] = _Life(self._track(_named(death, whom), self._logs[log]))
        return life

    def _sent(self, log: str | None, death: dict[str, Any], victim: int) -> None:
        what, ts = signal_name(death["sig"]), death["ts"]
        sent = ts - death["delay_us"]
        killer = self._life(log, death, "killer", sent).track
        self._flows += 1
        to, by = _named(death, "victim"), _named(death, "killer")
        self._event("TYPE_INSTANT", log, sent, killer, f"{what} to {to}", starts=self._flows)
        self._event("TYPE_INSTANT", log, ts, victim, f"{what} from {by}", ends=self._flows)

    def _track(self, name: str, parent: int | None) -> int:
        self._uuids += 1
        packet = self._protos.TracePacket()
        packet.track_descriptor.uuid = self._uuids
        packet.track_descriptor.name = escaped(name)
        if parent is not None:
            packet.track_descriptor.parent_uuid = parent
        self._add(packet)
        return self._uuids

    def _event(
        self,
        kind: str,
        log: str | None,
        ts: int,
        track: int,
        name: str | None = None,
        arguments: dict[str, Any] | None = None,
        *,
        starts: int | None = None,
        ends: int | None = None,
    ) -> None:
        packet = self._protos.TracePacket()
        packet.timestamp = max(ts + self._offsets[log], 0) * 1000
        event = packet.track_event
        event.type = getattr(self._protos.TrackEvent, kind)
        event.track_uuid = track
        if name is not None:
            event.name = escaped(name)
            event.categories.append(_CATEGORY)
        for key, value in (arguments or {}).items():
            self._annotate(event, key, value)
        if starts is not None:
            event.flow_ids.append(starts)
        if ends is not None:
            event.terminating_flow_ids.append(ends)
        self._add(packet)

    def _annotate(self, event: Any, key: str, value: Any) -> None:  # noqa: ANN401 -- a message, and any value
        if value is None or value is False or value == []:
            return
        note = event.debug_annotations.add()
        note.name = key
        if isinstance(value, bool):
            note.bool_value = value
        elif isinstance(value, int):
            note.int_value = value
        else:
            note.string_value = escaped(", ".join(map(str, value)) if isinstance(value, list) else str(value))

    def _clocks(self) -> list[bytes]:
        # Perfetto counts since boot. If it is told that this is UTC, it shows the time of day.
        if not self._utc:
            return []
        packet = self._protos.TracePacket()
        for clock in (_BOOTTIME, _REALTIME):
            one = packet.clock_snapshot.clocks.add()
            one.clock_id, one.timestamp = clock, 0
        packet.trusted_packet_sequence_id = _SEQUENCE
        return [self._protos.Trace(packet=[packet]).SerializeToString()]

    def _add(self, packet: Any) -> None:  # noqa: ANN401 -- a message of the package's
        packet.trusted_packet_sequence_id = _SEQUENCE
        if not self._packets:
            packet.sequence_flags = self._protos.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        self._packets.append(self._protos.Trace(packet=[packet]).SerializeToString())


def _protos() -> Any:  # noqa: ANN401 -- the package's own module
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2
    except ImportError as error:
        raise Error("the package perfetto is not installed: pip install 'sigtrace[perfetto]'") from error
    return perfetto_trace_pb2


def _named(death: dict[str, Any], whom: str) -> str:
    return f"{death[f'{whom}_comm'] or '?'} ({death[f'{whom}_pid']})"
