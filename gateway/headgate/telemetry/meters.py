"""The GenAI histograms over OTLP (dialect 1.41), for those who collect by push.

The same measurements that `/metrics` shows; off unless an exporter is configured.
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from headgate.telemetry.metrics import DURATION_BUCKETS_S, FIRST_TOKEN_BUCKETS_S, TOKEN_BUCKETS
from headgate.telemetry.tracing import (
    OPERATION_NAMES,
    PROVIDER_NAMES,
    SERVICE_NAME,
    AttemptSpan,
    RequestSpan,
)


class Meters:
    """Records requests and attempts at their end into a reader that exports them."""

    def __init__(self, reader: MetricReader) -> None:
        self._provider = MeterProvider(
            [reader], Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False
        )
        meter = self._provider.get_meter("headgate")

        def histogram(name: str, unit: str, buckets: Sequence[float]):  # type: ignore[no-untyped-def]
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=buckets)

        self._request = histogram("gen_ai.server.request.duration", "s", DURATION_BUCKETS_S)
        self._first_token = histogram(
            "gen_ai.server.time_to_first_token", "s", FIRST_TOKEN_BUCKETS_S
        )
        self._attempt = histogram("gen_ai.client.operation.duration", "s", DURATION_BUCKETS_S)
        self._first_chunk = histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", DURATION_BUCKETS_S
        )
        self._tokens = histogram("gen_ai.client.token.usage", "{token}", TOKEN_BUCKETS)

    def record(self, request: RequestSpan, attempts: Sequence[AttemptSpan]) -> None:
        """Measure one request and its attempts."""
        operation = OPERATION_NAMES[request.operation]
        caller = {"gen_ai.operation.name": operation, "headgate.route": request.route}
        if request.code != "ok":
            caller["error.type"] = request.code
        self._request.record(request.duration_s, caller)
        last = attempts[-1] if attempts else None
        if request.streamed and last is not None and last.first_token_s is not None:
            waited = (last.start - request.start).total_seconds()
            self._first_token.record(waited + last.first_token_s, caller)
        for attempt in attempts:
            self._record_attempt(operation, request.streamed, attempt)

    def _record_attempt(self, operation: str, streamed: bool, attempt: AttemptSpan) -> None:
        labels = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": PROVIDER_NAMES.get(attempt.provider, attempt.provider),
            "gen_ai.request.model": attempt.model,
            "headgate.deployment": attempt.deployment,
        }
        failed = {} if attempt.outcome == "ok" else {"error.type": attempt.outcome}
        self._attempt.record(attempt.duration_s, labels | failed)
        if streamed and attempt.first_token_s is not None:
            self._first_chunk.record(attempt.first_token_s, labels)
        if attempt.usage is not None:
            usage = attempt.usage
            self._tokens.record(usage.input_tokens, labels | {"gen_ai.token.type": "input"})
            self._tokens.record(usage.output_tokens, labels | {"gen_ai.token.type": "output"})

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()
