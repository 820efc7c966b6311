"""Sessions of a host and a day, their endings written beside them, and all that sigtrace answers about them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sigtrace import read
from sigtrace.causes.ledgers import clerk
from sigtrace.facts.schema import PLAIN, SCHEMA
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.questions.who import Question, ask
from sigtrace.store.flight import ledger
from sigtrace.store.folder import Folder
from sigtrace.store.part import Part
from sigtrace.store.sessions import Found, find
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIDS = 3


def placed(source: Path, root: Path, host: str = "a") -> Path:
    """Write a session into the folder of a host and a day, as a recorder of today would."""
    found = read(source)
    return written(found.table, found.about, root, host)


def written(table: pa.Table, about: dict[str, Any], root: Path, host: str = "a") -> Path:
    path = root / f"host={host}" / "date=2026-11-22" / "000000.parquet"
    path.mkdir(parents=True)
    columns = [
        column if column.type == field.type else column.combine_chunks().dictionary_encode().cast(field.type)
        for column, field in zip(table.cast(PLAIN).columns, SCHEMA, strict=True)
    ]
    part = Part(path / "part-00000.parquet")
    for batch in pa.Table.from_arrays(columns, schema=SCHEMA).unify_dictionaries().combine_chunks().to_batches():
        part.write(batch)
    account = Accounting.from_dict(about).to_dict()
    part.close(account)
    told = {key: value for key, value in about.items() if key not in {"parts", "part", "crc32"}}
    Folder(path).describe({**told, **account})
    return path


def of_rows(rows: Sequence[dict[str, Any]]) -> tuple[pa.Table, dict[str, Any]]:
    """Return rows as a table, and what a session of them says of itself."""
    kinds = Counter(row["event"] for row in rows)
    about = Accounting(len(rows), dict(kinds), {}, {}, [], "us").to_dict()
    return pa.Table.from_pylist(list(rows), PLAIN), {**about, "log": rows[0].get("log")}


def book(session: Path) -> bool:
    """Write the endings of a session that stands by itself."""
    (one,) = find(session, Path("/nowhere"))
    assert isinstance(one, Found)
    return clerk.write([one], final=True)


def book_all(home: Path) -> list[tuple[int, bool]]:
    """Write the endings that are due in a flight recorder's folder; return of how many segments, and whether all."""
    with tempfile.TemporaryDirectory() as scratch:
        due = list(clerk.due(home, Path(scratch)))
        return [(len(segments), final) for segments, final in due if clerk.write(segments, final=final)]


def books(root: Path) -> list[Path]:
    return sorted((root / ledger.FOLDER).rglob("*.endings"))


def holding(root: Path) -> list[bool]:
    """Tell of each log whether its endings come out of ledgers."""
    with Database(root) as database:
        return [endings is not None for _, endings in database.endings()]


def answers(root: Path) -> dict[str, str]:
    """Return all that sigtrace answers about sessions out of their endings, as text."""
    with Database(root) as database:
        deaths = database.answer("FROM deaths").to_pylist()
        found = {"deaths": _text(deaths), "report": _text(summary(database))}
    pids = {row["victim_pid"]: row["verdict"] for row in deaths}
    chosen = sorted(pids, key=lambda pid: (pids[pid] == "exited", pid))[:_PIDS]
    with Database(root) as database:  # whose files are not looked at until a question needs them
        for whom, each, exits in (
            *((str(pid), each, True) for pid in (*chosen, 1) for each in (True, False)),
            *(("all", each, exits) for each, exits in ((True, True), (True, False), (False, False))),
        ):
            found[f"who {whom} {each} {exits}"] = _text(ask(database, Question(whom), each=each, exits=exits))
    return found


def _text(answer: Any) -> str:
    return json.dumps(answer, default=str)
