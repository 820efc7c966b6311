"""The probe in this kernel: the tests make the calls themselves, and count them."""

import contextlib
import ctypes
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sigtrace.capture import bpf, tracefs
from sigtrace.capture.bpf import compiler
from sigtrace.capture.probe import Probe

pytestmark = pytest.mark.usefixtures("live")

NOBODY = 2_000_000_011  # no kernel's pid_max allows such a pid
NO_SUCH_PROCESS = -3


def in_a_thread_named(comm: str, calls: Callable[[], None]) -> None:
    def run() -> None:
        Path("/proc/thread-self/comm").write_text(comm)
        calls()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def kill_nobody(times: int, target: int = NOBODY) -> None:
    for _ in range(times):
        with pytest.raises(ProcessLookupError):
            os.kill(target, 0)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def recorded(calls: Callable[[], object], *, evidence: bool = False) -> bytes:
    with Probe(buffer_mb=16, evidence=evidence) as recorder:
        calls()
        recorder.stop()
        return b"".join(recorder)


def calls_by(comm: str, log: bytes) -> list[tuple[int, int]]:
    found = re.findall(rb"PID (\d+) \(%b\) sent signal (-?\d+) \n" % re.escape(comm.encode()), log)
    return [(int(pid), int(number)) for pid, number in found]


def calls_to(target: int, log: bytes) -> list[int]:
    return [int(result) for result in re.findall(rb"to PID %d, ret = (-?\d+)\n" % target, log)]


def test_each_call_of_kill_prints_both_its_lines() -> None:
    log = recorded(lambda: in_a_thread_named("one by one", lambda: kill_nobody(101)))
    assert len(calls_by("one by one", log)) == 101
    assert len(set(calls_by("one by one", log))) == 1
    assert calls_to(NOBODY, log) == [NO_SUCH_PROCESS] * 101


@pytest.mark.parametrize(
    ("name", "x86_64", "aarch64", "before"), [("tkill", 200, 130, ()), ("tgkill", 234, 131, (NOBODY - 1,))]
)
def test_a_call_of_tkill_or_tgkill_prints_the_thread_and_the_signal(
    name: str, x86_64: int, aarch64: int, before: tuple[int, ...]
) -> None:
    numbers = {"x86_64": x86_64, "aarch64": aarch64}
    if platform.machine() not in numbers:
        pytest.skip(f"the number of {name} on {platform.machine()} is not known here")
    syscall = ctypes.CDLL(None).syscall

    def calls() -> None:
        for _ in range(43):
            assert syscall(numbers[platform.machine()], *before, NOBODY, int(signal.SIGUSR1)) == -1

    log = recorded(lambda: in_a_thread_named(name, calls))
    assert [number for _, number in calls_by(name, log)] == [signal.SIGUSR1] * 43
    assert calls_to(NOBODY, log) == [NO_SUCH_PROCESS] * 43


def test_the_evidence_of_a_kill_is_in_the_same_stream() -> None:
    def calls() -> None:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
            assert victim.stdin is not None
            assert victim.stdout is not None
            victim.stdin.write(b"begun\n")
            victim.stdin.flush()
            assert victim.stdout.readline() == b"begun\n"
            victim.send_signal(signal.SIGTERM)

    log = recorded(lambda: in_a_thread_named("the killer", calls), evidence=True)
    generated = re.findall(rb"signal_generate: sig=15 .* comm=cat pid=(\d+) grp=1 res=0\n", log)
    assert len(generated) == 1
    pid = generated[0]
    for line in (
        rb"sched_process_fork: comm=the killer pid=\d+ child_comm=the killer child_pid=%b\n",
        rb"sigtrace exec old=%b \S*cat\n",
        rb"-%b .*sigtrace args uid=\d+ cgroup=\d+ cat\n",
        rb"sched_process_exit: comm=cat pid=%b prio=\d+ group_dead=true\n",
    ):
        assert len(re.findall(line.replace(b"%b", pid), log)) == 1, line


def test_the_death_of_a_child_is_no_signal_worth_a_line() -> None:
    former = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        log = recorded(lambda: subprocess.run(["true"], check=True), evidence=True)
    finally:
        signal.signal(signal.SIGCHLD, former)
    assert b"sched_process_exit: comm=true " in log
    assert b"sig=%d " % signal.SIGCHLD not in log


def test_two_probes_side_by_side_record_each_call_once_each() -> None:
    with Probe(buffer_mb=16, evidence=False) as first, Probe(buffer_mb=16, evidence=False) as second:
        assert first.instance != second.instance
        kill_nobody(103)
        first.stop()
        assert len(calls_to(NOBODY, b"".join(first))) == 103
        first.close()
        kill_nobody(107)
        second.stop()
        assert len(calls_to(NOBODY, b"".join(second))) == 103 + 107


