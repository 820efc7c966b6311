"""What was forged comes out again, and nothing besides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import forge
import forge_kernel
from hypothesis import given, note
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace import Accounting

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]


@given(forged=forge.forged())
def test_a_forged_log_comes_back_as_what_happened(parse: Parse, forged: forge.Forged) -> None:
    note(forged.log.decode("ascii", "backslashreplace"))
    rows, account = parse(forged.log)
    ours = sorted(
        (
            {column: value for column, value in row.items() if value is not None}
            for row in rows
            if row["event"] in {"kill", "kill_half", "lost"}
        ),
        key=lambda row: row["line"],
    )
    assert ours == sorted(forged.rows, key=lambda row: row["line"])
    assert {kind: account.lines_by_kind.get(kind, 0) for kind in forged.kinds} == forged.kinds
    assert account.lost_by_cpu == forged.lost_by_cpu
    assert account.losses_of_unknown_size == forged.losses_of_unknown_size
    assert account.lines == forged.log.count(b"\n") == sum(account.lines_by_kind.values())
    assert "pending" not in account.lines_by_kind
    assert account.ts_unit == forged.ts_unit


HEADER = b"            bash-363     (    364) [007] d...1   672.563868: "


@given(made=st.lists(forge_kernel.lines(), min_size=1, max_size=4))
def test_forged_lines_say_what_happened_whatever_paths_and_names_hold(
    parse: Parse, made: list[tuple[bytes, dict[str, Any] | None]]
) -> None:
    log = b"".join(HEADER + text + b"\n" for text, _ in made)
    note(log.decode("ascii", "backslashreplace"))
    rows, account = parse(log)
    of_header = {"ts": 672563868, "cpu": 7, "tid": 363, "pid": 364, "comm": "bash"}
    assert [{column: value for column, value in row.items() if value is not None} for row in rows] == [
        {"line": n, **of_header, **{column: value for column, value in row.items() if value is not None}}
        for n, (_, row) in enumerate(made, 1)
        if row is not None
    ]
    assert account.lines_by_kind.get("malformed", 0) == sum(row is None for _, row in made)


@given(told=forge_kernel.told(lossy=False))
def test_each_call_is_one_row_whoever_tells_it(parse: Parse, told: forge_kernel.Told) -> None:
    note(told.log.decode())
    rows, account = parse(told.log)
    assert {row["event"] for row in rows} == {"kill"}
    assert sorted((row["sig"], row["target"], row["ret"], row["tid"]) for row in rows) == [
        (call.number, -call.number - 1000, -call.number, call.tid) for call in told.calls
    ]
    by_program = {call.number for call in told.calls if "P" in call.told}
    assert {row["sig"] for row in rows if row["pid"] == 4321} == by_program
    twice = sum(len(call.told) == 3 for call in told.calls)
    assert account.lines_by_kind == {"kill": 2 * len(rows)} | ({"repeated": 2 * twice} if twice else {})


@given(told=forge_kernel.told(lossy=True), rows_at_once=st.integers(1, 9))
def test_no_loss_makes_a_call_of_the_lines_of_two(parse: Parse, told: forge_kernel.Told, rows_at_once: int) -> None:
    note(told.log.decode())
    rows, account = parse(told.log, rows=rows_at_once)
    calls = [row for row in rows if row["event"] == "kill"]
    assert [call for call in calls if not call["sig"] == -call["target"] - 1000 == -call["ret"]] == []
    for half in (row for row in rows if row["event"] == "kill_half"):
        said = {half["sig"], half["target"] and -half["target"] - 1000, half["ret"] and -half["ret"]} - {None}
        assert len(said) == 1
    assert account.lines_by_kind.get("lost", 0) == told.losses
    assert account.lines == sum(account.lines_by_kind.values()) == told.log.count(b"\n")
    # Each line that is there is in a row, or repeats one.
    there = {int(n) for n in re.findall(rb"sent signal (\d+) ", told.log)}
    assert there <= {row["sig"] for row in rows if row["sig"] is not None}
