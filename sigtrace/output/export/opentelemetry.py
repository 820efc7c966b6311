"""OpenTelemetry: each ending as a log record, sent by the SDK to wherever its own variables say.

The packages come with `pip install 'sigtrace[opentelemetry]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sigtrace import __version__
from sigtrace.errors import Error
from sigtrace.output.sentence import sentence
from sigtrace.questions.deaths import microseconds
from sigtrace.questions.who import who

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from sigtrace.questions.database import Database

_PIECE = 512
_EVENT = "sigtrace.ending"
# As OpenTelemetry's semantic conventions name them; all else keeps its name behind `sigtrace.`.
_NAMES = {
    "victim_pid": "process.pid",
    "victim_comm": "process.executable.name",
    "victim_executable": "process.executable.path",
    "command": "process.command_line",
    "exit_status": "process.exit.code",
    "parent_pid": "process.parent_pid",
    "victim_user": "process.owner",
    "victim_container": "container.id",
    "victim_pod": "k8s.pod.uid",
}
_NO_ATTRIBUTES = {"time", "log"}


def send(database: Database, exporter: LogRecordExporter | None = None) -> int:
    """Send a log record for each process that ended otherwise than by an exit of its own; return how many.

    The record's time is that of the ending, its body the sentence of `who`, and its attributes are the columns of
    `sigtrace.analyze.deaths` that are known: those that have a name in the semantic conventions by that, the others
    behind `sigtrace.`. Its resource has `service.name` (sigtrace, unless OTEL_SERVICE_NAME says another) and
    `host.name`, if the session knows it. Without an `exporter` they go by OTLP over HTTP to where
    OTEL_EXPORTER_OTLP_ENDPOINT says. Raises `Error` if the packages are missing, or if the records are not taken.
    """
    try:
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.resources import Resource
    except ImportError as error:
        raise _missing() from error
    sent = 0
    with _Batches(_default() if exporter is None else exporter) as batches:
        loggers = {}
        for log, about in database.about_by_log.items():
            known = {"host.name": about["host"]} if about.get("host") else {}
            provider = LoggerProvider(Resource.create({"service.name": "sigtrace", **known}), shutdown_on_exit=False)
            provider.add_log_record_processor(batches.processor())
            loggers[log] = provider.get_logger("sigtrace", __version__)
        for death in who(database, exits=False):
            if "calls" in death or "fate" in death:
                continue  # no ending: the log shows none
            loggers[death["log"]].emit(
                LogRecord(
                    timestamp=None if death["time"] is None else microseconds(death["time"]) * 1000,
                    severity_number=SeverityNumber.INFO if death["verdict"] == "asked" else SeverityNumber.WARN,
                    severity_text="INFO" if death["verdict"] == "asked" else "WARN",
                    body=sentence(death, database),
                    attributes=_attributes(death),
                    event_name=_EVENT,
                )
            )
            sent += 1
    return sent


def _attributes(death: dict[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in death.items() if value is not None and key not in _NO_ATTRIBUTES}
    return {_NAMES.get(key, f"sigtrace.{key}"): value for key, value in known.items()}


class _Batches:
    # The SDK's own processors keep to themselves whether somebody took what they sent.
    def __init__(self, exporter: LogRecordExporter) -> None:
        self._exporter = exporter
        self._waiting: list[ReadableLogRecord] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._send()
        finally:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # of the SDK

    def processor(self) -> Any:  # noqa: ANN401 -- a class of a package that may be missing
        from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
        from opentelemetry.sdk.resources import Resource

        add = self._add

        class Processor(LogRecordProcessor):
            def on_emit(self, log_record: ReadWriteLogRecord) -> None:
                add(
                    ReadableLogRecord(
                        log_record.log_record,
                        resource=log_record.resource or Resource.get_empty(),
                        instrumentation_scope=log_record.instrumentation_scope,
                        limits=log_record.limits,
                    )
                )

            def shutdown(self) -> None:
                pass

            def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002
                return True

        return Processor()

    def _add(self, record: ReadableLogRecord) -> None:
        self._waiting.append(record)
        if len(self._waiting) == _PIECE:
            self._send()

    def _send(self) -> None:
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        waiting, self._waiting = self._waiting, []
        if waiting and self._exporter.export(waiting) is not LogRecordExportResult.SUCCESS:
            raise Error("the collector took no log records: see OTEL_EXPORTER_OTLP_ENDPOINT")


def _default() -> LogRecordExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    except ImportError as error:
        raise _missing() from error
    return OTLPLogExporter()


def _missing() -> Error:
    return Error("the packages of OpenTelemetry are not installed: pip install 'sigtrace[opentelemetry]'")
