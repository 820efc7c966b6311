"""What was forged comes out again, and nothing besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import forge
from hypothesis import given, note

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
