"""Where spans and metrics are pushed, by the standard `OTEL_*` environment variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from headgate.telemetry.tracing import AttemptSpan, RequestSpan, Tracing


class ExporterMissing(Exception):
    """An exporter is configured and its package is not installed."""


class Recorder(Protocol):
    """Takes requests at their end."""

    def record(self, request: RequestSpan, attempts: Sequence[AttemptSpan]) -> None:
        """Keep one request and its attempts for export."""
        ...

    def close(self) -> None:
        """Export what is left."""
        ...


def recorders(environ: Mapping[str, str]) -> tuple[Recorder, ...]:
    """One for spans and one for metrics, each where an OTLP endpoint is set for it.

    Raises `ExporterMissing` when the package of the exporters is not there.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    found: list[Recorder] = []
    if _is_set(environ, "TRACES"):
        found.append(_tracing())
    if _is_set(environ, "METRICS"):
        found.append(_meters())
    return tuple(found)


def _is_set(environ: Mapping[str, str], signal: str) -> bool:
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp") == "none":
        return False
    names = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environ.get(name) for name in names)


def _tracing() -> Recorder:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise _missing() from error
    return Tracing(OTLPSpanExporter())


def _meters() -> Recorder:
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError as error:
        raise _missing() from error
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    from headgate.telemetry.meters import Meters

    return Meters(PeriodicExportingMetricReader(OTLPMetricExporter()))


def _missing() -> ExporterMissing:
    return ExporterMissing(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set; install the exporter: pip install 'headgate[otlp]'"
    )
