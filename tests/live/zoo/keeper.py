"""Keeper: runs scenes, each in a session of its own and within its time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from zoo import calls
from zoo.scenes import SCENES
from zoo.stage import Broken, Skip, Stage, compile_programs, rename
from zoo.truth import Death, Truth

_LIMIT = 5.0


def main() -> None:
    """Run the scenes named after the file for their truths: `python -m zoo.keeper TRUTHS.json [SCENE...]`."""
    output, names = Path(sys.argv[1]), sys.argv[2:] or list(SCENES)
    calls.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        programs = Path(folder) / "programs"
        programs.mkdir()
        compile_programs(programs)
        truths = [_run(name, Path(folder), programs) for name in names]
    output.write_text(json.dumps([dataclasses.asdict(truth) for truth in truths], indent=1))


def read(path: Path) -> list[Truth]:
    """Read the truths that `main` wrote."""
    truths = []
    for truth in json.loads(path.read_text()):
        deaths = [Death(**death) for death in truth.pop("deaths")]
        pids = {int(pid): comm for pid, comm in truth.pop("pids").items()}
        truths.append(Truth(deaths=deaths, pids=pids, **truth))
    return truths


def _run(name: str, folder: Path, programs: Path) -> Truth:
    home = folder / name
    home.mkdir()
    began = time.time()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _direct(name, home, programs)
    late = not _wait(pid, began + _LIMIT)
    if late:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    left = _sweep()
    try:
        (truth,) = read(home / "truth.json")
    except OSError:
        truth = Truth(name, broken="it took too long" if late else "it told no truth")
    if left and not truth.broken and not truth.skipped:
        truth.broken = f"it left processes behind: {left}"
    if truth.broken:
        truth.broken += "\n" + (home / "said").read_text(errors="replace")
    truth.began, truth.ended = began, time.time()
    shutil.rmtree(home, ignore_errors=True)
    return truth


def _direct(name: str, home: Path, programs: Path) -> None:
    # What a test runner or a shell's background job may have changed is as a login leaves it.
    try:
        os.setsid()
        os.dup2(os.open(home / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        calls.adopt_orphans()
        for number in range(1, signal.SIGRTMIN):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                with contextlib.suppress(OSError):
                    signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
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
        except BaseException:  # noqa: BLE001 -- whatever it is, the scene has no truth
            stage.truth.broken = traceback.format_exc()
        (home / "truth.json").write_text(json.dumps([dataclasses.asdict(stage.truth)]))
    finally:
        os._exit(0)


def _wait(pid: int, until: float) -> bool:
    while time.time() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    return False


def _sweep() -> list[int]:
    # The orphans of the scene are this process's children now, and so are theirs once these are dead.
    left = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        if not pid:
            for child in _children():
                left.append(child)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.001)


def _children() -> list[int]:
    me = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()]


if __name__ == "__main__":
    main()
