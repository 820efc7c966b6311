"""Record the same log again and again, in a process of its own each time, whose Nth step fails: steps.py LOG INTO MODE.

Prints a line a recording, as JSON: `at` (N), `acknowledged` (chunks that were fed), `status` (how the process ended:
0 well, 1 with an error that is said, 9 killed) and `said`. Ends after the first that needs fewer than N steps.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import pyarrow as pa  # noqa: F401  (before the first fork)

from sigtrace.errors import Error
from sigtrace.store import recorder

CHUNK = 4999
MODES = {
    "killed": (0, False),
    "EIO once": (errno.EIO, False),
    "EROFS from then on": (errno.EROFS, True),
}
"""Each with the error, 0 for a kill, and whether it stays."""


def _record(log: bytes, path: Path, pipe: int) -> None:
    with recorder.Recorder(path, {}) as fed:
        for at in range(0, len(log), CHUNK):
            chunk = log[at : at + CHUNK]
            fed.room()[: len(chunk)] = chunk
            fed.feed(chunk)
            os.write(pipe, b".")
        fed.finish({})


def _child(log: bytes, path: Path, pipe: int, number: int, mode: str) -> int:
    faults = ctypes.CDLL(None)
    faults.faults_left.restype = ctypes.c_long
    error, stays = MODES[mode]
    said, code = "", 0
    faults.faults_arm(ctypes.c_long(number), error, stays)
    try:
        _record(log, path, pipe)
    except Error as raised:
        said, code = str(raised), 1
    except BaseException:  # noqa: BLE001  (which is what is looked for)
        said, code = traceback.format_exc(), 3
    came = faults.faults_left() <= 0
    os.write(pipe, json.dumps([said, came]).encode())
    return code


def main() -> None:
    log, into, mode = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
    recorder._BATCH_ROWS, recorder._PART_ROWS, recorder._SYNC_SECONDS = 32, 128, 0.0  # noqa: SLF001
    number, came = 0, True
    while came:
        number += 1
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os._exit(_child(log, into / f"{number:04}.parquet", theirs, number, mode))
        os.close(theirs)
        with open(ours, "rb") as pipe:  # noqa: PTH123  (a descriptor)
            told = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        acknowledged = len(told) - len(told.lstrip(b"."))
        said, came = json.loads(told[acknowledged:]) if status >= 0 else ("", True)
        killed = -signal.SIGKILL
        row = {"at": number, "acknowledged": acknowledged, "status": 9 if status == killed else status, "said": said}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
