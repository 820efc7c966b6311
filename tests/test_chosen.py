"""A recording of some processes alone: what is kept of them is all, and of others no ending is told that is not so."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sigtrace
from sigtrace import Database
from sigtrace.causes import feed
from sigtrace.causes.endings import of_log, track
from sigtrace.cli import main
from sigtrace.commands.line.parser import parser
from sigtrace.errors import SessionError
from sigtrace.facts.schema import PLAIN
from sigtrace.questions.who import who
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import description
from sigtrace.trace.batch import of_rows
from sigtrace.trace.choosing.selection import Selection
from tests.history import History
from tests.story import arguments, call, execute, fork, hit, kill, leave, line, lost, take

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

KILL, USR1, TERM, CHLD, URG = 9, 10, 15, 17, 23
DATA = Path(__file__).parents[1] / "notebooks" / "data"
RECORDINGS = [str(DATA / "scene.parquet"), *sorted(map(str, (DATA / "fleet").glob("*/*/*.parquet")))]
UNIT = "/system.slice/web.service"
CALLED = ("syscalls:sys_enter_exit", "syscalls:sys_enter_exit_group")
ONLY = "only {} were recorded, and whoever had to do with them: of others nothing is known."


def process(pid: int, parent: int = 1, *, cgroup: str | None = None, threads: dict[int, str] | None = None) -> Any:
    """Return what /proc says of a process."""
    named = {"comm": f"p{pid}", "command": f"/bin/p{pid} -x", "executable": f"/bin/p{pid}", "user": "me", "uid": 7}
    where = {"cgroup": cgroup, "cgroup_id": None, "pidns": 1, "ns_pid": pid}
    return {"pid": pid, "ppid": parent, "start_us": pid, "threads": threads or {}, **named, **where}


BOSS, WEB, STRANGER = process(10), process(100, 10, cgroup=UNIT), process(50, 10)


def recording(
    folder: Path, log: str, name: str = "s", processes: Any = (BOSS, WEB, STRANGER), **chosen: list[Any]
) -> str:
    """Write the session that `record --pid` or `--unit` would, had these lines come."""
    path = folder / f"{name}.parquet"
    about: dict[str, Any] = {"clock": "boot", "events": ["signal:signal_generate", "signal:signal_deliver", *CALLED]}
    about |= {"chosen": {"pids": [], "units": [], **chosen}} if chosen else {}
    with Recorder(path, about, utc_offset_us=0, processes=processes, cgroups={UNIT: 70, "/other": 71}) as recorder:
        recorder.feed(log.encode())
        recorder.finish({})
    return str(path)


def pids(session: str) -> set[int]:
    """Return whom the rows of a session name by their own pids."""
    return {pid for pid in sigtrace.read(session).table["pid"].to_pylist() if pid is not None}


def ending(session: str, pid: int) -> dict[str, Any]:
    with Database(session) as database:
        (found,) = who(database, str(pid))
    return found


def count(session: str, event: str) -> int:
    return sum(one == event for one in sigtrace.read(session).table["event"].to_pylist())


# What is kept


def test_all_that_a_chosen_process_and_its_descendants_do_and_suffer_is_kept(tmp_path: Path) -> None:
    child = fork(101, parent=100) + execute(101, "/bin/job") + kill(101, KILL, by=100, name="p100")
    session = recording(tmp_path, child + take(100, URG, "55b94a72ee40"), pids=[100])
    told = ending(session, 101)
    assert (told["verdict"], told["killer_pid"], told["victim_executable"]) == ("killed", 100, "/bin/job")
    assert count(session, "signal_deliver") == 2


def test_the_killer_of_a_chosen_process_has_its_name_and_ancestors_though_it_was_born_long_before(
    tmp_path: Path,
) -> None:
    killer = fork(60, parent=50, comm="p50") + execute(60, "/bin/reaper")
    others = "".join(fork(pid, parent=50, comm="p50") + leave(pid) for pid in range(300, 330))
    log = killer + others + kill(100, KILL, by=60, name="reaper")
    session, whole = recording(tmp_path, log, pids=[100]), recording(tmp_path, log, "whole")
    told = ending(session, 100)
    assert told == {**ending(whole, 100), "log": told["log"]}
    assert (told["killer_comm"], told["ancestors"]) == ("reaper", ["p50 (50)", "p10 (10)"])
    assert pids(session) == {10, 50, 60, 100}
    assert pids(whole) > pids(session)


def test_a_killers_parent_that_has_ended_before_is_still_among_its_ancestors(tmp_path: Path) -> None:
    log = (
        fork(60, parent=50, comm="sh") + fork(61, parent=60, comm="sh") + leave(60, comm="sh") + kill(100, KILL, by=61)
    )
    session = recording(tmp_path, log, pids=[100])
    assert ending(session, 100)["ancestors"] == ["sh (60)", "sh (50)", "p10 (10)"]
    assert ending(session, 60)["verdict"] == "exited"


def test_a_noted_process_whose_threads_called_exit_one_by_one_has_exited(tmp_path: Path) -> None:
    def of(tid: int, event: str) -> str:
        return f"{'sh':>16}-{tid:<7} ({60:7}) [000] d..1. {1.0:12.6f}: {event}\n"

    def goes(tid: int, *, last: bool) -> str:
        left = of(tid, "sys_exit(error_code: 0x3)")
        return left + of(tid, f"sched_process_exit: comm=sh pid={tid} prio=120 group_dead={str(last).lower()}")

    born = fork(60, parent=50, comm="sh") + fork(61, parent=60, comm="sh") + fork(62, parent=60, comm="sh")
    log = born + goes(60, last=False) + goes(62, last=True) + kill(100, KILL, by=61, name="sh")
    session, whole = recording(tmp_path, log, pids=[100]), recording(tmp_path, log, "whole")
    told = ending(session, 60)
    assert told == {**ending(whole, 60), "log": told["log"]}
    assert told["verdict"] == "exited"


def test_what_others_do_to_each_other_is_left_out(tmp_path: Path) -> None:
    log = fork(300, parent=50) + kill(300, KILL, by=50) + call(300, 0, by=50, ret=-3) + kill(100, TERM, by=10)
    session = recording(tmp_path, log, pids=[100])
    assert pids(session) == {10, 100}
    assert count(session, "kill") == 1


def test_whoever_is_named_has_the_ending_that_the_whole_log_tells(tmp_path: Path) -> None:
    # 60 was asked to end before it had anything to do with 100: by 61, who is gone by then.
    asked = fork(60, parent=50) + fork(61, parent=50, comm="sh") + hit(60, TERM, by=61, name="sh")
    asked += call(60, TERM, by=61, name="sh") + leave(61)
    log = asked + kill(100, KILL, by=60) + take(60, KILL) + leave(60)
    session, whole = recording(tmp_path, log, pids=[100]), recording(tmp_path, log, "whole")
    told = ending(session, 60)
    assert told == {**ending(whole, 60), "log": told["log"]}
    assert (told["verdict"], told["killer_comm"], told["ancestors"]) == ("killed", "sh", ["sh (50)", "p10 (10)"])


def test_a_noted_process_that_signals_itself_all_the_time_fills_no_recording(tmp_path: Path) -> None:
    itself = hit(10, URG, code=-6, by=10, name="p10") + call(10, URG, by=10, name="p10") + take(10, URG, "55b94a72ee40")
    session = recording(tmp_path, 50 * itself + kill(100, KILL, by=10) + 50 * itself, pids=[100])
    assert count(session, "signal_generate") == 1
    assert count(session, "kill") == 1


def test_a_process_of_a_chosen_unit_is_known_by_its_control_group_and_by_its_moves(tmp_path: Path) -> None:
    moved = "cgroup_attach_task: dst_root=0 dst_id={} dst_level=2 dst_path={} pid={} comm=x"
    log = fork(200, parent=10) + line(moved.format(70, UNIT, 200), of=10) + kill(200, TERM, by=50)
    log += fork(201, parent=100) + line(moved.format(71, "/other", 201), of=10) + fork(202, parent=201) + leave(202)
    session = recording(tmp_path, log + leave(201), units=["web"])
    assert ending(session, 200)["killer_pid"] == 50
    assert ending(session, 201)["verdict"] == "exited"
    assert 202 not in pids(session)
    assert 100 in pids(session)


def test_a_process_that_is_born_in_a_chosen_unit_is_known_once_it_executes_a_file(tmp_path: Path) -> None:
    told = arguments(200, "/bin/job")
    session = recording(
        tmp_path, fork(200, parent=10) + told + fork(201, parent=200) + leave(201), units=["web.service"]
    )
    assert {200, 201} <= pids(session)


def test_a_process_that_takes_the_pid_of_a_chosen_one_is_not_chosen(tmp_path: Path) -> None:
    reborn = leave(100, ts=2.0) + fork(100, parent=50, ts=3.0) + fork(101, parent=100, ts=4.0) + leave(101, ts=5.0)
    session = recording(tmp_path, fork(102, parent=100, ts=1.0) + reborn, pids=[100])
    assert 102 in set(sigtrace.read(session).table["target"].to_pylist())
    assert 101 not in pids(session)


def test_after_a_loss_a_process_whose_birth_was_not_seen_is_kept(tmp_path: Path) -> None:
    unseen = hit(400, KILL, by=401) + take(400, KILL) + leave(400)
    assert 400 not in pids(recording(tmp_path, unseen, "none", pids=[100]))
    session = recording(tmp_path, lost() + unseen, pids=[100])
    assert (ending(session, 400)["verdict"], ending(session, 400)["killer_pid"]) == ("killed", 401)


def test_half_a_call_is_kept_because_it_may_have_named_anybody(tmp_path: Path) -> None:
    half = line("bpf_trace_printk: PID 50 (killer) sent signal 9 ", of=50, comm="killer")
    session = recording(tmp_path, half + fork(300, parent=50), pids=[100])
    assert count(session, "kill_half") == 1


def test_how_many_rows_were_left_out_is_counted(tmp_path: Path) -> None:
    about = {"clock": "boot", "events": [], "chosen": {"pids": [100], "units": []}}
    with Recorder(tmp_path / "s.parquet", about, processes=[WEB]) as recorder:
        recorder.feed((fork(300, parent=50) + leave(300) + leave(100)).encode())
        recorder.finish({})
    assert (recorder.rows, recorder.left_out) == (1, 2)


# The recorder


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_in_no_part_yet_is_chosen_alike_also_if_the_recorder_is_killed(tmp_path: Path, ended: bool) -> None:  # noqa: FBT001
    about = {"clock": "boot", "events": [], "chosen": {"pids": [100], "units": []}}
    early = fork(60, parent=50, comm="p50") + execute(60, "/bin/reaper")
    path = tmp_path / "s.parquet"
    recorder = Recorder(path, about, utc_offset_us=0, processes=[BOSS, WEB, STRANGER])
    recorder.feed(early.encode())
    recorder._roll()  # noqa: SLF001 -- as after a quarter of an hour
    recorder.feed((fork(300, parent=50) + leave(300) + kill(100, KILL, by=60, name="reaper")).encode())
    now = sigtrace.read(path).table
    assert ending(str(path), 100)["ancestors"] == ["p50 (50)", "p10 (10)"]
    if ended:
        recorder.finish({})
    else:
        recorder.__exit__(KeyboardInterrupt, None, None)
    assert sigtrace.read(path).table.equals(now)
    assert pids(str(path)) == {10, 50, 60, 100}


def test_rows_that_were_held_back_and_come_in_a_later_part_are_followed_in_the_order_of_their_lines(
    tmp_path: Path,
) -> None:
    # 50 is noted, takes another name and ends in the first part; that 60, who kills, is its child, the second tells.
    about = {"clock": "boot", "events": [], "chosen": {"pids": [100], "units": []}}
    path = tmp_path / "s.parquet"
    with Recorder(path, about, utc_offset_us=0, processes=[BOSS, WEB, STRANGER]) as recorder:
        early = fork(60, parent=50, comm="p50") + execute(50, "/bin/other", comm="other")
        recorder.feed((early + hit(100, USR1, by=50, name="other") + leave(50, comm="other")).encode())
        recorder._roll()  # noqa: SLF001 -- as after a quarter of an hour
        recorder.feed(kill(100, KILL, by=60, name="p50").encode())
        recorder.finish({})
    parts = [sigtrace.read(part).table for part in sorted(path.glob("part-*"))]
    lines = [[int(line) for line in part["line"].to_pylist() if line is not None] for part in parts if len(part)]
    assert min(lines[-1]) < max(lines[-2])
    told = ending(str(path), 100)
    assert (told["killer_command"], told["ancestors"]) == ("/bin/p50 -x", ["other (50)", "p10 (10)"])
    rows = [
        one for one in of_log(None, feed.Table(pa.concat_tables(parts).sort_by("line"))) if one["victim_pid"] == 100
    ]
    assert [one["ancestors"] for one in rows] == [told["ancestors"]]


@pytest.mark.parametrize("wrong", [{}, [], {"pids": [1]}, {"pids": ["1"], "units": []}, {"pids": [], "units": [1]}])
def test_a_session_that_says_nonsense_of_its_choice_is_damaged(wrong: object) -> None:
    with pytest.raises(SessionError, match="damaged: chosen is not pids and units"):
        description.checked("s.parquet", {"chosen": wrong})


def test_a_journal_without_a_choices_state_is_damaged(tmp_path: Path) -> None:
    about = {"clock": "boot", "events": [], "chosen": {"pids": [100], "units": []}}
    recorder = Recorder(tmp_path / "s.parquet", about, processes=[WEB])
    recorder.feed(leave(100).encode())
    recorder.__exit__(KeyboardInterrupt, None, None)
    (journal,) = (tmp_path / "s.parquet").glob("_spool-*")
    first, _, rest = journal.read_text().partition("\n")
    state = json.loads(first)
    assert state.pop("selection")["known"]
    journal.write_text(json.dumps(state) + "\n" + rest)
    with Database(str(tmp_path / "s.parquet")) as database:
        assert "its first line is no state" in database.abouts[0]["damaged"][0]["why"]


@pytest.mark.parametrize("mixed", [True, False])
def test_a_part_that_is_gone_while_it_is_followed_is_an_error_that_names_it(tmp_path: Path, mixed: bool) -> None:  # noqa: FBT001
    (*_, part) = sorted(Path(recording(tmp_path, leave(100), pids=[100])).glob("part-*"))
    rows = feed.Parts([str(part)], lossy=False, witnessed=True, mixed=mixed)
    rows.fed = print
    with pytest.raises(SessionError, match=rf"^{part}: "):
        track(rows, lambda *_: part.unlink())


# Endings are those of the whole log


def pieces(table: pa.Table, dice: Random) -> Iterator[pa.RecordBatch]:
    at = 0
    while at < len(table):
        piece = table.slice(at, dice.choice([1, 7, 50, 1000, 100_000])).combine_chunks()
        at += len(piece)
        yield from piece.to_batches()


def selected(table: pa.Table, pid: int, dice: Random) -> pa.Table:
    """Return the rows of a recording that has only one process and its descendants; it is interrupted at times."""
    selection = Selection([pid])
    found: list[pa.RecordBatch] = []
    for piece in pieces(table, dice):
        found += [kept.cast(PLAIN) for kept in selection.kept(piece)]
        if dice.random() < 0.3:
            state = json.loads(json.dumps(selection.state()))
            selection = Selection([pid])
            selection.resume(state)
    return pa.Table.from_batches(found, PLAIN)


def endings(table: pa.Table, events: Any) -> dict[tuple[int, int], dict[str, Any]]:
    rows = feed.Table(table.sort_by([("line", "ascending"), ("ts", "ascending")]))
    rows._events = events  # noqa: SLF001 -- as the session says which were on
    return {(one["victim_pid"], one["ts"]): one for one in of_log(None, rows)}


def begun_later(table: pa.Table, at: int) -> tuple[pa.Table, list[int]]:
    """Return what a recording would have that begins at a row, and who runs then."""
    living: dict[int, dict[str, Any]] = {}
    for row in table.slice(0, at).to_pylist():
        if row["tid"] == row["pid"] is not None:
            living.setdefault(row["pid"], {"ts": 1, "target": 0})["comm"] = row["comm"]  # since before the recording
        if row["event"] == "sched_process_fork":
            parent = row["tid"] if row["pid"] is None else row["pid"]
            living[row["target"]] = {"ts": row["ts"], "target": parent, "comm": row["target_comm"]}
        elif row["pid"] not in {None, row["tid"]} and living.get(row["tid"], {}).get("target") == row["pid"]:
            del living[row["tid"]]  # a thread
        if row["event"] == "sched_process_exit":
            living.pop(row["tid"], None)
    known = [{"event": "process", "tid": pid, "pid": pid, "line": 0, **one} for pid, one in living.items()]
    began = pa.Table.from_batches([of_rows(known)]).cast(PLAIN)
    return pa.concat_tables([began, table.slice(at)]).combine_chunks(), list(living)


@lru_cache
def recorded(path: str) -> pa.Table:
    table = sigtrace.read(path).table.select(PLAIN.names).cast(PLAIN).sort_by("line")
    return table.filter(pc.field("event") != "process")


def descendants(table: pa.Table, pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    names = ("event", "tid", "pid", "target")
    for event, tid, parent, target in zip(*(table[name].to_pylist() for name in names), strict=True):
        if event == "sched_process_fork":
            children.setdefault(tid if parent is None else parent, []).append(target)
        elif event == "process":
            children.setdefault(target, []).append(parent)
    found, waiting = set(), [pid]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += children.get(one, [])
    return found


@pytest.mark.parametrize("path", RECORDINGS)
@given(dice=st.randoms(use_true_random=False))
def test_of_a_real_recording_each_ending_that_is_told_is_that_of_all_rows_and_none_of_the_chosen_is_missing(
    path: str, dice: Random
) -> None:
    table = recorded(path)
    table, living = begun_later(table, dice.randrange(1, len(table) * 2 // 3))
    if not living:
        return
    events = set(table["event"].to_pylist())
    pid, whole = dice.choice(living), endings(table, events)
    told = endings(selected(table, pid, dice), events)
    assert told == {key: whole[key] for key in told}
    assert {key for key in whole if key[0] in descendants(table, pid)} <= told.keys()


@given(dice=st.randoms(use_true_random=False), old=st.booleans(), steps=st.sampled_from([8, 25, 60]))
def test_of_made_up_lives_whose_pids_come_again_and_again_each_ending_that_is_told_is_that_of_all_rows(
    dice: Random,
    old: bool,  # noqa: FBT001
    steps: int,
) -> None:
    history = History(dice, None, old, forgetful=False, lossy=False, possible=True)
    rows = [row for row in history.play(steps) if row["event"] not in {"process", "thread"}]
    known: dict[str, Any] = {"event": "process", "line": 0, "comm": "a"}
    began = [{**known, "ts": pid, "tid": pid, "pid": pid, "target": pid - 1} for pid in (1, 2)]
    began.append({"event": "thread", "line": 0, "tid": 3, "pid": 2, "comm": "a"})
    table = pa.Table.from_pylist(began + rows, PLAIN).sort_by("line")
    events = set(table["event"].to_pylist())
    pid, whole = dice.choice([1, 2]), endings(table, events)
    told = endings(selected(table, pid, dice), events)
    assert told == {key: whole[key] for key in told}
    assert {key for key, one in whole.items() if key[0] == pid and one["victim_start"] == pid} <= told.keys()


# Answers


def test_answers_say_that_only_some_processes_were_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = recording(tmp_path, kill(100, KILL, by=50), pids=[100])
    for command in (["report", session], ["report", session, "--markdown"], ["report", session, "--json"]):
        assert main(command) == 0
        assert ONLY.format("process 100 and its descendants") in " ".join(capsys.readouterr().out.split())
    assert main(["who", session, "4711"]) == 1
    assert ONLY.format("process 100 and its descendants") in " ".join(capsys.readouterr().err.split())
    (part,) = [path for path in Path(session).glob("part-*") if sigtrace.read(path).table.num_rows > 1][:1]
    assert sigtrace.read(part).about["chosen"] == {"pids": [100], "units": []}


def test_several_choices_are_told_together(tmp_path: Path) -> None:
    from sigtrace.output.sentence import unknown

    with Database(recording(tmp_path / "other", leave(100), units=["web"])) as database:
        assert unknown(database) == ONLY.format("the processes of web")
    tmp_path = tmp_path / "several"
    recording(tmp_path, leave(100), "one", pids=[100, 50], units=["web"])
    with Database(str(tmp_path)) as database:
        assert unknown(database) == ONLY.format("processes 50 and 100 and their descendants and the processes of web")
    recording(tmp_path, leave(100), "two")
    with Database(str(tmp_path)) as database:
        assert (unknown(database) or "").startswith("in some of these logs, only processes 50 and 100 and their")


def test_the_exit_code_knows_the_chosen_and_is_unknown_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = recording(tmp_path, leave(100), pids=[100])
    assert main(["who", session, "100", "--exit-code"]) == 3
    capsys.readouterr()
    assert main(["who", session, "10", "--exit-code"]) == 4
    assert capsys.readouterr().out.startswith(
        "No row that was kept tells who sent 10 a signal.\nUnknown: only process 100"
    )


# The command line


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--pid", "0"], "0: no pid"),
        (["--pid", "12,x"], "x: no pid"),
        (["--pid", "2147483648"], "no pid"),
        (["--unit", "a,,b"], "a,,b: give units"),
        (["--unit", "/system.slice/a.service"], "give units that have processes"),
    ],
)
def test_what_is_no_pid_or_unit_is_a_mistake(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["record", "-o", "s.parquet", *words])
    assert raised.value.code == 2
    assert why in " ".join(capsys.readouterr().err.split())


def test_pids_and_units_are_lists() -> None:
    chosen = parser().parse_args(["record", "-o", "s.parquet", "-p", "7,3,7", "--unit", "b.service,a"])
    assert (chosen.pids, chosen.units) == ((3, 7), ("a", "b.service"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-o", "s.parquet", "--pid", "2147483647"], "--pid 2147483647: no process has this pid"),
        (["--flight", "f", "--unit", "a"], "--flight records all: give -o instead"),
        (["-o", "s.parquet", "--no-evidence", "--unit", "a"], "leave --no-evidence out"),
    ],
)
def test_a_choice_that_cannot_be_recorded_is_refused(
    words: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", *words]) == 1
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_unit_in_which_nothing_runs_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    from sigtrace.commands.line import chosen

    assert chosen.of([os.getpid()], ["no-such-unit"]) == {"pids": [os.getpid()], "units": ["no-such-unit"]}
    assert capsys.readouterr().err == "sigtrace: no process is in a unit no-such-unit now: it is recorded once one is\n"
