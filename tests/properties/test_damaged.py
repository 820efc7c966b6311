"""Whatever bytes come, however cut: the same rows, an account that adds up, and no other exception than ours."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest import mock

import forge
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import sigtrace.trace.parser
from sigtrace import Accounting, Error, Log, Parser, read
from sigtrace.trace import scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": lambda log: gzip.compress(log, 1),
    "xz": lambda log: lzma.compress(log, preset=0),
    "zst": lambda log: bytes(pa.compress(log, "zstd", asbytes=True)),
}


@given(data=st.data())
@pytest.mark.parametrize(
    "name",
    [
        *("hostile.txt", "tracefile.txt", "tgid.txt", "evidence_events.txt", "arguments.txt"),
        *("exit_status_and_cgroups.txt", "kill_told_twice.txt", "only_sys_kill.txt"),
    ],
)
def test_how_a_real_log_is_cut_into_blocks_changes_nothing(
    parse: Parse, fixtures: Path, name: str, data: st.DataObject
) -> None:
    log = (fixtures / name).read_bytes()
    _, cuts = data.draw(forge.cut(st.just(log)))
    assert parse(log, cuts=cuts) == parse(log)


# As the log ends, a loss has made a call of the kernel's ready, and another half is open.
READY_AT_THE_END = b"""\
            bash-1       [000] d..1.     1.000000: bpf_trace_printk: to PID 1, ret = 0
            bash-1       [000] d..1.     2.000000: bpf_trace_printk: to PID 1, ret = 0
            bash-3       [001] .....     3.000000: sys_kill(pid: 0x1, sig: 0xf)
            bash-2       [002] d..1.     4.000000: bpf_trace_printk: PID 2 (bash) sent signal 9\x20
CPU:1 [LOST 4 EVENTS]
"""


@given(cut=forge.cut(forge.anything), rows=st.integers(1, 9))
@example(cut=(READY_AT_THE_END, []), rows=1)
def test_how_any_bytes_are_cut_and_batched_changes_nothing(
    parse: Parse, cut: tuple[bytes, list[int]], rows: int
) -> None:
    log, cuts = cut
    assert parse(log, cuts=cuts, rows=rows) == parse(log)


@given(log=forge.anything)
def test_the_account_of_any_bytes_adds_up(parse: Parse, log: bytes) -> None:
    rows, account = parse(log)
    kinds = account.lines_by_kind
    assert account.lines == sum(kinds.values()) == forge.count_lines(log)
    assert all(n > 0 for n in kinds.values())
    events = [row["event"] for row in rows]
    assert 2 * events.count("kill") == kinds.get("kill", 0)
    assert events.count("kill_half") == kinds.get("half", 0)
    assert events.count("lost") == kinds.get("lost", 0)
    assert account.lost == sum(row["lost"] for row in rows if row["lost"] is not None)
    lines = [row["line"] for row in rows]
    assert len(set(lines)) == len(lines)
    assert set(lines) <= set(range(1, account.lines + 1))


@given(cut=forge.cut(forge.anything))
def test_the_account_of_what_is_read_so_far_adds_up(cut: tuple[bytes, list[int]]) -> None:
    log, cuts = cut
    parser = Parser(rows=1 << 10)
    for start, stop in pairwise([0, *sorted(cuts), len(log)]):
        assert list(parser.feed(log[start:stop])) == []
        account = parser.accounting
        assert account.lines == sum(account.lines_by_kind.values()) == log.count(b"\n", 0, stop)


@given(cut=forge.cut(forge.anything))
def test_a_parser_that_goes_on_from_anothers_state_gives_the_same(
    parse: Parse, twin: ModuleType, cut: tuple[bytes, list[int]]
) -> None:
    log, cuts = cut
    for module in (twin, scan):  # what the interpreted one would raise at, the compiled one may crash at
        with mock.patch.object(sigtrace.trace.parser, "scan", module):
            parser = Parser(rows=1 << 10)
            rows: list[dict[str, Any]] = []
            for start, stop in pairwise([0, *sorted(cuts)[:12], len(log)]):
                state = json.loads(json.dumps(parser.state()))
                parser = Parser(rows=1 << 10)
                parser.resume(state)
                assert list(parser.feed(log[start:stop])) == []
                if (batch := parser.take()) is not None:
                    rows += batch.to_pylist()
            for batch in parser.finish():
                rows += batch.to_pylist()
        assert (rows, parser.accounting) == parse(log)


@given(cut=forge.cut(forge.anything), rows=st.integers(1, 9))
def test_the_twins_read_any_bytes_alike(parse: Parse, cut: tuple[bytes, list[int]], rows: int) -> None:
    log, cuts = cut
    assert parse(log, cuts=cuts, rows=rows) == parse(log, cuts=cuts, rows=rows, interpreted=True)


@given(log=forge.anything, damage=st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=3)), max_size=3))
@pytest.mark.parametrize("kind", PACKED)
def test_nothing_but_our_own_error_leaves_a_log(log: bytes, damage: list[tuple[int, bytes]], kind: str) -> None:
    packed = bytearray(PACKED[kind](log))
    for at, scrap in damage:
        start = at % (len(packed) + 1)
        packed[start : start + len(scrap)] = scrap
    told = Log(io.BytesIO(packed))
    said = ""
    rows = 0
    try:
        rows = sum(batch.num_rows for batch in told)
    except Error as error:
        said = str(error)
    if said:
        assert said.startswith("the log: ")
        assert "\n" not in said
        with pytest.raises(Error):
            read(bytes(packed))
    else:
        assert len(read(bytes(packed))) == rows
        assert told.accounting.lines == sum(told.accounting.lines_by_kind.values())
