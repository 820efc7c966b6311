"""Inside: what is tried on a kernel; it runs on that kernel, and prints what it found."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zoo import catalogue
from zoo.judge import Judgement, judge
from zoo.recording import record
from zoo.scenes import asked, cgroups, faults, groups, itself, parents

import sigtrace
from sigtrace.capture import probe, tracefs
from sigtrace.facts import events
from tests.kernels import scene
from tests.kernels.findings import lines

_SECONDS = 300
_SETTLED = 1.5
_SCENES = (asked, groups, itself, faults, cgroups, parents)


def main() -> None:
    """Try everything, and print what was found."""
    findings: dict[str, Any] = {"release": os.uname().release, "machine": os.uname().machine}
    for name, step in (
        ("doctor", _doctor),
        ("formats", _formats),
        ("watch", _watch),
        ("log", _log),
        ("zoo", _zoo),
    ):
        began = time.monotonic()
        try:
            findings[name] = step()
        except Exception as error:  # noqa: BLE001  (whatever it is, the kernel is told of with the rest)
            findings[name] = {"error": f"{type(error).__name__}: {error}"}
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    for line in lines(findings):
        print(line, flush=True)


def _doctor() -> dict[str, Any]:
    done = subprocess.run(_sigtrace("doctor"), capture_output=True, text=True, timeout=_SECONDS, check=False)
    checks = re.findall(r"^(\S+) +(\S.*?): (.*)$", done.stdout, re.MULTILINE)
    return {"exit": done.returncode, "checks": checks, "said": done.stderr}


def _formats() -> dict[str, str]:
    root = tracefs.find()
    formats = {}
    for event in events.evidence():
        path = root / "events" / event.replace(":", "/") / "format"
        if path.exists():
            formats[event] = path.read_text()
    return formats


def _watch() -> dict[str, list[str]]:
    """Return what `watch` and `watch --deaths` say of a process that is killed."""
    with ExitStack() as stack:
        watching = {}
        for name, options in (("watch", ["-s", "TERM"]), ("watch --deaths", ["--deaths"])):
            process = subprocess.Popen(
                _sigtrace("watch", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            watching[name] = process
            assert process.stdout is not None
            if not process.stdout.readline():  # the head of the table
                assert process.stderr is not None
                raise RuntimeError(process.stderr.read())
        subprocess.run(["sh", "-c", "sleep 600 & kill $!; wait"], check=False)
        time.sleep(2 * _SETTLED)
        told = {}
        for name, process in watching.items():
            process.send_signal(signal.SIGINT)
            told[name] = process.communicate(timeout=_SECONDS)[0].splitlines()
    return told


def _log() -> dict[str, Any]:
    """Return what trace_pipe printed of the scene, and what became of the calls of the storm after it."""
    log = bytearray()
    with probe.Probe(buffer_mb=64) as recorder:

        def read() -> None:
            for chunk in recorder:
                log.extend(chunk)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        subprocess.run([sys.executable, "-m", "tests.kernels.scene", "play"], check=True, timeout=_SECONDS)
        time.sleep(_SETTLED)
        played = bytes(log[: log.rfind(b"\n") + 1])
        subprocess.run([sys.executable, "-m", "tests.kernels.scene", "storm"], check=True, timeout=_SECONDS)
        time.sleep(_SETTLED)
        recorder.stop()
        reader.join()
        clock = recorder.clock
        lost = sum(recorder.losses().values())
        missing = recorder.missing
        disturbed = recorder.disturbed
    session = sigtrace.read(bytes(log))
    mine = [
        row for row in session.table.to_pylist() if row["comm"] == scene.STORM and row["event"] in {"kill", "kill_half"}
    ]
    halves = sum(row["event"] == "kill_half" for row in mine)
    return {
        "played": played.decode("latin-1"),
        "clock": clock,
        "missing": missing,
        "storm": {
            "made": scene.STORM_PROCESSES * scene.STORM_CALLS,
            "calls": len(mine) - halves,
            "halves": halves,
            "lost": lost,
            "noted": sum(session.accounting.losses_of_unknown_size.values()),
            "disturbed": disturbed,
        },
    }


def _zoo() -> dict[str, Any]:
    modules = {module.__name__ for module in _SCENES}
    names = [
        name
        for name, play in catalogue.SCENES.items()
        if play.__module__ in modules and not name.endswith(catalogue.BEFORE)
    ]
    told: dict[str, Any] = {"right": [], "wrong": {}, "skipped": {}}
    judgements = _judged(names)
    # An emulated machine can be too slow for what a scene waits for: then it has no truth, and no answer is wrong.
    late = [judgement.scene for judgement in judgements if _has_no_truth(judgement)]
    again = {judgement.scene: judgement for judgement in (_judged(late) if late else [])}
    for judgement in (again.get(judgement.scene, judgement) for judgement in judgements):
        if judgement.skipped:
            told["skipped"][judgement.scene] = judgement.skipped
        elif judgement.wrong:
            told["wrong"][judgement.scene] = judgement.wrong
        else:
            told["right"].append(judgement.scene)
    return told


def _judged(names: list[str]) -> list[Judgement]:
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        truths, answers = record(Path(folder), names)
    return [judge(truth, answers) for truth in truths]


def _has_no_truth(judgement: Judgement) -> bool:
    return any(complaint.startswith("no truth: ") for complaint in judgement.wrong)


def _sigtrace(*words: str) -> list[str]:
    return [sys.executable, "-m", "sigtrace", *words]


if __name__ == "__main__":
    main()
