"""A decision in words for people, and as data for the decision record."""

from __future__ import annotations

from typing import Any

from headgate.routing.decision import Candidate, Decision, Dropped
from headgate.routing.facts import Caller, RequestFacts

DIGEST_CHARACTERS_SHOWN = 8


def to_text(decision: Decision) -> str:
    """A few lines: the route, then every deployment with its rank or its reason."""
    lines = [_head(decision)]
    width = max((len(name) for name in _named(decision)), default=0)
    for rank, candidate in enumerate(decision.candidates, 1):
        chosen = "   <- chosen" if rank == 1 else ""
        lines.append(f"{rank:3}  {candidate.name:{width}}  {_praise(decision, candidate)}{chosen}")
    lines += [f"  x  {drop.name:{width}}  {drop.reason}" for drop in decision.dropped]
    if decision.route is not None and decision.others:
        lines.append(f"  x  {', '.join(decision.others)}   not selected by any tier")
    if decision.refusal is not None:
        refusal = decision.refusal
        lines.append(f"  => {refusal.status} {refusal.code}: {refusal.message}")
    lines += [
        f"  !  the expression of route {route} failed: {reason}"
        for route, reason in decision.failed_expressions.items()
    ]
    return "\n".join(lines)


def to_record(decision: Decision) -> dict[str, Any]:
    """JSON-able; holds the facts, so that the decision can be made again, and no content."""
    refusal = decision.refusal
    return {
        "outcome": decision.outcome,
        "route": decision.route,
        "arm": decision.arm,
        "label": decision.label,
        "facts": facts_record(decision.facts),
        "candidates": [_candidate(candidate) for candidate in decision.candidates],
        "dropped": [drop._asdict() for drop in decision.dropped]
        + ([_unselected(name) for name in decision.others] if decision.route is not None else []),
        "refusal": None if refusal is None else refusal._asdict(),
        "failed_expressions": dict(decision.failed_expressions),
        "policy_digest": decision.policy_digest,
        "catalog_digest": decision.catalog_digest,
        "snapshot": decision.snapshot_id,
    }


def facts_record(facts: RequestFacts) -> dict[str, Any]:
    """The facts as JSON-able data."""
    return {
        "model": facts.model,
        "operation": facts.operation,
        "features": sorted(facts.features),
        "modalities": sorted(facts.modalities),
        "tokens_in": facts.tokens_in,
        "tokens_out": facts.tokens_out,
        "language": facts.language,
        "metadata": dict(facts.metadata),
        "caller": {name: getattr(facts.caller, name) for name in Caller.__slots__},
        "label": facts.label,
        "stream": facts.stream,
        "conversation": facts.conversation,
    }


def _head(decision: Decision) -> str:
    parts = [
        f"route {decision.route}" if decision.route is not None else "no route",
        f"arm {decision.arm}" if decision.arm is not None else "",
        f"label {decision.label}",
        f"policy {decision.policy_digest[:DIGEST_CHARACTERS_SHOWN]}",
        f"catalog {decision.catalog_digest[:DIGEST_CHARACTERS_SHOWN]}",
    ]
    return "   ".join(filter(None, parts))


def _named(decision: Decision) -> list[str]:
    return [*decision.order, *(drop.name for drop in decision.dropped)]


def _praise(decision: Decision, candidate: Candidate) -> str:
    facts = decision.facts
    met = f"missed {', '.join(candidate.missed)}" if candidate.missed else "all met"
    cost = candidate.cost_usd
    price = "unknown" if cost is None else f"{cost.normalize():f} USD"
    parts = [
        f"tier {candidate.tier}",
        f"should: {met}",
        f"cost {price} ({facts.tokens_in} in, {facts.tokens_out} out est.)",
        f"ignores {', '.join(candidate.ignored)}" if candidate.ignored else "",
    ]
    return "   ".join(filter(None, parts))


def _candidate(candidate: Candidate) -> dict[str, Any]:
    deployment, cost = candidate.deployment, candidate.cost_usd
    return {
        "deployment": deployment.name,
        "provider": deployment.provider,
        "model": deployment.model,
        "tier": candidate.tier,
        "relaxed": list(candidate.missed),
        "ignored": list(candidate.ignored),
        "cost_usd": None if cost is None else f"{cost.normalize():f}",
    }


def _unselected(name: str) -> dict[str, str]:
    return Dropped(name, "tier", "not selected by any tier")._asdict()
