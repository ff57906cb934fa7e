"""OpenTelemetry spans by the GenAI conventions (dialect 1.41).

Spans are written after the fact, from what settle knows, so that a request pays nothing for them
on its way. Off unless an exporter is configured by the standard `OTEL_*` variables. Never any
content.
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-spans.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from headgate_providers.sdk import Usage

SERVICE_NAME = "headgate"

OPERATION_NAMES = {"chat": "chat", "completion": "text_completion", "embeddings": "embeddings"}
PROVIDER_NAMES = {
    "google": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
"""Well-known values of `gen_ai.provider.name`; the others are called as we call them."""


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """A request at its end."""

    id: str
    operation: str
    dialect: str
    route: str
    team: str
    code: str
    start: datetime
    duration_s: float
    streamed: bool
    trace_parent: str | None
    policy_digest: str | None


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """An upstream try at its end."""

    number: int
    deployment: str
    provider: str
    model: str
    outcome: str
    start: datetime
    duration_s: float
    first_token_s: float | None
    usage: Usage | None
    finish_reason: str | None
    response_id: str | None
    response_model: str | None
    cost_usd: Decimal | None


class Tracing:
    """Writes spans to an exporter."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("headgate")

    def record(self, request: RequestSpan, attempts: Sequence[AttemptSpan]) -> None:
        """One SERVER span, and below it one CLIENT span for each attempt."""
        parent = _parent(request.trace_parent)
        server = self._tracer.start_span(
            f"POST {_PATHS[request.dialect]}",
            parent,
            SpanKind.SERVER,
            _request_attributes(request),
            start_time=_nanoseconds(request.start),
        )
        if request.code != "ok":
            server.set_status(Status(StatusCode.ERROR, request.code))
        context = set_span_in_context(server, parent)
        for attempt in attempts:
            self._record_attempt(request, attempt, context)
        server.end(_nanoseconds(request.start, request.duration_s))

    def _record_attempt(self, request: RequestSpan, attempt: AttemptSpan, context: Context) -> None:
        operation = OPERATION_NAMES[request.operation]
        client = self._tracer.start_span(
            f"{operation} {attempt.model}",
            context,
            SpanKind.CLIENT,
            _attempt_attributes(request, attempt),
            start_time=_nanoseconds(attempt.start),
        )
        if attempt.outcome != "ok":
            client.set_status(Status(StatusCode.ERROR, attempt.outcome))
        client.end(_nanoseconds(attempt.start, attempt.duration_s))

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


_PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "openai_completions": "/v1/completions",
    "openai_embeddings": "/v1/embeddings",
    "anthropic_messages": "/v1/messages",
}


def _request_attributes(request: RequestSpan) -> dict[str, Any]:
    return _known(
        {
            "http.request.method": "POST",
            "http.route": _PATHS[request.dialect],
            "headgate.route": request.route,
            "headgate.team": request.team,
            "headgate.decision.id": request.id,
            "headgate.policy.digest": request.policy_digest,
            "error.type": None if request.code == "ok" else request.code,
        }
    )


def _attempt_attributes(request: RequestSpan, attempt: AttemptSpan) -> dict[str, Any]:
    usage = attempt.usage
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": OPERATION_NAMES[request.operation],
        "gen_ai.provider.name": PROVIDER_NAMES.get(attempt.provider, attempt.provider),
        "gen_ai.request.model": attempt.model,
        "gen_ai.request.stream": request.streamed,
        "gen_ai.response.id": attempt.response_id,
        "gen_ai.response.model": attempt.response_model,
        "gen_ai.response.finish_reasons": [attempt.finish_reason]
        if attempt.finish_reason
        else None,
        "gen_ai.response.time_to_first_chunk": attempt.first_token_s if request.streamed else None,
        "headgate.deployment": attempt.deployment,
        "headgate.attempt": attempt.number,
        "headgate.cost.amount": None if attempt.cost_usd is None else float(attempt.cost_usd),
        "headgate.cost.currency": None if attempt.cost_usd is None else "USD",
        "error.type": None if attempt.outcome == "ok" else attempt.outcome,
    }
    if usage is not None:
        attributes |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }
    return _known(attributes)


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _parent(trace_parent: str | None) -> Context:
    carrier = {"traceparent": trace_parent} if trace_parent else {}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _nanoseconds(start: datetime, plus_s: float = 0.0) -> int:
    moment = start + timedelta(seconds=plus_s)
    return int(moment.timestamp() * 1_000_000_000)
