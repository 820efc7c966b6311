"""Handover: programs are compiled and loaded by a process of its own, which hands over their descriptors and ends.

The compiler takes 130 MB, which a recorder would have for as long as it records.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.capture import helper
from sigtrace.capture.bpf.source import Map, Source
from sigtrace.capture.tracefs import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST = 1 << 16  # bytes of a message
_MOST_DESCRIPTORS = 64


class Programs:
    """The programs of a source in the kernel, attached to what its SEC strings name, until `close`. See `Loader`."""

    def __init__(self, programs: list[int], attached: list[int]) -> None:
        self._programs = programs
        self._attached = attached

    def skipped(self) -> int:
        """Count how often the kernel has not run one of the programs when it should have; 0 before Linux 5.12.

        It runs none on a CPU where a thread was preempted in one: since Linux 7 that happens at system calls.
        """
        texts = (Path(f"/proc/self/fdinfo/{program}").read_text() for program in self._programs)
        return sum(
            int(count) for text in texts for count in re.findall(r"^recursion_misses:\s*(\d+)$", text, re.MULTILINE)
        )

    def close(self) -> None:
        """Detach the programs and unload them."""
        for descriptor in (*self._attached, *self._programs):
            os.close(descriptor)
        self._attached, self._programs = [], []


class Loader:
    """Loads sources: `loading` makes it."""

    def __init__(self, helper: socket.socket) -> None:
        self._helper = helper

    def load(self, source: Source, *, defines: Sequence[str] = (), alone: bool = True) -> Programs:
        """Compile a source, load its programs, and attach them.

        The map is that of a recorder that runs already, else a new one. Where another's cannot be had (no
        CAP_SYS_ADMIN), that is an error unless `alone`. Raises `MissingError` where the kernel or bcc does not do it.
        """
        kind, name, *sizes = source.map
        asked = {"path": str(source.path), "map": [kind, name.decode(), *sizes], "defines": list(defines)}
        with contextlib.suppress(OSError):  # it has ended, as what it says next tells
            self._helper.send(json.dumps({**asked, "alone": alone}).encode())
        return Programs(*self._answer())

    def _answer(self) -> tuple[list[int], list[int]]:
        message, descriptors = b"", list[int]()
        with contextlib.suppress(ConnectionError):
            message, descriptors, _, _ = socket.recv_fds(self._helper, _MOST, _MOST_DESCRIPTORS)
        if not message:
            raise MissingError("the process that loads the programs has ended", "look into the kernel's log for why")
        told = json.loads(message)
        if "missing" in told:
            raise MissingError(*told["missing"])
        return descriptors[: told["programs"]], descriptors[told["programs"] :]


@contextlib.contextmanager
def loading(root: Path, held: int) -> Iterator[Loader]:
    """Give a loader of programs; what loading does to the global trace of `root` is undone at the end.

    If this process is killed meanwhile, it is undone too. `held`, which is of `sigtrace.capture.tracefs.setting_up`,
    keeps the next recorder from beginning before that.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        command = helper.command("sigtrace.capture.bpf", "handover.help(sys.argv[1])", str(theirs.fileno()))
        # Out of reach of ^C: what it has begun it undoes.
        # And with streams of its own: ours may be closed.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), held],
            process_group=0,
        )
        theirs.close()
        try:
            with contextlib.suppress(OSError):
                ours.send(os.fsencode(root))
            yield Loader(ours)
        finally:
            ours.close()
            process.wait()


def help(descriptor: str) -> None:  # noqa: A001 -- what the process is there for
    """Load what the process at the other end of a socket asks for, until it asks no more."""
    from sigtrace.capture.bpf.compiler import compiling

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(descriptor)) as asker:
        root = Path(os.fsdecode(asker.recv(_MOST)))
        try:
            with compiling(root) as compiler:
                while asked := asker.recv(_MOST):
                    _load(compiler, json.loads(asked), asker)
        except MissingError as error:
            _tell(asker, {"missing": [error.what, error.remedy]})
        except Exception as error:  # noqa: BLE001 -- whatever bcc or ctypes raise; nobody would see it here
            _tell(asker, {"missing": [f"loading the programs failed ({type(error).__name__}: {error})", "report it"]})


def _load(compiler: Any, asked: dict[str, Any], asker: socket.socket) -> None:  # noqa: ANN401 -- imported by the helper alone
    kind, name, *sizes = asked["map"]
    source = Source(Path(asked["path"]), Map(kind, name.encode(), *sizes))
    try:
        programs, attached = compiler.load(source, defines=asked["defines"], alone=asked["alone"])
    except MissingError as error:
        _tell(asker, {"missing": [error.what, error.remedy]})
    else:
        _tell(asker, {"programs": len(programs)}, [*programs, *attached])


def _tell(asker: socket.socket, what: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    with contextlib.suppress(OSError):  # the asker has been killed
        socket.send_fds(asker, [json.dumps(what).encode()], descriptors)
