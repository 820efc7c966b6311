"""What other tools take: traces of Perfetto's and log records of OpenTelemetry's."""
