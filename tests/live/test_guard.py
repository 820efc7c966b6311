"""A trace instance that somebody disturbs: no loss is silent, and recording goes on as it was set."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest
from calls import Caller, recording, wait_for

from sigtrace import read
from sigtrace.capture import bpf, guard, tracefs
from sigtrace.capture.probe import SKIPPED, Probe

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("live")

DISTURBANCES = {
    "off and on at once": ("echo 0 > tracing_on; echo 1 > tracing_on", "somebody wrote to tracing_on"),
    "off": ("echo 0 > tracing_on", "tracing_on has changed"),
    "events off": ("echo 0 > events/enable", "set_event has changed"),
    "a group off": ("echo 0 > events/signal/enable", "set_event has changed"),
    "the calls off": ("echo 0 > events/bpf_trace/bpf_trace_printk/enable", "set_event has changed"),
    "a filter": ("echo sig==1 > events/signal/signal_generate/filter", "filter of signal:signal_generate has changed"),
    "a smaller buffer": ("echo 64 > buffer_size_kb", "buffer_size_kb has changed"),
    "a CPU's smaller buffer": ("echo 64 > per_cpu/cpu0/buffer_size_kb", "buffer_size_kb has changed"),
    "an emptied buffer": ("echo > trace", "somebody wrote to trace"),
    "another layout": ("echo 1 > options/latency-format", "trace_options has changed"),
    "some pids alone": ("echo 1 > set_event_pid", "set_event_pid has changed"),
    "another clock": ("echo counter > trace_clock", "trace_clock has changed"),
    "one CPU alone": ("echo 0 > tracing_cpumask", "tracing_cpumask has changed"),
}


class Reading:
    """A probe that is read by a thread. A context manager."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.probe = Probe(buffer_mb=16)
        self._reader = threading.Thread(target=lambda: self.chunks.extend(self.probe))
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.probe.close()

    def end(self) -> bytes:
        self.probe.stop()
        self._reader.join()
        return b"".join(self.chunks)

    def settings(self) -> dict[str, str]:
        folder = self.probe.instance
        assert folder is not None
        names = ("tracing_on", "buffer_size_kb", "trace_options", "set_event", "set_event_pid", "trace_clock")
        return {name: (folder / name).read_text() for name in (*names, "events/signal/signal_generate/filter")}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_what_somebody_does_to_the_instance_is_a_loss_at_its_place_and_undone(name: str) -> None:
    command, what = DISTURBANCES[name]
    with Reading() as reading, Caller() as caller:
        before = reading.settings()
        caller.call(101, number=0)
        subprocess.run(["sh", "-c", command], cwd=reading.probe.instance, check=True)
        wait_for(lambda: reading.probe.disturbed)
        wait_for(lambda: reading.settings() == before)
        time.sleep(0.05)
        caller.call(103, number=0)
        log = reading.end()
        assert what in reading.probe.disturbed
        assert reading.probe.instance is not None
        cpus = tracefs.cpus(reading.probe.instance)
    first, *losses = log.split(b"[LOST EVENTS]\n")
    assert len(losses) == len(cpus)
    mine = b": bpf_trace_printk: PID %d (" % caller.pid
    if command != "echo > trace":  # which takes away what was not read yet
        assert first.count(mine) == 101
    assert losses[-1].count(mine) == 103


def test_an_instance_that_nobody_disturbs_is_not_said_to_be() -> None:
    with Reading() as reading, Caller() as caller:
        folder = reading.probe.instance
        assert folder is not None
        for file in ("trace", "set_event", "tracing_on", "buffer_size_kb", "trace_options", "trace_clock"):
            assert (folder / file).read_text()  # to look is no harm
        caller.call(107)
        time.sleep(1.3)
        assert b"LOST EVENTS" not in reading.end()
        assert reading.probe.disturbed == []


def test_a_program_that_the_kernel_skipped_is_a_loss_on_every_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kernels before 7 preempt no program, and skip none: `make kernels` sees those that do, and here one is said to.
    with Reading() as reading, Caller() as caller:
        caller.call(101, number=0)
        wait_for(lambda: b"".join(reading.chunks).count(b"PID %d (" % caller.pid) == 101)
        assert sum(programs.skipped() for programs in reading.probe._programs) == 0  # noqa: SLF001
        monkeypatch.setattr(bpf.Programs, "skipped", lambda _: 7)
        caller.call(103, number=0)
        log = reading.end()
        assert reading.probe.disturbed == [SKIPPED]
        assert reading.probe.instance is not None
        assert log.count(b"[LOST EVENTS]\n") == len(tracefs.cpus(reading.probe.instance))
        assert log.count(b"PID %d (" % caller.pid) == 204


def test_a_quiet_stream_is_tried_by_a_call_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_QUIET_SECONDS", 0.2)
    monkeypatch.setattr(guard, "_ANSWER_SECONDS", 0.4)
    with Reading() as reading:
        wait_for(lambda: b"to PID %d, ret = 0\n" % os.getpid() in b"".join(reading.chunks))
        time.sleep(1)
        assert b"LOST EVENTS" not in reading.end()
        assert reading.probe.disturbed == []


def test_a_stream_that_went_deaf_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_CALL", b"what no line holds")
    monkeypatch.setattr(guard, "_QUIET_SECONDS", 0.2)
    monkeypatch.setattr(guard, "_ANSWER_SECONDS", 0.2)
    with Reading() as reading:
        wait_for(lambda: reading.probe.disturbed)
        assert b"LOST EVENTS" in reading.end()
        assert set(reading.probe.disturbed) == {"a call of the recorder's own did not come through"}


def test_a_session_says_that_it_was_disturbed_and_does_not_say_that_nothing_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with Caller() as caller, recording(path) as recorder:
        (instance,) = (tracefs.find() / "instances").glob(f"sigtrace-{recorder.pid}-*")
        caller.call(11)
        (instance / "tracing_on").write_text("0")
        wait_for(lambda: (instance / "tracing_on").read_text() == "1\n")
        caller.call(13)
        recorder.terminate()
        _, said = recorder.communicate()
        assert recorder.returncode == 0
        cpus = tracefs.cpus(tracefs.find())
    session = read(path)
    assert "somebody wrote to tracing_on" in session.about["disturbed"]
    assert "somebody wrote to tracing_on" in said
    assert "nothing was lost" not in said
    rows = session.table.to_pylist()
    assert sum(row["event"] == "lost" for row in rows) == len(cpus)
    at = next(at for at, row in enumerate(rows) if row["event"] == "lost")
    calls = [at for at, row in enumerate(rows) if row["event"] == "kill" and row["pid"] == caller.pid]
    assert (sum(one < at for one in calls), sum(one > at for one in calls)) == (11, 13)
