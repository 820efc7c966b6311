"""What a probe says where it cannot record, and what it leaves as it was."""

import os
import sys
from pathlib import Path

import pytest

from sigtrace.capture import bpf, doctor, tracefs
from sigtrace.capture.probe import Probe
from sigtrace.errors import ProbeError

pytestmark = pytest.mark.usefixtures("live")


@pytest.mark.parametrize("kernel_source", [None, "/usr/src/linux"])
def test_neither_the_environment_nor_the_folder_nor_the_import_path_is_changed(
    kernel_source: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    if kernel_source:
        monkeypatch.setenv("BCC_KERNEL_SOURCE", kernel_source)
    before = dict(os.environ), Path.cwd(), list(sys.path)
    with Probe(buffer_mb=1):
        assert (dict(os.environ), Path.cwd(), sys.path) == before
    assert "bcc" not in sys.modules


def test_a_program_that_does_not_compile_is_one_line_of_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "probe.c"
    broken.write_text(bpf.PROBE.path.read_text().replace("return 0;", "return none;"))
    monkeypatch.setattr(bpf, "PROBE", bpf.PROBE._replace(path=broken))
    with pytest.raises(
        ProbeError, match=r"^bcc .* cannot compile .*error: use of undeclared identifier 'none'"
    ) as raised:
        Probe(buffer_mb=1)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""
    assert not list(tracefs.find().glob(f"instances/sigtrace-{os.getpid()}-*"))


def test_the_program_says_nothing_where_it_compiles(capfd: pytest.CaptureFixture[str]) -> None:
    with Probe(buffer_mb=1):
        pass
    assert capfd.readouterr() == ("", "")


def test_a_buffer_that_is_too_big_is_one_line_of_error() -> None:
    with pytest.raises(ProbeError, match="ask for less") as raised:
        Probe(buffer_mb=1 << 30)
    assert "\n" not in str(raised.value)
    assert not list(tracefs.find().glob(f"instances/sigtrace-{os.getpid()}-*"))


def test_the_doctor_finds_everything_that_recording_needs() -> None:
    found = doctor.checks()
    assert [check for check in found if check.needed and not check.ok] == []
    assert {"rights", "bcc", "tracefs", "BPF", "syscalls:sys_exit_tgkill"} <= {check.name for check in found}
