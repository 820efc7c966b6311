"""Flight: a recording that goes on for years, as segments, of which the latest are kept."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from sigtrace.capture.proc import host
from sigtrace.store.flight import gap, retention, segments
from sigtrace.store.flight.apart import Apart, recovered
from sigtrace.store.flight.home import MODE, Home, status
from sigtrace.store.folder import placed
from sigtrace.store.recorder import Recorder, Segment
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sigtrace.capture.proc import Seen

_SEGMENT_SECONDS = 3600.0
_SEGMENT_BYTES = 128 << 20
_PENDING_SECONDS = 60.0  # that a segment is longer at most, so that it does not end between the two lines of a call
_CHECK_SECONDS = 1.0
_KEEP_SECONDS = 60.0
_TELL_SECONDS = 10.0


class Source(Protocol):
    """What a flight is recorded from, as far as it must ask it: `sigtrace.capture.probe.Probe` is one."""

    utc_offset_us: int | None
    disturbed: list[str]

    def losses(self) -> dict[int, int]:
        """Return what the kernel has counted as lost up to now, by CPU."""


class Flight:
    """Record into a folder for years, as `Recorder` does into one session.

    A new segment begins each hour, each day, and if one is large; those that are not to be `kept` are removed. The
    first of a run says since when nothing was recorded. `origin` and `made` are as of `Recorder`, `look` says what runs
    now, `clock` gives the time of day, and `whole` is called with the folder each time that a segment in it is whole.
    A context manager. Raises `SessionError` if another recorder holds the folder, or if the disk does not take it.
    """

    def __init__(
        self,
        home: Path,
        origin: dict[str, Any],
        source: Source,
        *,
        kept: retention.Retention,
        look: Callable[[], Seen],
        made: Callable[[tuple[int, int]], object] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        whole: Callable[[Path], object] = lambda _: None,
    ) -> None:
        self.path = home
        self._whole = whole
        self._origin = origin
        self._kept = kept
        self._source, self._look, self._clock = source, look, clock
        self._executables: dict[tuple[int, int], str] = {}
        self._counted, self._noticed = source.losses(), len(source.disturbed)
        self._account, self._rows = Accounting(), 0  # of the segments that have ended
        self._between = False
        os.umask(0o027)  # what is made in a folder of group sigtrace is that group's, and it may read
        self._home = Home(home)
        try:
            self._last_error = status(home).get("last_error")
            unrecorded = self._take_over()
            self._started = clock()
            self._segment = 0
            self._recorder = self._begun({} if unrecorded is None else {"gap": unrecorded}, made)
        except BaseException as error:
            self._fail(error)
            self._home.close()
            raise
        self._begun_at = self._checked = self._told = self._expired = time.monotonic()
        self._told_lines = 0
        self._tell(0.0)
        whole(home)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if not self._between:
                self._recorder.__exit__(kind, error, trace)
            if error is not None:
                self._fail(error)
        finally:
            self._home.close()

    @property
    def accounting(self) -> Accounting:
        """The account of what was fed up to now."""
        return self._account + self._recorder.accounting

    @property
    def rows(self) -> int:
        """How many rows there were up to now."""
        return self._rows + self._recorder.rows

    @property
    def size(self) -> int:
        """Bytes on disk of the segment that is being written."""
        return self._recorder.size

    def room(self) -> memoryview:
        """Return where to read the bytes that are fed next, as of `Recorder.room`."""
        return self._recorder.room()

    def feed(self, chunk: bytes) -> None:
        """Keep the next bytes, and their rows; an empty chunk only passes the time."""
        self._recorder.feed(chunk)
        now = time.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if self._is_due(now):
            self._roll(now)
        if now - self._expired > _KEEP_SECONDS:
            self._expired = now
            retention.keep(self.path, self._kept)
        if now - self._told > _TELL_SECONDS:
            self._tell(now - self._told)

    def finish(self, lost: dict[int, int], disturbed: Sequence[str] = ()) -> Accounting:
        """End the recording, and return its account: see `Recorder.finish`."""
        self._recorder.finish(self._since(lost), disturbed[self._noticed :])
        account = self.accounting
        self._tell(0.0, ended=self._clock())
        return account

    def _take_over(self) -> dict[str, str] | None:
        # What the recorder before has left; returns the time in which nothing was recorded, if there was one before.
        retention.sweep(self.path)
        earlier = segments.find(self.path)
        unrecorded = gap.since(earlier, status(self.path), self._clock())
        for one in earlier[-1:]:
            if "ended" not in one.about:
                recovered(one.path)
        retention.keep(self.path, self._kept)
        return unrecorded

    def _is_due(self, now: float) -> bool:
        age = now - self._begun_at
        another_day = self._clock().date() != self._day
        due = age > _SEGMENT_SECONDS or self._recorder.size > _SEGMENT_BYTES or another_day
        return due and (not self._recorder.pending or age > _SEGMENT_SECONDS + _PENDING_SECONDS)

    def _roll(self, now: float) -> None:
        before = self._recorder
        account = before.finish(self._since(self._source.losses()), self._source.disturbed[self._noticed :], last=False)
        self._account, self._rows = self._account + account, self._rows + before.rows
        self._noticed = len(self._source.disturbed)
        self._segment += 1
        self._between = True  # if the next one cannot begin, this one is whole
        self._recorder = self._begun({}, after=before)
        self._between = False
        self._begun_at = now
        self._whole(self.path)

    def _begun(
        self,
        more: dict[str, Any],
        made: Callable[[tuple[int, int]], object] = lambda _: None,
        after: Recorder | None = None,
    ) -> Recorder:
        began = self._clock()
        self._day = began.date()
        name = f"host={{host}}/date={{date}}/{{time}}-{began:%f}-{self._segment}.parquet"
        seen = self._look()
        return Recorder(
            placed(self.path / name, host(), began),
            {**self._origin, **more},
            utc_offset_us=self._source.utc_offset_us,
            processes=self._named(seen.processes),
            cgroups=seen.cgroups,
            made=made,
            segment=Segment(self._segment, after, MODE, Apart),
        )

    def _named(self, processes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        # The recorder has given away the right to see what another user's process executes.
        known = self._executables
        found = [
            {**one, "executable": one["executable"] or known.get((one["pid"], one["start_us"]))} for one in processes
        ]
        self._executables = {(one["pid"], one["start_us"]): one["executable"] for one in found if one["executable"]}
        return found

    def _since(self, lost: dict[int, int]) -> dict[int, int]:
        # The kernel counts through; a segment says what was lost in its own time.
        more = {cpu: n - self._counted.get(cpu, 0) for cpu, n in lost.items()}
        self._counted = lost
        return more

    def _tell(self, seconds: float, **more: datetime) -> None:
        account = self.accounting
        rate = (account.lines - self._told_lines) / seconds if seconds else 0.0
        self._told, self._told_lines = time.monotonic(), account.lines
        self._home.tell(
            {
                "pid": os.getpid(),
                "log": self._recorder.log,
                "started": _text(self._started),
                "updated": _text(self._clock()),
                "lines": account.lines,
                "lines_per_second": round(rate, 1),
                "rows": self.rows,
                "lost": account.lost,
                "losses_of_unknown_size": sum(account.losses_of_unknown_size.values()),
                "disturbed": len(self._source.disturbed),
                "segments": self._segment + 1,
                "last_error": self._last_error,
                **{key: _text(value) for key, value in more.items()},
            }
        )

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._last_error = {"time": _text(self._clock()), "what": str(error)}
            self._home.tell({**status(self.path), "last_error": self._last_error})


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
