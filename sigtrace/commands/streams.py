"""Streams: standard input, output and error, whatever became of them before or becomes of them meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from typing import TextIO

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


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait
    raise SystemExit(128 + number)


def _forget(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
