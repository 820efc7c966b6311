"""tracefs: a trace instance of one's own, and a reader of trace_pipe."""

import contextlib
import fcntl
import os
import re
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from sigtrace.errors import ProbeError

ROOTS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))

# A clock that UTC can be had from, best first: boot goes on while the machine sleeps.
_CLOCKS = {"boot": time.CLOCK_BOOTTIME, "mono": time.CLOCK_MONOTONIC}

# An instance inherits the global trace's options (kernel/trace/trace.c, trace_array_create): somebody's
# latency-format would be ours, too. Each option that changes the lines is therefore set.
_OPTIONS = {
    "overwrite": "1",
    "context-info": "1",
    "irq-info": "1",
    "record-tgid": "1",
    "latency-format": "0",
    "verbose": "0",
    "fields": "0",
    "raw": "0",
    "hex": "0",
    "bin": "0",
    "stacktrace": "0",
    "userstacktrace": "0",
    "pause-on-trace": "0",
}

_READ = 1 << 16  # more than a kernel gives at once: 4 KB, or 8 KB (6.18), where a page has 4
_CHUNK = 1 << 20
_MUCH = 1 << 16  # then there is more to come
_NAP_MS = 10  # what a caught-up reader lets gather
CHUNK_ROOM = _CHUNK + _READ  # what a chunk may take
_LOCK_SECONDS = 30.0

AS_ROOT = "run as root (sudo), on the host or in a privileged container"


class MissingError(ProbeError):
    """Something that recording needs is not there: `what` and where, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy


def find() -> Path:
    """Say where tracefs is mounted.

    Raises `MissingError` where it is not, or may not be read.
    """
    for root in ROOTS:
        try:
            (root / "trace_pipe").stat()
        except PermissionError:
            raise MissingError(f"{root} may not be read", f"run as root (sudo), or `chmod 755 {root}`") from None
        except OSError:
            continue
        return root
    raise MissingError("tracefs is not mounted", f"mount -t tracefs tracefs {ROOTS[0]}")


def give(path: Path) -> str:
    """Return the command by which root lets this process use a file or folder of tracefs."""
    return f"chown {os.geteuid()} {path}"


def has_event(root: Path, event: str) -> bool:
    """Tell whether the kernel has an event, named as in `set_event`: `signal:signal_generate`."""
    return (root / "events" / event.replace(":", "/", 1)).is_dir()


def clock(folder: Path) -> str:
    """Name the clock of a trace: of an instance's folder, or of tracefs itself for the global one."""
    names = (folder / "trace_clock").read_text().split()
    return next(name for name in names if name.startswith("[")).strip("[]")


