"""Endings as OpenTelemetry's log records: by the SDK, into memory, into a collector's file, and over HTTP."""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.json.file._log_exporter import FileLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, LogRecordExporter, LogRecordExportResult

import sigtrace
from sigtrace.cli import main
from sigtrace.errors import Error
from sigtrace.output.export import opentelemetry
from sigtrace.output.sentence import sentence
from sigtrace.questions.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

DATA = Path(__file__).parents[1] / "notebooks" / "data"
SCENE, FLEET = str(DATA / "scene.parquet"), str(DATA / "fleet")


def sent(source: str) -> Sequence[ReadableLogRecord]:
    """Return the log records of a session."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # of the SDK
    with Database(source) as database:
        assert opentelemetry.send(database, exporter) == len(exporter.get_finished_logs())
    return exporter.get_finished_logs()


def test_an_ending_is_a_log_record_with_its_time_sentence_and_columns() -> None:
    with Database(SCENE) as database:
        deaths = sigtrace.who(database, exits=False)
        told = [sentence(death, database) for death in deaths]
    records = [record.log_record for record in sent(SCENE)]
    assert [record.body for record in records] == told
    assert [record.timestamp for record in records] == [round(one["time"].timestamp() * 1e6) * 1000 for one in deaths]
    assert {record.event_name for record in records} == {"sigtrace.ending"}
    for record, death in zip(records, deaths, strict=True):
        found: dict[str, Any] = dict(record.attributes or {})
        assert (found["process.pid"], found["sigtrace.signal"]) == (death["victim_pid"], death["signal"])
        assert found.get("sigtrace.killer_comm") == death["killer_comm"]
        assert list(found["sigtrace.lines"]) == death["lines"]


def test_each_host_is_a_resource() -> None:
    hosts = {str(record.resource.attributes["host.name"]) for record in sent(FLEET)}
    assert hosts == {"db-1", "web-1", "web-2"}
    assert {record.resource.attributes["service.name"] for record in sent(FLEET)} == {"sigtrace"}


def test_a_log_that_shows_no_endings_has_no_records(fixtures: Path) -> None:
    assert sent(str(fixtures / "default.txt")) == ()


def test_a_collectors_file_has_the_records() -> None:
    file = io.StringIO()
    with Database(SCENE) as database:
        n = opentelemetry.send(database, FileLogExporter(stream=file))
    read = [json.loads(line) for line in file.getvalue().splitlines()]
    records = [
        record
        for line in read
        for resource in line["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    assert len(records) == n > 1
    assert "was killed by deployer" in records[0]["body"]["stringValue"]


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Yield the address of a collector, and the records that it takes."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                taken.extend(record for scope in resource.scope_logs for record in scope.log_records)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_report_goes_to_the_collector_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert main(["report", SCENE, "--opentelemetry"]) == 0
    assert capsys.readouterr().err == "10 log records were sent.\n"
    assert len(taken) == 10
    assert {record.event_name for record in taken} == {"sigtrace.ending"}


def test_a_collector_that_takes_nothing_is_an_error() -> None:
    class Refusing(LogRecordExporter):
        def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:  # noqa: ARG002
            return LogRecordExportResult.FAILURE

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002
            return True

    with Database(SCENE) as database, pytest.raises(Error, match="took no log records"):
        opentelemetry.send(database, Refusing())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk._logs", None)
    assert main(["report", SCENE, "--opentelemetry"]) == 1
    assert "pip install 'sigtrace[opentelemetry]'" in capsys.readouterr().err
