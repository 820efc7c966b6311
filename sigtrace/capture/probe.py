"""Probe: the tutorial's program in the kernel, and what it prints as an iterator of bytes."""

import contextlib
import ctypes
import errno
import importlib.util
import os
import re
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Self

from sigtrace.capture import tracefs
from sigtrace.capture.tracefs import AS_ROOT, MissingError

SOURCE = Path(__file__).parents[1] / "probe.c"
SHIM = Path(__file__).with_name("shim")

PRINTK = "bpf_trace:bpf_trace_printk"
_NO_SIGCHLD = f"sig != {signal.SIGCHLD:d}"
EVIDENCE = {
    "signal:signal_generate": _NO_SIGCHLD,
    "signal:signal_deliver": _NO_SIGCHLD,
    "sched:sched_process_fork": "",
    "sched:sched_process_exec": "",
    "sched:sched_process_exit": "",
    "oom:mark_victim": "",
}

# A call takes about 90 bytes of the buffer, and a storm may come from one CPU alone: where there are two, each
# has room for a million calls, read or not.
BUFFER_MB = 192

_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}  # linux/capability.h
_DISTRIBUTIONS = (
    "lib/python3/dist-packages",
    "lib*/python3.*/site-packages",
    "local/lib*/python3*/*-packages",
)
_MAP = (1, b"sigtrace_values", 4, 32, 10240)  # a hash: __u32 to struct event, MAX_ENTRIES, as in probe.c


class Probe:
    """Record who calls kill, tkill and tgkill: iterate over it for trace_pipe's bytes, not cut to lines.

    The lines come from a trace instance of its own, with a buffer of `buffer_mb` MB, which the CPUs share. With
    `evidence`, the kernel's events that say who was hit and who died come in the same stream. The iteration
    ends after `stop`. A context manager; one that is killed leaves its instance behind, and the next one
    removes it.

    `instance` is the instance's folder, and `clock` names its clock; `utc_offset_us` is what to add to its
    microseconds to have UTC, None where the clock has no UTC. `events` are enabled, `missing` are not in this
    kernel. `fallback` is empty, or says why the lines come from the global trace (`instance` is None then).

    Raises `ProbeError` where something that recording needs is not there.
    """

    def __init__(self, *, buffer_mb: int = BUFFER_MB, evidence: bool = True) -> None:
        rights()
        lockdown()
        root = tracefs.find()
        self.instance: Path | None = None
        self.events: list[str] = []
        self.missing: list[str] = []
        self.fallback = ""
        wanted = {PRINTK: ""} | (EVIDENCE if evidence else {})
        with contextlib.ExitStack() as stack, tracefs.setting_up(root):
            in_use = tracefs.sweep(root)
            own = None
            if tracefs.has_event(root, PRINTK):
                own = stack.enter_context(tracefs.Instance(root, buffer_mb))
                self.instance = own.folder
            else:
                self.fallback = (
                    f"no event {PRINTK} in {root}, as before Linux 5.9: reading the global trace, "
                    "other programs' lines and old ones with it, without evidence"
                )
            self.clock = own.clock if own else tracefs.clock(root)
            self.utc_offset_us = tracefs.utc_offset_us(self.clock)
            self._folder = own.folder if own else root
            self._lost_before = tracefs.lost(self._folder)
            self._lost: dict[int, int] | None = None
            self._pipe = stack.enter_context(contextlib.closing(tracefs.Pipe(root, own)))
            for event, condition in wanted.items():
                enabled = own is not None and own.enable(event, condition)
                (self.events if enabled else self.missing).append(event)
            stack.enter_context(contextlib.closing(Programs(root, alone=not in_use)))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield what there is to read until `stop`, then what is still in the buffer; where nothing is, nothing."""
        return iter(self._pipe)

    def read(self, room: Callable[[], memoryview]) -> Iterator[bytes]:
        """Yield the same, having read each chunk straight into a `room()`: nothing is in the process alone."""
        return self._pipe.read(room)

    def stop(self) -> None:
        """End the iteration, once what is in the buffer has been read.

        Any thread or signal handler may call it, at any time. A handler should not raise instead: what had
        been read and not yet been handed over would be gone.
        """
        self._pipe.stop()

    def losses(self) -> dict[int, int]:
        """Count the events that each CPU lost since the start, those included that no line tells of.

        Final after the iteration's end, and kept when the probe is closed. CPUs that lost none are left out.
        """
        if self._lost is not None:
            return self._lost
        lost = tracefs.lost(self._folder)
        since = {cpu: count - self._lost_before.get(cpu, 0) for cpu, count in lost.items()}
        return {cpu: count for cpu, count in since.items() if count}

    def close(self) -> None:
        """Take the program out of the kernel and remove the instance."""
        self._lost = self.losses()
        self._stack.close()


class Programs:
    """probe.c in the kernel: compiled by bcc, loaded, attached to what its SEC strings name, until `close`.

    All recorders of a host share one map of the calls under way. The programs of each run on every call, and
    each instance gets what any of them prints; but the first to print takes the entry out, the others find
    none, and so the lines of a call come once. Where the map of another recorder cannot be had (`alone` is
    False, and no CAP_SYS_ADMIN), every call would come twice: that is an error.
    """

    def __init__(self, root: Path, *, alone: bool) -> None:
        bcc = import_bcc()
        points = attach_points()
        for event in points.values():
            traceable(root, event)
        values = _values(bcc.lib, alone=alone)
        try:
            with _heard() as heard, _global_trace_kept(root):
                self._bpf = _compiled(bcc, values, heard)
                try:
                    self._attach(bcc, points, heard)
                except BaseException:
                    self.close()
                    raise
        finally:
            os.close(values)

    def close(self) -> None:
        """Detach the programs and unload them."""
        self._bpf.cleanup()

    def _attach(self, bcc: ModuleType, points: dict[str, str], heard: IO[bytes]) -> None:
        for function in points:
            try:
                self._bpf.load_func(function.encode(), bcc.BPF.TRACEPOINT)
            except Exception as error:  # noqa: BLE001 -- bcc raises nothing narrower
                raise MissingError(f"the kernel does not load {function} ({_reason(heard, error)})", AS_ROOT) from None
        for function, event in points.items():
            try:
                self._bpf.attach_tracepoint(tp=event.encode(), fn_name=function.encode())
            except Exception as error:  # noqa: BLE001 -- likewise
                what = f"the kernel does not attach {function} to {event} ({_reason(heard, error)})"
                raise MissingError(what, AS_ROOT) from None


def rights() -> str:
    """Say what gives this process the right to load a BPF program, or raise `MissingError`."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    effective = int(found[1], 16) if found else 0
    held = {name for name, bit in _CAPABILITIES.items() if effective >> bit & 1}
    if "CAP_SYS_ADMIN" not in held and not {"CAP_BPF", "CAP_PERFMON"} <= held:
        raise MissingError("recording needs root, or CAP_BPF and CAP_PERFMON", "run it with sudo")
    return ", ".join(sorted(held))


