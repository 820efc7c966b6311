"""Flight: a recording of years, in segments that come and go, answers as one recording would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sigtrace import SessionError, read
from sigtrace.capture.proc import Seen, snapshot
from sigtrace.causes.feed import Parts
from sigtrace.cli import main
from sigtrace.commands.flight.status import status
from sigtrace.commands.watch import Endings, Shown, Stream, Wanted
from sigtrace.questions.database import Database
from sigtrace.store.flight import flight, home, retention, segments
from sigtrace.store.flight.flight import Flight
from sigtrace.store.flight.retention import Retention
from sigtrace.store.flight.tail import Tail
from sigtrace.store.recorder import Recorder
from tests.described import describe, described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

FIXTURES = Path(__file__).with_name("fixtures")
LOG = (FIXTURES / "evidence_events.txt").read_bytes()
EVENTS = ["signal:signal_generate", "signal:signal_deliver", "sched:sched_process_exit", "sched:sched_process_fork"]
ALL = Retention(timedelta(days=1000), 1 << 40, 0.0)
OFFSET = 1_700_000_000_000_000


class Source:
    """What a probe says beside the bytes."""

    utc_offset_us: int | None = OFFSET

    def __init__(self) -> None:
        self.disturbed: list[str] = []
        self.lost: dict[int, int] = {}

    def losses(self) -> dict[int, int]:
        return dict(self.lost)


class Day:
    """A clock that stands, until it is set."""

    def __init__(self, text: str = "2026-11-25T10:00:00+00:00") -> None:
        self.now = datetime.fromisoformat(text)

    def __call__(self) -> datetime:
        return self.now


def nothing() -> Seen:
    return Seen([], {})


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.umask(0o022)
    monkeypatch.setattr(flight, "_CHECK_SECONDS", -1.0)
    monkeypatch.setattr(flight, "_TELL_SECONDS", -1.0)
    monkeypatch.setattr(flight, "_KEEP_SECONDS", -1.0)
    yield
    os.umask(before)


@pytest.fixture
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "_SEGMENT_SECONDS", -1.0)


def flown(path: Path, log: bytes = LOG, size: int = 0, **more: Any) -> Path:
    """Record a log into a flight recorder's folder, piece by piece."""
    size = size or len(log) // 7 + 1
    how: dict[str, Any] = {"kept": ALL, "look": nothing, **more}
    with Flight(path, {"events": EVENTS}, how.pop("source", Source()), **how) as recording:
        for at in range(0, len(log), size):
            recording.feed(log[at : at + size])
        recording.finish({})
    return path


def told(*sources: Path) -> list[dict[str, Any]]:
    """Return all endings, without the log's name."""
    with Database(*sources) as database:
        found = database.answer("FROM deaths ORDER BY ts, victim_pid").to_pylist()
    return [{**one, "log": None} for one in found]


@pytest.mark.usefixtures("_short_segments")
@pytest.mark.parametrize("name", ["evidence_events.txt", "hostile.txt", "arguments.txt", "exit_status_and_cgroups.txt"])
def test_segments_answer_as_one_recording_of_the_same_log(tmp_path: Path, name: str) -> None:
    log = (FIXTURES / name).read_bytes()
    with Recorder(tmp_path / "whole.parquet", {"events": EVENTS}, utc_offset_us=OFFSET) as whole:
        whole.feed(log)
        account = whole.finish({})
    folder = flown(tmp_path / "flight", log)
    assert len(segments.find(folder)) > 2
    assert told(folder) == told(tmp_path / "whole.parquet")
    with Database(folder) as database:
        assert database.accounting == account
        assert len(database.abouts) == 1
        assert database.rows("SELECT count(*) AS n, count(DISTINCT log) AS logs FROM events") == [
            {"n": len(read(tmp_path / "whole.parquet")), "logs": 1}
        ]


@pytest.mark.usefixtures("_short_segments")
def test_the_accounts_of_segments_add_up_to_their_lines(tmp_path: Path) -> None:
    for one in segments.find(flown(tmp_path / "flight")):
        found = read(one.path)
        assert sum(found.accounting.lines_by_kind.values()) == found.accounting.lines
        assert sum(event != "process" for event in found.table["event"].to_pylist()) <= found.accounting.lines


