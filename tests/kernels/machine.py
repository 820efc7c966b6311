"""Machine: a virtual one, without any disk or network, of which only the console is read."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MEMORY_MB = 4500
_EMULATED = (
    "-smp",
    "2",
    "-m",
    str(_MEMORY_MB),
    "-nographic",
    "-no-reboot",
    "-nic",
    "none",
)
# The CPUs of amd64 take turns in one thread. To switch an event the kernel puts an int3 into code that another CPU may
# run, and takes it out again. If each CPU has a thread, QEMU 7.2 can keep the int3 in its translation of that code: the
# CPU hits it over and over, interrupts off, and the first waits for it. Writing to `enable` files in a loop is enough.
_MACHINES = {
    "amd64": (("qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max"), "ttyS0"),
    "arm64": (
        ("qemu-system-aarch64", "-accel", "tcg,thread=multi", "-machine", "virt", "-cpu", "max,pauth-impdef=on"),
        "ttyAMA0",
    ),
}


def run(architecture: str, kernel: Path, image: Path, seconds: float) -> list[str]:
    """Boot a kernel with an image as its initramfs, show what it says, and return that when it has gone down."""
    emulator, console = _MACHINES[architecture]
    # As few lines of the kernel's own as can be had: they would stand between those of what runs.
    command = [*emulator, *_EMULATED, "-kernel", str(kernel), "-initrd", str(image)]
    command += ["-append", f"console={console} panic=-1 loglevel=1"]
    machine = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    late = threading.Timer(seconds, machine.kill)
    late.start()
    began = time.monotonic()
    lines = []
    try:
        assert machine.stdout is not None
        for line in machine.stdout:
            lines.append(line)
            if len(line) < 200:
                sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {line.rstrip()}\n")
    finally:
        late.cancel()
        machine.kill()
        machine.wait()
    return lines
