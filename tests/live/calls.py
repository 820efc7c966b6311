"""What the tests of the commands share: sigtrace as a process, and processes that make calls, which they count."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 2_000_000_011  # no kernel's pid_max allows such a pid
SIGTRACE = [sys.executable, "-m", "sigtrace"]
KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.c"
SECONDS = 60

# Reads `times target signal` a line, makes that many calls, and answers with a line.
CALLER = """
import os, sys
for line in sys.stdin:
    times, target, number = map(int, line.split())
    for _ in range(times):
        try: os.kill(target or os.getpid(), number)
        except OSError: pass
    print("done", flush=True)
"""

# kills.c where there is no C compiler: the same targets and signals.
SLOW_KILLS = """
import os, sys, threading
number, calls = map(int, sys.argv[1:])
def run(first):
    for target in range(first, first + calls):
        try: os.kill(target, target % 65)
        except OSError: pass
threads = [threading.Thread(target=run, args=(2_000_000_000 + i * calls,)) for i in range(number)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def sigtrace(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*SIGTRACE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, **options)


def record(path: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return sigtrace("record", "-o", path, "--", *command)


@contextlib.contextmanager
def recording(path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run `sigtrace record` without a command, from when it records."""
    with started("record", "-o", str(path), *more) as recorder:
        wait_for(lambda: list(path.glob("_spool*")) or recorder.poll() is not None)
        assert recorder.poll() is None, recorder.communicate()
        yield recorder


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [*SIGTRACE, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Caller:
    """A process that makes calls when told. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def call(self, times: int, target: int = NOBODY, number: int = 0) -> None:
        """Make calls; target 0 is the caller itself."""
        _pipe(self._process.stdin).write(f"{times} {target} {number}\n")
        _pipe(self._process.stdin).flush()
        assert _pipe(self._process.stdout).readline() == "done\n"


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def compiled_kills(folder: Path) -> list[str] | None:
    """Compile kills.c; None where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    subprocess.run([compiler, "-O2", "-pthread", "-o", str(folder / "kills"), str(KILLS)], check=True)
    return [str(folder / "kills")]
