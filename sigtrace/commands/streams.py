"""Streams: standard input, output and error, whatever became of them before or becomes of them meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is closed is stood in for by what fails as it does, lest the next file that is opened take its place.
_STAND_INS = (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))


def prepare() -> None:
    """Stand in for a stream that is closed: nothing is read or written there, and stderr is silent.

    What a stream's encoding lacks is written as an escape.
    """
    for number, (name, how, mode) in enumerate(_STAND_INS):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                opened = os.open(os.devnull, how)
                if opened != number:
                    os.dup2(opened, number)
                    os.close(opened)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- a descriptor, for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def tell(text: str, end: str = "\n") -> None:
    """Print on stderr. If nobody can read it, that is no reason to end, nor for another exit code."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        _forget(sys.stderr)


def settle() -> None:
    """Write what is still to be written; if that fails, nobody is told, and Python does not complain at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _forget(stream)


def end_cleanly() -> None:
    """Have SIGTERM and SIGHUP end this process as an exception does, so that it leaves no temporary file behind."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # as under nohup it is not
            signal.signal(number, _end)


@contextlib.contextmanager
def interrupting(interrupt: Callable[[], object]) -> Iterator[None]:
    """Have a signal call `interrupt` at once, in another thread: Python handles none while a library computes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    over = threading.Event()

    def listen() -> None:
        while number := os.read(read, 1):
            # Again and again: what is to be interrupted may only begin.
            while number[0] in _ENDING and not over.is_set():
                interrupt()
                over.wait(_AGAIN_SECONDS)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(write)
        listener.join()
        os.close(read)


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_SECONDS = 0.1


def ended_by() -> int:
    """Return the signal that is to end this process: SIGINT, if none of `end_cleanly` came."""
    return _ended.pop() if _ended else signal.SIGINT


_ended: list[int] = []


def _end(number: int, _frame: object) -> None:
    _ended.append(number)
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait
    raise SystemExit(128 + number)


def _forget(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
