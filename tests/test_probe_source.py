"""probe.c and what it takes to load it: checked without root, without bcc, without the kernel's help."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.capture import bpf, doctor, probe, tracefs
from sigtrace.capture.bpf import compiler
from sigtrace.errors import ProbeError

TUTORIAL = Path(__file__).with_name("fixtures") / "tutorial.md"
BTF = Path("/sys/kernel/btf/vmlinux")

CALLS = ("kill", "tkill", "tgkill")


def test_the_kill_part_is_the_tutorials_to_the_letter() -> None:
    program = re.search(r"```c\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert program is not None
    kill_part, license_part = program[1].split("char LICENSE[]")
    assert bpf.PROBE.path.read_text().startswith(kill_part)
    assert bpf.PROBE.path.read_text().endswith("char LICENSE[]" + license_part)


def test_each_of_the_three_calls_has_a_handler_at_its_enter_and_at_its_exit() -> None:
    assert bpf.attach_points(bpf.PROBE) == {
        f"{call}_{handler}": f"syscalls:sys_{side}_{call}"
        for call in CALLS
        for handler, side in (("entry", "enter"), ("exit", "exit"))
    }


def test_the_map_that_is_made_for_bcc_is_the_one_in_the_source() -> None:
    map_type, name, key_size, value_size, entries = bpf.PROBE.map
    source = bpf.PROBE.path.read_text()
    struct = re.search(r"struct event \{(.*?)\}", source, re.DOTALL)
    assert struct is not None
    members = re.findall(r"(?:int|char) \w+(\[TASK_COMM_LEN\])?;", struct[1])
    assert value_size == sum(16 if array else 4 for array in members)
    assert f"#define MAX_ENTRIES {entries}\n" in source
    assert (map_type, key_size, "BPF_MAP_TYPE_HASH" in source, "__type(key, __u32)" in source) == (1, 4, True, True)
    assert len(name) <= 15  # BPF_OBJ_NAME_LEN with its end


def test_so_is_the_one_of_the_context() -> None:
    map_type, name, key_size, value_size, entries = bpf.CONTEXT.map
    source = bpf.CONTEXT.path.read_text()
    assert f"__uint(max_entries, {entries});" in source
    assert (map_type, "BPF_MAP_TYPE_LRU_HASH" in source) == (9, True)
    assert (key_size, "__type(key, __u64)" in source) == (8, True)
    assert (value_size, "__type(value, __u64)" in source) == (8, True)
    assert len(name) <= 15


def test_the_context_is_of_each_exec_and_each_change_of_the_user() -> None:
    assert set(bpf.attach_points(bpf.CONTEXT).values()) == {
        *("sched:sched_process_exec", "syscalls:sys_exit_execve", "syscalls:sys_exit_execveat"),
        *("syscalls:sys_exit_setuid", "syscalls:sys_exit_setreuid", "syscalls:sys_exit_setresuid"),
    }


@pytest.mark.parametrize("source", [bpf.PROBE, bpf.CONTEXT], ids=lambda source: source.path.name)
def test_it_builds_as_the_tutorial_says(tmp_path: Path, source: bpf.Source) -> None:
    clang = shutil.which("clang")
    if clang is None or not Path("/usr/include/bpf/bpf_helpers.h").exists():
        pytest.skip("clang and libbpf's headers are not here: apt install clang libbpf-dev")
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/usr/local/sbin")
    header = tmp_path / "vmlinux.h"
    if bpftool and BTF.exists():
        with header.open("wb") as file:
            subprocess.run([bpftool, "btf", "dump", "file", str(BTF), "format", "c"], stdout=file, check=True)
    else:
        shim = bpf.SHIM / "include"
        enums = "enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_LRU_HASH = 9 }; enum { BPF_ANY = 0 };\n"
        registers = "struct pt_regs { unsigned long before[19], rsp; };\n"
        header.write_text((shim / "linux/types.h").read_text() + enums + registers + (shim / "vmlinux.h").read_text())
    built = tmp_path / "built.o"
    target = ["-target", "bpf", "-D__TARGET_ARCH_x86"]
    command = [clang, "-g", "-O2", *target, "-I", tmp_path, "-c", source.path, "-o", built]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    for event in bpf.attach_points(source).values():
        assert f"\0tracepoint/{event.replace(':', '/')}\0".encode() in built.read_bytes()


def test_pypis_bcc_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(compiler, "_DISTRIBUTIONS", ())
    monkeypatch.delitem(sys.modules, "sigtrace._bcc", raising=False)
    with pytest.raises(ProbeError, match=rf"^{tmp_path}/bcc is PyPI's bcc, .*: install .*python3-bpfcc") as raised:
        bpf.import_bcc()
    assert "\n" not in str(raised.value)


def test_bcc_that_is_nowhere_is_one_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(compiler, "_DISTRIBUTIONS", ())
    monkeypatch.delitem(sys.modules, "sigtrace._bcc", raising=False)
    with pytest.raises(ProbeError, match=r"not installed: install .*python3-bpfcc") as raised:
        bpf.import_bcc()
    told = set(re.findall(r"(?:python3?|py3)-\w+", str(raised.value)))
    table = (Path(__file__).parents[1] / "docs/install.md").read_text().split("## bcc")[1].split("\n## ")[0]
    documented = re.findall(r"^\|.*?\| `(?:apt-get|dnf|pacman|apk) \S+ (\S+?)[ `]", table, re.MULTILINE)
    assert told == set(documented)


def test_tracefs_that_is_not_mounted_is_one_line_that_says_how_to_mount_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracefs, "ROOTS", (tmp_path / "tracing",))
    with pytest.raises(ProbeError, match=f"^tracefs is not mounted: mount -t tracefs tracefs {tmp_path}/tracing$"):
        tracefs.find()


def test_the_doctor_says_what_is_missing_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracefs, "ROOTS", (tmp_path / "tracing",))
    missing = [check for check in doctor.checks() if check.name == "tracefs"]
    assert [(check.ok, check.needed, check.detail) for check in missing] == [(False, True, "tracefs is not mounted")]
    assert missing[0].remedy == f"mount -t tracefs tracefs {tmp_path}/tracing"


def test_a_kernel_that_is_locked_down_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "lockdown"
    monkeypatch.setattr(probe, "_LOCKDOWN", file)
    assert probe.lockdown()
    file.write_text("none [integrity] confidentiality\n")
    assert probe.lockdown() == "none [integrity] confidentiality"
    file.write_text("none integrity [confidentiality]\n")
    with pytest.raises(ProbeError, match="locked down"):
        probe.lockdown()


def test_a_kernel_without_the_events_of_system_calls_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ProbeError, match=r"no event syscalls:sys_enter_kill in .*: record on a kernel with CONFIG_FTRACE"
    ):
        bpf.traceable(tmp_path, "syscalls:sys_enter_kill")


def test_losses_are_what_each_cpu_counts(tmp_path: Path) -> None:
    for cpu, counts in enumerate(((0, 0, 0), (7, 0, 11), (0, 3, 0))):
        folder = tmp_path / "per_cpu" / f"cpu{cpu}"
        folder.mkdir(parents=True)
        overrun, commit, dropped = counts
        (folder / "stats").write_text(
            f"entries: 5\noverrun: {overrun}\ncommit overrun: {commit}\nbytes: 84\n"
            f"oldest event ts:   672.563868\nnow ts:   673.000000\ndropped events: {dropped}\nread events: 2\n"
        )
    assert tracefs.lost(tmp_path) == {1: 18, 2: 3}


def test_a_clock_without_utc_has_no_offset() -> None:
    assert tracefs.utc_offset_us("x86-tsc") is None
