"""Where spans go, by the standard `OTEL_*` environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class ExporterMissing(Exception):
    """An exporter is configured and its package is not installed."""


def span_exporter(environ: Mapping[str, str]) -> SpanExporter | None:
    """The OTLP exporter if an endpoint is set; raises `ExporterMissing`."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not any(environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ExporterMissing(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set; install the exporter: pip install 'headgate[otlp]'"
        ) from error
    return OTLPSpanExporter()
