"""Keeper: runs scenes, each in a session of its own and within its time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NoReturn

from zoo import calls, cgroup, truth
from zoo.catalogue import SCENES
from zoo.stage import Broken, Skip, Stage, rename
from zoo.truth import Truth

_LIMIT = 5.0
_PROGRAMS = Path(__file__).parent / "programs"


def main() -> None:
    """Run scenes, or all of them, and write their truths: `python -m zoo.keeper TRUTHS.json [SCENE...]`."""
    output, names = Path(sys.argv[1]), sys.argv[2:] or list(SCENES)
    calls.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="zoo-", dir=output.parent) as folder:
        programs = Path(folder) / "programs"
        _compile(programs)
        truth.write(output, [_run(name, Path(folder) / name, programs) for name in names])


def _compile(programs: Path) -> None:
    programs.mkdir()
    if shutil.which("gcc") is None:
        return
    for source in sorted(_PROGRAMS.glob("*.c")):
        command = ["gcc", "-O0", "-w", "-pthread", "-o", str(programs / source.stem), str(source)]
        subprocess.run(command, check=True, timeout=30)


def _run(name: str, home: Path, programs: Path) -> Truth:
    home.mkdir()
    began = time.time()
    pid = os.fork()
    if not pid:
        _direct(name, home, programs)
    late = True
    try:
        late = not _ends(pid, began + _LIMIT)
    finally:
        if late:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        left = _sweep()
        cgroup.sweep(name)
    try:
        (told,) = truth.read(home / "truth.json")
    except OSError:
        told = Truth(name, broken="it takes too long" if late else "it tells no truth")
    if left and not told.broken and not told.skipped:
        told.broken = f"it leaves processes behind: {left}"
    if told.broken:
        told.broken += "\n" + (home / "said").read_text(errors="replace")
    told.began, told.ended = began, time.time()
    shutil.rmtree(home, ignore_errors=True)
    return told


def _direct(name: str, home: Path, programs: Path) -> NoReturn:
    try:
        os.setsid()
        os.dup2(os.open(home / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        _as_after_login()
        calls.adopt_orphans()
        os.chdir(home)
        rename("director")
        stage = Stage(name, home, programs)
        stage.knows(os.getpid(), "director")
        try:
            SCENES[name](stage)
        except Skip as reason:
            stage.truth.skipped = str(reason)
        except Broken as reason:
            stage.truth.broken = str(reason)
        except BaseException:  # noqa: BLE001  (whatever it is, the scene has no truth to tell)
            stage.truth.broken = traceback.format_exc()
        truth.write(home / "truth.json", [stage.truth])
    finally:
        os._exit(0)


def _as_after_login() -> None:
    # Python, test runners and background jobs of shells change what signals do.
    for number in range(1, signal.SIGRTMIN):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _ends(pid: int, until: float) -> bool:
    while time.time() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    return False


def _sweep() -> list[int]:
    # The orphans of the scene are this process's children now, and so are theirs once these are dead.
    left: list[int] = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        if not pid:
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                left.append(int(child))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            time.sleep(0.001)


if __name__ == "__main__":
    main()
