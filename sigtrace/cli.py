"""The command `sigtrace`: as `sigtrace.commands.line`, in a hurry.

What is done here is done to a process that runs one command and ends; `make bench` shows what it brings.
"""

import gc
import os
import sys

from sigtrace.commands.line import main
from sigtrace.commands.streams import end_cleanly

__all__ = ["main", "run"]


def run() -> None:
    """Run the command of this process, and end it."""
    # pyarrow imports numpy and pandas if it can. No command needs them, and they take half the time of a short one.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    # What is imported is no garbage, and to look through it again and again takes a tenth of a short command's time.
    gc.set_threshold(100_000)
    end_cleanly()
    if sys.argv[1:2] != ["parse"]:
        sys.exit(main())
    _hurry()
    code = main()
    os._exit(code)  # what is left is to take the interpreter apart, a tenth of a short log's time


def _hurry() -> None:
    # Its own allocator takes more from the kernel, page by page, than a file's encoding gives back in speed.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # There is no garbage but what counting finds, and to look for it takes a tenth of a short log's time.
    gc.disable()
