"""Guard: whether a trace instance still is as it was set, so that a stream that went deaf is no silence."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time
from typing import TYPE_CHECKING

from sigtrace.errors import ProbeError

if TYPE_CHECKING:
    from pathlib import Path

    from sigtrace.capture.tracefs import Instance

_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 10.0
_ANSWER_SECONDS = 2.0
_CALL = b": to PID "

# What stands in these files of an instance says what it records. Each is restored by writing back what was read.
_FILES = (
    *("tracing_on", "trace_clock", "tracing_cpumask", "set_event_pid", "set_event_notrace_pid", "buffer_size_kb"),
    *("trace_options", "set_event"),
)
_TAKES_LINES_AWAY = {"trace_pipe", "trace_pipe_raw"}

_IN_MODIFY, _IN_OPEN = 0x2, 0x20  # sys/inotify.h
_EVENT = struct.Struct("iIII")  # struct inotify_event, before its name


class Guard:
    """Watches an instance that is set up: `disturbed` says what somebody did to it, `restore` undoes that.

    What is written to its files is noticed at once, also if it is written back; what the kernel itself changes, within
    a second. That lines come through at all is tried by a call of kill, with signal 0 to this process, when there has
    been none for ten seconds. Close it at the end.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._files = {name: instance.folder / name for name in _FILES if (instance.folder / name).exists()}
        for event in instance.enabled:
            self._files[f"filter of {event}"] = instance.folder / "events" / event.replace(":", "/", 1) / "filter"
        self._set = self._read()
        self._notices = _Notices(instance.folder, list(instance.enabled))
        self._looked = self._heard = time.monotonic()
        self._called: float | None = None

    def hear(self, chunk: bytes) -> None:
        """Note what came through."""
        if _CALL in chunk:
            self._heard, self._called = time.monotonic(), None

    def disturbed(self) -> list[str]:
        """Say what is, or was, not as it was set since the last time; nothing if all was well."""
        now = time.monotonic()
        found = self._notices.read()
        if found or now - self._looked > _LOOK_SECONDS:
            self._looked = now
            found += [f"{name} has changed" for name, text in self._read().items() if text != self._set[name]]
        if self._called is not None and now - self._called > _ANSWER_SECONDS:
            self._heard, self._called = now, None
            found.append("a call of the recorder's own did not come through")
        elif self._called is None and now - self._heard > _QUIET_SECONDS:
            self._called = now
            os.kill(os.getpid(), 0)
        return list(dict.fromkeys(found))

    def restore(self) -> None:
        """Set the instance as it was, and on. What the kernel does not take stays as it is, and is found again."""
        with contextlib.suppress(ProbeError):
            if self._read() != self._set:
                self._instance.set_up()
            self._instance.on()
        self._notices.read()

    def close(self) -> None:
        """Let go of the files."""
        self._notices.close()

    def _read(self) -> dict[str, str]:
        found = {}
        for name, file in self._files.items():
            try:
                found[name] = file.read_text(errors="replace")
            except OSError as error:
                found[name] = error.strerror or ""
        return found


class _Notices:
    """What inotify tells of the folders of an instance: who wrote to a file, or opened one that takes lines away."""

    def __init__(self, folder: Path, events: list[str]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._folders: dict[int, str] = {}
        own = [folder / "events" / event.replace(":", "/", 1) for event in events]
        groups = {one.parent for one in own}
        for one in (folder, folder / "options", *folder.glob("per_cpu/cpu*"), folder / "events", *groups, *own):
            number = self._libc.inotify_add_watch(self._file, os.fsencode(one), _IN_MODIFY | _IN_OPEN)
            if number >= 0:
                self._folders[number] = "" if one == folder else f"{one.relative_to(folder)}/"
        self.read()

    def read(self) -> list[str]:
        """Return what has happened since the last time."""
        found = []
        with contextlib.suppress(OSError):  # EAGAIN: no more; EBADF: this kernel or this user has no inotify to give
            while True:
                found += self._disturbances(os.read(self._file, 1 << 16))
        return found

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _disturbances(self, block: bytes) -> list[str]:
        found = []
        at = 0
        while at < len(block):
            number, mask, _, size = _EVENT.unpack_from(block, at)
            at += _EVENT.size + size
            name = block[at - size : at].rstrip(b"\0").decode(errors="replace")
            if mask & _IN_MODIFY:
                found.append(f"somebody wrote to {self._folders.get(number, '')}{name}")
            elif name in _TAKES_LINES_AWAY:
                found.append(f"somebody read from {self._folders.get(number, '')}{name}")
        return found