def lockdown() -> str:
    """Say how far the kernel is locked down, or raise `MissingError` where that forbids tracing."""
    try:
        text = _LOCKDOWN.read_text()
    except OSError:
        return "not in this kernel, or not to be seen"
    if "[confidentiality]" in text:
        what = f"the kernel is locked down ({_LOCKDOWN}: confidentiality), which forbids tracing"
        raise MissingError(what, "boot with lockdown=integrity or without it")
    return text.strip()


def traceable(root: Path, event: str) -> str:
    """Say that the kernel has the event of a system call, or raise `MissingError`."""
    if not tracefs.has_event(root, event):
        what = f"the kernel has no event {event} in {root}/events"
        raise MissingError(what, "record on a kernel with CONFIG_FTRACE_SYSCALLS")
    return "in this kernel"


def import_bcc() -> ModuleType:
    """Import the BPF Compiler Collection, from this environment or from the distribution's folder.

    Of the distribution's folder bcc alone is imported, nothing else there comes within reach. PyPI's `bcc` is
    an unrelated lattice package and is passed over. Raises `MissingError` where there is none.
    """
    name = "sigtrace._bcc"
    if name in sys.modules:
        return sys.modules[name]
    folders = [Path(entry or ".") for entry in sys.path]
    folders += [folder for pattern in _DISTRIBUTIONS for folder in sorted(Path("/usr").glob(pattern))]
    found = [folder / "bcc" for folder in folders if (folder / "bcc" / "__init__.py").exists()]
    real = next((folder for folder in found if (folder / "libbcc.py").exists()), None)
    remedy = "install the distribution's: apt install python3-bpfcc, dnf install python3-bcc, apk add py3-bcc"
    if real is None and found:
        what = f"{found[0]} is PyPI's bcc, an unrelated lattice package, not the BPF Compiler Collection"
        raise MissingError(what, remedy)
    if real is None:
        raise MissingError("bcc, the BPF Compiler Collection, is not installed", f"{remedy}; not PyPI's bcc")
    # Under a name of our own: `bcc` itself may be PyPI's. bcc imports its parts relatively.
    loader = SourceFileLoader(name, str(real / "__init__.py"))
    spec = ModuleSpec(name, loader, is_package=True)
    spec.submodule_search_locations = [str(real)]
    bcc = importlib.util.module_from_spec(spec)
    sys.modules[name] = bcc
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an old bcc on a new Python: invalid escapes in its strings
            loader.exec_module(bcc)
    except (ImportError, OSError, AttributeError) as error:
        del sys.modules[name]
        raise MissingError(f"{real} cannot be imported ({error})", remedy) from None
    return bcc


