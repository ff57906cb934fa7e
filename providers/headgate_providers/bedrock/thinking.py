"""How much a model shall think, in the words of its family.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headgate_providers.bedrock.models import Family, FamilyName, claude_version
from headgate_providers.sdk import BackendError, ChatRequest, ReasoningOptions

BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Effort word → tokens to think."""

CLAUDE_BUDGET_MIN = 1024
ADAPTIVE_SINCE = (4, 6)
"""From this version on Claude decides itself how much to think, and takes an effort word."""

_COARSE = {"minimal": "low", "xhigh": "high", "max": "high"}
"""Where there are only low, medium and high."""


def thinking_fields(request: ChatRequest, family: Family) -> dict[str, Any]:
    """The `additionalModelRequestFields` that thinking needs, none if nothing was asked.

    Raises `BackendError` kind `unsupported` where the family cannot be told, `invalid_request` for
    an effort word that nobody knows.
    """
    options = request.reasoning
    if options is None:
        return {}
    if options.effort is not None and options.effort not in ("none", *BUDGETS):
        words = ", ".join(("none", *BUDGETS))
        raise BackendError(
            "invalid_request",
            f"The reasoning effort {options.effort!r} is unknown; use one of {words}.",
            param="reasoning_effort",
        )
    off = options.enabled is False or options.effort == "none"
    if not family.thinking:
        if off or options.effort == "minimal":
            return {}
        raise BackendError(
            "unsupported",
            "This model cannot be told on Bedrock how much to think; leave reasoning out.",
            param="reasoning_effort",
        )
    return _FIELDS[family.name](request, options, off)


def _claude(request: ChatRequest, options: ReasoningOptions, off: bool) -> dict[str, Any]:
    """Thinking is off unless it is asked for, and a forced tool call excludes it."""
    if off:
        return {}
    adaptive = claude_version(request.model) >= ADAPTIVE_SINCE
    if adaptive and options.budget_tokens is None:
        fields: dict[str, Any] = {} if _forced(request) else {"thinking": {"type": "adaptive"}}
        if options.effort is not None:
            effort = "low" if options.effort == "minimal" else options.effort
            fields["output_config"] = {"effort": effort}
        return fields
    budget = options.budget_tokens
    if budget is None:
        budget = _budget(request, options)
    if budget is None:
        return {}
    return {"reasoning_config": {"type": "enabled", "budget_tokens": budget}}


def _budget(request: ChatRequest, options: ReasoningOptions) -> int | None:
    """The budget of an effort word, within the caller's limit; `None` if there is no room."""
    if _forced(request):
        return None
    budget = BUDGETS[options.effort or "medium"]
    if request.max_tokens is not None:
        budget = min(budget, max(request.max_tokens // 2, CLAUDE_BUDGET_MIN))
        if budget >= request.max_tokens:
            return None
    return budget


def _forced(request: ChatRequest) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def _nova(request: ChatRequest, options: ReasoningOptions, off: bool) -> dict[str, Any]:
    if off:
        return {}
    effort = _word(options)
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def _gpt_oss(request: ChatRequest, options: ReasoningOptions, off: bool) -> dict[str, Any]:
    """It always thinks; the least it can be told is `low`."""
    return {"reasoning_effort": "low" if off else _word(options)}


def _word(options: ReasoningOptions) -> str:
    if options.effort is not None:
        return _COARSE.get(options.effort, options.effort)
    if options.budget_tokens is not None:
        return next((w for w in ("low", "medium") if options.budget_tokens <= BUDGETS[w]), "high")
    return "medium"


_FIELDS: Mapping[FamilyName, Callable[[ChatRequest, ReasoningOptions, bool], dict[str, Any]]] = {
    "anthropic": _claude,
    "nova": _nova,
    "openai": _gpt_oss,
}
