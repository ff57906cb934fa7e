"""What a caller is told when nothing answers: a status, a stable code, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from headgate.config.policy import Otherwise
from headgate.config.policy_test import ReasonCode
from headgate.config.problems import did_you_mean
from headgate.routing.decision import Dropped, Refusal

SHOWN_CHARACTERS_MAX = 100
"""How much of a model name is repeated to the caller."""

_ASKED_TOO_MUCH: dict[ReasonCode, str] = {
    "operation": "unsupported_by_model",
    "modality": "unsupported_by_model",
    "capability": "unsupported_by_model",
    "language": "unsupported_by_model",
    "context": "context_length_exceeded",
    "parameter": "unsupported_by_model",
}
"""Reasons that lie in the request. Who asked for a deployment itself gets 400 and this code."""


_SEE_MODELS = "; GET /v1/models lists those you may use."


def denied(otherwise: Otherwise) -> Refusal:
    """A `deny` route took the request."""
    message = otherwise.message or "A policy of this gateway does not allow this request."
    return Refusal(otherwise.reject, otherwise.code, message, otherwise.retry_after_s)


def nothing_left(otherwise: Otherwise, dropped: Iterable[Dropped]) -> Refusal:
    """A route took the request and no deployment is left. Names no deployment."""
    message = otherwise.message or _counted(dropped)
    return Refusal(otherwise.reject, otherwise.code, message, otherwise.retry_after_s)


def nothing_left_of(model: str, otherwise: Otherwise, dropped: Sequence[Dropped]) -> Refusal:
    """The same for a request that named a deployment or its model."""
    codes = [_ASKED_TOO_MUCH.get(drop.code) for drop in dropped]
    if not codes or codes[0] is None or None in codes:
        return nothing_left(otherwise, dropped)
    reasons = "; ".join(dict.fromkeys(drop.reason for drop in dropped))
    message = f"Model `{_shown(model)}` cannot serve this request: {reasons}."
    return Refusal(400, codes[0], message)


def unknown_model(model: str, known: Iterable[str] = ()) -> Refusal:
    """Nothing has this name. `known` are names that the caller may see."""
    names = tuple(known)
    hint = did_you_mean(_shown(model), names) if names else ""
    message = f"There is no model `{_shown(model)}` here{hint or _SEE_MODELS}"
    return Refusal(404, "model_not_found", message, param="model")


def no_match(model: str) -> Refusal:
    """The name is known, but no route takes this request of this caller."""
    message = (
        f"No route takes this request for `{_shown(model)}`. It depends on the caller, the "
        "operation and the content's label; ask whoever runs this gateway."
    )
    return Refusal(404, "model_not_found", message, param="model")


def _counted(dropped: Iterable[Dropped]) -> str:
    counts = Counter(drop.code for drop in dropped)
    if not counts:
        return "No deployment is configured for this request."
    reasons = ", ".join(f"{code} ({count})" for code, count in counts.items())
    return f"No deployment may or can answer this request now. Reasons: {reasons}."


def _shown(model: str) -> str:
    return model[:SHOWN_CHARACTERS_MAX]
