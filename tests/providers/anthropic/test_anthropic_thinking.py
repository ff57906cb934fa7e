"""Effort words and budgets to Anthropic's thinking."""

from __future__ import annotations

from typing import Any

import pytest

from headgate_providers.sdk import (
    BackendError,
    Message,
    Reasoning,
    ReasoningOptions,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.providers.anthropic.canonical import WEATHER, ask, assistant, sent, user


@pytest.mark.parametrize(
    ("options", "limit", "budget", "max_tokens"),
    [
        (ReasoningOptions("minimal"), None, 1024, 32_000),
        (ReasoningOptions("high"), None, 16_384, 32_000),
        (ReasoningOptions("max"), None, 32_768, 36_864),
        (ReasoningOptions("high"), 8000, 4000, 8000),
        (ReasoningOptions("high"), 1500, 1024, 1500),
        (ReasoningOptions("high"), 1024, None, 1024),
        (ReasoningOptions(enabled=True), None, 8192, 32_000),
        (ReasoningOptions(budget_tokens=40_000), None, 40_000, 44_096),
        (ReasoningOptions(budget_tokens=5000), 2000, 5000, 2000),
    ],
)
def test_budgets(
    options: ReasoningOptions, limit: int | None, budget: int | None, max_tokens: int
) -> None:
    body = sent(ask(reasoning=options, max_tokens=limit))
    assert body["max_tokens"] == max_tokens
    expected = {"type": "enabled", "budget_tokens": budget} if budget else None
    assert body.get("thinking") == expected


@pytest.mark.parametrize(
    ("model", "options", "thinking", "effort"),
    [
        ("claude-sonnet-5", ReasoningOptions("minimal"), {"type": "adaptive"}, "low"),
        ("claude-opus-4-6", ReasoningOptions("max"), {"type": "adaptive"}, "max"),
        ("claude-sonnet-5", ReasoningOptions(enabled=True), {"type": "adaptive"}, None),
        (
            "claude-sonnet-5",
            ReasoningOptions("high", summary="auto"),
            {"type": "adaptive", "display": "summarized"},
            "high",
        ),
        ("claude-sonnet-5", ReasoningOptions("none"), {"type": "disabled"}, None),
        (
            "claude-opus-4-6",
            ReasoningOptions(budget_tokens=3000),
            {"type": "enabled", "budget_tokens": 3000},
            None,
        ),
        ("claude-opus-4-7", ReasoningOptions(budget_tokens=9000), {"type": "adaptive"}, "medium"),
        ("claude-opus-4-7", ReasoningOptions(budget_tokens=1100), {"type": "adaptive"}, "low"),
    ],
)
def test_adaptive_thinking(
    model: str, options: ReasoningOptions, thinking: Any, effort: str | None
) -> None:
    body = sent(ask(model=model, reasoning=options))
    assert body["thinking"] == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_an_effort_yields_where_thinking_is_forbidden() -> None:
    effort = {"reasoning": ReasoningOptions("high"), "tools": (WEATHER,)}
    forced = ToolChoice("required")
    assert "thinking" not in sent(ask(tool_choice=forced, **effort))
    assert "thinking" not in sent(ask(tool_choice=forced, model="claude-sonnet-5", **effort))
    call, result = ToolCall("c1", "weather", "{}"), Message("tool", (ToolResult("c1", ()),))
    assert "thinking" not in sent(ask(user("Hi"), assistant(call), result, **effort))
    thought = assistant(Reasoning("Hm", "proof"), call)
    assert "thinking" in sent(ask(user("Hi"), thought, result, **effort))
    assert "thinking" in sent(ask(user("Hi"), assistant(call), result, user("Go on"), **effort))


def test_an_unknown_effort_is_the_callers_mistake() -> None:
    with pytest.raises(BackendError) as refusal:
        sent(ask(reasoning=ReasoningOptions("furious")))
    assert (refusal.value.kind, refusal.value.param) == ("invalid_request", "reasoning_effort")
