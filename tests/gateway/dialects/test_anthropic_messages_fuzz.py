"""Requests with anything in any place are understood, or refused in words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.errors import InvalidRequest
from headgate_providers.anthropic.models import traits_of
from headgate_providers.anthropic.request import body_of
from headgate_providers.sdk import BackendError

SEED: dict[str, Any] = {
    "model": "assistant",
    "max_tokens": 2000,
    "stream": True,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                    "title": "T",
                    "context": "C",
                    "citations": {"enabled": True},
                },
                {"type": "document", "source": {"type": "text", "data": "plain"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "proof"},
                {"type": "redacted_thinking", "data": "sealed"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"at": "B"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "15°C"}],
                    "is_error": False,
                }
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "D", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "cache_control": {"type": "ephemeral"},
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "text", "image", "tool_use", "url", "file", "system", "custom"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "name", "text", "url", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if type(value) is list else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """The seed with up to three values exchanged for others, or taken out of their object."""
    body = copy.deepcopy(SEED)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(body))
        container, key = places[draw(st.integers(0, len(places) - 1))]
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(anything)
    return body


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(damaged(), st.sampled_from(["claude-haiku-4-5", "claude-sonnet-5", "own"]))
def test_any_request_is_understood_or_refused_in_words(body: dict[str, Any], model: str) -> None:
    try:
        ANTHROPIC_MESSAGES.inspect(body)
    except InvalidRequest as error:
        assert error.message
        assert error.param
        return
    try:
        request = ANTHROPIC_MESSAGES.decode(body, model)
    except InvalidRequest as error:
        assert error.param
        return
    try:
        sent = body_of(request, traits_of(model))
    except BackendError as error:
        assert error.kind in ("unsupported", "invalid_request")
    else:
        ANTHROPIC_MESSAGES.inspect(sent)


def test_the_seed_is_a_whole_request() -> None:
    """So that the damage is done to something that works."""
    request = ANTHROPIC_MESSAGES.decode(SEED, "claude-haiku-4-5")
    sent = body_of(request, traits_of(request.model))
    assert {name for name in SEED if name not in sent} == {"temperature", "cache_control"}
    result = sent["messages"][2]["content"][0]
    assert result["cache_control"] == {"type": "ephemeral"}