@pytest.mark.usefixtures("_short_segments")
def test_each_segment_can_be_read_by_itself_and_knows_who_ran_when_it_began(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight", look=lambda: Seen(snapshot(), {"/": 1}))
    for one in segments.find(folder):
        events = Counter(read(one.path).table["event"].to_pylist())
        assert events["process"] > 1
        assert events["cgroup"] == 1


def test_a_new_segment_begins_with_each_day(tmp_path: Path) -> None:
    clock = Day("2026-11-25T23:59:59+00:00")
    with Flight(tmp_path, {}, Source(), kept=ALL, look=nothing, clock=clock) as recording:
        recording.feed(LOG[:5000])
        recording.feed(b"\n")
        assert len(segments.find(tmp_path)) == 1
        clock.now += timedelta(seconds=2)
        recording.feed(LOG[5000:])
        recording.feed(b"\n")
        recording.finish({})
    assert [one.path.parent.name for one in segments.find(tmp_path)] == ["date=2026-11-25", "date=2026-11-26"]


@pytest.mark.usefixtures("_short_segments")
def test_a_call_is_not_cut_in_two_by_the_end_of_a_segment(tmp_path: Path) -> None:
    log = b"".join((FIXTURES / "default.txt").read_bytes().splitlines(keepends=True)[:40])
    folder = flown(tmp_path / "flight", log, size=161)
    assert len(segments.find(folder)) > 10
    with Database(folder) as database:
        assert database.rows("SELECT count(*) AS n FROM kills") == [{"n": 20}]
        assert "half" not in database.accounting.lines_by_kind


@pytest.mark.usefixtures("_short_segments")
def test_what_the_kernel_counts_as_lost_is_told_by_the_segment_in_which_it_was(tmp_path: Path) -> None:
    source = Source()
    with Flight(tmp_path, {}, source, kept=ALL, look=nothing) as recording:
        recording.feed(b"\n")
        source.lost = {0: 3}
        source.disturbed.append("somebody wrote to tracing_on")
        recording.feed(b"\n")
        recording.feed(b"\n")
        recording.finish({0: 5}, source.disturbed)
    found = [one.about for one in segments.find(tmp_path)]
    assert [sum(about["lost_by_kernel_count"].values()) for about in found] == [0, 3, 0, 2]
    assert [len(about["disturbed"]) for about in found] == [0, 1, 0, 0]
    with Database(tmp_path) as database:
        assert database.lost_by_kernel_count == 5


@pytest.mark.usefixtures("_short_segments")
def test_segments_that_are_not_there_make_unknown_what_was_in_them(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    doomed = segments.find(folder)[2]
    shutil.rmtree(doomed.path)
    with Database(folder) as database:
        (damaged,) = database.abouts[0]["damaged"]
        assert damaged["file"].startswith("segment 2 of ")
        assert damaged["after_line"] == sum(one.about["lines"] for one in segments.find(folder)[:2])
        assert database.lossy


@pytest.mark.usefixtures("_short_segments")
def test_the_oldest_segments_may_go_and_nothing_is_said_to_be_missing(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    last = told(folder)[-1]
    for one in segments.find(folder)[:3]:
        shutil.rmtree(one.path)
    with Database(folder) as database:
        assert "damaged" not in database.abouts[0]
    assert told(folder)[-1]["ts"] == last["ts"]


def kept(path: Path, what: Retention) -> list[str]:
    retention.keep(path, what)
    return [one.path.name.rsplit("-", 1)[1] for one in segments.find(path)]


def aged(path: Path, days: int) -> None:
    for one in segments.find(path):
        about = described(one.path)
        del about["crc32"]
        for key in ("started", "ended"):
            about[key] = (datetime.fromisoformat(about[key]) - timedelta(days=days)).isoformat()
        describe(one.path, about)


@pytest.mark.usefixtures("_short_segments")
def test_what_is_older_than_its_time_goes_and_the_latest_segment_stays(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight", LOG[:6000])
    names = kept(folder, ALL)
    assert len(names) > 2
    assert kept(folder, ALL._replace(age=timedelta(days=3))) == names
    aged(folder, 4)
    assert kept(folder, ALL._replace(age=timedelta(days=3))) == names[-1:]


@pytest.mark.usefixtures("_short_segments")
def test_the_oldest_go_where_all_are_larger_than_they_may_be(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight", LOG[:6000])
    names = kept(folder, ALL)
    sizes = [one.size for one in segments.find(folder)]
    assert kept(folder, ALL._replace(size=sum(sizes[1:]))) == names[1:]
    assert kept(folder, ALL._replace(size=0)) == names[-1:]


@pytest.mark.usefixtures("_short_segments")
def test_the_oldest_go_one_by_one_while_too_little_of_the_disk_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = flown(tmp_path / "flight", LOG[:6000])
    names = kept(folder, ALL)
    rooms = iter([0.01, 0.02, 0.06])
    monkeypatch.setattr(retention, "_room", lambda _: next(rooms))
    assert kept(folder, ALL._replace(free=0.05)) == names[2:]


@pytest.mark.usefixtures("_short_segments")
def test_a_damaged_segment_goes_when_it_is_old(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight", LOG[:6000])
    doomed = segments.find(folder)[0]
    describe(doomed.path, [])
    old = (datetime.now(UTC) - timedelta(days=9)).timestamp()
    os.utime(doomed.path, (old, old))
    names = kept(folder, ALL._replace(age=timedelta(days=3)))
    assert doomed.path.name.rsplit("-", 1)[1] not in names
    assert len(names) > 1


def test_a_recorder_removes_what_one_before_had_begun_to_remove(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    doomed = segments.find(folder)[0].path
    doomed.rename(doomed.with_name(f".expired-{doomed.name}"))
    with pytest.raises(SessionError, match="no session of sigtrace in it"):
        told(folder)
    flown(folder)
    assert not list(folder.glob("host=*/date=*/.*"))


@pytest.mark.usefixtures("_short_segments")
def test_a_reader_of_what_expires_meanwhile_is_told_so(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    doomed = segments.find(folder)[0].path
    with pytest.raises(SessionError, match="has expired while it was read: ask again"), Database(folder) as database:
        count_deaths_without(doomed, database)


def count_deaths_without(doomed: Path, database: Database) -> None:
    shutil.rmtree(doomed)
    database.answer("SELECT count(*) FROM deaths")


KILLED = """
import os, sys
from pathlib import Path
from test_flight import ALL, LOG, Flight, Source, nothing
Flight(Path(sys.argv[1]), {}, Source(), kept=ALL, look=nothing).feed(LOG)
os.kill(os.getpid(), 9)
"""


def test_an_error_about_a_record_that_goes_on_is_told_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Flight(tmp_path, {}, Source(), kept=ALL, look=nothing) as recording:
        recording.feed(LOG)
        assert main(["who", str(tmp_path), "nobody-of-this-name"]) == 1
        assert "no process called nobody-of-this-name is known by that name here" in capsys.readouterr().err
        recording.finish({})


RECORDS = """
import sys
from pathlib import Path
from test_flight import ALL, EVENTS, LOG, Flight, Source, nothing
with Flight(Path(sys.argv[1]), {"events": EVENTS}, Source(), kept=ALL, look=nothing) as recording:
    recording.feed(b"")
    sys.stdin.read()
    recording.feed(LOG)
    recording.finish({})
"""


def last_run_was_killed(path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, path], cwd=Path(__file__).parent, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("how", ["stopped", "killed", "rebooted"])
def test_the_time_between_two_runs_is_a_row_and_makes_unknown(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "killed":
        last_run_was_killed(tmp_path)
    else:
        flown(tmp_path)
    if how == "rebooted":
        monkeypatch.setattr("sigtrace.store.flight.gap.boot_id", lambda: "another")
    flown(tmp_path)
    with Database(tmp_path) as database:
        (row,) = database.rows("SELECT time, lost, ts FROM events WHERE event = 'gap'")
    assert 0 <= row["lost"] < 60_000_000
    assert row["time"].timestamp() == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
    (gap,) = status(tmp_path, datetime.now(UTC))["gaps"]
    assert gap["why"] == how
    assert main(["who", str(tmp_path), "5567"]) == 0
    said = capsys.readouterr().out
    assert "It is unknown who sent 5567 a signal." in said
    words = {"stopped": "recorder was stopped", "killed": "recorder was killed", "rebooted": "machine was restarted"}
    assert f"othing was recorded from {gap['since'][:10]}" in said
    assert words[how] in said


def test_a_killed_run_is_recovered_by_the_next(tmp_path: Path) -> None:
    last_run_was_killed(tmp_path)
    flown(tmp_path, b"\n")
    first = segments.find(tmp_path)[0]
    assert "recovered" in first.about
    assert read(first.path).accounting.lines == LOG.count(b"\n")


def test_memory_and_file_handles_are_flat_over_hours_of_its_own_clock() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "tests.week", "70000", "5"], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "5 segments are kept, of 70,000 events; calls and ends in them: 10000,10000" in done.stdout


def test_one_recorder_has_the_folder_and_a_second_is_told_which(tmp_path: Path) -> None:
    with Flight(tmp_path, {}, Source(), kept=ALL, look=nothing) as recording:
        with pytest.raises(SessionError, match=f"another recorder records here \\(pid {os.getpid()}, since 20"):
            Flight(tmp_path, {}, Source(), kept=ALL, look=nothing)
        assert home.is_held(tmp_path)
        recording.finish({})
    assert not home.is_held(tmp_path)


def test_the_folders_group_may_read_the_record_and_nobody_else(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o2750 if path.is_dir() else 0o640), path


def test_under_sudo_the_record_is_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4242")
    folder = flown(tmp_path / "flight")
    assert {path.stat().st_uid for path in folder.rglob("*")} == {os.geteuid()}


def test_an_executable_that_was_seen_once_is_known_in_later_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "_SEGMENT_SECONDS", -1.0)
    shell = next(one for one in snapshot() if one["pid"] == os.getpid())
    looks = iter([shell, {**shell, "executable": None}, {**shell, "executable": None, "start_us": 5}])
    with Flight(tmp_path, {}, Source(), kept=ALL, look=lambda: Seen([next(looks)], {})) as recording:
        recording.feed(b"\n")
        recording.feed(b"\n")
        recording.finish({})
    found = [read(one.path).table["filename"].to_pylist()[0] for one in segments.find(tmp_path)]
    assert found == [shell["executable"], shell["executable"], None]


def test_status_says_how_the_recorder_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["status", "--dir", str(tmp_path)]
    assert main(asked) == 1
    assert "nobody has recorded here: sudo sigtrace record --flight" in capsys.readouterr().out
    with Flight(tmp_path, {}, Source(), kept=ALL, look=nothing) as recording:
        recording.feed(LOG)
        recording.feed(b"")
        assert main(asked) == 0
        said = capsys.readouterr().out
        assert f"sigtrace (pid {os.getpid()}) records since" in said
        assert "1 segment" in said
        assert main([*asked, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["recording"]
        assert found["lines"] == LOG.count(b"\n")
        recording.finish({})
    assert main([*asked, "--prometheus"]) == 1
    lines = LOG.count(b"\n")
    metrics = capsys.readouterr().out
    assert "\nsigtrace_recording 0\n" in metrics
    assert f"\nsigtrace_events_total {lines}\n" in metrics


def test_status_fails_where_the_recorder_holds_on_and_says_nothing(tmp_path: Path) -> None:
    with Flight(tmp_path, {}, Source(), kept=ALL, look=nothing) as recording:
        assert status(tmp_path, datetime.now(UTC))["recording"]
        later = status(tmp_path, datetime.now(UTC) + timedelta(seconds=61))
        assert (later["held"], later["recording"]) == (True, False)
        recording.finish({})


def test_what_ended_a_run_is_told_by_status_until_the_next_error(tmp_path: Path) -> None:
    with pytest.raises(SessionError), Flight(tmp_path, {}, Source(), kept=ALL, look=nothing):
        raise SessionError("no room")
    flown(tmp_path)
    assert status(tmp_path, datetime.now(UTC))["last_error"]["what"] == "no room"


@pytest.mark.usefixtures("_short_segments")
def test_a_segment_that_cannot_begin_ends_the_recording_and_the_ones_before_are_whole(tmp_path: Path) -> None:
    home_ = tmp_path / "flight"
    with pytest.raises(SessionError, match="no room"):
        flown(home_, look=full_after(2))
    assert len(segments.find(home_)) == 2
    assert all("ended" in one.about for one in segments.find(home_))
    assert status(home_, datetime.now(UTC))["last_error"]["what"] == "no room"
    assert told(home_)


def full_after(times: int) -> Callable[[], Seen]:
    looked = iter(range(times))

    def look() -> Seen:
        if next(looked, None) is None:
            raise SessionError("no room")
        return nothing()

    return look


@pytest.fixture
def _asked_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGTRACE_HOME", str(flown(tmp_path / "flight")))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_asked_home")
def test_without_a_session_the_flight_recorders_record_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = told(tmp_path / "flight")[0]
    for asked in (["who", one["victim_comm"]], ["who", str(one["victim_pid"]), "--dir", "flight"]):
        assert main(asked) == 0
        assert f"{one['victim_comm']} ({one['victim_pid']})" in capsys.readouterr().out
    assert main(["who", str(tmp_path / "flight"), one["victim_comm"]]) == 0
    by_path = capsys.readouterr().out
    assert main(["who", one["victim_comm"]]) == 0
    assert capsys.readouterr().out == by_path
    assert main(["report"]) == 0
    assert "killed" in capsys.readouterr().out
    assert main(["query", "SELECT count(*) AS n FROM kills", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("n\n")


def test_without_a_session_and_without_a_record_the_way_to_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGTRACE_HOME", str(tmp_path / "none"))
    for asked in (["who", "nginx"], ["report"], ["query", "FROM kills"]):
        assert main(asked) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "name a session, or record one with `sudo sigtrace record --flight`" in said


@pytest.mark.usefixtures("_short_segments")
def test_only_the_segments_since_a_time_are_read(tmp_path: Path) -> None:
    folder = flown(tmp_path / "flight")
    found = segments.find(folder)
    with Database(folder, since=found[-2].ended) as database:
        read_from = {Path(file).parent for one in database._sessions for file in one.files}  # noqa: SLF001
    assert read_from == {one.path for one in found[-2:]}


@pytest.mark.usefixtures("_asked_home")
def test_a_time_since_which_is_asked_of_the_record_is_before_now(capsys: pytest.CaptureFixture[str]) -> None:
    # The fixture's own time is long ago: it is of another clock.
    assert main(["who", "--since", "-1h"]) == 0
    assert "Nobody sent anybody a signal in that time." in capsys.readouterr().out
    assert main(["query", "SELECT count(*) AS n FROM deaths", "--since", "-1h", "--csv"]) == 0
    assert capsys.readouterr().out == "n\n0\n"
    assert main(["report", "--since", "-1h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 0


def watched(view: Endings, batches: Iterator[pa.RecordBatch | None]) -> list[str]:
    """Return the lines for all that has come."""
    lines = [line for batch in iter(lambda: next(batches, None), None) for line in view.lines(batch)]
    return [*lines, *view.settled()]


@pytest.mark.parametrize("seconds", [-1.0, 3600.0])
def test_what_a_recorder_reads_is_watched_over_all_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(flight, "_SEGMENT_SECONDS", seconds)
    lines = LOG.splitlines(keepends=True)
    pieces = [b"".join(lines[at : at + 40]) for at in range(0, len(lines), 40)]
    of_all, view = Endings(Wanted()), Endings(Wanted())
    expected = []
    with Flight(tmp_path, {"events": EVENTS}, Source(), kept=ALL, look=nothing) as recording:
        recording.feed(pieces[0])
        with Tail(tmp_path) as tail:
            files = list(map(str, tail.files))
            view.catch_up(EVENTS, Parts(files, lossy=True, witnessed=True), tail.past())
            stream = Stream(OFFSET)
            of_all.catch_up(EVENTS, Parts([], lossy=True, witnessed=True), stream.batches(pieces[0]))
            said = []
            for piece in pieces[1:]:
                recording.feed(piece)
                said += watched(view, tail.batches())
                expected += [line for batch in stream.batches(piece) for line in of_all.lines(batch)]
                expected += of_all.settled()
        recording.finish({})
    assert said == expected
    assert len(said) > 5


def test_a_watch_ends_with_the_recorder_and_needs_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = subprocess.Popen([sys.executable, "-c", RECORDS, tmp_path], cwd=Path(__file__).parent, stdin=-1)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "_status.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert recording.stdin is not None
        # It reads the log once somebody watches.
        monkeypatch.setattr(Shown, "begin", lambda _: recording.stdin and recording.stdin.close())
        assert main(["watch", "--deaths", "--dir", str(tmp_path)]) == 0
    finally:
        recording.wait(60)
    printed = capsys.readouterr()
    assert "killed by" in printed.out
    assert printed.err.endswith(": the recorder has ended\n")
    assert main(["watch", "--deaths", "--dir", str(tmp_path)]) == 1
    assert "nobody records here now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("age", "36h", timedelta(hours=36)), ("size", "2G", 2 << 30), ("size", "1.5MiB", 3 << 19), ("share", "5%", 0.05)],
)
def test_what_is_kept_can_be_said_in_words(kind: str, text: str, value: object) -> None:
    assert getattr(retention, kind)(text) == value


@pytest.mark.parametrize("option", ["--keep=soon", "--keep-size=much", "--keep-free=200%"])
def test_what_cannot_be_kept_is_refused_with_an_example(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "--flight", option])
    assert "such as" in capsys.readouterr().err
