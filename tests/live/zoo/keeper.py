"""Keeper: runs scenes, each in a session of its own and within its time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoo import calls, cgroup, truth
from zoo.catalogue import SCENES
from zoo.stage import Skip, Stage, rename
from zoo.truth import Broken, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DURING, BEFORE = "during.json", "before.json"
"""The truths that the two keepers write into their common folder."""

PREPARED = "prepared"
"""The file by which the keeper of the scenes that begin before the recording says that all of them are prepared."""

_RECORDING = "recording"  # the file by which the other keeper, which is recorded, says that the recording has begun
_AT_ONCE = 3
_LIMIT = 90.0  # seconds, for a scene to prepare, and again for it to play
_PRELOADED = ["-shared", "-fPIC"]
_PROGRAMS = Path(__file__).parent / "programs"


def main() -> None:
    """Run scenes, and write their truths: `python -m zoo.keeper during.json|before.json FOLDER SCENE...`.

    The keeper of during.json is recorded. The one of before.json prepares its scenes, waits until the other one has
    begun, and then plays them at the same time.
    """
    output, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    calls.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="zoo-") as home:
        stages = Path(home)
        stages.chmod(0o755)  # some scenes have users that are not root
        _compile(stages / "programs")
        if output == BEFORE:
            wardens = _together((_Warden(name, stages, waits=True) for name in names), _Warden.is_prepared)
            (folder / PREPARED).touch()
            _until((folder / _RECORDING).exists)
            _together((warden.told_to_play() for warden in wardens), _Warden.has_ended)
        else:
            (folder / _RECORDING).touch()
            wardens = _together((_Warden(name, stages, waits=False) for name in names), _Warden.has_ended)
        truth.write(folder / output, [warden.truth() for warden in wardens])
    if output == DURING and (folder / PREPARED).exists():
        _until((folder / BEFORE).exists)


def _compile(programs: Path) -> None:
    programs.mkdir()
    if shutil.which("gcc") is None:
        return
    for source in sorted(_PROGRAMS.glob("*.c")):
        command = ["gcc", "-O0", "-w", "-pthread", "-o", str(programs / source.stem), str(source)]
        subprocess.run([*command, *(_PRELOADED if source.stem == "waits" else [])], check=True, timeout=30)


def _until(condition: Callable[[], object], seconds: float = 100) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


class _Warden:
    """A process that runs one scene; with `waits` the scene is prepared, and played when the warden is told to."""

    def __init__(self, name: str, stages: Path, *, waits: bool) -> None:
        self._name = name
        self._told = stages / f"{name}.json"
        self._status: int | None = None
        (self._reports, report), (order, self._orders) = os.pipe(), os.pipe()
        self._pid = os.fork()
        if not self._pid:

            def recording() -> None:
                os.write(report, b"\n")
                os.read(order, 1)

            self._guard(stages, recording if waits else None)
        os.close(report)
        os.close(order)

    def _guard(self, stages: Path, recording: Callable[[], None] | None) -> NoReturn:
        # A forked process: nothing else may go on in it.
        try:
            calls.adopt_orphans()
            truth.write(self._told, [_run(self._name, stages, recording)])
        except BaseException:  # noqa: BLE001  (whatever it is, it ends here)
            traceback.print_exc()
        finally:
            os._exit(0)

    def is_prepared(self) -> bool:
        """Return whether all that can be there before the recording is there."""
        return bool(select.select([self._reports], [], [], 0)[0]) or self.has_ended()

    def told_to_play(self) -> _Warden:
        """Have the scene played."""
        os.write(self._orders, b"\n")
        return self

    def has_ended(self) -> bool:
        """Return whether the scene is over."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def truth(self) -> Truth:
        """Return the truth of the scene."""
        os.close(self._orders)
        os.close(self._reports)
        if not self._told.exists():
            return Truth(self._name, broken="its warden has lost it")
        (told,) = truth.read(self._told)
        return told


def _together(wardens: Iterable[_Warden], is_done: Callable[[_Warden], bool]) -> list[_Warden]:
    # They begin as they are taken out of the iterable.
    begun: list[_Warden] = []
    busy: list[_Warden] = []
    for warden in wardens:
        begun.append(warden)
        busy.append(warden)
        while len(busy) == _AT_ONCE:
            time.sleep(0.001)
            busy = [each for each in busy if not is_done(each)]
    for warden in busy:
        while not is_done(warden):
            time.sleep(0.001)
    return begun


def _run(name: str, stages: Path, recording: Callable[[], None] | None = None) -> Truth:
    home = stages / name
    home.mkdir()
    home.chmod(0o755)
    os.mkfifo(home / "recording")
    start = os.open(home / "recording", os.O_RDWR)
    began = time.time()
    pid = os.fork()
    if not pid:
        _direct(name, home, stages / "programs", waits=recording is not None)
    status: list[int] = []

    def ended() -> bool:
        if not status and os.waitpid(pid, os.WNOHANG)[0]:
            status.append(0)
        return bool(status)

    try:
        if recording is not None:
            _until(lambda: ended() or (home / "prepared").exists(), _LIMIT)
            recording()
            began = time.time()
            os.write(start, b"\n")
        os.close(start)
        late = not _until(ended, _LIMIT)
    finally:
        if not status:
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


def _direct(name: str, home: Path, programs: Path, *, waits: bool) -> NoReturn:
    def recording() -> None:
        (home / "prepared").touch()
        with (home / "recording").open("rb", buffering=0) as start:
            start.read(1)

    try:
        os.setsid()
        os.dup2(os.open(home / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        _as_after_login()
        calls.adopt_orphans()
        os.chdir(home)
        rename("director")
        stage = Stage(name, home, programs, recording if waits else None)
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
