"""context.c in this kernel: who a process is, in bytes that nobody can forge."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigtrace.capture import bpf, cgroup, tracefs
from sigtrace.capture.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("live")

# One line of what trace_pipe gives, if nobody's bytes are in it that end a line.
LINE = re.compile(rb" *.{1,16}-\d+ +\([ \d-]{7}\) \[\d{3}\] [^ ]{4,5} +\d+\.\d{6}: (?P<said>\w+: .*)", re.DOTALL)
FORGED = (
    b"\n           sshd-1       (      1) [000] d..2.  9999.000001: "
    b"signal_generate: sig=9 errno=0 code=0 comm=nginx pid=777777 grp=1 res=0\nCPU:0 [LOST 5 EVENTS]\n"
)


def recorded(run: Callable[[], object], *, arguments: bool = True) -> list[bytes]:
    """Return what was said by each whole line while `run` ran; lines of no kind are kept as they are."""
    with Probe(buffer_mb=16, arguments=arguments) as probe:
        run()
        probe.stop()
        log = b"".join(probe)
    said = [found["said"] if (found := LINE.fullmatch(line)) else line for line in log.split(b"\n")]
    # Another recorder on this host can make a line come twice.
    return [line for line, before in zip(said, [b"", *said], strict=False) if line != before]


def ran(*command: str | bytes, **options: object) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]


def own_cgroup() -> int:
    path = cgroup.v2_path(Path("/proc/self/cgroup").read_text())
    return cgroup.existing()[path] if path is not None else 1


def test_an_exec_says_who_it_is_and_with_which_arguments() -> None:
    said = recorded(ran("/bin/sh", "-c", "exit 0", "seven", "words in", "caf\xe9".encode("latin-1"), ""))
    at = next(at for at, line in enumerate(said) if b" seven words in " in line)
    assert said[at] == b"bpf_trace_printk: sigtrace args uid=%d cgroup=%d /bin/sh -c exit 0 seven words in caf\xe9 " % (
        os.getuid(),
        own_cgroup(),
    )
    before = next(line for line in reversed(said[:at]) if b"sigtrace exec" in line)
    assert re.fullmatch(rb"bpf_trace_printk: sigtrace exec old=\d+ /\S*/(da)?sh", before)


LITERALS = """
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
char padding[1 << 20] = {1};
int main(void)
{
    if (!fork())
        execl("/bin/sh", "a literal", "-c", "exit 0", "that nobody has read before", (char *)0);
    wait(0);
    return system("exit 0; another literal") ? 1 : 0;
}
"""


def test_arguments_in_pages_that_nobody_has_read_are_there(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler here")
    (tmp_path / "literals.c").write_text(LITERALS)
    subprocess.run([compiler, "-o", tmp_path / "literals", tmp_path / "literals.c"], check=True)
    for _ in range(5):
        said = recorded(ran(str(tmp_path / "literals")))
        assert sum(line.endswith(b" a literal -c exit 0 that nobody has read before") for line in said) == 1
        assert sum(line.endswith(b" sh -c exit 0; another literal") for line in said) == 1


def test_a_long_command_line_is_cut_and_ends_its_line() -> None:
    said = recorded(ran("/bin/sh", "-c", "exit 0", *(f"word{number}" for number in range(20_000))))
    (line,) = [line for line in said if b" word1 word2 " in line]
    assert 380 < len(line) < 460


def test_an_exec_that_fails_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "not-a-program"
    file.write_text("\0")
    file.chmod(0o755)

    def run() -> None:
        with contextlib.suppress(OSError):
            subprocess.run([file, "failed"], check=False)

    said = recorded(run)
    assert not [line for line in said if b"not-a-program" in line and b"sigtrace" in line]


def test_a_path_and_arguments_that_hold_whole_records_forge_none(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(FORGED.replace(b"/", b""))
    folder.mkdir()
    program = folder / "nginx\x1b[31m\x7f\r\x0b"
    shutil.copy("/bin/true", program)
    said = recorded(ran(str(program), FORGED, b"\x01\x1f\x7f" + FORGED))
    assert not [line for line in said if b"777777" in line and b"sigtrace" not in line]
    assert not [line for line in said if line.startswith(b"CPU:0 [LOST 5 EVENTS]")]
    harmless = FORGED.replace(b"\n", b"?")
    (path,) = [line for line in said if b"sigtrace exec" in line and b"nginx" in line]
    assert path.endswith(b"/" + harmless + b"/nginx?[31m???")
    (arguments,) = [line for line in said if b"sigtrace args" in line and b"nginx" in line]
    whole = path.split(b" ", 4)[4] + b" " + harmless + b" ???" + harmless
    assert arguments.split(b" ", 5)[5] == whole[:399]


def test_the_raw_exec_event_whose_path_can_forge_lines_is_off() -> None:
    with Probe(buffer_mb=1) as probe:
        assert probe.instance is not None
        assert (probe.instance / "events/sched/sched_process_exec/enable").read_text() == "0\n"


def test_without_arguments_none_are_there() -> None:
    said = recorded(ran("/bin/sh", "-c", "exit 0", "hunter2"), arguments=False)
    assert not [line for line in said if b"hunter2" in line]
    assert b"bpf_trace_printk: sigtrace args uid=%d cgroup=%d" % (os.getuid(), own_cgroup()) in said
    assert [line for line in said if re.fullmatch(rb"bpf_trace_printk: sigtrace exec old=\d+ \S+/(da)?sh", line)]


@pytest.mark.parametrize("call", ["setuid(4711)", "setreuid(4711, 4711)", "setresuid(4711, 4711, 4711)"])
def test_who_becomes_somebody_else_says_so_without_an_exec(call: str) -> None:
    said = recorded(ran(sys.executable, "-c", f"import os; os.{call}"))
    assert b"bpf_trace_printk: sigtrace args uid=4711 cgroup=%d" % own_cgroup() in said


def test_an_exec_by_a_second_thread_names_the_thread_that_called() -> None:
    program = (
        "import os, threading\n"
        "def run(): print(threading.get_native_id(), flush=True); os.execv('/bin/true', ['true', 'by a thread'])\n"
        "threading.Thread(target=run).start()"
    )
    with Probe(buffer_mb=16) as probe:
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            thread = int(process.stdout.read())
        probe.stop()
        log = b"".join(probe)
    assert thread != process.pid
    assert re.search(rb"-%d .*: sigtrace exec old=%d /\S*true\n" % (process.pid, thread), log)
    assert re.search(rb"-%d .*: sigtrace args uid=\d+ cgroup=\d+ true by a thread\n" % process.pid, log)


def test_of_two_probes_side_by_side_each_hears_once_of_an_exec() -> None:
    with Probe(buffer_mb=16) as first, Probe(buffer_mb=16) as second:
        for _ in range(50):
            subprocess.run(["/bin/true", "side by side"], check=True)
        logs = []
        for probe in (first, second):
            probe.stop()
            logs.append(b"".join(probe))
    for log in logs:
        told = log.count(b" true side by side\n") + log.count(b" /bin/true side by side\n")
        assert 50 <= told <= 55  # an interrupt between the two programs makes them both say it
        assert 50 <= len(re.findall(rb"sigtrace exec old=\d+ \S*/true\n", log)) <= 60


@pytest.mark.parametrize("order", [[True, False], [False, True]], ids=["arguments first", "arguments last"])
def test_of_two_probes_only_the_one_that_takes_arguments_has_them(order: list[bool]) -> None:
    with ExitStack() as stack:
        probes = {arguments: stack.enter_context(Probe(arguments=arguments)) for arguments in order}
        pids = []
        for _ in range(53):
            with subprocess.Popen(["/bin/true", "hunter2"]) as started:
                pids.append(started.pid)
        logs = {}
        for arguments, probe in probes.items():
            probe.stop()
            logs[arguments] = b"".join(probe)
    assert b"hunter2" not in logs[False]
    assert 53 <= logs[True].count(b" hunter2\n") <= 58
    # By pid: the name in a header may be that of before the exec.
    own = rb"-(\d+) .*sigtrace args uid=%d cgroup=%d\n" % (os.getuid(), own_cgroup())
    assert 53 <= sum(int(pid) in pids for pid in re.findall(own, logs[False])) <= 58


def test_a_probe_of_calls_alone_hears_nothing_else_of_another_one() -> None:
    with Probe(buffer_mb=16), Probe(buffer_mb=16, evidence=False) as calls:
        subprocess.run(["/bin/true", "hunter2"], check=True)
        subprocess.run(["/bin/sh", "-c", "kill -0 $$"], check=True)
        calls.stop()
        log = b"".join(calls)
    assert b"sigtrace" not in log
    assert b" sent signal 0 " in log


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def breaks(line: str) -> None:
        file = tmp_path / "context.c"
        file.write_text(f"{line}\n{bpf.CONTEXT.path.read_text()}")
        monkeypatch.setattr(bpf, "CONTEXT", bpf.CONTEXT._replace(path=file))

    return breaks


def test_where_the_arguments_cannot_be_had_the_rest_is_and_the_probe_says_so(broken: Callable[[str], None]) -> None:
    broken("#ifndef NO_ARGUMENTS\n#error as on a kernel without bpf_task_pt_regs\n#endif")
    with Probe(buffer_mb=1) as probe:
        assert "sigtrace:args" in probe.events
        assert probe.missing == ["sigtrace:arguments"]


def test_where_the_program_cannot_be_loaded_the_raw_event_stands_in_and_the_probe_says_so(
    broken: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    broken("#error as on a kernel that takes none of it")
    with Probe(buffer_mb=16) as probe:
        assert probe.missing == ["sigtrace:exec", "sigtrace:args", "sigtrace:arguments"]
        assert "sched:sched_process_exec" in probe.events
        ran("/bin/true")()
        probe.stop()
        assert re.search(rb"sched_process_exec: filename=/bin/true pid=\d+ old_pid=\d+\n", b"".join(probe))
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def folder() -> Iterator[Path]:
    root = cgroup.mounted()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("no hierarchy of control groups version 2 that can be written")
    made = root / f"sigtrace-test-{os.getpid()}"
    yield made
    with contextlib.suppress(FileNotFoundError):
        made.rmdir()


def test_a_control_group_that_is_made_and_entered_says_its_path_and_id(folder: Path) -> None:
    def run() -> None:
        folder.mkdir()
        ids.append(folder.stat().st_ino)
        enter = f"echo $$ > {folder}/cgroup.procs; /bin/true entered"
        ran("sh", "-c", enter)()
        folder.rmdir()

    ids: list[int] = []
    said = recorded(run)
    path = b"/" + folder.name.encode()
    assert b"cgroup_mkdir: root=0 id=%d level=1 path=%b" % (ids[0], path) in said
    moved = rb"cgroup_attach_task: dst_root=0 dst_id=%d dst_level=1 dst_path=%b pid=\d+ comm=sh" % (ids[0], path)
    assert len([line for line in said if re.fullmatch(moved, line)]) == 1
    assert b"bpf_trace_printk: sigtrace args uid=%d cgroup=%d /bin/true entered" % (os.getuid(), ids[0]) in said


def test_tracefs_is_left_with_no_instance_of_ours() -> None:
    recorded(ran("/bin/true"))
    assert not list(tracefs.find().glob(f"instances/sigtrace-{os.getpid()}-*"))
