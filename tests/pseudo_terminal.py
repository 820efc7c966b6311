"""Pseudo-terminal: what sigtrace prints where its stdout is a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def in_a_terminal(columns: int, *arguments: str) -> str:
    """Return what `sigtrace` with these arguments leaves in a terminal of so many columns, with its colors."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "sigtrace", *arguments]
    child = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT)
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 65536):
            printed += block
    except OSError:
        pass  # Linux says EIO where the other side is closed
    os.close(ours)
    assert child.wait() == 0
    return _what_stays(printed.decode())


def _what_stays(printed: str) -> str:
    # A bar is there if the machine is so busy that it takes a second. It writes its line anew, and takes it away.
    shown = re.sub(r"\x1b\[\?25[lh]", "", printed)  # the cursor
    return re.sub(r"[^\n]*(\n\r\x1b\[1A)?\x1b\[2K", "", shown)
