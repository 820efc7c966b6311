"""A recording of some signals alone: what the kernel is asked for, and that no answer denies what was left out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import Database, read
from sigtrace.capture import bpf, probe, tracefs
from sigtrace.capture.guard import Guard
from sigtrace.cli import main
from sigtrace.commands.line.parser import parser
from sigtrace.errors import SessionError
from sigtrace.facts.events import evidence
from sigtrace.facts.witness import recorded
from sigtrace.questions.who import who
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import description
from tests.described import described
from tests.story import call, fork, hit, kill, leave, line, take

if TYPE_CHECKING:
    from collections.abc import Collection

KILL, USR1, SEGV, TERM = 9, 10, 11, 15
HANDLER = "55b94a72ee40"
EVENTS = [*(event for event in evidence() if event != "sched:sched_process_exec"), "bpf_trace:bpf_trace_printk"]
ONLY = "only SIGKILL and SIGTERM were recorded: who sent another signal, and whom that asked to end, is unknown."


def exits(pid: int, status: int = 0, **where: Any) -> str:
    return line(f"sys_exit_group(error_code: {status:#x})", of=pid, **where) + leave(pid, **where)


def recording(folder: Path, log: str, signals: Collection[int] = (KILL, TERM), name: str = "s") -> str:
    """Write the session that `record -s` would, had these lines come."""
    about: dict[str, Any] = {"clock": "boot", "events": EVENTS, **({"signals": [*signals]} if signals else {})}
    with Recorder(folder / f"{name}.parquet", about, utc_offset_us=0) as recorder:
        recorder.feed(log.encode())
        recorder.finish({})
    return str(folder / f"{name}.parquet")


def ending(session: str, pid: int) -> dict[str, Any]:
    with Database(session) as database:
        (found,) = who(database, str(pid))
    return found


# Asking the kernel


def test_the_kernel_filters_signals_and_the_deliveries_that_no_handler_takes_stay() -> None:
    narrowed = evidence(recorded({TERM}))
    assert narrowed["signal:signal_generate"] == "sig == 9 || sig == 15"
    assert narrowed["signal:signal_deliver"] == "sig == 9 || sig == 15 || (sig != 17 && sa_handler == 0)"
    assert {event: narrowed[event] for event in evidence() if not event.startswith("signal:")} == {
        event: condition for event, condition in evidence().items() if not event.startswith("signal:")
    }
    assert evidence(()) == evidence()


def test_sigkill_is_always_recorded_and_without_a_choice_all_are() -> None:
    assert recorded({TERM}) == (KILL, TERM)
    assert recorded({KILL}) == (KILL,)
    assert recorded(()) == ()
    assert probe.chosen(()) == []


@pytest.mark.parametrize("signals", [{TERM}, {1, 64}, {USR1, 17}])
def test_the_calls_program_notes_the_chosen_signals_and_the_guards_call_and_no_other(
    tmp_path: Path, signals: set[int]
) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    defines = {one.split("=")[0]: one.split("=")[1] for one in probe.chosen(recorded(signals))}
    recorder = int(defines["RECORDER"])
    source = tmp_path / "harness.c"
    # The program as it stands, with the shim's words for libbpf's; of the kernel's helpers, one is looked at.
    source.write_text(
        "#include <linux/types.h>\nint printf(const char *, ...);\nstatic int noted;\n"
        "enum { BPF_ANY, BPF_MAP_TYPE_HASH };\n#define MAP_FD 0\n#define bpf_pseudo_fd(kind, fd) 0\n"
        "#define bpf_map_update_elem_(map, key, value, flags) (noted = 1)\n"
        "#define bpf_map_lookup_elem_(map, key) ((void *)0)\n#define bpf_map_delete_elem_(map, key) 0\n"
        "#define bpf_trace_printk_(...) 0\n#define bpf_get_current_pid_tgid() 7\n"
        "#define bpf_get_current_comm(name, size) ((name)[0] = 0)\n"
        f'#include "{bpf.PROBE.path}"\n'
        "int main(void) { static const int targets[] = {RECORDER, RECORDER + 1, -1};\n"
        " for (int t = 0; t < 3; t++) for (int sig = -66; sig < 200; sig++) {\n"
        '  noted = 0; probe_entry(targets[t], sig); if (noted) printf("%d %d\\n", targets[t], sig); } return 0; }\n'
    )
    built = tmp_path / "harness"
    macros = [f"-D{name}={value}" for name, value in defines.items()]
    include = ["-I", str(bpf.SHIM / "include")]
    subprocess.run([compiler, "-w", *macros, *include, "-o", str(built), str(source)], check=True)
    said = subprocess.run([built], capture_output=True, text=True, check=True).stdout
    noted = {tuple(map(int, one.split())) for one in said.splitlines()}
    asked = {(target, sig) for target in (recorder, recorder + 1, -1) for sig in {*signals, KILL}}
    assert noted == asked | {(recorder, 0)}


def test_a_number_that_is_no_signals_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, why in (("0", "0: no signal has this number"), ("TERM,65", "65: no"), ("TREM", "TREM: no such signal")):
        with pytest.raises(SystemExit) as raised:
            main(["record", "-o", "s.parquet", "-s", wrong])
        assert raised.value.code == 2
        assert why in capsys.readouterr().err
    assert parser().parse_args(["record", "-o", "s.parquet", "-s", "TERM,9"]).signals == {TERM, KILL}


def test_a_service_records_the_signals_that_it_was_installed_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", "--print", "-s", "TERM,HUP"]) == 0
    assert "--keep-free 5%% -s 1,15\n" in capsys.readouterr().out


def test_a_filter_that_somebody_changes_is_noticed_and_set_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("tracing_on", "tracing_cpumask", "buffer_size_kb", "set_event"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "trace_clock").write_text("local [boot] mono\n")
    for event in ("signal_generate", "signal_deliver"):
        (tmp_path / "events/signal" / event).mkdir(parents=True)
    monkeypatch.setattr(tracefs, "_make", lambda _: tmp_path)
    instance = tracefs.Instance(tmp_path, 1)
    for event, condition in evidence(recorded({TERM})).items():
        instance.enable(event, condition)
    guard = Guard(instance)
    file = tmp_path / "events/signal/signal_generate/filter"
    assert file.read_text() == "sig == 9 || sig == 15"
    file.write_text("none")
    assert "filter of signal:signal_generate has changed" in guard.disturbed()
    guard.restore()
    assert file.read_text() == "sig == 9 || sig == 15"
    guard.close()


# What a session says of itself


def test_a_session_says_which_signals_alone_it_holds(tmp_path: Path) -> None:
    session = recording(tmp_path, fork(100) + kill(100))
    assert described(Path(session))["signals"] == read(session).about["signals"] == [KILL, TERM]
    (part,) = Path(session).glob("part-*")
    assert read(part).about["signals"] == [KILL, TERM]
    assert "signals" not in read(recording(tmp_path, fork(100), (), "whole")).about


@pytest.mark.parametrize("wrong", [[0], [65], [True], ["TERM"], "TERM", {"9": 1}])
def test_a_session_that_says_nonsense_of_its_signals_is_damaged(wrong: object) -> None:
    with pytest.raises(SessionError, match="damaged: signals is not a list of signals"):
        description.checked("s.parquet", {"signals": wrong})


# Answers


def test_who_was_killed_by_a_recorded_signal_was_killed_as_ever(tmp_path: Path) -> None:
    told = ending(recording(tmp_path, fork(100) + kill(100)), 100)
    assert (told["verdict"], told["signal"], told["killer_pid"]) == ("killed", "SIGTERM", 50)


@pytest.mark.parametrize(("delivered", "shown"), [(KILL, "SIGKILL"), (SEGV, "SIGSEGV")])
def test_who_died_of_a_signal_that_was_not_recorded_is_unknown_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], delivered: int, shown: str
) -> None:
    # A deadly signal that dumps no core is delivered as SIGKILL.
    session = recording(tmp_path, fork(100) + take(100, delivered) + leave(100))
    told = ending(session, 100)
    assert (told["verdict"], told["how"], told["signal"]) == ("unknown", "not recorded", shown)
    assert main(["who", session, "100"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the cause is unknown: a signal that was not recorded may have ended it" in said
    assert f"; {shown} was delivered to it." in said
    assert f"Unknown: {ONLY}" in said
    assert main(["who", session, "100", "--exit-code"]) == 4


def test_sigterm_that_was_long_pending_is_not_said_to_have_ended_whom_another_signal_may_have_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # It waits for SIGTERM on a signalfd: nothing is delivered. What kills it is SIGUSR1.
    pending = hit(100, TERM, ts=2.0) + call(100, TERM, ts=2.0)
    log = fork(100) + pending + take(100, KILL, ts=9.0) + leave(100, ts=9.0)
    session = recording(tmp_path, log)
    told = ending(session, 100)
    assert (told["verdict"], told["how"], told["killer_pid"]) == ("unknown", "not recorded", None)
    assert main(["who", session, "--by", "50", "--exit-code"]) == 4
    assert "what became of it is unknown; it ended 7.0 s later" in capsys.readouterr().out
    assert [one["verdict"] for one in who(read(session), "100")] == ["unknown"]
    whole = ending(recording(tmp_path, log, (), "whole"), 100)
    assert (whole["verdict"], whole["killer_pid"]) == ("killed", 50)  # nothing else was sent


def test_a_signal_that_is_in_time_or_delivered_by_its_number_or_sigkill_is_what_ended_it(tmp_path: Path) -> None:
    soon = fork(100) + hit(100, TERM, ts=2.0) + call(100, TERM, ts=2.0) + take(100, KILL, ts=2.9) + leave(100, ts=2.9)
    own = fork(101) + hit(101, TERM, ts=2.0) + call(101, TERM, ts=2.0) + take(101, TERM, ts=9.0) + leave(101, ts=9.0)
    sigkill = fork(102) + hit(102, KILL, ts=2.0) + call(102, KILL, ts=2.0) + take(102, KILL, ts=9.0)
    session = recording(tmp_path, soon + own + sigkill + leave(102, ts=9.0))
    assert [ending(session, pid)["verdict"] for pid in (100, 101, 102)] == ["killed"] * 3


def test_who_exited_has_exited_and_no_signal_ended_it(tmp_path: Path) -> None:
    session = recording(tmp_path, fork(100) + exits(100, 3))
    assert (ending(session, 100)["verdict"], ending(session, 100)["exit_status"]) == ("exited", 3)
    assert main(["who", session, "100", "--exit-code"]) == 3
    assert main(["who", session, "100", "--by", "50", "--exit-code"]) != 3


def test_who_denies_the_recorded_signals_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    living = hit(300, TERM, res=1, by=301, name="friend") + call(300, TERM, by=301, name="friend")
    session = recording(tmp_path, living + take(200, TERM, HANDLER))
    assert main(["who", session, "200"]) == 0
    assert f"Nobody sent 200 SIGKILL or SIGTERM in this log. Unknown: {ONLY}" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main(["who", session, "--by", "200"]) == 0
    assert "200 sent nobody SIGKILL or SIGTERM in this log." in capsys.readouterr().out
    assert main(["who", session, "300", "--by", "200"]) == 0
    assert "200 sent 300 no SIGKILL or SIGTERM in this log." in capsys.readouterr().out


def test_a_report_says_which_signals_alone_were_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = recording(tmp_path, fork(100) + kill(100))
    for form in ([], ["--markdown"], ["--json"]):
        assert main(["report", session, *form]) == 0
        assert ONLY in " ".join(capsys.readouterr().out.split())
    page = tmp_path / "s.html"
    assert main(["report", session, "--html", str(page)]) == 0
    assert ONLY in page.read_text()


def test_of_several_sessions_it_says_that_some_hold_those_alone(tmp_path: Path) -> None:
    from sigtrace.output.sentence import unknown

    recording(tmp_path, fork(100) + kill(100), (KILL, TERM, 1), "one")
    recording(tmp_path, fork(100) + kill(100), (KILL, TERM), "two")
    with Database(str(tmp_path)) as database:
        assert unknown(database) == ONLY
    recording(tmp_path, fork(100) + kill(100), (), "three")
    with Database(str(tmp_path)) as database:
        assert unknown(database) == f"in some of these logs, {ONLY}"
    with Database(recording(tmp_path, fork(100), (KILL,), "four")) as database:
        assert (unknown(database) or "").startswith("only SIGKILL was recorded: ")