def utc_offset_us(clock: str) -> int | None:
    """Give the microseconds to add to a timestamp of a trace clock to have UTC; None for a clock without one.

    The tightest of some samples: each is wrong by half the time it took at most.
    """
    if clock not in _CLOCKS:
        return None
    samples = []
    for _ in range(16):
        before = time.clock_gettime_ns(_CLOCKS[clock])
        utc = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(_CLOCKS[clock])
        samples.append((after - before, utc - (before + after) // 2))
    return (min(samples)[1] + shift_ns(clock)) // 1000


def shift_ns(clock: str) -> int:
    """Give the nanoseconds by which a clock is ahead of its trace clock: not 0 in a time namespace that shifts it."""
    try:
        text = Path("/proc/self/timens_offsets").read_text()
    except OSError:  # a kernel without time namespaces
        return 0
    name = {"boot": "boottime", "mono": "monotonic"}[clock]
    seconds, nanoseconds = next(line.split()[1:] for line in text.splitlines() if line.split()[0] == name)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def lost(folder: Path) -> dict[int, int]:
    """Count the events that each CPU has lost so far in a trace, whether or not trace_pipe said so.

    `folder` is an instance's, or the global trace's. CPUs that lost none are left out.
    """
    losses = {}
    for stats in folder.glob("per_cpu/cpu*/stats"):
        counts = dict(re.findall(r"^([a-z ]+): (\d+)$", stats.read_text(), re.MULTILINE))
        count = sum(int(counts.get(name, 0)) for name in ("overrun", "commit overrun", "dropped events"))
        if count:
            losses[int(stats.parent.name.removeprefix("cpu"))] = count
    return losses


def cpus(folder: Path) -> list[int]:
    """Name the CPUs that a trace has a buffer for."""
    return sorted(int(one.name.removeprefix("cpu")) for one in folder.glob("per_cpu/cpu[0-9]*"))


@contextlib.contextmanager
def setting_up(root: Path) -> Iterator[int]:
    """Let one recorder of the host set itself up at a time, and nobody sweep meanwhile.

    Gives the descriptor that is locked: whoever has it as well keeps others waiting.
    """
    instances = root / "instances"
    if not os.access(instances, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise MissingError(f"{instances} may not be written", f"run as root (sudo), or `{give(instances)}`")
    descriptor = _open(instances, os.O_RDONLY | os.O_DIRECTORY)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    what = f"another recorder has held {root}/instances locked for {_LOCK_SECONDS:.0f} s"
                    raise MissingError(what, f"see who with `fuser -v {root}/instances`, and end it") from None
                time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)


def sweep(root: Path) -> list[str]:
    """Remove the instances that killed recorders left behind, and name those that are in use.

    The kernel refuses to remove an instance whose trace_pipe somebody holds open, and a recorder holds its
    own open for as long as it lives. That is true across pid namespaces, too, and where pids come again. Call
    it in `setting_up`: between its mkdir and its open, an instance looks left behind.
    """
    in_use = []
    for folder in sorted((root / "instances").glob("sigtrace-*")):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            in_use.append(folder.name)
    return in_use


class Instance:
    """A trace instance of one's own: its buffer, clock, options and events are nobody else's.

    `buffer_mb` MB of kernel memory are shared evenly among the CPUs. The clock is `boot`, else `mono`, else
    what it was. A context manager: the instance is removed at the end.

    Raises `MissingError` where it cannot be made as asked.
    """

    def __init__(self, root: Path, buffer_mb: int) -> None:
        self.folder = _make(root / "instances")
        self.enabled: dict[str, str] = {}
        self._buffer_mb = buffer_mb
        try:
            self.clock = self._best_clock()
            self._cpus = (self.folder / "tracing_cpumask").read_text()
            self.set_up()
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def set_up(self) -> None:
        """Set all as it is to be, anew if somebody has changed it, but for whether it is `on`.

        Raises `MissingError` if the kernel does not take it.
        """
        if clock(self.folder) != self.clock:
            _write(self.folder / "trace_clock", self.clock)  # empties the buffer
        for option, value in _OPTIONS.items():
            if (self.folder / "options" / option).exists():
                _write(self.folder / "options" / option, value)
        self._set_size()
        _write(self.folder / "tracing_cpumask", self._cpus)
        for name in ("set_event_pid", "set_event_notrace_pid", "set_event"):
            if (self.folder / name).exists():
                _write(self.folder / name, "")  # to open it so is to empty it
        for event, condition in self.enabled.items():
            self._enable(event, condition)

    def enable(self, event: str, condition: str = "") -> bool:
        """Enable an event, filtered by `condition` if one is given.

        False if the kernel has no such event.
        """
        if not has_event(self.folder, event):
            return False
        self._enable(event, condition)
        self.enabled[event] = condition
        return True

    def on(self) -> None:
        """Trace again after `off`."""
        _write(self.folder / "tracing_on", "1")

    def off(self) -> None:
        """Trace nothing more; what is in the buffer can still be read."""
        _write(self.folder / "tracing_on", "0")

    def remove(self) -> None:
        """Remove the instance and its buffer.

        Where somebody else holds a file of it open, the kernel keeps it: it is made small and quiet then, and
        the next recorder removes it.
        """
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            for file, value in (("tracing_on", "0"), ("events/enable", "0"), ("buffer_size_kb", "1")):
                with contextlib.suppress(ProbeError):
                    _write(self.folder / file, value)

    def _enable(self, event: str, condition: str) -> None:
        folder = self.folder / "events" / event.replace(":", "/", 1)
        _write(folder / "filter", condition or "0")  # 0 is none
        _write(folder / "enable", "1")

    def _best_clock(self) -> str:
        names = (self.folder / "trace_clock").read_text().replace("[", "").replace("]", "").split()
        return next((name for name in _CLOCKS if name in names), clock(self.folder))

    def _set_size(self) -> None:
        # An instance begins with the least that a buffer can have, a few KB a CPU, on newer kernels.
        share = max(self._buffer_mb * 1024 // (os.cpu_count() or 1), 1)
        try:
            _write(self.folder / "buffer_size_kb", str(share))
        except MissingError as error:
            raise MissingError(
                error.what, f"a buffer of {self._buffer_mb} MB is too much here, ask for less"
            ) from error


class Pipe:
    """The reader of a trace_pipe, whose bytes it gives as they come, in whole lines.

    A chunk is what there was to read, somewhat over 1 MB at most, and empty about twice a second if there
    is nothing. A reader that has caught up lets 10 ms of lines gather before it looks again. One that is `patient`
    wakes less often: once a second if there is nothing, and every 250 ms unless much comes. `instance` is None for the
    global trace of `root`, which is never switched off.

    Reading takes the lines away. An exception that a signal handler raises in the iterating thread can take a
    chunk with it: a handler should call `stop` instead.
    """

    def __init__(self, root: Path, instance: Instance | None, *, patient: bool = False) -> None:
        self._instance = instance
        # Some kernels have missed a wake of poll on trace_pipe: look without one, too. And a wake a line costs seven
        # times the CPU at 20,000 lines/s: what comes meanwhile gathers.
        self._look_ms, self._nap_ms = (1_000, 250) if patient else (500, _NAP_MS)
        path = (root if instance is None else instance.folder) / "trace_pipe"
        descriptor = _open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._file = open(descriptor, "rb", buffering=0)  # noqa: PTH123, SIM115 -- a path has no O_NONBLOCK; close()
        bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bell = open(bell, "r+b", buffering=0)  # noqa: PTH123, SIM115 -- knows when it is closed, unlike a number
        self._stopped = False

    def read(self, room: Callable[[], memoryview]) -> Iterator[bytes]:
        """Yield what trace_pipe has until `stop`, having read each chunk straight into a `room()`."""
        news, bell = select.poll(), select.poll()
        news.register(self._file, select.POLLIN)
        for poll in (news, bell):
            poll.register(self._bell, select.POLLIN)
        while not self._stopped:
            news.poll(self._look_ms)
            chunk = self._chunk(room())
            yield chunk
            if 0 < len(chunk) < _CHUNK:
                bell.poll(self._nap_ms if len(chunk) < _MUCH else _NAP_MS)

    def rest(self, room: Callable[[], memoryview]) -> Iterator[bytes]:
        """Switch the instance off, and yield what is still in the buffer."""
        end = float("inf")
        if self._instance:
            self._instance.off()
        else:
            end = time.monotonic() + 1  # others go on writing to the global trace
        while (chunk := self._chunk(room())) and time.monotonic() < end:
            yield chunk

    def stop(self) -> None:
        """End `read`.

        Any thread or signal handler may call it, at any time.
        """
        self._stopped = True
        with contextlib.suppress(ValueError):  # closed: nobody iterates
            os.eventfd_write(self._bell.fileno(), 1)

    def close(self) -> None:
        """Let go of trace_pipe. What was not read stays in the buffer."""
        self._file.close()
        self._bell.close()

    def _chunk(self, room: memoryview) -> bytes:
        # A read gives no more than a page or two of lines, whatever is asked for. splice gives more at once,
        # but on 6.18 half of the lines were missing from it.
        size = 0
        while size < _CHUNK and (read := self._file.readinto(room[size : size + _READ])):
            size += read
        return room[:size].tobytes()


def _make(instances: Path) -> Path:
    number = 0
    while True:
        number += 1
        folder = instances / f"sigtrace-{os.getpid()}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:  # this process' other recorder, or the same pid in another namespace
            continue
        except OSError as error:
            raise MissingError(f"cannot make {folder} ({error.strerror})", AS_ROOT) from None
        return folder


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError as error:
        raise MissingError(f"cannot open {path} ({error.strerror})", AS_ROOT) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise MissingError(f"the kernel does not take {text} for {path} ({error.strerror})", AS_ROOT) from None