def attach_points() -> dict[str, str]:
    """Read from probe.c which function goes to which event: `kill_entry` to `syscalls:sys_enter_kill`."""
    found = re.findall(r'^SEC\("tracepoint/(\w+)/(\w+)"\)\nint (\w+)\(', SOURCE.read_text(), re.MULTILINE)
    return {function: f"{system}:{event}" for system, event, function in found}


class _MapInfo(ctypes.Structure):  # struct bpf_map_info, its first part
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
    )


def _values(lib: Any, *, alone: bool) -> int:  # noqa: ANN401 -- a ctypes library
    # The file descriptor of the map of a recorder that runs already, else of a new one.
    number = ctypes.c_uint32(0)
    while lib.bpf_map_get_next_id(number, ctypes.byref(number)) == 0:
        descriptor = int(lib.bpf_map_get_fd_by_id(number))
        if descriptor < 0:
            continue  # gone meanwhile
        info = _MapInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        lib.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size))
        if (info.type, info.name, info.key_size, info.value_size, info.max_entries) == _MAP:
            return descriptor
        os.close(descriptor)
    if ctypes.get_errno() != errno.ENOENT and not alone:
        raise MissingError("another sigtrace records here, and every call would come twice", "end it, or run as root")
    kind, name, key_size, value_size, entries = _MAP
    descriptor = int(lib.bcc_create_map(kind, name, key_size, value_size, entries, 0))
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        raise MissingError(f"the kernel makes no BPF map ({reason})", AS_ROOT)
    return descriptor


def _compiled(bcc: ModuleType, values: int, heard: IO[bytes]) -> Any:  # noqa: ANN401 -- bcc.BPF has no stubs
    before = os.environ.get("BCC_KERNEL_SOURCE")
    os.environ["BCC_KERNEL_SOURCE"] = str(SHIM)
    try:
        return bcc.BPF(text=SOURCE.read_bytes(), cflags=[f"-DVALUES_FD={values}"])
    except Exception as error:  # noqa: BLE001 -- bcc raises nothing narrower
        what = f"bcc {bcc.__version__} cannot compile {SOURCE} ({_reason(heard, error)})"
        raise MissingError(what, "try another version of it; 0.26 can") from None
    finally:
        if before is None:
            del os.environ["BCC_KERNEL_SOURCE"]
        else:
            os.environ["BCC_KERNEL_SOURCE"] = before


@contextlib.contextmanager
def _heard() -> Iterator[IO[bytes]]:
    # libbcc and clang write to file descriptor 2: keep that for the error's one line.
    with tempfile.TemporaryFile() as heard:
        stderr = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _reason(heard: IO[bytes], error: Exception) -> str:
    heard.seek(0)
    lines = [line.strip() for line in heard.read().decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if re.search("error:|[Ff]ailed|cannot|denied|permitted", line)]
    return (told or lines or [str(error)])[0]


@contextlib.contextmanager
def _global_trace_kept(root: Path) -> Iterator[None]:
    # Loading a program that prints makes the kernel enable the event in the global trace, too
    # (bpf_get_trace_printk_proto), on 6.18 a moment later. Our lines have no business there: off again.
    switch = root / "events" / PRINTK.replace(":", "/") / "enable"
    was_off = tracefs.has_event(root, PRINTK) and switch.read_text().startswith("0")
    try:
        yield
    finally:
        end = time.monotonic() + (0.1 if was_off else 0)
        while time.monotonic() < end:
            if not switch.read_text().startswith("0"):
                switch.write_text("0")
            time.sleep(0.01)
