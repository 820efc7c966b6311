"""The peer of a recording: `cat trace_pipe` of the global trace, with its buffer as it is.

`python peer_cat.py OUT COMMAND...` runs the command while the tutorial's program is loaded and cat writes to OUT, and
prints what the command printed. The global trace's event is switched on for that long, and then as it was.
"""

import subprocess
import sys
import time
from pathlib import Path

from sigtrace.capture import bpf, tracefs

QUIET_SECONDS = 1.0


def main() -> None:
    """Run the command under cat."""
    out, command = Path(sys.argv[1]), sys.argv[2:]
    root = tracefs.find()
    event = root / "events" / bpf.PRINTK.replace(":", "/") / "enable"
    with tracefs.setting_up(root) as held:
        before = event.read_text()  # under the lock: a recorder that loads has it on for a moment
        with bpf.loading(root, held) as loader:
            programs = loader.load(bpf.PROBE, alone=not tracefs.sweep(root))
    try:
        event.write_text("1")
        with out.open("wb") as file, subprocess.Popen(["cat", root / "trace_pipe"], stdout=file) as cat:
            subprocess.run(command, check=True)
            _drained(cat)
            cat.terminate()
    finally:
        event.write_text(before)
        programs.close()


def _drained(cat: subprocess.Popen[bytes]) -> None:
    # cat waits in the kernel for more: once it takes no more CPU, it has what there was.
    stat = Path(f"/proc/{cat.pid}/stat")
    used = ""
    while (now := " ".join(stat.read_text().split()[13:15])) != used:
        used = now
        time.sleep(QUIET_SECONDS)


if __name__ == "__main__":
    main()
