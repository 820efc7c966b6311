"""Of each process that ended, who ended it, and how that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import sigtrace
from sigtrace import analyze
from sigtrace.facts.schema import PLAIN
from tests.story import arguments, call, execute, fork, hit, leave, line, lost, take, witness

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = (FIXTURES / "evidence_events.txt").read_text()

Death = dict[str, Any]


def deaths(log: str) -> list[Death]:
    found: list[Death] = analyze.deaths(sigtrace.read(log.encode()).table).to_pylist()
    return found


def death(log: str, pid: int) -> Death:
    (found,) = [one for one in deaths(log) if one["victim_pid"] == pid]
    return found


KILLED = fork(100) + hit(100, 15) + call(100, 15) + take(100, 9) + leave(100)


def test_a_real_log_of_many_ways_to_die_is_told_right() -> None:
    told = {
        (one["victim_comm"], one["sig"], one["verdict"], one["killer_comm"], one["group"])
        for one in deaths(EVIDENCE)
        if one["verdict"] != "exited"
    }
    assert told == {
        ("aborts", 6, "self", "aborts", False),
        ("bash", 15, "self", "bash", True),
        ("bash", 15, "killed", "bash", True),
        ("bash", 15, "asked", "bash", False),
        ("segv", 11, "fault", None, False),
        ("night sleeper", 9, "killed", "bash", False),
        ("sleep", 9, "killed", "bash", False),
        ("sleep", 15, "killed", "bash", False),
        ("exec two", 9, "killed", "bash", False),
        ("memory hog", 9, "oom", None, False),
    }


def test_a_process_that_handled_term_and_then_exited_was_asked() -> None:
    told = death(EVIDENCE, 5571)
    assert (told["verdict"], told["how"], told["sig"], told["killer_pid"]) == ("asked", "handled", 15, 5568)
    assert told["hops"] == ["bash (5568)"]


def test_a_process_that_executed_by_a_second_thread_exited() -> None:
    assert death(EVIDENCE, 5576)["verdict"] == "exited"  # its other threads were ended by exec


def test_a_death_names_the_lines_it_rests_on() -> None:
    assert death(KILLED, 100)["lines"] == [2, 3, 5, 6]


def test_a_signal_delivered_as_sigkill_keeps_the_number_that_was_sent() -> None:
    told = death(KILLED, 100)
    assert (told["sig"], told["verdict"], told["killer_pid"], told["killer_comm"]) == (15, "killed", 50, "killer")


def test_events_lost_before_an_exit_make_it_unknown() -> None:
    lossy = fork(100, cpu=1) + "CPU:0 [LOST 4 EVENTS]\n" + leave(100, cpu=0, ts=1.2)
    told = death(lossy, 100)
    assert (told["verdict"], told["lost"], told["killer_pid"]) == ("unknown", True, None)


def test_events_lost_long_before_an_exit_leave_it_an_exit() -> None:
    lossy = witness() + fork(100) + "CPU:0 [LOST 4 EVENTS]\n" + fork(101) + leave(100, ts=9.0)
    told = death(lossy, 100)
    assert (told["verdict"], told["lost"]) == ("exited", False)


def test_a_death_whose_lines_are_all_there_is_proven_whatever_was_lost_between() -> None:
    lossy = fork(100) + hit(100, 15) + call(100, 15) + "CPU:0 [LOST 4 EVENTS]\n" + take(100, 9) + leave(100)
    told = death(lossy, 100)
    assert (told["verdict"], told["lost"], told["killer_pid"]) == ("killed", True, 50)


def test_a_fatal_delivery_whose_sender_was_lost_is_unknown_and_names_its_signal() -> None:
    lossy = fork(100) + "CPU:0 [LOST 4 EVENTS]\n" + take(100, 11) + leave(100)
    told = death(lossy, 100)
    assert (told["verdict"], told["sig"], told["killer_pid"]) == ("unknown", 11, None)


def test_a_pid_that_is_given_away_again_is_another_process() -> None:
    again = KILLED + fork(100, ts=2.0) + leave(100, ts=3.0)
    first, second = deaths(again)
    assert (first["victim_start"], first["verdict"]) == (1_000_000, "killed")
    assert (second["victim_start"], second["verdict"]) == (2_000_000, "exited")


def test_a_signal_to_a_zombie_is_no_cause_of_the_next_ones_death() -> None:
    log = (
        witness() + fork(100) + leave(100) + hit(100, 9, res=1) + call(100, 9) + fork(100, ts=2.0) + leave(100, ts=3.0)
    )
    assert [one["verdict"] for one in deaths(log)] == ["exited", "exited"]


def test_term_and_then_kill_are_one_story() -> None:
    log = fork(100) + hit(100, 15, res=1) + call(100, 15) + hit(100, 9, ts=3.5) + call(100, 9, ts=3.5)
    told = death(log + take(100, 9, ts=3.5) + leave(100, ts=3.5), 100)
    assert (told["sig"], told["earlier_sig"], told["earlier_fate"], told["grace_us"]) == (9, 15, "ignored", 2_500_000)


def test_a_signal_that_nobody_was_seen_to_take_may_have_been_waited_for() -> None:
    threads = (
        fork(100)
        + line("sched_process_fork: comm=worker pid=100 child_comm=worker child_pid=102", of=100)
        + hit(100, 15)
        + call(100, 15)
        + line("sched_process_exit: comm=worker pid=100 prio=120 group_dead=false", of=100)
        + line("signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0", of=102).replace("(    102)", "(    100)")
        + line("sched_process_exit: comm=worker pid=102 prio=120 group_dead=true", of=102).replace(
            "(    102)", "(    100)"
        )
    )
    told = death(threads, 100)
    assert (told["verdict"], told["how"]) == ("asked", "waited for")


def test_a_header_may_name_the_process_of_a_tids_last_life() -> None:
    # The kernel's map from threads to processes is not cleared when a thread ends.
    end = (take(100, 9) + leave(100)).replace("(    100)", "(   4711)")
    told = death(fork(100) + hit(100, 9) + call(100, 9) + end, 100)
    assert (told["verdict"], told["killer_pid"]) == ("killed", 50)


@pytest.mark.parametrize("stale", [4711, 61])
def test_a_thread_that_was_there_is_of_whom_proc_said_though_its_header_names_another(stale: int) -> None:
    sent = (hit(100, 9, by=61) + call(100, 9, by=61)).replace("(     61)", f"({stale:7})")
    log = sigtrace.read((fork(100) + sent + take(100, 9) + leave(100)).encode()).table
    there = [
        {"event": "process", "line": 0, "ts": 1, "tid": 60, "pid": 60, "target": 1, "comm": "kubelet"},
        {"event": "thread", "line": 0, "tid": 61, "pid": 60, "comm": "grpc-worker-3"},
    ]
    table = pa.concat_tables([pa.Table.from_pylist(there, PLAIN), log.cast(PLAIN)])
    (told,) = [one for one in analyze.deaths(table).to_pylist() if one["victim_pid"] == 100]
    assert (told["verdict"], told["killer_pid"], told["killer_comm"]) == ("killed", 60, "kubelet")


def test_who_sends_on_its_way_out_is_itself_though_its_header_names_another() -> None:
    died = (take(50, 9) + leave(50)).replace("(     50)", "(   4711)")
    sent = hit(100, 9, by=50).replace("(     50)", "(   4711)")  # PR_SET_PDEATHSIG
    told = death(fork(50) + fork(100, parent=50) + died + sent + take(100, 9) + leave(100), 100)
    assert (told["verdict"], told["source"]) == ("killed", "parent")


def test_a_death_that_the_recording_saw_begin_and_not_end_is_one_all_the_same() -> None:
    assert death(KILLED.removesuffix(leave(100)), 100)["verdict"] == "killed"


def test_ancestors_lead_past_the_shell_to_the_first_that_means_something() -> None:
    told = death(EVIDENCE, 5579)
    assert (told["killer_comm"], told["actor_comm"], told["actor_pid"]) == ("bash", "python3", 5567)
    assert told["ancestors"] == ["bash (5568)", "python3 (5567)"]


def test_a_log_of_the_two_lines_alone_says_of_nobody_that_it_died() -> None:
    log = (FIXTURES / "default.txt").read_bytes()
    assert analyze.deaths(sigtrace.read(log).table).num_rows == 0


def test_a_group_kill_is_one_call_with_several_victims_and_says_that_its_sender_was_among_them() -> None:
    hits = analyze.victims(sigtrace.read(EVIDENCE.encode()).table).to_pylist()
    group = [(one["call_line"], one["victim_pid"], one["sender_among_them"]) for one in hits if one["group"]]
    assert group == [(33, 5580, True), (33, 5573, True)]


@pytest.mark.parametrize(
    ("log", "fate"),
    [
        (KILLED, "fatal"),
        (fork(100) + hit(100, 15) + call(100, 15) + take(100, 15, "55b94a72ee40"), "handled"),
        (fork(100) + hit(100, 15, res=1) + call(100, 15), "ignored"),
        (fork(100) + hit(100, 15, res=2) + call(100, 15), "already pending"),
        (fork(100) + hit(100, 18) + call(100, 18), "delivered"),
    ],
)
def test_what_became_of_a_signal(log: str, fate: str) -> None:
    (one,) = analyze.victims(sigtrace.read(log.encode()).table).to_pylist()
    assert (one["fate"], one["sender_pid"], one["victim_pid"], one["victim_comm"]) == (fate, 50, 100, "worker")


def test_a_delivery_is_of_the_signal_that_was_queued_and_not_of_one_that_was_ignored_before() -> None:
    log = fork(100) + hit(100, 15, res=1) + call(100, 15) + hit(100, 15) + call(100, 15) + take(100, 15, "55b94a72ee40")
    hits = analyze.victims(sigtrace.read(log.encode()).table).to_pylist()
    assert [one["fate"] for one in hits] == ["ignored", "handled"]


def test_a_call_inside_a_container_names_the_hosts_pid_of_its_victim() -> None:
    log = fork(100) + hit(100, 15) + call(7, 15) + take(100, 9) + leave(100)
    (one,) = analyze.victims(sigtrace.read(log.encode()).table).to_pylist()
    assert (one["target"], one["victim_pid"], one["source"]) == (7, 100, "call")
    assert death(log, 100)["killer_pid"] == 50


@pytest.mark.parametrize(
    ("sig", "code", "source"),
    [(2, 128, "terminal"), (14, 128, "timer"), (10, -2, "timer"), (15, -1, "queue"), (29, 128, "kernel")],
)
def test_a_signal_that_no_call_sent_is_shown_with_its_source(sig: int, code: int, source: str) -> None:
    log = fork(100) + hit(100, sig, code=code) + take(100, 9) + leave(100)
    told = death(log, 100)
    assert (told["verdict"], told["source"]) == ("killed", source)
    assert (told["killer_pid"] is None) == (source != "queue")


@pytest.mark.parametrize("question", ["deaths", "victims"])
def test_every_engine_gives_the_same_answer(question: str) -> None:
    table = sigtrace.read(EVIDENCE.encode()).table
    ask = getattr(analyze, question)
    expected = ask(table).to_pylist()
    assert expected
    assert ask(pl.from_arrow(table)).to_dicts() == expected
    assert ask(duckdb.from_arrow(table)).to_arrow_table().to_pylist() == expected
    pandas = ask(table.to_pandas())
    assert list(pandas.columns) == list(expected[0])
    assert pandas["line" if question == "victims" else "victim_pid"].tolist() == [
        one["line" if question == "victims" else "victim_pid"] for one in expected
    ]


def exit_group(pid: int, status: int, **where: Any) -> str:
    return line(f"sys_exit_group(error_code: {status:#x})", of=pid, **where)


def gone(pid: int, status: int = 0, **where: Any) -> str:
    """Return the lines of a process that exits."""
    return exit_group(pid, status, **where) + leave(pid, **where)


ASKED = fork(100) + hit(100, 15) + call(100, 15) + take(100, 15, "55b94a72ee40")


def test_an_asked_process_names_who_asked_the_signal_the_delay_and_its_status() -> None:
    told = death(ASKED + gone(100, 3, ts=3.5), 100)
    assert (told["verdict"], told["sig"], told["killer_pid"], told["killer_comm"]) == ("asked", 15, 50, "killer")
    assert (told["exit_status"], told["delay_us"], told["how"]) == (3, 2_500_000, "handled")
    assert (told["first_pid"], told["first_comm"], told["hops"]) == (50, "killer", ["killer (50)"])
    assert told["lines"] == [2, 3, 5, 6, 7]


def test_a_process_that_is_gone_before_the_call_that_asked_it_returns_was_asked_by_a_call() -> None:
    handled = take(100, 15, "55b94a72ee40") + gone(100, 3)
    told = death(fork(100) + hit(100, 15) + handled + call(100, 15), 100)
    assert (told["verdict"], told["source"], told["killer_pid"]) == ("asked", "call", 50)


def test_an_exit_long_after_the_asking_was_not_asked_for_unless_its_status_says_so() -> None:
    late = ASKED + gone(100, 0, ts=91.5)
    assert death(late, 100)["verdict"] == "exited"
    assert analyze.deaths(sigtrace.read(late.encode()).table, asked_within_us=91_000_000)["verdict"].to_pylist() == [
        "asked"
    ]
    assert death(ASKED + gone(100, 143, ts=500.0), 100)["verdict"] == "asked"


@pytest.mark.parametrize("sig", [17, 18, 23, 28])
def test_what_tells_of_a_child_a_stop_or_a_window_asks_for_nothing(sig: int) -> None:
    log = fork(100) + hit(100, sig) + call(100, sig) + take(100, sig, "55b94a72ee40") + gone(100, ts=1.5)
    assert death(log, 100)["verdict"] == "exited"


def test_what_a_process_sends_to_itself_asks_it_for_nothing() -> None:
    log = fork(100) + hit(100, 15, by=100) + call(100, 15, by=100) + take(100, 15, "55b94a72ee40") + gone(100)
    assert death(log, 100)["verdict"] == "exited"


def test_a_signal_that_is_handled_and_raised_anew_is_a_kill_by_who_sent_it_first() -> None:
    anew = hit(100, 15, by=100, ts=2.0) + call(100, 15, by=100, ts=2.0)
    log = ASKED + anew + take(100, 9, ts=2.0) + leave(100, ts=2.0)
    told = death(log, 100)
    assert (told["verdict"], told["killer_pid"], told["reraised"], told["sig"]) == ("killed", 50, True, 15)
    assert told["exit_status"] is None


def test_a_fault_that_a_handler_raises_anew_is_a_fault() -> None:
    fault = hit(100, 11, code=1, by=100, name="worker") + take(100, 11, "7fce22abde60")
    again = hit(100, 11, code=-6, by=100, name="worker") + call(100, 11, by=100, name="worker")
    told = death(fork(100) + fault + again + take(100, 11) + leave(100), 100)
    assert (told["verdict"], told["source"], told["killer_pid"]) == ("fault", "fault", None)


def test_a_signal_that_is_passed_on_is_followed_to_its_first_sender() -> None:
    passed_on = hit(101, 15, by=100, name="tini", ts=1.1) + call(101, 15, by=100, name="tini", ts=1.1)
    log = fork(100) + fork(101, parent=100) + hit(100, 15) + call(100, 15) + passed_on
    log += take(101, 9, ts=1.1) + leave(101, ts=1.2)
    told = death(log, 101)
    assert (told["killer_pid"], told["first_pid"], told["first_comm"]) == (100, 50, "killer")
    assert told["hops"] == ["killer (50)", "tini (100)"]


def test_processes_that_their_namespaces_init_took_along_name_who_killed_it() -> None:
    init = fork(100) + fork(101, parent=100) + hit(100, 9) + call(100, 9) + take(100, 9) + leave(100, comm="init")
    log = init + hit(101, 9, code=128, by=100, name="init") + take(101, 9) + leave(101)
    told = death(log, 101)
    assert (told["verdict"], told["source"], told["killer_pid"]) == ("killed", "namespace", None)
    assert told["hops"] == ["killer (50)", "init (100)"]


def test_a_log_without_the_events_that_would_show_a_signal_denies_none() -> None:
    told = death(fork(100) + leave(100), 100)
    assert (told["verdict"], told["lost"]) == ("unknown", False)
    assert death(witness() + fork(100) + leave(100), 100)["verdict"] == "exited"


def test_who_a_process_is_comes_from_what_it_executed_and_its_control_group() -> None:
    unit = "/system.slice/cri-containerd-" + "ab" * 32 + ".scope"
    log = (
        line(f"cgroup_mkdir: root=0 id=4711 level=1 path={unit}", of=1)
        + fork(100)
        + line("bpf_trace_printk: sigtrace exec old=100 /usr/bin/python3.11", of=100)
        + line("bpf_trace_printk: sigtrace args uid=1000 cgroup=4711 python3 app.py --port 80", of=100)
        + hit(100, 15)
        + call(100, 15)
        + take(100, 9)
        + leave(100)
    )
    told = death(log, 100)
    assert (told["command"], told["victim_executable"]) == ("python3 app.py --port 80", "/usr/bin/python3.11")
    assert (told["victim_user"], told["victim_runtime"]) == ("1000", "containerd")
    assert (told["victim_container"], told["victim_unit"]) == ("ab" * 32, unit.rsplit("/", 1)[-1])


def asked_to_end_and(*then: str) -> str:
    """Return the lines of a process that reaps children, handles SIGTERM, of what comes then, and of its exit."""
    asked = fork(100) + REAPED * 70 + hit(100, 15, ts=2) + call(100, 15, ts=2) + take(100, 15, HANDLER, ts=2)
    return asked + "".join(then) + line("sys_exit_group(error_code: 0)", ts=4) + leave(100, ts=4)


HANDLER = "55b94a72ee40"
PREEMPTED = hit(100, 23, code=-6, by=100, name="worker", ts=3) + take(100, 23, HANDLER, ts=3)
PROFILED = hit(100, 27, code=128, by=100, name="worker", ts=3) + take(100, 27, HANDLER, ts=3)
TICKED = hit(100, 14, code=128, by=7, name="bystander", ts=3) + take(100, 14, HANDLER, ts=3)


OWN: dict[str, Any] = {"by": 100, "name": "worker", "ts": 3}
HANDLED = hit(100, 11, code=1, **OWN) + take(100, 11, HANDLER, ts=3)  # a fault, as Java's runtime looks for a null
KICKED = hit(100, 10, code=-6, **OWN) + call(100, 10, **OWN) + take(100, 10, HANDLER, ts=3)
EXPIRED = hit(100, 32, code=-2, by=7, name="bystander", ts=3)  # as the C library has it, whose thread waits for it
REAPED = hit(100, 17, code=1, by=8, name="child", ts=2) + take(100, 17, HANDLER, ts=2)
ROUTINE = {
    "preempted": PREEMPTED,
    "profiled": PROFILED,
    "ticked": TICKED,
    "handled": HANDLED,
    "kicked": KICKED,
    "expired": EXPIRED,
}


@pytest.mark.parametrize("routine", ROUTINE.values(), ids=ROUTINE)
def test_who_asked_is_known_however_many_signals_come_that_ask_for_nothing(routine: str) -> None:
    told = death(asked_to_end_and(routine * 200), 100)
    assert (told["verdict"], told["sig"], told["killer_pid"]) == ("asked", 15, 50)


def test_a_timer_that_fires_again_and_again_asks_for_nothing() -> None:
    by_itself = line("sys_exit_group(error_code: 0)", ts=4) + leave(100, ts=4)
    verdicts = [death(fork(100) + TICKED * times + by_itself, 100)["verdict"] for times in (1, 3, 4, 100)]
    assert verdicts == ["asked", "asked", "exited", "exited"]


def test_an_alarm_asks_however_many_children_are_reaped() -> None:
    reaped = fork(100) + REAPED * 70 + TICKED + REAPED
    told = death(reaped + line("sys_exit_group(error_code: 1)", ts=4) + leave(100, ts=4), 100)
    assert (told["verdict"], told["sig"], told["source"]) == ("asked", 14, "timer")


def test_an_alarm_after_somebody_asked_is_not_who_asked() -> None:
    told = death(asked_to_end_and(TICKED), 100)
    assert (told["verdict"], told["sig"], told["killer_pid"]) == ("asked", 15, 50)


def test_the_last_of_many_alarms_is_the_one_that_is_raised_anew() -> None:
    late = TICKED.replace("3.000000", "60.000000")
    anew: dict[str, Any] = {"by": 100, "name": "worker", "ts": 60.1}
    raised = hit(100, 14, code=-6, **anew) + call(100, 14, **anew) + take(100, 14, ts=60.1) + leave(100, ts=60.1)
    told = death(fork(100) + TICKED * 100 + late + raised, 100)
    assert (told["verdict"], told["source"], told["reraised"], told["delay_us"]) == ("killed", "timer", True, 100_000)


def test_a_timer_that_fired_again_and_again_is_the_cause_of_an_exit_status_that_says_so() -> None:
    by_it = line("sys_exit_group(error_code: 8e)", ts=4) + leave(100, ts=4)
    told = death(fork(100) + TICKED * 100 + by_it, 100)
    assert (told["verdict"], told["source"], told["exit_status"]) == ("asked", "timer", 142)


def test_each_second_over_its_cpu_time_asks_a_process_to_end() -> None:
    over = hit(100, 24, code=128, by=100, name="worker", ts=3) + take(100, 24, HANDLER, ts=3)
    told = death(fork(100) + over * 9 + line("sys_exit_group(error_code: 0)", ts=4) + leave(100, ts=4), 100)
    assert (told["verdict"], told["sig"], told["source"]) == ("asked", 24, "timer")


@pytest.mark.parametrize("routine", ROUTINE.values(), ids=ROUTINE)
@pytest.mark.parametrize("times", [4, 200])
def test_what_came_before_a_kill_is_what_was_meant_to_end_it(routine: str, times: int) -> None:
    asked = hit(100, 15, ts=3) + call(100, 15, ts=3) + take(100, 15, HANDLER, ts=3)
    killed = hit(100, 9, ts=5) + call(100, 9, ts=5) + take(100, 9, ts=5) + leave(100, ts=5)
    told = death(fork(100) + routine * times + asked + routine * times + killed, 100)
    assert (told["sig"], told["earlier_sig"], told["earlier_fate"], told["grace_us"]) == (9, 15, "handled", 2_000_000)


RESTART = fork(50, parent=1, comm="systemd") + execute(50, "/opt/restart.sh", comm="restart.sh")
BECOMES = execute(50, "/usr/sbin/nginx", comm="nginx", ts=3)
ENDS = line("sys_exit_group(error_code: 0)", ts=4) + leave(100, ts=4)


def test_a_killer_is_what_it_was_when_it_sent_the_signal() -> None:
    by: dict[str, Any] = {"by": 50, "name": "restart.sh", "ts": 2}
    log = RESTART + fork(100) + hit(100, 15, **by) + call(100, 15, **by) + take(100, 15, HANDLER, ts=2) + BECOMES + ENDS
    told = death(log, 100)
    assert (told["killer_comm"], told["killer_command"], told["killer_executable"], told["actor_comm"]) == (
        "restart.sh",
        "/opt/restart.sh",
        "/opt/restart.sh",
        "restart.sh",
    )


def test_a_killer_s_ancestors_are_what_they_were_when_it_sent_the_signal() -> None:
    tool = fork(51, parent=50, comm="restart.sh") + execute(51, "/bin/kill", comm="kill")
    by: dict[str, Any] = {"by": 51, "name": "kill", "ts": 2}
    sent = hit(100, 15, **by) + call(100, 15, **by) + take(100, 15, HANDLER, ts=2)
    told = death(RESTART + tool + fork(100) + sent + BECOMES + ENDS, 100)
    assert (told["killer_command"], told["actor_comm"]) == ("/bin/kill", "restart.sh")
    assert told["ancestors"] == ["restart.sh (50)", "boss (1)"]


def test_what_a_script_that_executes_itself_for_ever_once_was_is_unknown_and_not_made_up() -> None:
    by: dict[str, Any] = {"by": 50, "name": "loop", "ts": 2}
    sent = hit(100, 15, **by) + call(100, 15, **by) + take(100, 15, HANDLER, ts=2)
    loop = "".join(execute(50, f"/opt/{n}/loop", comm="loop") for n in range(100))
    told = death(RESTART + fork(51, parent=50) + loop + fork(100) + sent + loop.replace("/opt/", "/new/") + ENDS, 100)
    assert (told["killer_comm"], told["killer_command"], told["killer_executable"]) == ("loop", None, None)


@pytest.mark.parametrize(("times", "known"), [(0, True), (16, True), (18, False)])
def test_what_a_shell_ran_is_known_until_it_has_executed_many_other_files(times: int, known: bool) -> None:  # noqa: FBT001
    shell = (
        fork(50, parent=1, comm="systemd") + execute(50, "/bin/sh", comm="sh") + arguments(50, "/bin/sh /opt/old.sh")
    )
    by: dict[str, Any] = {"by": 50, "name": "sh", "ts": 2}
    sent = hit(100, 15, **by) + call(100, 15, **by) + take(100, 15, HANDLER, ts=2)
    told = death(shell + fork(100) + sent + execute(50, "/bin/sh", comm="sh", ts=3) * times + ENDS, 100)
    assert (told["killer_command"], told["actor_comm"]) == (
        ("/bin/sh /opt/old.sh", "old.sh") if known else (None, "sh")
    )


def test_a_heartbeat_is_one_however_many_others_signalled_between() -> None:
    signalled = hit(100, 10, ts=3) + call(100, 10, ts=3) + take(100, 10, HANDLER, ts=3)
    by_itself = line("sys_exit_group(error_code: 0)", ts=190) + leave(100, ts=190)
    log = fork(100) + TICKED * 4 + signalled * 70 + TICKED.replace("3.000000", "150.000000") * 3 + by_itself
    assert death(log, 100)["verdict"] == "exited"


def test_who_handles_a_signal_after_a_fatal_one_has_lived_on() -> None:
    # A thread executes a file, which ends the others by SIGKILL, and takes their number; the row of that is lost.
    by_exec = take(100, 9) + line("sched_process_exit: comm=worker pid=100 prio=120 group_dead=false") + lost()
    handled = hit(100, 10, ts=50) + take(100, 10, HANDLER, ts=50)
    own: dict[str, Any] = {"by": 100, "name": "worker", "ts": 90}
    aborted = hit(100, 6, code=-6, **own) + call(100, 6, **own) + take(100, 6, ts=90) + leave(100, ts=90)
    told = death(fork(100) + by_exec + handled + aborted, 100)
    assert (told["verdict"], told["sig"]) == ("self", 6)
