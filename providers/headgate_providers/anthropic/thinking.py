"""How much a model may think: effort words and budgets to Anthropic's `thinking`.

====================  =====================  ========================
the caller says       models up to 4.5       models from 4.6 on
====================  =====================  ========================
`none`, or disabled   `disabled`             `disabled`
`minimal`             budget of 1,024        adaptive, effort `low`
`low`                 budget of 2,048        adaptive, effort `low`
`medium`              budget of 8,192        adaptive, effort `medium`
`high`                budget of 16,384       adaptive, effort `high`
`xhigh`               budget of 24,576       adaptive, effort `xhigh`
`max`                 budget of 32,768       adaptive, effort `max`
enabled, no more      budget of 8,192        adaptive
a budget              that budget            that budget (from 4.7 on: adaptive, and the effort
                                             word with the nearest budget below)
====================  =====================  ========================

A budget from a word takes at most half of the caller's `max_tokens`, which bounds thinking and
answer together; with less than twice 1,024 the smallest budget is used, or none at all. An
effort is a wish: where the protocol forbids thinking (a forced tool, or a tool loop whose first
turn came without thinking) it yields. An explicit budget does not.
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headgate_providers.anthropic.models import Traits
from headgate_providers.sdk import (
    BackendError,
    ChatRequest,
    Reasoning,
    ReasoningOptions,
    ToolCall,
)

BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Effort word → tokens to think."""

BUDGET_MIN = 1024
"""Anthropic's least budget."""

ANSWER_TOKENS = 4096
"""Room for the answer beside a budget when the caller gave no limit."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """The members of a request that thinking decides."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None


def plan(request: ChatRequest, traits: Traits) -> Thinking:
    """Decide `thinking`, `output_config.effort` and `max_tokens` together.

    Raises `BackendError` for an effort word that nobody knows.
    """
    options, limit = request.reasoning, request.max_tokens or traits.max_tokens
    if options is None:
        return Thinking(limit)
    effort = options.effort
    if effort is not None and effort != "none" and effort not in BUDGETS:
        words = ", ".join(("none", *BUDGETS))
        raise BackendError(
            "invalid_request",
            f"The reasoning effort {effort!r} is unknown; use one of {words}.",
            param="reasoning_effort",
        )
    if options.enabled is False or effort == "none":
        return Thinking(limit, {"type": "disabled"})
    if (traits.adaptive and options.budget_tokens is None) or not traits.budgets:
        return _adaptive(request, options, limit)
    return _budgeted(request, options, limit)


def _adaptive(request: ChatRequest, options: ReasoningOptions, limit: int) -> Thinking:
    effort = "low" if options.effort == "minimal" else options.effort
    if effort is None and options.budget_tokens is not None:
        effort = _word(options.budget_tokens)
    if _forced(request):
        return Thinking(limit, effort=effort)
    thinking = {"type": "adaptive"}
    if options.summary is not None:
        thinking["display"] = "omitted" if options.summary == "none" else "summarized"
    return Thinking(limit, thinking, effort)


def _word(budget: int) -> str:
    words = [word for word, tokens in BUDGETS.items() if tokens <= budget and word != "minimal"]
    return words[-1] if words else "low"


def _budgeted(request: ChatRequest, options: ReasoningOptions, limit: int) -> Thinking:
    budget = options.budget_tokens
    if budget is None:
        if _forced(request) or _unthought(request):
            return Thinking(limit)
        budget = BUDGETS[options.effort or "medium"]
        if request.max_tokens is not None:
            budget = min(budget, max(request.max_tokens // 2, BUDGET_MIN))
            if budget >= request.max_tokens:
                return Thinking(limit)
    if request.max_tokens is None:
        limit = max(limit, budget + ANSWER_TOKENS)
    thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
    if options.summary == "none":
        thinking["display"] = "omitted"
    return Thinking(limit, thinking)


def _forced(request: ChatRequest) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def _unthought(request: ChatRequest) -> bool:
    """Whether the tool loop at the end began without thinking: it cannot be switched on inside."""
    for message in reversed(request.turns):
        if message.role == "user":
            return False
        if message.role == "assistant":
            called = any(isinstance(part, ToolCall) for part in message.parts)
            proven = any(
                isinstance(part, Reasoning) and (part.signature or part.redacted)
                for part in message.parts
            )
            if called and not proven:
                return True
    return False
