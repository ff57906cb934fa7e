"""Canonical requests, and what the backend sends for them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from headgate_providers.sdk import (
    Call,
    ChatRequest,
    HttpRequest,
    Message,
    Part,
    Text,
    Tool,
)
from tests.providers.anthropic.expectations import backend_of

HAIKU = "claude-haiku-4-5-20251001"
WEATHER = Tool(
    "weather",
    "Gets current weather for a location",
    {
        "type": "object",
        "properties": {
            "latitude": {"type": "string", "description": "Latitude (e.g., 52.5200)"},
            "longitude": {"type": "string", "description": "Longitude (e.g., 13.4050)"},
        },
        "required": ["latitude", "longitude"],
        "additionalProperties": False,
        "strict": True,
    },
)
LANGUAGE = Tool(
    "best_language_to_learn",
    "Gets the best language to learn",
    {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
        "strict": True,
    },
)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Part | str) -> Message:
    return replace(user(*parts), role="assistant")


def ask(*messages: Message, model: str = HAIKU, **members: Any) -> ChatRequest:
    return ChatRequest(model, messages or (user("Hi"),), **members)


def sent(request: ChatRequest, **options: Any) -> dict[str, Any]:
    return json.loads(http(request, **options).body)


def http(
    request: ChatRequest, headers: dict[str, str] | None = None, **options: Any
) -> HttpRequest:
    call = Call(
        "chat", "openai_chat", {}, request.model, lambda: request, headers=dict(headers or {})
    )
    return backend_of(model=request.model, **options).request(call)
