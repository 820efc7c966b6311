"""Whatever happened to a session on a disk: an answer, or an error in a line; and no other answer without a word."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

import damages
import pyarrow.parquet as pq
import pytest

from sigtrace.capture.proc import snapshot
from sigtrace.errors import Error
from sigtrace.output.summary import summary
from sigtrace.questions.database import Database
from sigtrace.store import recorder
from sigtrace.store.recorder import Recorder
from tests.described import describe, described

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from damages import Damage

LOG = (Path(__file__).parent.parent / "fixtures" / "evidence_events.txt").read_bytes()
CHUNK = 997
SECONDS = 20  # of which most take a twentieth, also on a busy machine
MANY = 120  # of hundreds
VICTIM = b"what nobody may change\n"


class Answer(NamedTuple):
    report: dict[str, Any] | None
    rows: list[dict[str, Any]]
    said: str


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ended.parquet`, `other.parquet`, which is alike, and `killed.parquet`, with a journal and a part begun."""
    folder = tmp_path_factory.mktemp("sessions")
    about = {"clock": "boot", "events": ["signal:signal_generate", "sched:sched_process_exit"], "command": ["suite"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "_BATCH_ROWS", 8)
        patch.setattr(recorder, "_PART_ROWS", 32)
        for name in ("ended", "other"):
            path = folder / f"{name}.parquet"
            with Recorder(path, about, utc_offset_us=1_700_000_000_000_000, processes=snapshot()[:3]) as fed:
                for at in range(0, len(LOG), CHUNK):
                    fed.feed(LOG[at : at + CHUNK])
                    if at == 8 * CHUNK:
                        shutil.copytree(path, folder / "killed.parquet", dirs_exist_ok=True)
                fed.finish({0: 0})
    (folder / "victim").write_bytes(VICTIM)
    return folder


def asked(path: Path) -> Answer:
    def late(*_: object) -> NoReturn:
        pytest.fail(f"no answer after {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        with Database(path) as database:
            report = summary(database, timeline=False)
            rows = cast("pa.Table", database.frame).sort_by([("line", "ascending"), ("ts", "ascending")]).to_pylist()
    except Error as error:
        return Answer(None, [], str(error))
    finally:
        signal.alarm(0)
    told = {key: value for key, value in report.items() if key not in {"session", "unknown"}}
    return Answer(json.loads(json.dumps(told, default=str)), rows, str(report["unknown"]))


def told_of(damage: Damage, path: Path, session: Path) -> Answer:
    shutil.rmtree(path.parent, ignore_errors=True)
    shutil.copytree(session, path)
    (path.parent / "victim").write_bytes(VICTIM)
    damage[1](path)
    found = asked(path)
    assert (path.parent / "victim").read_bytes() == VICTIM
    return found


def wrong(found: Answer, right: Answer, path: Path) -> str | None:
    """What is wrong with an answer, or None."""
    if found.report is None:
        return None if str(path) in found.said and "\n" not in found.said else f"a bad error: {found.said}"
    if found == right or ("was left out" in found.said and str(path) in found.said):
        return None
    return f"another answer, without a word: {found.said}"


def failing(damages_: Iterable[Damage], session: Path, place: Path, *, compared: bool) -> dict[str, str]:
    """The damages after which something is wrong, and what; if not `compared`, any answer is right."""
    path = place / "place" / "s.parquet"
    right = told_of(("none", lambda _: None), path, session)
    assert right.report is not None
    assert "left out" not in right.said
    found = {}
    for damage in damages_:
        try:
            answer = told_of(damage, path, session)
        except Exception as error:  # noqa: BLE001  (any but ours is what is looked for)
            found[damage[0]] = repr(error)
            continue
        what = wrong(answer, right if compared or answer.report is None else answer, path)
        if what is not None:
            found[damage[0]] = what
    return found


def dice() -> random.Random:
    return random.Random(3)  # noqa: S311  (the same damages each time)


def test_a_file_that_is_cut_flipped_gone_or_no_file_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "ended.parquet"
    assert failing(damages.of_any_file(session, dice(), 12), session, tmp_path, compared=True) == {}


def test_a_part_of_another_recording_or_place_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "ended.parquet"
    assert failing(damages.of_parts(sessions / "other.parquet"), session, tmp_path, compared=True) == {}


def test_a_description_that_is_not_as_it_was_written_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "ended.parquet"
    assert failing(damages.of_description(session, checked=True), session, tmp_path, compared=True) == {}


def test_a_description_changed_by_hand_gives_an_answer_or_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "ended.parquet"
    some = dice().sample(list(damages.of_description(session, checked=False)), MANY)
    assert failing(some, session, tmp_path, compared=False) == {}


def test_of_a_killed_recording_a_damaged_file_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "killed.parquet"
    # A journal is text as the kernel printed it, and may end anywhere.
    no_journals = [one for one in damages.of_any_file(session, dice(), 10) if not one[0].startswith("_spool")]
    assert failing(no_journals, session, tmp_path, compared=True) == {}


def test_of_a_killed_recording_a_damaged_journal_gives_an_answer_or_is_named(sessions: Path, tmp_path: Path) -> None:
    session = sessions / "killed.parquet"
    of_files = [one for one in damages.of_any_file(session, dice(), 10) if one[0].startswith("_spool")]
    of_journal = dice().sample(list(damages.of_journal(session)), MANY)
    assert failing([*of_files, *of_journal], session, tmp_path, compared=False) == {}


def test_a_recording_of_before_checksums_gives_an_answer_or_is_named(sessions: Path, tmp_path: Path) -> None:
    session = tmp_path / "old.parquet"
    shutil.copytree(sessions / "ended.parquet", session)
    said = described(session)
    older = {key: value for key, value in said.items() if key not in {"crc32", "parts"}}
    describe(session, older)
    for part in session.glob("part-*"):
        account = (pq.read_metadata(part).metadata or {})[b"sigtrace"]
        pq.write_table(pq.read_table(part).replace_schema_metadata({b"sigtrace": account}), part)
    assert failing(damages.of_any_file(session, dice(), 6), session, tmp_path, compared=False) == {}
