"""What the live tests share: they load BPF programs as root, and skip with the doctor's reason where they cannot."""

import os
from collections.abc import Callable

import pytest

from sigtrace.capture import tracefs
from sigtrace.capture.doctor import checks
from sigtrace.errors import ProbeError


def _global_state() -> dict[str, str]:
    # What a user of the global trace would notice: its settings, and that somebody read from it.
    try:
        root = tracefs.find()
    except ProbeError:
        return {}
    files = [
        *("buffer_percent", "buffer_size_kb", "current_tracer", "set_event", "set_event_pid"),
        *("trace_clock", "trace_options", "tracing_cpumask", "tracing_on"),
    ]
    state = {name: (root / name).read_text() for name in files if (root / name).exists()}
    if "expanded" in state.get("buffer_size_kb", ""):
        del state["buffer_size_kb"]  # as large as the kernel makes it once the first program that prints is loaded
    for stats in root.glob("per_cpu/cpu*/stats"):
        state[str(stats)] = next(line for line in stats.read_text().splitlines() if "read events" in line)
    return state


@pytest.fixture(scope="session")
def global_before() -> dict[str, str]:
    return _global_state()


@pytest.fixture
def global_state() -> Callable[[], dict[str, str]]:
    return _global_state


@pytest.fixture(scope="session")
def live(global_before: dict[str, str]) -> None:  # noqa: ARG001 -- taken before the first program is loaded
    missing = [f"{check.detail}: {check.remedy}" for check in checks() if check.needed and not check.ok]
    if missing and os.environ.get("SIGTRACE_LIVE") == "required":
        pytest.fail("; ".join(missing))
    if missing:
        pytest.skip("; ".join(missing))
