"""What watch shows of rows as they come, also as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sigtrace.commands.watch import Calls, Endings, Signals, Stream, Wanted
from sigtrace.questions.database import Database
from sigtrace.questions.who import who
from tests.story import fork, hit, kill, line, lost, witness

EVIDENCE = Path(__file__).parent / "fixtures" / "evidence_events.txt"


def shown(view: Calls | Endings, log: bytes) -> list[str]:
    lines = [line for batch in Stream(1_700_000_000_000_000).batches(log) for line in view.lines(batch)]
    return [*lines, *view.settled()]


def objects(view: Calls | Endings, log: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(one) for one in shown(view, log.encode() if isinstance(log, str) else log)]


def test_calls_and_their_signals_are_objects_with_the_victims_name() -> None:
    call, *_ = [one for one in objects(Signals(Wanted()), fork(100) + kill(100)) if one["event"] == "kill"]
    (signal,) = [one for one in objects(Signals(Wanted()), fork(100) + kill(100)) if one["event"] == "signal_generate"]
    assert (call["pid"], call["signal"], call["target"], call["ret"]) == (50, "SIGTERM", 100, 0)
    assert (signal["pid"], signal["signal"], signal["target"], signal["target_comm"]) == (50, "SIGTERM", 100, "worker")
    assert signal["time"] == call["time"] == "2023-11-14T22:13:21.000000Z"


def test_signals_that_none_of_the_three_calls_sent_are_shown_too() -> None:
    found = objects(Signals(Wanted()), fork(100) + hit(100, 15, code=-1) + hit(100, 11, code=1, by=100))
    assert [(one["event"], one["signal"], one["code"]) for one in found] == [
        ("signal_generate", "SIGTERM", -1),
        ("signal_generate", "SIGSEGV", 1),
    ]


def test_a_call_that_failed_says_why() -> None:
    log = "".join(
        line(f"bpf_trace_printk: {text}", of=50, comm="killer")
        for text in ("PID 50 (killer) sent signal 15 ", "to PID 7, ret = -3")
    )
    (found,) = objects(Signals(Wanted(failed=True)), log + hit(100, 9))
    assert (found["ret"], found["error"]) == (-3, "ESRCH")


@pytest.mark.parametrize(
    "wanted", [Wanted(sender=50), Wanted(target=100), Wanted(signals=frozenset({15})), Wanted(sender=50, target=100)]
)
def test_only_what_is_wanted_is_shown(wanted: Wanted) -> None:
    other = hit(200, 9, by=60, name="other")
    found = objects(Signals(wanted), fork(100) + kill(100) + other)
    assert {one["target"] for one in found} == {100}


def test_a_loss_is_an_object() -> None:
    for view in (Signals(Wanted()), Endings(Wanted(), as_json=True)):
        found = [one for one in objects(view, witness() + lost(1, 7)) if one["event"] == "lost"]
        assert [(one["cpu"], one["lost"]) for one in found] == [(1, 7)]


def test_endings_are_the_objects_of_who_but_for_those_that_only_exited() -> None:
    log = EVIDENCE.read_bytes()
    found = objects(Endings(Wanted(), as_json=True), log)
    with Database(str(EVIDENCE)) as database:
        known = {one["victim_pid"]: one for one in who(database) if one["verdict"] not in {"exited", "unknown"}}
    assert {one["victim_pid"] for one in found} == set(known)
    for one in found:
        assert one["event"] == "ending"
        for name in ("verdict", "signal", "killer_pid", "killer_comm", "lines", "ancestors"):
            assert one[name] == known[one["victim_pid"]][name]
        assert one["sentence"].startswith(f"{one['victim_comm']} ({one['victim_pid']}) ")


def test_as_json_there_is_no_header() -> None:
    assert Signals(Wanted()).header is Endings(Wanted(), as_json=True).header is None
    assert Calls(Wanted()).header is not None
