"""Compiler: C sources that become programs in the kernel, compiled by bcc without kernel headers, in this process."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib.util
import os
import re
import sys
import tempfile
import time
import warnings
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sigtrace.capture import tracefs
from sigtrace.capture.bpf.source import SHIM, attach_points
from sigtrace.capture.tracefs import AS_ROOT, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from sigtrace.capture.bpf.source import Map, Source

PRINTK = "bpf_trace:bpf_trace_printk"

_DISTRIBUTIONS = (
    "lib/python3/dist-packages",
    "lib*/python3.*/site-packages",
    "local/lib*/python3*/*-packages",
)
# Where the stack pointer stands among the registers that a system call saves: the kernel's uapi/asm/ptrace.h.
_USER_SP = {"x86_64": 152, "aarch64": 248}
_LATE_SECONDS = 2.0
_LOOKS = 10


@contextlib.contextmanager
def compiling(root: Path) -> Iterator[Compiler]:
    """Give a compiler; what loading does to the global trace of `root` is undone at the end.

    What bcc and clang write to stderr meanwhile becomes the reason in an error.
    """
    with _heard() as heard, _global_trace_kept(root):
        yield Compiler(root, import_bcc(), heard)


class Compiler:
    """Compiles and loads sources: `compiling` makes it."""

    def __init__(self, root: Path, bcc: ModuleType, heard: IO[bytes]) -> None:
        self._root = root
        self._bcc = bcc
        self._heard = heard
        self._loaded: list[Any] = []

    def load(self, source: Source, *, defines: Sequence[str] = (), alone: bool = True) -> tuple[list[int], list[int]]:
        """Compile a source, load its programs, and attach them; return descriptors, which are this process's.

        They are of the programs, and of what they are attached by. See `sigtrace.capture.bpf.handover.Loader.load`.
        """
        self._heard.seek(0)
        self._heard.truncate()
        points = attach_points(source)
        for event in points.values():
            traceable(self._root, event)
        values = _shared(self._bcc.lib, source.map, alone=alone)
        try:
            bpf = self._compiled(source, [f"-DMAP_FD={values}", *(f"-D{define}" for define in defines)])
            self._loaded.append(bpf)  # if nobody has it, it detaches what it has
            try:
                self._attach(bpf, points)
            except BaseException:
                bpf.cleanup()
                raise
        finally:
            os.close(values)
        return [function.fd for function in bpf.funcs.values()], list(bpf.tracepoint_fds.values())

    def _compiled(self, source: Source, flags: list[str]) -> Any:  # noqa: ANN401 -- bcc.BPF has no stubs
        sp = _USER_SP.get(os.uname().machine)
        before = os.environ.get("BCC_KERNEL_SOURCE")
        os.environ["BCC_KERNEL_SOURCE"] = str(SHIM)
        try:
            return self._bcc.BPF(text=source.path.read_bytes(), cflags=[*flags, *([f"-DUSER_SP={sp}"] if sp else [])])
        except Exception as error:  # noqa: BLE001 -- bcc raises nothing narrower
            what = f"bcc {self._bcc.__version__} cannot compile {source.path} ({_reason(self._heard, error)})"
            raise MissingError(what, "try another version of it; 0.26 can") from None
        finally:
            if before is None:
                del os.environ["BCC_KERNEL_SOURCE"]
            else:
                os.environ["BCC_KERNEL_SOURCE"] = before

    def _attach(self, bpf: Any, points: dict[str, str]) -> None:  # noqa: ANN401 -- likewise
        for function in points:
            try:
                bpf.load_func(function.encode(), self._bcc.BPF.TRACEPOINT)
            except Exception as error:  # noqa: BLE001 -- likewise
                what = f"the kernel does not load {function} ({_reason(self._heard, error)})"
                raise MissingError(what, AS_ROOT) from None
        for function, event in points.items():
            try:
                bpf.attach_tracepoint(tp=event.encode(), fn_name=function.encode())
            except Exception as error:  # noqa: BLE001 -- likewise
                what = f"the kernel does not attach {function} to {event} ({_reason(self._heard, error)})"
                raise MissingError(what, AS_ROOT) from None


def traceable(root: Path, event: str) -> str:
    """Say that the kernel has the event of a program, and that this may be attached; or raise `MissingError`."""
    if not tracefs.has_event(root, event):
        what = f"the kernel has no event {event} in {root}/events"
        raise MissingError(what, "record on a kernel with CONFIG_FTRACE_SYSCALLS")
    number = root / "events" / event.replace(":", "/", 1) / "id"
    if not os.access(number, os.R_OK, effective_ids=True):
        raise MissingError(f"{number} may not be read", f"run as root (sudo), or `{tracefs.give(number)}`")
    return "in this kernel"


def switchable(root: Path) -> str:
    """Say that the event of the programs can be switched off in the global trace again, or raise `MissingError`."""
    switch = _switch(root)
    if switch.exists() and not os.access(switch, os.R_OK | os.W_OK, effective_ids=True):
        raise MissingError(f"{switch} may not be written", f"run as root (sudo), or `{tracefs.give(switch)}`")
    return "stays as it is"


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
    remedy = (
        "install the distribution's: apt-get install python3-bpfcc, dnf install python3-bcc, pacman -S python-bcc, "
        "apk add py3-bcc"
    )
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


def _shared(lib: Any, wanted: Map, *, alone: bool) -> int:  # noqa: ANN401 -- a ctypes library
    # The file descriptor of the map of a recorder that runs already, else of a new one.
    number = ctypes.c_uint32(0)
    while lib.bpf_map_get_next_id(number, ctypes.byref(number)) == 0:
        descriptor = int(lib.bpf_map_get_fd_by_id(number))
        if descriptor < 0:
            continue  # gone meanwhile
        info = _MapInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        lib.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size))
        if (info.type, info.name, info.key_size, info.value_size, info.max_entries) == wanted:
            return descriptor
        os.close(descriptor)
    if ctypes.get_errno() != errno.ENOENT and not alone:
        raise MissingError("another sigtrace records here, and every call would come twice", "end it, or run as root")
    descriptor = int(lib.bcc_create_map(*wanted, 0))
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        raise MissingError(f"the kernel makes no BPF map ({reason})", AS_ROOT)
    return descriptor


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


def _switch(root: Path) -> Path:
    return root / "events" / PRINTK.replace(":", "/") / "enable"


@contextlib.contextmanager
def _global_trace_kept(root: Path) -> Iterator[None]:
    # Loading a program that prints makes the kernel enable the event in the global trace, too
    # (bpf_get_trace_printk_proto), on 6.18 by a work queue, which a busy machine runs late. Our lines have no business
    # there: off again.
    switchable(root)
    switch = _switch(root)
    was_off = tracefs.has_event(root, PRINTK) and switch.read_text().startswith("0")
    try:
        yield
    finally:
        if was_off:
            _stays_off(switch)


def _stays_off(switch: Path) -> None:
    # What the kernel does late is waited for; each program that was loaded may have it done once more.
    end = time.monotonic() + _LATE_SECONDS
    seen, looks = False, 0
    while looks < _LOOKS and time.monotonic() < end:
        if switch.read_text().startswith("0"):
            looks += seen
        else:
            switch.write_text("0")
            seen, looks = True, 0
        time.sleep(0.01)
