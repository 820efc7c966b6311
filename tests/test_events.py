"""Events: what one table says of them is what the scanner, the batches, the parts and the docs make of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace.facts.events import EVENTS, ROWS, SNAPSHOT, evidence
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.trace import batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sigtrace import Accounting

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]

SCHEMA_MD = Path(__file__).parents[1] / "docs" / "schema.md"

HEADER = "            bash-363     (    363) [000] d...1   672.563868: "
# A line or two of each kind of row, in the order of the table.
SAMPLES = [
    "bpf_trace_printk: PID 363 (bash) sent signal 9 \n" + HEADER + "bpf_trace_printk: to PID 1, ret = 0",
    "bpf_trace_printk: PID 363 (bash) sent signal 9 ",
    "bpf_trace_printk: to PID 1, ret = 0",
    "sys_kill(pid: 0x6713, sig: 9)",
    "sys_kill -> 0x0",
    "CPU:0 [LOST 5 EVENTS]",
    "CPU:0 [LOST EVENTS]",
    "signal_generate: sig=9 errno=0 code=0 comm=bash pid=4784 grp=1 res=0",
    "signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0",
    "sched_process_exit: comm=bash pid=363 prio=120 group_dead=true",
    "sched_process_exit: comm=bash pid=363 prio=120",
    "sched_process_fork: comm=bash pid=363 child_comm=bash child_pid=364",
    "sched_process_exec: filename=/bin/true pid=363 old_pid=363",
    "mark_victim: pid=9 comm=hog total-vm=1kB anon-rss=1kB file-rss:1kB shmem-rss:0kB uid=0 pgtables=76kB",
    "mark_victim: pid=9 comm=hog total-vm=1kB anon-rss=1kB",
    "mark_victim: pid=9",
    "sys_exit_group(error_code: 0x103)",
    "sys_exit(error_code: 0)",
    "bpf_trace_printk: sigtrace args uid=1000 cgroup=4711 /usr/bin/python3 app.py --x",
    "bpf_trace_printk: sigtrace args uid=1000 cgroup=4711",
    "bpf_trace_printk: sigtrace exec old=1234 /usr/bin/python3.11",
    "cgroup_attach_task: dst_root=8 dst_id=8 dst_level=1 dst_path=/x pid=16027 comm=bash",
    "cgroup_mkdir: root=8 id=8 level=1 path=/x",
]
# The scanner names the first place of each event.
PLACES = {
    "_KILL": "kill",
    "_SENT": "kill_half",
    "_LOST": "lost",
    "_GENERATE": "signal_generate",
    "_DELIVER": "signal_deliver",
    "_EXIT": "sched_process_exit",
    "_FORK": "sched_process_fork",
    "_EXEC": "sched_process_exec",
    "_OOM": "mark_victim",
    "_EXIT_GROUP": "sys_enter_exit_group",
    "_EXIT_THREAD": "sys_enter_exit",
    "_ARGS": "args",
    "_EXECUTED": "exec",
    "_ATTACH": "cgroup_attach_task",
    "_MKDIR": "cgroup_mkdir",
}


def filled(row: dict[str, Any]) -> set[str]:
    return {column for column, value in row.items() if value is not None}


@pytest.mark.parametrize("interpreted", [False, True])
@pytest.mark.parametrize(("kind", "sample"), [*zip(ROWS, SAMPLES, strict=True)])
def test_the_scanner_fills_the_columns_that_the_table_says(
    parse: Parse,
    kind: tuple[str, str],
    sample: str,
    interpreted: bool,  # noqa: FBT001
) -> None:
    log = sample if sample.startswith("CPU") else HEADER + sample
    (row,), _ = parse(f"{log}\n".encode(), interpreted=interpreted)
    event, columns = kind
    assert row["event"] == event
    assert filled(row) == {"event", "line", *columns.split()} - {"user"}  # whom no log names


def test_the_scanner_has_the_places_that_the_table_gives(twin: ModuleType) -> None:
    names = [event for event, _ in ROWS]
    assert {place: names[getattr(twin, place)] for place in PLACES} == PLACES
    assert all(names[getattr(twin, place) - 1] != event for place, event in PLACES.items() if event != "kill")
    assert set(PLACES.values()) == set(names)


def test_the_header_lacks_what_it_does_not_say(parse: Parse) -> None:
    for header, missing in ((HEADER.replace("(    363) ", ""), {"pid"}), (HEADER.replace("bash", " <..."), set())):
        (row,), _ = parse(f"{header}sched_process_exec: filename=/bin/true pid=363 old_pid=363\n".encode())
        assert filled(row) == {"event", "line", "ts", "cpu", "tid", "pid", "comm", "target", "filename"} - missing
    (row,), _ = parse(f"{HEADER.replace(' bash', '<...>')}mark_victim: pid=9\n".encode())
    assert row["comm"] is None


def test_every_column_of_the_table_is_one_of_the_schema_and_every_one_of_the_schema_is_filled() -> None:
    columns = {column for event in EVENTS for form in event.forms for column in form.split()}
    assert columns | {"event", "time", "line", "log"} == set(SCHEMA.names)
    assert [field.name for field in SCHEMA if not field.nullable] == ["event", "line"]


def test_no_row_fills_two_columns_that_the_scanner_holds_in_one() -> None:
    shared: dict[str, set[str]] = {}
    for column, held_in in batch._HELD_IN.items():  # noqa: SLF001  (what this test is about)
        shared.setdefault(held_in, {held_in}).add(column)
    for _, form in ROWS:
        for columns in shared.values():
            assert len(columns & set(form.replace("handler", "res").split())) <= 1


def test_the_docs_name_each_event() -> None:
    text = SCHEMA_MD.read_text().split("| event | what |")[1].split("\n\n")[0]
    assert [
        name for names in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE) for name in names.strip("`").split("`, `")
    ] == [event.name for event in EVENTS]


def documented() -> dict[str, set[str]]:
    """Return the events that docs/schema.md says fill each column."""
    every = {event.name for event in EVENTS}
    text = SCHEMA_MD.read_text().split("| column |")[1].split("\n\n")[0]
    found = {}
    for column, events in re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", text, re.MULTILINE):
        named = set(re.findall(r"`(\w+)`", events.partition(";")[0]))
        assert named <= every
        found[column] = every - named if events.startswith("all") else named
    return found


def test_the_docs_say_which_events_fill_a_column() -> None:
    table = {
        column: {event.name for event in EVENTS if any(column in form.split() for form in event.forms)}
        for column in PLAIN.names
    }
    every = {event.name for event in EVENTS}
    assert documented() == {**table, "time": table["ts"], "event": every, "line": every, "log": every}


def test_a_recording_filters_sigchld_and_hierarchies_whose_ids_say_nothing() -> None:
    assert evidence() == {
        "signal:signal_generate": "sig != 17",
        "signal:signal_deliver": "sig != 17",
        "sched:sched_process_exit": "",
        "sched:sched_process_fork": "",
        "sched:sched_process_exec": "",
        "oom:mark_victim": "",
        "syscalls:sys_enter_exit_group": "",
        "syscalls:sys_enter_exit": "",
        "cgroup:cgroup_attach_task": "",
        "cgroup:cgroup_mkdir": "root == 0",
    }
    assert all(not event.tracefs for event in EVENTS if event.name in SNAPSHOT)
