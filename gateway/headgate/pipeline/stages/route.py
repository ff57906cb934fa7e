"""Route: turn what is known of the request into a decision."""

from __future__ import annotations

import time

from headgate.errors import GatewayError
from headgate.pipeline.context import Exchange
from headgate.routing.compile import Compiled
from headgate.routing.decision import Refusal
from headgate.routing.facts import Caller, RequestFacts
from headgate.routing.health import Health
from headgate.routing.plan import plan
from headgate.routing.refusals import unknown_model
from headgate.telemetry.metrics import Metrics

OUTPUT_TOKENS_ESTIMATE = 512
"""Assumed for cost estimates when the caller sets no bound."""


class Route:
    """Asks the policy; raises its refusal."""

    def __init__(self, policy: Compiled, health: Health, metrics: Metrics) -> None:
        self.policy = policy
        self._health = health
        self._metrics = metrics

    def decide(self, exchange: Exchange) -> None:
        """Leave the decision in the exchange; raises `GatewayError` if there is no candidate."""
        facts = facts_of(exchange, self._label(exchange))
        decision = plan(self.policy, facts, self._health.world(time.monotonic()))
        exchange.decision = decision
        if decision.refusal is not None:
            raise _error(self._with_hint(decision.refusal, decision.outcome, exchange))
        for wish in decision.candidates[0].missed:
            self._metrics.relaxed(route=decision.route or "", should=wish)

    def _with_hint(self, refusal: Refusal, outcome: str, exchange: Exchange) -> Refusal:
        """An unknown model's refusal names close ones, of those the caller may use."""
        if outcome != "unknown_model":
            return refusal
        names = [name for name in self.policy.model_names if exchange.identity.may_use(name)]
        return unknown_model(exchange.summary.model, names)

    def _label(self, exchange: Exchange) -> str | None:
        """The higher of the caller's default and the header: a header may only raise it.

        An unknown label stays: routing takes it for higher than all.
        """
        default, asked = exchange.identity.label, exchange.label
        if asked is None or default is None:
            return asked or default
        ranks = self.policy.ranks
        unknown = len(ranks)
        return asked if ranks.get(asked, unknown) >= ranks.get(default, unknown) else default


def facts_of(exchange: Exchange, label: str | None) -> RequestFacts:
    """The facts of the request, without any content."""
    summary, identity = exchange.summary, exchange.identity
    return RequestFacts(
        model=summary.model,
        operation=exchange.dialect.operation,
        features=summary.features,
        modalities=summary.modalities,
        tokens_in=exchange.input_tokens_estimate,
        tokens_out=summary.output_tokens_max or OUTPUT_TOKENS_ESTIMATE,
        metadata=summary.metadata,
        caller=Caller(
            team=identity.team,
            project=identity.project,
            key=identity.name,
            user=identity.user,
            region=identity.region,
        ),
        label=label,
        stream=summary.stream,
        request_id=exchange.id,
        conversation=summary.metadata.get("conversation"),
    )


def _error(refusal: Refusal) -> GatewayError:
    return GatewayError(
        refusal.status,
        refusal.code,
        refusal.message,
        param=refusal.param,
        retry_after_s=refusal.retry_after_s,
    )
