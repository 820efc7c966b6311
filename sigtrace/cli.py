"""The command `sigtrace`: as `sigtrace.commands.line`, and `parse` in a hurry."""

import gc
import os
import sys

from sigtrace.commands.line import main

__all__ = ["main", "run"]


def run() -> None:
    """Run the command of this process, and end it."""
    if sys.argv[1:2] != ["parse"]:
        sys.exit(main())
    _hurry()
    code = main()
    os._exit(code)  # what is left is to take the interpreter apart, a tenth of a short log's time


def _hurry() -> None:
    # pyarrow imports numpy if it can; nothing here needs it, and it is half of the time of a short log.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    # Its own allocator takes more from the kernel, page by page, than a file's encoding gives back in speed.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # There is no garbage but what counting finds, and to look for it takes a tenth of a short log's time.
    gc.disable()