def test_probes_that_start_at_the_same_moment_record_each_call_once_each() -> None:
    moment, ready = threading.Barrier(3), threading.Barrier(4)
    logs: list[bytes] = []

    def record() -> None:
        moment.wait()
        with Probe(buffer_mb=16, evidence=False) as recorder:
            ready.wait()
            ready.wait()
            recorder.stop()
            logs.append(b"".join(recorder))

    threads = [threading.Thread(target=record) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    kill_nobody(17)
    ready.wait()
    for thread in threads:
        thread.join()
    assert [len(calls_to(NOBODY, log)) for log in logs] == [17, 17, 17]


def test_the_instance_is_there_while_it_records_and_gone_afterwards() -> None:
    with Probe(buffer_mb=1) as recorder:
        assert recorder.instance is not None
        assert recorder.instance.is_dir()
    assert not recorder.instance.exists()


def test_what_a_killed_recorder_left_behind_is_removed_by_the_next_and_a_living_one_is_left_alone() -> None:
    program = (
        "import time; from sigtrace.capture.probe import Probe\n"
        "with Probe(buffer_mb=1) as probe: print(probe.instance, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        left_behind = Path(killed.stdout.readline().strip())
        with Probe(buffer_mb=1):
            assert left_behind.is_dir()
        killed.kill()
    assert left_behind.is_dir()
    with Probe(buffer_mb=1):
        assert not left_behind.exists()


def test_the_global_trace_is_neither_read_nor_changed(
    global_before: dict[str, str], global_state: Callable[[], dict[str, str]]
) -> None:
    with Probe(buffer_mb=16) as recorder:
        assert global_state().items() >= global_before.items()
        kill_nobody(11)
        recorder.stop()
        assert len(calls_to(NOBODY, b"".join(recorder))) == 11
    time.sleep(0.2)  # the kernel may enable the event in the global trace a moment later
    assert global_state().items() >= global_before.items()


@pytest.fixture
def reading() -> Iterator[tuple[Probe, list[bytes], threading.Thread]]:
    chunks: list[bytes] = []
    with Probe(buffer_mb=16, evidence=False) as recorder:
        reader = threading.Thread(target=lambda: chunks.extend(recorder))
        reader.start()
        try:
            yield recorder, chunks, reader
        finally:
            recorder.stop()
            reader.join()


def test_a_call_reaches_the_waiting_reader_at_once(
    reading: tuple[Probe, list[bytes], threading.Thread],
) -> None:
    _, chunks, _ = reading
    for count in range(1, 8):
        time.sleep(0.03)
        kill_nobody(1)
        assert wait_for(lambda: len(calls_to(NOBODY, b"".join(chunks))) == count, 0.2)  # noqa: B023 -- called now


def sleeps() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def test_a_reader_with_nothing_to_read_sleeps(reading: tuple[Probe, list[bytes], threading.Thread]) -> None:
    assert reading[2].is_alive()
    before = sleeps()
    time.sleep(1)
    assert sleeps() - before < 30


def test_a_reader_that_keeps_up_does_not_wake_for_each_line(
    reading: tuple[Probe, list[bytes], threading.Thread],
) -> None:
    program = f"""
import os, time
for _ in range(701):
    time.sleep(0.001)
    try: os.kill({NOBODY}, 0)
    except ProcessLookupError: pass
"""
    before = sleeps()
    subprocess.run([sys.executable, "-c", program], check=True)
    assert sleeps() - before < 350
    recorder, chunks, reader = reading
    recorder.stop()
    reader.join()
    assert len(calls_to(NOBODY, b"".join(chunks))) == 701


def test_stop_ends_the_iteration_at_once_and_after_the_last_line(
    reading: tuple[Probe, list[bytes], threading.Thread],
) -> None:
    recorder, chunks, reader = reading
    kill_nobody(211)
    time.sleep(0.1)
    recorder.stop()
    reader.join(timeout=0.25)
    assert not reader.is_alive()
    assert len(calls_to(NOBODY, b"".join(chunks))) == 211
    kill_nobody(1)
    assert len(calls_to(NOBODY, b"".join(recorder))) == 0


def test_a_signal_handler_can_stop_the_iteration() -> None:
    with Probe(buffer_mb=16) as recorder:
        former = signal.signal(signal.SIGALRM, lambda *_: recorder.stop())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            started = time.monotonic()
            for _ in recorder:
                assert time.monotonic() - started < 1
            assert time.monotonic() - started < 1
        finally:
            signal.signal(signal.SIGALRM, former)


def test_stop_after_close_does_nothing() -> None:
    with Probe(buffer_mb=1) as recorder:
        pass
    recorder.stop()
    assert recorder.losses() == {}


BURST = """
import os, pathlib, sys
pathlib.Path("/proc/self/comm").write_text(sys.argv[1])
input()
for _ in range(int(sys.argv[3])):
    try: os.kill(int(sys.argv[2]), 0)
    except ProcessLookupError: pass
"""


def burst(times: int) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BURST, f"burst {n}", str(NOBODY + n), str(times)], stdin=subprocess.PIPE
        )
        for n in range(2)
    ]
    for process in processes:
        process.communicate(b"\n")


