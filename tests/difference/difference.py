"""Difference: where sigtrace and the plain ones disagree."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import plain_judge
import plain_parser
import pyarrow as pa

from sigtrace import Parser, read
from sigtrace.causes import endings
from sigtrace.facts.schema import PLAIN

if TYPE_CHECKING:
    from pathlib import Path

    from made_up_lives import Lives

Row = dict[str, Any]


def of_log(log: bytes) -> str:
    """Say how the two parsers differ about a log; nothing if they agree."""
    parser = Parser(rows=1 << 10)
    batches = [*parser.feed(log), *parser.finish()]
    rows = [_known(row) for batch in batches for row in batch.to_pylist()]
    plain, kinds = plain_parser.read(log)
    if parser.accounting.lines_by_kind != kinds:
        return f"{parser.accounting.lines_by_kind} and plainly {kinds}"
    return _told(_differ(rows, plain, ("line", "event")))


def of_lives(lives: Lives) -> str:
    """Say how the tracker differs from the plain judge, or from what truly happened; nothing if they agree."""
    found = endings.endings(pa.Table.from_pylist(lives.rows, PLAIN)).to_pylist()
    if not lives.telling:  # what is hidden, such as a fork, the two make up differently
        return _untrue(lives, found)
    differing = _differ(_comparable(found), plain_judge.endings(lives.rows), ("ts", "victim_pid"))
    return _told(differing) or _untrue(lives, found)


def _says_so(ending: Row) -> bool:
    # That rows are missing on which it may rest.
    return bool(ending) and (ending["verdict"] == "unknown" or ending["lost"])


def of_session(rows: list[Row], found: list[Row]) -> str:
    """Say how endings differ from those of the plain judge over the same rows; nothing if they agree."""
    logs = {row["log"] for row in rows}
    plain = [one for log in logs for one in plain_judge.endings([row for row in rows if row["log"] == log])]
    return _told(_differ(_comparable(found), plain, ("ts", "victim_pid")))


def of_zoo(folder: Path) -> tuple[int, str]:
    """Say of how many rows of a recorded zoo, and how its endings differ; nothing if they agree.

    What others did meanwhile is left out, as the plain judge looks through all rows again and again.
    """
    truths = [truth for name in ("during.json", "before.json") for truth in _truths(folder / name)]
    pids = {int(pid) for truth in truths for pid in truth["pids"]}
    rows = _of_processes(read(folder / "zoo.parquet").table.to_pylist(), pids)
    return len(rows), of_session(rows, endings.endings(pa.Table.from_pylist(rows, PLAIN)).to_pylist())


def _truths(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return found


def _of_processes(rows: list[Row], pids: set[int]) -> list[Row]:
    # With those that they started, and with their ancestors.
    births = [(row["tid"], row["pid"], row["target"]) for row in rows if row["event"] == "sched_process_fork"]
    down, up = set(pids), set(pids)
    for tid, pid, child in births:
        if tid in down or pid in down:
            down.add(child)
    for tid, pid, child in reversed(births):
        if child in up:
            up |= {tid, pid}
    wanted = down | up
    return [
        row for row in rows if row["event"] == "lost" or not wanted.isdisjoint((row["tid"], row["pid"], row["target"]))
    ]


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _comparable(found: list[Row]) -> list[Row]:
    # Whom a hop is of, and not how it is called.
    rows = []
    for ending in found:
        hops = [int(hop.rsplit("(", 1)[1].rstrip(")")) for hop in ending["hops"]]
        rows.append({name: ending[name] for name in plain_judge.COLUMNS} | {"hops": hops})
    return rows


def _differ(ours: list[Row], plain: list[Row], names: tuple[str, ...]) -> list[tuple[Row, Row]]:
    # What only one of them has, side by side.
    ours, plain = (sorted(rows, key=lambda row: ([row[name] for name in names], _text(row))) for rows in (ours, plain))
    if ours == plain:
        return []
    theirs, own = {_text(row) for row in plain}, {_text(row) for row in ours}
    only_ours = [row for row in ours if _text(row) not in theirs]
    only_plain = [row for row in plain if _text(row) not in own]
    return list(zip_longest(only_ours, only_plain, fillvalue={}))


def _text(row: Row) -> str:
    return repr(sorted(row.items()))


def _told(differing: list[tuple[Row, Row]]) -> str:
    return "; ".join(f"{ours} and plainly {plain}" for ours, plain in differing[:2])


def _untrue(lives: Lives, found: list[Row]) -> str:
    by_pid: dict[int, list[Row]] = {}
    for ending in sorted(found, key=lambda one: int(one["ts"])):
        by_pid.setdefault(ending["victim_pid"], []).append(ending)
    for truth in lives.truths:
        of_pid = by_pid.get(truth.pid, [])
        if lives.lossy:  # of whose ends some are not there
            of_pid = [one for one in of_pid if one["ts"] == truth.ts]
        elif not of_pid:
            return f"{truth} is not told"
        if not of_pid:
            continue
        ending = of_pid.pop(0)
        by_signal = ending["verdict"] in {"killed", "self", "fault", "oom"} and truth.line in ending["lines"]
        ways = {"exited", "asked"}
        if truth.silent:  # which a log without calls to exit does not tell from an exit
            ways = {"unknown"} if lives.telling and lives.exits_told else {"unknown", *ways}
        right = by_signal if truth.line is not None else ending["verdict"] in ways
        if not right and (lives.telling or not _says_so(ending)):
            return f"{truth} is told as {ending}"
    return ""
