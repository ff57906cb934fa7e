"""Prometheus metrics: the OpenTelemetry GenAI histograms (dialect 1.41) and the gateway's own.

`gen_ai_server_*` is what callers see, `gen_ai_client_*` each upstream attempt. Labels hold
configured names only, never what a client sent, so their number is bounded.
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

DURATION_BUCKETS_S = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
)  # fmt: skip
TOKEN_BUCKETS = tuple(4**power for power in range(14))


class Metrics:
    """All metrics of one gateway, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._children: dict[Any, Any] = {}
        self._requests = Counter(
            "headgate_requests",
            "Requests by their end.",
            ("route", "team", "code"),
            registry=registry,
        )
        self._request_duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time until the last byte of an answer.",
            ("gen_ai_operation_name", "headgate_route"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time until the first token of a streamed answer.",
            ("gen_ai_operation_name", "headgate_route"),
            buckets=FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._overhead = Histogram(
            "headgate_overhead_seconds",
            "Time the gateway added before it called the first upstream.",
            buckets=FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._attempts = Counter(
            "headgate_attempts",
            "Upstream tries by outcome.",
            ("deployment", "outcome"),
            registry=registry,
        )
        self._attempt_duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Time of one upstream try.",
            ("gen_ai_operation_name", "gen_ai_provider_name", "headgate_deployment"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one upstream try.",
            ("gen_ai_token_type", "gen_ai_provider_name", "headgate_deployment"),
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._fallbacks = Counter(
            "headgate_fallbacks",
            "Moves from one deployment to the next.",
            ("route", "source", "target", "reason"),
            registry=registry,
        )
        self._relaxations = Counter(
            "headgate_relaxations",
            "Wishes that were not met.",
            ("route", "should"),
            registry=registry,
        )
        self._cost = Counter(
            "headgate_cost_usd", "Known cost.", ("team", "deployment"), registry=registry
        )
        self._verdicts = Counter(
            "headgate_guard_verdicts", "Plugin verdicts.", ("guard", "verdict"), registry=registry
        )
        self._in_flight = Gauge(
            "headgate_inflight_requests", "Open upstream tries.", ("deployment",), registry=registry
        )
        self._policy = Gauge(
            "headgate_policy_info", "1 for the policy in force.", ("digest",), registry=registry
        )
        self._reloaded = Gauge(
            "headgate_policy_last_reload_success_timestamp_seconds",
            "When configuration was last taken over.",
            registry=registry,
        )
        self._reload_failures = Counter(
            "headgate_policy_reload_failures", "Configurations refused.", registry=registry
        )

    def _child(self, metric: Any, *labels: str) -> Any:
        """The time series of these labels; the library's own lookup takes a lock each time."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def request_ended(
        self,
        *,
        route: str,
        team: str,
        code: str,
        operation: str,
        duration_s: float,
        first_token_s: float | None,
        overhead_s: float | None,
    ) -> None:
        """Count one request at its end; `code` is `ok` or the error code."""
        self._child(self._requests, route, team, code).inc()
        self._child(self._request_duration, operation, route).observe(duration_s)
        if first_token_s is not None:
            self._child(self._first_token, operation, route).observe(first_token_s)
        if overhead_s is not None:
            self._overhead.observe(overhead_s)

    def attempt_ended(
        self,
        *,
        deployment: str,
        provider: str,
        operation: str,
        outcome: str,
        duration_s: float,
        tokens: tuple[int, int] | None,
        team: str,
        cost_usd: Decimal | None,
    ) -> None:
        """Count one upstream try; `tokens` are (input, output) where they are known."""
        self._child(self._attempts, deployment, outcome).inc()
        self._child(self._attempt_duration, operation, provider, deployment).observe(duration_s)
        if tokens is not None:
            self._child(self._tokens, "input", provider, deployment).observe(tokens[0])
            self._child(self._tokens, "output", provider, deployment).observe(tokens[1])
        if cost_usd:
            self._child(self._cost, team, deployment).inc(float(cost_usd))

    def fell_back(self, *, route: str, source: str, target: str, reason: str) -> None:
        """Count a move to the next candidate."""
        self._fallbacks.labels(route, source, target, reason).inc()

    def relaxed(self, *, route: str, should: str) -> None:
        """Count a wish that the chosen deployment misses."""
        self._relaxations.labels(route, should).inc()

    def guard_verdict(self, *, guard: str, verdict: str) -> None:
        """Count a plugin's verdict."""
        self._verdicts.labels(guard, verdict).inc()

    def attempt_opened(self, deployment: str) -> None:
        """An upstream try has begun."""
        self._child(self._in_flight, deployment).inc()

    def attempt_closed(self, deployment: str) -> None:
        """An upstream try is over."""
        self._child(self._in_flight, deployment).dec()

    def policy_taken_over(self, digest: str) -> None:
        """A configuration is in force from now on."""
        self._policy.clear()
        self._policy.labels(digest).set(1)
        self._reloaded.set_to_current_time()

    def policy_refused(self) -> None:
        """A configuration was refused; the old one stays in force."""
        self._reload_failures.inc()

    def render(self) -> bytes:
        """The text of `/metrics`."""
        return generate_latest(self._registry)