def test_a_burst_from_two_processes_is_recorded_whole_by_default() -> None:
    chunks: list[bytes] = []
    with Probe() as recorder:
        reader = threading.Thread(target=lambda: chunks.extend(recorder))
        reader.start()
        burst(20_011)
        recorder.stop()
        reader.join()
    log = b"".join(chunks)
    for n in range(2):
        assert len(calls_by(f"burst {n}", log)) == 20_011
        assert len(calls_to(NOBODY + n, log)) == 20_011
    assert recorder.losses() == {}
    assert b"LOST" not in log


def test_what_does_not_fit_in_the_buffer_is_counted() -> None:
    with Probe(buffer_mb=1, evidence=False) as recorder:
        burst(20_011)
        recorder.stop()
        log = b"".join(recorder)
        lost = sum(recorder.losses().values())
    ours = sum(len(calls_by(f"burst {n}", log)) + len(calls_to(NOBODY + n, log)) for n in range(2))
    assert lost > 0
    assert 4 * 20_011 <= ours + lost < 4 * 20_011 + 1_009  # other programs send signals, too
    assert sum(recorder.losses().values()) == lost


def test_timestamps_and_the_offset_make_utc() -> None:
    with Probe(buffer_mb=1, evidence=False) as recorder:
        before = time.time()
        kill_nobody(1)
        after = time.time()
        recorder.stop()
        log = b"".join(recorder)
    stamp = re.search(rb"(\d+)\.(\d{6}): bpf_trace_printk: to PID %d," % NOBODY, log)
    assert stamp is not None
    assert recorder.utc_offset_us is not None
    utc = (int(stamp[1]) * 1_000_000 + int(stamp[2]) + recorder.utc_offset_us) / 1e6
    assert before - 0.001 < utc < after + 0.001


def test_a_probe_says_what_it_records() -> None:
    with Probe(buffer_mb=1) as recorder:
        assert recorder.instance is not None
        assert (recorder.instance / "options" / "record-tgid").read_text() == "1\n"
        assert recorder.clock in {"boot", "mono"}
        assert recorder.fallback == ""
        assert {*recorder.events, *recorder.missing} == {
            *("bpf_trace:bpf_trace_printk", "oom:mark_victim", "signal:signal_deliver", "signal:signal_generate"),
            *("sched:sched_process_exit", "sched:sched_process_fork"),
            *("syscalls:sys_enter_exit", "syscalls:sys_enter_exit_group"),
            *("cgroup:cgroup_attach_task", "cgroup:cgroup_mkdir"),
            *("sigtrace:exec", "sigtrace:args", "sigtrace:arguments"),
        }
        assert recorder.missing == [event for event in recorder.missing if not tracefs.has_event(tracefs.find(), event)]
        assert not {"sigtrace:exec", "sigtrace:args"} & set(recorder.missing)
    with Probe(buffer_mb=1, evidence=False) as recorder:
        assert recorder.events == [bpf.PRINTK]


def test_where_the_kernel_has_no_printk_event_the_global_trace_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    root = tracefs.find()
    if (root / "set_event").read_text():
        pytest.skip("somebody uses the global trace here, and this test would read from it")
    has_event = tracefs.has_event
    monkeypatch.setattr(tracefs, "has_event", lambda folder, event: event != bpf.PRINTK and has_event(folder, event))
    target = NOBODY + os.getpid()  # the global trace may hold lines of the last run
    try:
        with Probe() as recorder:
            assert recorder.instance is None
            assert "global trace" in recorder.fallback
            assert recorder.events == []
            # A kernel without the event prints into the global trace always; this one, if the event is on there.
            (root / "events" / bpf.PRINTK.replace(":", "/") / "enable").write_text("1")
            kill_nobody(13, target)
            recorder.stop()
            assert len(calls_to(target, b"".join(recorder))) == 13
    finally:
        (root / "events" / bpf.PRINTK.replace(":", "/") / "enable").write_text("0")


KILLED_WHILE_IT_LOADS = """
import os, signal
from sigtrace.capture import bpf, tracefs

root = tracefs.find()
with tracefs.setting_up(root) as held, bpf.loading(root, held) as loader:
    loader.load(bpf.PROBE)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_recorder_that_is_killed_while_it_loads_leaves_the_global_trace_as_it_was_when_the_next_begins() -> None:
    root = tracefs.find()
    switch = root / "events" / bpf.PRINTK.replace(":", "/") / "enable"
    before = switch.read_text()
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_LOADS], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with tracefs.setting_up(root):
        assert not helpers()
        assert switch.read_text() == before


def test_what_the_kernel_switches_on_late_is_switched_off(tmp_path: Path) -> None:
    (tmp_path / "events" / "bpf_trace" / "bpf_trace_printk").mkdir(parents=True)
    switch = tmp_path / "events" / bpf.PRINTK.replace(":", "/") / "enable"
    switch.write_text("0\n")
    with compiler._global_trace_kept(tmp_path):  # noqa: SLF001 -- without a program that is loaded
        late = threading.Timer(0.5, switch.write_text, ["1\n"])
        late.start()
    late.join()
    assert switch.read_text() == "0"


def helpers() -> list[str]:
    """Return the processes that load programs for another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"handover.help" in path.read_bytes():
                found.append(path.parent.name)
    return found
