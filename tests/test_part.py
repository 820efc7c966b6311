"""Part: what a file has in it, whichever of pyarrow's writers made it."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigtrace import Log
from sigtrace.facts.schema import PLAIN
from sigtrace.store.part import Part, read

if TYPE_CHECKING:
    from pathlib import Path


def _refusing(*_: object, **__: object) -> NoReturn:
    raise TypeError("an argument that it does not know")


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    "private",
    [None, SimpleNamespace(), SimpleNamespace(ParquetWriter=_refusing)],
    ids=["no module", "no writer", "another writer"],
)
def test_without_the_private_writer_of_pyarrow_the_public_one_writes_the_same_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fixtures: Path, private: Any, *, kept: bool
) -> None:
    asked: list[str] = []
    public = pq.ParquetWriter

    def told(*arguments: Any, **named: Any) -> pq.ParquetWriter:
        asked.append("public")
        return public(*arguments, **named)

    monkeypatch.setattr(pq, "ParquetWriter", told)

    def write(name: str) -> Path:
        part = Part(tmp_path / name, kept=kept)
        for batch in Log(fixtures / "evidence_events.txt"):
            part.write(batch)
        part.close({"lines": 1})
        return tmp_path / name

    usual = write("usual.parquet")
    assert asked == []
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow._parquet", private)
        other = write("other.parquet")
    assert asked == ["public"]
    assert other.read_bytes() == usual.read_bytes()
    rows = pa.Table.from_batches(Log(fixtures / "evidence_events.txt")).cast(PLAIN)
    assert read(other).sort_by("line") == rows.sort_by("line")


def test_an_interrupt_while_a_part_begins_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> NoReturn:
        start(thread)  # which waits until the thread runs, and that may wait for a long import
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Part(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
