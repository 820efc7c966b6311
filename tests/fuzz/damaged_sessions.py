"""Damaged sessions: bytes say what somebody did to the files of a recording; whoever reads it then is answered.

A recording is damaged in steps: bits flipped, files cut, swapped, renamed, gone, replaced by links, pipes and folders,
and hostile descriptions. A step can seal them anew, so that what is behind the checksums is reached.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from sigtrace.errors import Error
from sigtrace.output.sentence import unknown
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.questions.who import Question, ask
from sigtrace.store import recorder
from sigtrace.store.recorder import Recorder
from sigtrace.store.trust import checksum, description

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = Path(__file__).parents[1] / "fixtures" / "evidence_events.txt"
_VICTIM = b"what nobody may change\n"
_STEPS = 8
_DESCRIPTION = "_session.parquet"
_VALUES: list[Any] = [
    *(None, True, -1, 3.5, 1 << 31, 1 << 62, 1 << 80, "", "x", "../../victim", "/etc/passwd", "\ud800", "\x1b[31m\n"),
    *([], [None], [[]], [-1], [0, 1, 2, 3], [99_999], ["x"], {}, {"x": "y"}, {"0": -1}, {"0": 1}, {"0": None}),
    *("2026-11-22T00:00:00+00:00", "us", 253_402_300_799_999_999),
]
_KEYS = (
    *("schema", "log", "logs", "host", "utc_offset_us", "started", "ended", "clock", "events", "missing", "parts"),
    *("part", "lines", "lines_by_kind", "lost_by_cpu", "losses_of_unknown_size", "layouts", "ts_unit", "damaged", "x"),
)
_NAMES = (
    *("part-00000.parquet", "part-00001.parquet", "part-00009.parquet", "part-x.parquet", "part-²²²²².parquet"),
    *("part-\n.parquet", "_spool-00000.log", "_spool-00009.log", "_spool-xx.log", ".part-00003.parquet", _DESCRIPTION),
    *("x.parquet", "_lock", "._session.parquet", "_session.json"),
)


class _Bytes:
    # The bytes that say what is done, one by one; at their end, zeros.
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, below: int) -> int:
        size = 1 if below <= 1 << 8 else 3
        found = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(found, "big") % max(below, 1)

    def some(self) -> bytes:
        size = self.number(32)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found


def session(data: bytes) -> None:
    """Damage a recording, and ask it: there is an answer, or an error in a line; nothing else is touched."""
    told = _Bytes(data)
    with tempfile.TemporaryDirectory(prefix="sigtrace-fuzz-") as place:
        folder = Path(place, "sessions", "s.parquet")
        shutil.copytree(_sessions() / ("ended", "killed")[told.number(2)], folder)
        victim = Path(place, "victim")
        victim.write_bytes(_VICTIM)
        for _ in range(_STEPS):
            if told:
                _DAMAGES[told.number(len(_DAMAGES))](folder, told)
        asked = folder.parent if told.number(4) == 1 else folder
        try:
            with Database(asked) as database:
                report = summary(database, timeline=False)
                json.dumps([report, unknown(database)], default=str)
                ask(database, Question("all"), each=True, exits=True)
                if told.number(8) == 1:  # to start DuckDB takes longer than all else
                    database.rows("SELECT * FROM deaths")
        except Error as error:
            said = str(error)
            assert said, "an error that says nothing"
            assert "\n" not in said.replace("part-\n", ""), said
        assert victim.read_bytes() == _VICTIM
        assert {path.name for path in Path(place).iterdir()} == {"sessions", "victim"}


@lru_cache
def _sessions() -> Path:
    # One that ended, and one whose recorder was killed, with a journal. They go with the process.
    place = tempfile.TemporaryDirectory(prefix="sigtrace-fuzz-")
    _kept.append(place)
    made = Path(place.name)
    log = _LOG.read_bytes()
    rows = recorder._BATCH_ROWS, recorder._PART_ROWS  # noqa: SLF001
    recorder._BATCH_ROWS, recorder._PART_ROWS = 8, 32  # noqa: SLF001
    about = {"clock": "boot", "events": ["signal:signal_generate"], "command": ["suite"]}
    try:
        with Recorder(made / "ended", about, utc_offset_us=1_700_000_000_000_000) as fed:
            for at in range(0, len(log), 997):
                fed.feed(log[at : at + 997])
                if at == 8 * 997:
                    shutil.copytree(made / "ended", made / "killed")
            fed.finish({0: 0})
    finally:
        recorder._BATCH_ROWS, recorder._PART_ROWS = rows  # noqa: SLF001
    return made


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _file(folder: Path, told: _Bytes) -> Path | None:
    files = [path for path in sorted(folder.iterdir()) if _is_own(path)]
    return files[told.number(len(files))] if files else None


def _is_own(path: Path) -> bool:
    # Not what leads to the victim: that is for sigtrace to leave alone.
    return path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1


def _flip(folder: Path, told: _Bytes) -> None:
    if (path := _file(folder, told)) and (held := bytearray(path.read_bytes())):
        held[told.number(len(held))] ^= 1 << told.number(8)
        path.write_bytes(held)


def _cut(folder: Path, told: _Bytes) -> None:
    if path := _file(folder, told):
        os.truncate(path, told.number(path.stat().st_size + 1))


def _insert(folder: Path, told: _Bytes) -> None:
    if path := _file(folder, told):
        held = path.read_bytes()
        at = told.number(len(held) + 1)
        path.write_bytes(held[:at] + told.some() + held[at:])


def _overwrite(folder: Path, told: _Bytes) -> None:
    if path := _file(folder, told):
        held = path.read_bytes()
        at = told.number(len(held) + 1)
        put = told.some()
        path.write_bytes(held[:at] + put + held[at + len(put) :])


def _swap(folder: Path, told: _Bytes) -> None:
    one, two = _file(folder, told), _file(folder, told)
    if one and two:
        held = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(held)


def _rename(folder: Path, told: _Bytes) -> None:
    to = folder / _NAMES[told.number(len(_NAMES))]
    if (path := _file(folder, told)) and (to.is_file() or not os.path.lexists(to)):
        path.rename(to)


def _remove(folder: Path, told: _Bytes) -> None:
    if path := _file(folder, told):
        path.unlink()


def _no_file(folder: Path, told: _Bytes) -> None:
    path = folder / _NAMES[told.number(len(_NAMES))]
    if path.is_dir() and not path.is_symlink():
        return
    path.unlink(missing_ok=True)
    makes: list[Callable[[], object]] = [
        lambda: path.symlink_to("../../victim"),
        lambda: path.symlink_to(path.name),
        lambda: path.hardlink_to(folder.parents[1] / "victim"),
        lambda: os.mkfifo(path),
        path.mkdir,
        path.touch,
    ]
    makes[told.number(len(makes))]()


def _describe(folder: Path, told: _Bytes) -> None:
    key, value = _KEYS[told.number(len(_KEYS))], _VALUES[told.number(len(_VALUES))]
    path = folder / _DESCRIPTION
    if not _is_own(path) and os.path.lexists(path):
        return
    try:
        said = json.loads(description.text(path.read_bytes())) if path.exists() else {}
    except (ValueError, RecursionError):
        said = {}
    if isinstance(said, dict):
        path.write_bytes(description.parquet(json.dumps({**said, key: value})))


def _account(folder: Path, told: _Bytes) -> None:
    # A key of what a part says of itself.
    path = _file(folder, told)
    key, value = _KEYS[told.number(len(_KEYS))], _VALUES[told.number(len(_VALUES))]
    if path is None:
        return
    try:
        table = pq.read_table(path)
        said = json.loads((table.schema.metadata or {})[b"sigtrace"])
        metadata = {b"sigtrace": json.dumps({**said, key: value}).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    except Exception:  # noqa: BLE001, S110 -- not a part any more
        pass


def _seal(folder: Path, _: _Bytes) -> None:
    for path in folder.iterdir():
        if not _is_own(path):
            continue
        if path.name == _DESCRIPTION:
            try:
                said = json.loads(description.text(path.read_bytes()))
                said.pop("crc32", None)
                path.write_bytes(description.parquet(description.sealed(said)))
            except (AttributeError, TypeError, ValueError, RecursionError):
                continue
        elif path.suffix == ".parquet":
            descriptor = os.open(path, os.O_RDWR)
            try:
                checksum.seal(path, descriptor)
            except Error:
                continue
            finally:
                os.close(descriptor)


_DAMAGES: tuple[Callable[[Path, _Bytes], None], ...] = (
    *(_flip, _cut, _insert, _overwrite, _swap, _rename, _remove, _no_file, _describe, _account, _seal),
)
