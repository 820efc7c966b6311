"""Whatever a log holds: plain it is read as it stands, and behind any prefix it gives the same rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest import mock

import forge
from hypothesis import example, given, note
from hypothesis import strategies as st

from sigtrace import Accounting, Parser
from sigtrace.trace.prefix import stripper
from sigtrace.trace.prefix.forms import FORMS
from sigtrace.trace.prefix.known import Known
from tests.prefixes import WRITERS, prefixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.trace.parser import Rows

    Parse = Callable[..., tuple[list[dict[str, Any]], Accounting]]

# An ordinary line of the kernel's: what is not plain by it alone is behind a prefix.
LINE = b"            bash-363     (    364) [007] d...1   672.563868: sched_process_exit: comm=bash pid=363 prio=120\n"
BAIT = st.sampled_from(
    [*(b"> ", b"a-1 | ", b"[pod/a/b] ", b'{"MESSAGE":"', b"b'", b"Nov 25 10:00:00 a b: ", b"2026-11-25T10:00:00Z ")]
)


def stripped(log: bytes, cuts: list[int]) -> tuple[list[dict[str, Any]], Accounting]:
    at = [0, *sorted(cuts), len(log)]
    parser = Parser()
    rows: list[Rows] = list(stripper.scan(parser, (log[start:stop] for start, stop in pairwise(at))))
    rows += parser.end()
    return [row for one in rows for row in one.batch().to_pylist()], parser.accounting


@st.composite
def baited(draw: st.DrawFn) -> bytes:
    """Draw a log, damaged or not, of which some lines begin like those of a prefixed one."""
    lines = draw(forge.anything).split(b"\n")
    baits = draw(st.lists(st.none() | BAIT, min_size=len(lines), max_size=len(lines)))
    return b"\n".join((bait or b"") + line for bait, line in zip(baits, lines, strict=True))


@given(log=baited(), cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_a_log_with_a_line_as_the_kernel_writes_it_is_read_as_it_stands(
    parse: Parse, log: bytes, cuts: list[int]
) -> None:
    plain = LINE + log
    assert stripped(plain, cuts) == parse(plain)
    # The first line that says who printed it decides, and the kernel pads no event's name, as trace-cmd does.
    if b":  " not in log:
        plain = log + b"\n" + LINE
        assert stripped(plain, cuts) == parse(plain)


@given(forged=forge.forged(), cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_a_log_that_was_forged_is_read_as_it_stands(parse: Parse, forged: forge.Forged, cuts: list[int]) -> None:
    assert stripped(forged.log, cuts) == parse(forged.log)


def stands(line: bytes, text: bytes) -> bool:
    """Tell whether a damaged line can be read with a prefix, or a piece of it, and not without: as it stands, then."""
    known, layers = Known(), [line]
    for layer in layers if text not in known else ():
        if layer in known:
            return True
        layers += [found[1] for form in FORMS if (found := form.taken_off(layer)) is not None]
    return False


@given(
    log=forge.damaged(),
    form=st.sampled_from(sorted(WRITERS)),
    cuts=st.lists(st.integers(0, 9000), max_size=5),
    sample=st.sampled_from([1 << 20, 2000]),  # the least has three whole lines of any form, beside a piece of one
)
@example(log=b"%16s-1       [000]      0.000000: a:b: c\n" % b"bash", form="compose", cuts=[], sample=1 << 20)
def test_a_log_behind_a_prefix_gives_the_same_rows(
    parse: Parse, log: bytes, form: str, cuts: list[int], sample: int
) -> None:
    plain = LINE + log
    behind = prefixed(plain, WRITERS[form])
    note(behind.decode("ascii", "backslashreplace"))
    read = [parse(plain)]
    if any(map(stands, behind.split(b"\n"), plain.split(b"\n"))):
        read.append(parse(behind))
    with mock.patch.object(stripper, "_SAMPLE", sample):
        assert stripped(behind, cuts) in read


@given(log=st.binary(max_size=400), cuts=st.lists(st.integers(0, 900), max_size=5))
@example(log=b"b'\\xf", cuts=[])
def test_whatever_is_behind_a_prefix_is_accounted_for(log: bytes, cuts: list[int]) -> None:
    for form in ("compose", "json", "repr"):
        behind = prefixed(LINE * 500, WRITERS[form]) + log
        rows, account = stripped(behind, cuts)
        assert account.lines == sum(account.lines_by_kind.values()) == forge.count_lines(behind)
        assert rows[0]["line"] == 1
