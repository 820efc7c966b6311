"""The lock: a query reads its sessions, and reaches nothing else, whoever wrote the query or the sessions."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sigtrace import Database, Error
from sigtrace.cli import main

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = str(FIXTURES / "evidence_events.txt")
SCENE = Path(__file__).parent.parent / "notebooks" / "data" / "scene.parquet"
PART = SCENE / "part-00000.parquet"
FORMS = [[], ["--csv"], ["--json"], ["--parquet"]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SCENE, tmp_path / "s.parquet")
    (tmp_path / "secret.txt").write_text("a,b\n1,2\n")
    (tmp_path / "secret.json").write_text('{"a": 1}')
    shutil.copy(PART, tmp_path / "secret.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OVER_ITS_OWN = "TO 's.parquet/part-00000.parquet' (FORMAT parquet, USE_TMP_FILE false)"
HOSTILE = [
    "FROM read_text('/etc/passwd')",
    "FROM read_csv('secret.txt')",
    "FROM 'secret.parquet'",
    "FROM read_parquet('s.parquet/../secret.parquet')",
    "FROM read_blob('secret.json')",
    "FROM read_json('secret.json')",
    "FROM glob('*')",
    "FROM sniff_csv('secret.txt')",
    "COPY (SELECT 1) TO 'written.csv'",
    "COPY (SELECT 1) ITS_OWN",
    "EXPLAIN ANALYZE COPY (SELECT 1) ITS_OWN",
    "EXPLAIN/**/ANALYZE COPY (SELECT 1) ITS_OWN",
    "WITH t AS (COPY (SELECT 1) ITS_OWN) FROM t",
    "PIVOT (WITH t AS (COPY (SELECT 1 AS a) ITS_OWN) FROM t) ON a",
    "PREPARE p AS COPY (SELECT 1) ITS_OWN",
    "SELECT 1; COPY (SELECT 1) ITS_OWN",
    "PRAGMA table_info('events'); COPY (SELECT 1) ITS_OWN",
    "SELECT 1) ITS_OWN; --",
    "SELECT 1) TO 'written.csv'; --",
    "SELECT 1); COPY (SELECT 1) TO 'written.csv'; --",
    "FROM json_execute_serialized_sql(json_serialize_sql($$WITH t AS (COPY (SELECT 1) ITS_OWN) FROM t$$))",
    "PRAGMA json_execute_serialized_sql('{}')",
    "FROM \"Query\"('SELECT 1')",
    "FROM query/* */('SELECT 1')",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "ATTACH 'written.db'",
    "ATTACH 'written.db' AS w; CREATE TABLE w.t AS FROM events",
    "EXPORT DATABASE 'written'",
    "IMPORT DATABASE 'written'",
    "INSTALL httpfs",
    "INSTALL httpfs FROM community",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SET memory_limit = '1TB'",
    "PRAGMA memory_limit = '1TB'",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
    "CALL enable_logging(storage := 'file', storage_path := 'written')",
    "FROM sys",
]


@pytest.mark.parametrize("asked", HOSTILE)
def test_a_query_reads_no_other_file_writes_none_and_loads_nothing(
    asked: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(place)
    asked = asked.replace("ITS_OWN", OVER_ITS_OWN)
    for form in FORMS:
        assert main(["query", "s.parquet", asked, *form]) == 1, form
        printed = capfd.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("sigtrace: the query ")
        assert printed.err.count("\n") == 1
    assert contents(place) == before


def test_a_query_opens_no_connection(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        for asked in (f"FROM read_csv('http://127.0.0.1:{port}/a.csv')", f"FROM 'http://127.0.0.1:{port}/a.parquet'"):
            assert main(["query", str(place / "s.parquet"), asked]) == 1
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("session", ["s.parquet", EVIDENCE])
@pytest.mark.parametrize(
    "asked",
    [
        "FROM deaths",
        "SELECT 1;",
        "WITH a AS (FROM kills) SELECT count(*) FROM a -- all",
        "EXPLAIN FROM deaths",
        "EXPLAIN ANALYZE SELECT count(*) FROM events",
        "DESCRIBE deaths",
        "SHOW TABLES",
        "PRAGMA table_info('events')",
        "SUMMARIZE kills",
        "PIVOT kills ON sig USING count(*)",
        "FROM (PIVOT kills ON sig IN (9) USING count(*))",
        "SELECT 'COPY query(1)' AS query_text, md5(range::VARCHAR) FROM range(3) ORDER BY 2",
        "VALUES (1), (2)",
        "TABLE kills",
    ],
)
def test_whatever_only_asks_is_answered(
    session: str, asked: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place
    assert main(["query", session, asked]) == 0
    assert capsys.readouterr().out


def test_what_does_not_fit_in_memory_still_goes_to_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigtrace.questions.database._MEMORY", "250MB")
    with Database(EVIDENCE) as database:
        (counted,) = database.rows("""
            WITH wide AS (SELECT range AS r, md5(range::VARCHAR) || repeat('x', 500) AS w FROM range(800_000)),
            ordered AS (SELECT r, row_number() OVER (ORDER BY w) AS n FROM wide)
            SELECT max(n) AS n, max(r) AS r FROM ordered
        """)
    assert counted == {"n": 800_000, "r": 799_999}


def test_unsafe_does_whatever_duckdb_can(place: Path) -> None:
    assert main(["query", "--unsafe", "s.parquet", "COPY (SELECT count(*) AS n FROM kills) TO 'written.csv'"]) == 0
    assert (place / "written.csv").read_text() == "n\n14\n"
    assert main(["query", "--unsafe", "s.parquet", "FROM 'secret.parquet'"]) == 0


def test_the_database_of_a_library_is_locked_too_unless_it_is_unsafe(place: Path) -> None:
    with Database(place / "s.parquet") as database:
        for asked in ("FROM read_text('/etc/passwd')", f"COPY (SELECT 1) {OVER_ITS_OWN}"):
            with pytest.raises(Error, match="the query "):
                database.answer(asked)
    with Database(place / "s.parquet", unsafe=True) as database:
        assert database.rows("FROM read_csv('secret.txt')") == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    "name",
    [
        "it's.parquet",
        "a'); COPY (SELECT 1) TO 'written'; --.parquet",
        'double".parquet',
        "st[a]r*?.parquet",
        "new\nline.parquet",
        "-dash.parquet",
        "~.parquet",
        "naïve ☠.parquet",
        "{brace}$HOME.parquet",
    ],
)
@pytest.mark.parametrize("kind", ["file", "recording", "link", "in a folder so called"])
def test_a_path_is_a_path_whatever_is_in_it(
    name: str, kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {"in a folder so called": Path(name) / "s.parquet"}.get(kind, Path(name))
    path.parent.mkdir(exist_ok=True)
    if kind == "recording":
        shutil.copytree(SCENE, path)
    elif kind == "link":
        path.symlink_to(place / "secret.parquet")
    else:
        shutil.copy(PART, path)
    before = contents(place)
    asked = "SELECT DISTINCT log, count(*) AS n FROM kills GROUP BY ALL"
    named = os.path.join(".", path)  # noqa: PTH118  (as it is typed, so that no name is an option)
    assert main(["query", named, asked, "--json"]) == 0
    assert [row["n"] for row in json.loads(capsys.readouterr().out)] == [14]
    # Of two sessions whose rows name one log, each has its path for it.
    assert main(["query", named, "s.parquet", asked, "--json"]) == 0
    assert {row["log"] for row in json.loads(capsys.readouterr().out)} <= {named, str(path), "s.parquet"}
    assert main(["who", named, "web-2", "--since", "-15m"]) == 0
    assert "web-2 (13547) was killed" in capsys.readouterr().out
    assert contents(place) == before


def test_a_column_of_one_name_with_another_is_kept_in_every_form(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def printed(*form: str) -> bytes:
        assert main(["query", EVIDENCE, "SELECT 1 AS a, 2 AS a", *form]) == 0
        return capfdbinary.readouterr().out

    assert printed().split()[-2:] == [b"1", b"2"]
    assert printed("--csv").splitlines()[1] == b"1,2"
    assert sorted(json.loads(printed("--json"))[0].values()) == [1, 2]
    assert pq.read_table(io.BytesIO(printed("--parquet"))).num_columns == 2
