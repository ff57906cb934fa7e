"""Spans by the GenAI conventions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from headgate.telemetry.exporters import recorders
from headgate.telemetry.meters import Meters
from headgate.telemetry.tracing import AttemptSpan, RequestSpan, Tracing
from headgate_providers.sdk import Usage

START = datetime(2026, 11, 24, tzinfo=UTC)
REQUEST = RequestSpan(
    id="r1", operation="chat", dialect="openai_chat", route="assistant", team="web", code="ok",
    start=START, duration_s=2.0, streamed=True, policy_digest="p",
    trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)  # fmt: skip


def attempt(number: int, outcome: str) -> AttemptSpan:
    return AttemptSpan(
        number=number, deployment=f"d{number}", provider="google", model="gemini-2.5-flash",
        outcome=outcome, start=START, duration_s=1.0, first_token_s=0.2,
        usage=Usage(10, 5, cache_read_tokens=4), finish_reason="stop", response_id="x",
        response_model="m", cost_usd=Decimal("0.01"),
    )  # fmt: skip


def test_a_request_with_two_attempts() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    tracing.record(REQUEST, [attempt(1, "rate_limited"), attempt(2, "ok")])
    tracing.close()
    first, second, server = exporter.get_finished_spans()
    assert server.name == "POST /v1/chat/completions"
    assert server.kind is SpanKind.SERVER
    assert server.parent is not None
    assert format(server.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert server.end_time is not None and server.start_time is not None
    assert server.end_time - server.start_time == 2_000_000_000
    assert first.parent == second.parent == server.context
    assert first.name == second.name == "chat gemini-2.5-flash"
    assert first.kind is SpanKind.CLIENT
    assert first.attributes is not None and second.attributes is not None
    assert first.attributes["error.type"] == "rate_limited"
    assert first.status.status_code is StatusCode.ERROR
    assert "error.type" not in second.attributes
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "headgate.attempt": 2,
        "headgate.deployment": "d2",
        "headgate.cost.currency": "USD",
    }
    assert {name: second.attributes.get(name) for name in expected} == expected


ENDPOINT = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("environ", "kinds"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, ["Tracing", "Meters"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT}, ["Tracing"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, ["Meters"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_SDK_DISABLED": "true"}, []),
    ],
)
def test_the_standard_variables_decide(environ: dict[str, str], kinds: list[str]) -> None:
    assert [type(recorder).__name__ for recorder in recorders(environ)] == kinds


def test_the_same_measurements_as_metrics() -> None:
    reader = InMemoryMetricReader()
    Meters(reader).record(REQUEST, [attempt(1, "rate_limited"), attempt(2, "ok")])
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    points = {metric.name: list(metric.data.data_points) for metric in scope.metrics}
    assert set(points) == {
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    }
    failed = [p for p in points["gen_ai.client.operation.duration"] if "error.type" in p.attributes]
    assert [p.attributes["error.type"] for p in failed] == ["rate_limited"]
    sums = {
        (p.attributes["headgate.deployment"], p.attributes["gen_ai.token.type"]): p.sum
        for p in points["gen_ai.client.token.usage"]
    }
    assert sums["d2", "input"] == 10
