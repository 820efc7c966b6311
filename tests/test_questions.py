"""Of each question, that its answer is right: on logs made by hand, and on real ones whose truth is known."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import sigtrace
from sigtrace import analyze
from sigtrace.facts.schema import PLAIN
from tests.story import Answer, call, events, execute, fork, hit, kill, leave, line, lost, take

if TYPE_CHECKING:
    from collections.abc import Iterable

FIXTURES = Path(__file__).parent / "fixtures"
TRUTHS = sorted(path.name.removesuffix(".truth.csv") for path in FIXTURES.glob("*.truth.csv"))


def named(table: pa.Table, log: str) -> pa.Table:
    at = table.schema.get_field_index("log")
    return table.set_column(at, "log", pa.array([log] * len(table), pa.string()))


def the(answer: pa.Table) -> Answer:
    (one,) = answer.to_pylist()
    return one


def ordered(answer: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    rows = [tuple(row[name] for name in columns) for row in answer.to_pylist()]
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])


def truth_and_calls(name: str) -> tuple[list[dict[str, int]], pa.Table]:
    """Return the calls that a test program saw itself make, and the rows of its pids."""
    with (FIXTURES / f"{name}.truth.csv").open() as file:
        truth = [{key: int(value) for key, value in row.items() if key != "comm_hex"} for row in csv.DictReader(file)]
    pids = {row["pid"] for row in truth}
    table = sigtrace.read(FIXTURES / f"{name}.txt").table
    return truth, table.filter(pa.array([pid in pids for pid in table["pid"].to_pylist()]))


def counted(answer: pa.Table, *columns: str) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for row in answer.to_pylist():
        found[tuple(row[name] for name in columns)] += row["calls"]
    return found


def count(rows: Iterable[dict[str, int]], *columns: str) -> Counter[Any]:
    return Counter(tuple(row[name] for name in columns) for row in rows)


@pytest.mark.parametrize("name", TRUTHS)
def test_calls_are_counted_as_their_program_made_them(name: str) -> None:
    truth, table = truth_and_calls(name)
    failed = [row for row in truth if row["ret"] < 0]
    asked = [row for row in truth if row["sig"] == 0]
    assert truth
    assert analyze.calls(table).num_rows == len(truth)
    assert counted(analyze.by_sender(table), "pid") == count(truth, "pid")
    assert counted(analyze.by_target(table), "target") == count(truth, "tpid")
    assert counted(analyze.by_signal(table), "sig") == count(truth, "sig")
    assert counted(analyze.by_result(table), "ret") == count(truth, "ret")
    assert counted(analyze.failures(table), "pid", "ret") == count(failed, "pid", "ret")
    assert counted(analyze.probes(table), "pid", "target") == count(asked, "pid", "tpid")
    assert counted(analyze.sent(table), "pid", "sig", "target", "ret") == count(truth, "pid", "sig", "tpid", "ret")
    total = the(analyze.totals(table))
    assert (total["calls"], total["failed"], total["probes"]) == (len(truth), len(failed), len(asked))
    assert (total["senders"], total["targets"]) == (
        len({row["pid"] for row in truth}),
        len({row["tpid"] for row in truth}),
    )
    assert sum(analyze.timeline(table, 1_000_000)["calls"].to_pylist()) == len(truth)
    both = analyze.compare(table, table.slice(0, 0)).to_pylist()
    assert {row["calls_after"] for row in both} == {0}
    assert sum(row["calls_before"] for row in both) == len(truth)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_sender_named_targets_and_gave_signals_as_its_program_knows(name: str) -> None:
    truth, table = truth_and_calls(name)
    signals = {(row["sig"], row["senders"], row["targets"]) for row in analyze.by_signal(table).to_pylist()}
    assert signals == {
        (sig, *(len({row[column] for row in truth if row["sig"] == sig}) for column in ("pid", "tpid")))
        for sig in {row["sig"] for row in truth}
    }
    found: Counter[int] = Counter()
    for row in analyze.probes(table).to_pylist():
        found[row["target"]] += row["found"]
    assert +found == Counter(row["tpid"] for row in truth if row["sig"] == 0 and row["ret"] in (0, -1))


def test_threads_of_one_process_with_two_names_are_one_sender_and_two_rows() -> None:
    table = events(call(7, 15, name="main") + call(7, 15, name="helper") + call(8, 9, name="helper"))
    assert ordered(analyze.by_sender(table), "comm", "calls", "targets") == [("helper", 2, 2), ("main", 1, 1)]
    assert the(analyze.totals(table))["senders"] == 1


def test_the_same_numbers_in_two_logs_are_different_processes() -> None:
    one = events(call(7, 15))
    both = pa.concat_tables([one, named(one, "web-2")])
    assert ordered(analyze.by_sender(both), "log", "calls") == [(None, 1), ("web-2", 1)]
    assert ordered(analyze.by_target(both), "log", "senders") == [(None, 1), ("web-2", 1)]
    assert ordered(analyze.by_signal(both), "sig", "senders", "targets") == [(15, 2, 2)]
    total = the(analyze.totals(both))
    assert (total["calls"], total["senders"], total["targets"]) == (2, 2, 2)


def test_a_negative_target_and_a_number_that_is_no_signal_are_counted_as_they_were_given() -> None:
    table = events(call(-7, 15) + call(-1, 1000, ret=-22) + call(0, -5, ret=-22))
    assert ordered(analyze.by_target(table), "target", "failed") == [(-7, 0), (-1, 1), (0, 1)]
    assert ordered(analyze.by_signal(table), "sig", "failed") == [(-5, 1), (15, 0), (1000, 1)]


def test_a_failure_says_why_and_an_unheard_of_error_stays_a_number() -> None:
    table = events(call(7, 15, ret=-1) + call(7, 9, ret=-3) + call(8, 9, ret=-3) + call(7, 99, ret=-9999))
    told = [(-9999, None, 1, 1, 1), (-3, "ESRCH", 2, 1, 2), (-1, "EPERM", 1, 1, 1)]
    assert ordered(analyze.failures(table), "ret", "error", "calls", "signals", "targets") == told
    assert ordered(analyze.by_result(table), "ret", "error") == [one[:2] for one in told]


def test_a_regular_probe_has_its_period_and_one_that_may_not_signal_has_found_its_process() -> None:
    log = call(7, 0, ts=1.0) + call(7, 0, ret=-1, ts=2.0) + call(7, 0, ret=-3, ts=4.0)
    told = the(analyze.probes(events(log)))
    assert (told["calls"], told["found"]) == (3, 2)
    assert (told["shortest_us"], told["longest_us"], told["period_us"]) == (1_000_000, 2_000_000, 1_500_000)


def test_a_single_probe_has_no_period() -> None:
    told = the(analyze.probes(events(call(7, 0) + call(7, 15))))
    assert (told["calls"], told["shortest_us"], told["longest_us"], told["period_us"]) == (1, None, None, None)


def test_probes_of_one_target_by_two_and_in_two_logs_have_no_time_between_them() -> None:
    one = events(call(7, 0, ts=1.0) + call(7, 0, by=51, ts=2.0))
    told = analyze.probes(pa.concat_tables([one, named(one, "web-2")]))
    assert ordered(told, "calls", "period_us") == [(1, None)] * 4


def test_the_timeline_begins_its_steps_at_multiples_and_skips_those_without_events() -> None:
    log = call(7, 0, ts=1.999999) + call(7, 15, ret=-3, ts=2.0) + call(7, 15, ts=9.5)
    steps = ordered(analyze.timeline(events(log)), "ts", "calls", "failed", "probes")
    assert steps == [(1_000_000, 1, 0, 1), (2_000_000, 1, 1, 0), (9_000_000, 1, 0, 0)]
    assert ordered(analyze.timeline(events(log), 10_000_000), "ts", "calls") == [(0, 3)]


def test_the_timeline_counts_processes_that_ended_and_not_their_threads() -> None:
    thread = line("sched_process_exit: comm=worker pid=101 prio=120 group_dead=false", of=101)
    told = the(analyze.timeline(events(fork(100) + thread.replace("(    101)", "(    100)") + kill(100))))
    assert (told["signals"], told["exits"]) == (1, 1)
    old = line("sched_process_exit: comm=worker pid=101 prio=120", of=101)  # before Linux 6.10
    log = old.replace("(    101)", "(    100)") + old.replace("101", "100")
    assert the(analyze.timeline(events(log)))["exits"] == 1


def storm(calls: int, gap: float, start: float = 1.0, **where: Any) -> str:
    return "".join(call(7, 15, ts=start + i * gap, **where) for i in range(calls))


def test_a_storm_goes_on_over_a_gap_of_just_gap_us_and_ends_at_one_more() -> None:
    table = events(storm(4, 0.01))
    told = the(analyze.storms(table, gap_us=10_000, least=4))
    assert (told["calls"], told["first_ts"], told["last_ts"], told["per_second"]) == (4, 1_000_000, 1_030_000, 100.0)
    assert analyze.storms(table, gap_us=9_999, least=2).num_rows == 0
    assert analyze.storms(table, gap_us=10_000, least=5).num_rows == 0


def test_two_storms_of_one_process_are_two() -> None:
    table = events(storm(3, 0.001) + call(7, 0, ts=2.0) + storm(4, 0.001, start=3.0))
    assert ordered(analyze.storms(table, least=3), "first_ts", "calls", "probes") == [
        (1_000_000, 3, 0),
        (3_000_000, 4, 0),
    ]


def test_storms_of_two_processes_at_once_are_each_ones_own() -> None:
    log = "".join(call(7, 15, ts=1 + i / 1000) + call(8, 9, by=51, ts=1 + i / 1000) for i in range(3))
    assert ordered(analyze.storms(events(log), least=3), "pid", "calls", "targets") == [(50, 3, 1), (51, 3, 1)]


def test_a_storm_in_one_microsecond_has_no_rate() -> None:
    told = the(analyze.storms(events(storm(3, 0.0)), least=3))
    assert (told["calls"], told["per_second"]) == (3, None)


def test_storms_in_two_logs_do_not_run_into_each_other() -> None:
    one = events(storm(3, 0.001))
    told = analyze.storms(pa.concat_tables([one, named(one, "a")]), least=3)
    assert ordered(told, "log", "calls") == [(None, 3), ("a", 3)]
    assert analyze.storms(pa.concat_tables([one, named(one, "a")]), least=4).num_rows == 0


def test_term_and_term_and_kill_are_one_escalation_with_the_grace_since_the_first() -> None:
    log = call(7, 1, ts=1.0) + call(7, 15, ts=2.0) + call(7, 9, by=51, ts=6.0)
    told = the(analyze.escalations(events(log)))
    assert (told["target"], told["asks"], told["asked_sig"], told["asked_ts"]) == (7, 2, 1, 1_000_000)
    assert (told["pid"], told["killed_ts"], told["grace_us"]) == (51, 6_000_000, 5_000_000)


@pytest.mark.parametrize(
    "log",
    [
        call(7, 9),
        call(7, 15),
        call(7, 9) + call(7, 15),
        call(7, 15) + call(8, 9),
        call(7, 0) + call(7, 9),
        call(7, 15, ret=-3) + call(7, 9),
        call(7, 15) + call(7, 9, ret=-3),
        call(7, 15) + call(7, 9, ts=661.0),
        call(0, 15) + call(0, 9),
    ],
    ids=[
        "a KILL without TERM",
        "a TERM without KILL",
        "KILL before TERM",
        "KILL of another",
        "a probe before KILL",
        "a TERM that reached nobody",
        "a KILL that reached nobody",
        "a KILL eleven minutes later",
        "each caller's own group",
    ],
)
def test_this_is_no_escalation(log: str) -> None:
    assert analyze.escalations(events(log)).num_rows == 0


def test_an_asking_of_long_ago_does_not_hide_that_of_just_before() -> None:
    log = call(7, 1, ts=1.0) + call(7, 15, ts=1000.0) + call(7, 9, ts=1001.0)
    told = the(analyze.escalations(events(log)))
    assert (told["asked_ts"], told["asks"], told["asked_sig"], told["grace_us"]) == (1_000_000_000, 1, 15, 1_000_000)


def test_a_process_group_is_escalated_against_too() -> None:
    told = the(analyze.escalations(events(call(-7, 15) + call(-7, 9, ts=2.0))))
    assert (told["target"], told["grace_us"]) == (-7, 1_000_000)


def test_a_second_escalation_against_a_pid_begins_after_the_first() -> None:
    log = call(7, 15, ts=1.0) + call(7, 9, ts=2.0) + call(7, 9, ts=2.5) + call(7, 2, ts=3.0) + call(7, 9, ts=5.0)
    told = ordered(analyze.escalations(events(log)), "asked_ts", "asked_sig", "grace_us")
    assert told == [(1_000_000, 15, 1_000_000), (3_000_000, 2, 2_000_000)]


def test_calls_at_the_same_time_are_in_the_order_of_their_lines() -> None:
    told = the(analyze.escalations(events(call(7, 15) + call(7, 9))))
    assert told["grace_us"] == 0
    assert analyze.escalations(events(call(7, 9) + call(7, 15))).num_rows == 0


def test_an_escalation_stays_in_its_log() -> None:
    asked, killed = events(call(7, 15)), events(call(7, 9, ts=2.0))
    assert analyze.escalations(pa.concat_tables([asked, named(killed, "web-2")])).num_rows == 0
    both = events(call(7, 15) + call(7, 9, ts=2.0))
    told = analyze.escalations(pa.concat_tables([both, named(both, "web-2")]))
    assert ordered(told, "log", "asks") == [(None, 1), ("web-2", 1)]


def test_names_are_of_senders_victims_and_the_dead() -> None:
    table = events(fork(100) + kill(100) + leave(102, comm="quiet"))
    assert ordered(analyze.names(table), "pid", "comm") == [(50, "killer"), (100, "worker"), (102, "quiet")]


def test_two_sessions_are_compared_by_names() -> None:
    before = events(call(7, 15) + call(7, 15))
    after = events(call(8, 15, by=51) + call(8, 9, by=51))
    told = ordered(analyze.compare(before, after), "comm", "sig", "calls_before", "calls_after")
    assert told == [("killer", 9, 0, 1), ("killer", 15, 2, 1)]


def test_a_loss_is_unknown_from_the_row_before_to_the_row_after_of_its_cpu() -> None:
    log = call(7, 0, ts=1.0) + call(7, 0, cpu=1, ts=1.5) + lost(0, 4) + call(7, 0, cpu=1, ts=2.0) + call(7, 0, ts=3.0)
    told = the(analyze.unknown(events(log)))
    assert (told["cpu"], told["lost"], told["from_ts"], told["to_ts"]) == (0, 4, 1_000_000, 3_000_000)


def test_losses_at_the_ends_of_a_cpu_are_open() -> None:
    table = events(lost(0) + call(7, 0, ts=1.0) + lost(0) + lost(1))
    assert ordered(analyze.unknown(table), "line", "cpu", "from_ts", "to_ts") == [
        (1, 0, None, 1_000_000),
        (4, 0, 1_000_000, None),
        (5, 1, None, None),
    ]


def test_two_losses_in_a_row_are_of_one_time_and_one_of_unknown_size_says_so() -> None:
    table = events(
        call(7, 0, ts=1.0) + lost(0, 4) + lost(0, None) + call(7, 0, ts=2.0) + lost(0, 1) + call(7, 0, ts=3.0)
    )
    assert ordered(analyze.unknown(table), "line", "lost", "from_ts", "to_ts") == [
        (3, 4, 1_000_000, 2_000_000),
        (4, None, 1_000_000, 2_000_000),
        (7, 1, 2_000_000, 3_000_000),
    ]
    assert ordered(analyze.losses(table), "cpu", "losses", "lost", "first_line", "last_line") == [(0, 3, 5, 3, 7)]


def test_losses_whose_size_was_never_said_are_not_none() -> None:
    table = events(call(7, 0) + lost(0, None) + lost(1, 3))
    assert ordered(analyze.losses(table), "cpu", "losses", "lost") == [(0, 1, None), (1, 1, 3)]


def test_losses_in_two_logs_are_each_ones_own() -> None:
    one = events(call(7, 0, ts=1.0) + lost(0))
    two = named(events(lost(0) + call(7, 0, ts=2.0)), "web-2")
    told = ordered(analyze.unknown(pa.concat_tables([one, two])), "log", "from_ts", "to_ts")
    assert told == [(None, 1_000_000, None), ("web-2", None, 2_000_000)]


def test_a_call_whose_other_line_was_lost_is_a_half() -> None:
    first, second = call(7, 15, cpu=1).splitlines(keepends=True)
    told = the(analyze.halves(events(call(7, 0) + first + lost(1) + second)))
    assert (told["cpu"], told["halves"], told["first_line"], told["last_line"]) == (1, 2, 3, 5)


def worker(pid: int, start: float, end: float | None, *, parent: int = 1) -> str:
    born: str = fork(pid, parent=parent, ts=start) + execute(pid, "/srv/worker", ts=start)
    return born if end is None else born + leave(pid, ts=end)


def test_a_restart_loop_has_its_lives_and_its_pauses() -> None:
    log = worker(100, 1, 2) + worker(101, 4, 6) + worker(102, 10, 13) + worker(103, 14, None)
    told = the(analyze.restarts(events(log)))
    assert (told["parent_comm"], told["command"], told["deaths"], told["restarts"]) == ("boss", "/srv/worker", 3, 2)
    assert (told["mean_life_us"], told["mean_pause_us"]) == (2_000_000, 3_000_000)
    assert (told["killed"], told["first_ts"], told["last_ts"]) == (0, 2_000_000, 13_000_000)


def test_a_restart_of_those_who_were_asked_to_end_counts_none_as_killed() -> None:
    def asked(pid: int, ts: float) -> str:
        sent: str = hit(pid, 15, ts=ts) + call(pid, 15, ts=ts)
        return sent + take(pid, 15, handler="55d0", ts=ts) + leave(pid, ts=ts)

    log = "".join(worker(pid, pid, None) + asked(pid, pid + 0.5) for pid in (100, 101, 102))
    dead = analyze.deaths(events(log)).to_pylist()
    assert [one["verdict"] for one in dead] == ["asked"] * 3
    told = the(analyze.restarts(events(log)))
    assert (told["deaths"], told["restarts"], told["killed"]) == (3, 2, 0)


def test_a_restart_without_a_pause_is_one_and_one_after_a_long_pause_is_none() -> None:
    at_once = worker(100, 1, 2) + worker(101, 2, 3) + worker(102, 3, 4)
    told = the(analyze.restarts(events(at_once)))
    assert (told["restarts"], told["mean_pause_us"]) == (2, 0)
    nightly = worker(100, 1, 2) + worker(101, 1000, 1001) + worker(102, 2000, 2001)
    assert analyze.restarts(events(nightly)).num_rows == 0


def test_two_that_run_at_once_and_end_are_no_restart() -> None:
    log = fork(100) + fork(101) + fork(102)
    log += "".join(execute(pid, "/srv/worker") for pid in (100, 101, 102))
    assert analyze.restarts(events(log + leave(100, ts=2) + leave(101, ts=3) + leave(102, ts=4))).num_rows == 0


def test_a_restart_is_seen_beside_one_that_runs_on() -> None:
    log = worker(100, 1, None) + worker(101, 1, 5) + worker(102, 6, None) + leave(100, ts=7) + leave(102, ts=9)
    told = the(analyze.restarts(events(log)))
    assert (told["deaths"], told["restarts"], told["mean_pause_us"]) == (3, 1, 1_000_000)


def test_a_restart_is_of_its_parent_and_of_its_log() -> None:
    log = worker(100, 1, 2, parent=10) + worker(101, 3, 4, parent=11) + worker(102, 5, 6, parent=10)
    assert analyze.restarts(events(log), least=3).num_rows == 0
    one = events(worker(100, 1, 2))
    two = events(worker(100, 3, 4))
    assert analyze.restarts(pa.concat_tables([one, named(two, "web-2")]), least=1).num_rows == 0


def test_who_kills_the_same_again_and_again_has_a_period() -> None:
    log = "".join(fork(pid, ts=ts) + kill(pid, ts=ts) for pid, ts in ((100, 1.0), (101, 3.0), (102, 7.0)))
    told = the(analyze.cycles(events(log)))
    assert (told["killer_comm"], told["victim_comm"], told["sig"], told["deaths"]) == ("killer", "worker", 15, 3)
    assert (told["shortest_us"], told["period_us"], told["longest_us"]) == (2_000_000, 3_000_000, 4_000_000)
    assert analyze.cycles(events(log), least=4).num_rows == 0


def test_the_matrix_counts_deaths_by_who_did_them_and_no_exits() -> None:
    log = (
        fork(100) + kill(100) + fork(101) + kill(101) + fork(102) + leave(102) + fork(103) + kill(103, 9, name="other")
    )
    told = ordered(analyze.matrix(events(log)), "killer_comm", "source", "victim_comm", "sig", "deaths")
    assert told == [("killer", "call", "worker", 15, 2), ("other", "call", "worker", 9, 1)]


def test_the_delay_is_from_sending_to_death() -> None:
    log = fork(100) + hit(100, 15, ts=1.0) + call(100, 15, ts=1.0) + take(100, 9, ts=1.5) + leave(100, ts=3.0)
    log += fork(101, ts=4.0) + kill(101, ts=4.0)
    told = the(analyze.delays(events(log)))
    assert (told["sig"], told["source"], told["deaths"]) == (15, "call", 2)
    assert (told["shortest_us"], told["mean_us"], told["longest_us"]) == (0, 1_000_000, 2_000_000)


def test_the_deaths_of_two_sessions_are_compared_by_names() -> None:
    before = events(fork(100) + kill(100) + fork(101) + kill(101))
    after = events(fork(7) + kill(7, by=8) + fork(9) + kill(9, 9, by=8) + fork(10) + leave(10))
    told = ordered(analyze.compare_deaths(before, after), "killer_comm", "sig", "deaths_before", "deaths_after")
    assert told == [("killer", 9, 0, 1), ("killer", 15, 2, 1)]


def test_the_blast_radius_of_an_actor_holds_what_its_childs_child_sent() -> None:
    log = fork(20, parent=10) + fork(30, parent=20) + fork(100) + fork(101) + kill(100, by=30) + kill(101, by=31)
    table = events(log)
    assert ordered(analyze.blast_radius(table, 10), "victim_pid", "sender_pid") == [(100, 30)]
    assert ordered(analyze.blast_radius(table, 30), "victim_pid") == [(100,)]
    assert analyze.blast_radius(table, 100).num_rows == 0


def test_the_blast_radius_outlives_a_parent_that_is_gone_and_stops_at_the_next_life_of_its_pid() -> None:
    orphan = fork(20, parent=10) + leave(10) + fork(100) + kill(100, by=20, ts=2.0)
    assert ordered(analyze.blast_radius(events(orphan), 10), "victim_pid") == [(100,)]
    reused = fork(10) + fork(20, parent=10) + leave(20) + leave(10) + fork(20, ts=2.0) + fork(100, ts=2.0)
    assert analyze.blast_radius(events(reused + kill(100, by=20, ts=3.0)), 10).num_rows == 0


def test_ancestors_of_a_pid_that_was_given_away_again_are_told_apart() -> None:
    log = fork(20, parent=10) + leave(20) + fork(20, parent=11, comm="other", ts=2.0) + leave(20, ts=3.0)
    told = ordered(analyze.ancestors(events(log), 20), "of_start", "generation", "pid")
    assert told == [(1_000_000, 0, 20), (1_000_000, 1, 10), (2_000_000, 0, 20), (2_000_000, 1, 11)]
    assert analyze.ancestors(events(log), 4711).num_rows == 0


def running(pid: int, parent: int, comm: str) -> Answer:
    row = {"event": "process", "ts": pid, "tid": pid, "pid": pid, "target": parent, "comm": comm, "line": 0}
    return dict.fromkeys(PLAIN.names) | row


def test_processes_that_ran_before_are_linked_in_whichever_order_they_come() -> None:
    known = [running(30, 20, "c"), running(20, 10, "b"), running(10, 0, "a")]
    for order in (known, known[::-1]):
        table = pa.Table.from_pylist(order, schema=PLAIN)
        assert analyze.ancestors(table, 30)["pid"].to_pylist() == [30, 20, 10]


def test_a_thread_that_was_there_before_is_of_its_process_though_no_header_says_so() -> None:
    thread = dict.fromkeys(PLAIN.names) | {"event": "thread", "tid": 31, "pid": 30, "comm": "worker-3", "line": 0}
    known = pa.Table.from_pylist([running(30, 1, "kubelet"), thread], schema=PLAIN)
    log = kill(100, by=31, name="worker-3").replace("(     31)", "(-------)")
    told = the(analyze.deaths(pa.concat_tables([known, events(log).select(PLAIN.names).cast(PLAIN)])))
    assert (told["killer_pid"], told["killer_comm"], told["killer_thread"]) == (30, "kubelet", "worker-3")


def test_a_death_whose_exit_was_lost_is_told_though_its_pid_was_given_away_again() -> None:
    log = fork(100) + hit(100, 15) + call(100, 15) + take(100, 9) + lost(0) + fork(100, ts=2.0) + leave(100, ts=9.0)
    told = ordered(analyze.deaths(events(log)), "victim_start", "verdict")
    assert told == [(1_000_000, "killed"), (2_000_000, "exited")]


def test_a_frame_without_rows_has_totals_of_nothing_and_no_other_answer() -> None:
    none = PLAIN.empty_table()
    total = the(analyze.totals(none))
    assert (total["calls"], total["failed"], total["probes"], total["senders"], total["first_ts"]) == (0, 0, 0, 0, None)
    assert analyze.storms(none).num_rows == analyze.unknown(none).num_rows == analyze.deaths(none).num_rows == 0
