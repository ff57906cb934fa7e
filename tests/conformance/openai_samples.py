"""Scripted replies in OpenAI's dialects, as the vendors of `openai_compat` and others send them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from headgate_providers.sdk import Dialect, ErrorKind
from headgate_providers.sdk.testing import CREDENTIAL, Exchange, Samples

ENVELOPE = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "m"}
USAGE = {
    "prompt_tokens": 14,
    "completion_tokens": 3,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
}
ARGUMENTS = '{"city":"Paris"}'
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": ARGUMENTS},
}


def whole(message: Mapping[str, Any], reason: str = "stop") -> Exchange:
    said = {"role": "assistant", "content": None, **message}
    choice = {"index": 0, "message": said, "finish_reason": reason}
    return Exchange.json(
        {**ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    )


def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**ENVELOPE, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


def streamed(deltas: Iterable[Mapping[str, Any]], reason: str = "stop") -> Exchange:
    first = chunk({"role": "assistant", "content": None})
    usage = {**ENVELOPE, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    return Exchange.sse(first, *map(chunk, deltas), chunk({}, reason), usage, "[DONE]")


def refusal(status: int, message: str, code: str | None = None) -> Exchange:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Exchange.json({"error": error}, status)


def piece(arguments: str, **first: Any) -> dict[str, Any]:
    function = {"arguments": arguments}
    if first:
        function["name"] = first.pop("name")
    return {"tool_calls": [{"index": 0, **first, "function": function}]}


TEXT = whole({"content": "Hello there."})
TEXT_STREAMED = streamed([{"content": "Hello"}, {"content": " there"}, {"content": "."}])
VECTORS = Exchange.json(
    {
        "object": "list",
        "model": "m",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
        ],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
)

COMPLETION = Exchange.json(
    {
        **ENVELOPE,
        "object": "text_completion",
        "choices": [{"index": 0, "text": "Hello.", "finish_reason": "stop", "logprobs": None}],
        "usage": USAGE,
    }
)
_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}
_MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
}
_RESPONSE_USAGE = {"input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
RESPONSE = Exchange.json(
    {**_RESPONSE, "status": "completed", "output": [_MESSAGE], "usage": _RESPONSE_USAGE}
)
RESPONSE_STREAMED = Exchange.sse(
    {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
    {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": "Hello"},
    {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": "."},
    {
        "type": "response.completed",
        "response": {
            **_RESPONSE,
            "status": "completed",
            "output": [_MESSAGE],
            "usage": _RESPONSE_USAGE,
        },
    },
    named=True,
)

_ANTHROPIC = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
MESSAGE = Exchange.json(
    {
        **_ANTHROPIC,
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 14, "output_tokens": 3},
    }
)
MESSAGE_STREAMED = Exchange.sse(
    {
        "type": "message_start",
        "message": {**_ANTHROPIC, "content": [], "usage": {"input_tokens": 14, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hello."},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
    named=True,
)

RELAYED: Mapping[Dialect, tuple[Exchange, ...]] = {
    "openai_chat": (TEXT, TEXT_STREAMED),
    "openai_completions": (COMPLETION,),
    "openai_embeddings": (VECTORS,),
    "openai_responses": (RESPONSE, RESPONSE_STREAMED),
    "anthropic_messages": (MESSAGE, MESSAGE_STREAMED),
}

REFUSALS: Mapping[ErrorKind, Exchange] = {
    "invalid_request": refusal(400, "Invalid 'temperature': must be at most 2."),
    "context_overflow": refusal(400, "Too long.", "context_length_exceeded"),
    "content_filter": refusal(400, "The request was filtered.", "content_filter"),
    "auth": refusal(401, f"Incorrect API key provided: {CREDENTIAL}.", "invalid_api_key"),
    "not_found": refusal(404, "The model does not exist.", "model_not_found"),
    "too_large": refusal(413, "The request is too large."),
    "rate_limited": refusal(429, "Rate limit reached.", "rate_limit_exceeded"),
    "quota": refusal(429, "You exceeded your current quota.", "insufficient_quota"),
    "http_5xx": refusal(500, "The server had an error."),
    "overloaded": refusal(503, "The engine is overloaded."),
}
FAILURES: Mapping[ErrorKind, Exchange] = {
    "http_5xx": Exchange.sse(
        chunk({"content": "Hel"}), {"error": {"message": "The server had an error.", "code": 500}}
    ),
    "rate_limited": Exchange.sse(
        {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}
    ),
}

CHAT = Samples(
    says="Hello there.",
    text=TEXT,
    text_streamed=TEXT_STREAMED,
    usage=(14, 3),
    calls=[("get_weather", {"city": "Paris"})],
    tool_call=whole({"tool_calls": [CALL]}, "tool_calls"),
    tool_call_streamed=streamed(
        [
            piece("", name="get_weather", id="call_1", type="function"),
            piece(ARGUMENTS[:6]),
            piece(ARGUMENTS[6:]),
        ],
        "tool_calls",
    ),
    embeddings=VECTORS,
    refusals=REFUSALS,
    failures=FAILURES,
    relayed=RELAYED,
)
"""Everything that OpenAI's imitators do."""

NO_CHAT = replace(
    CHAT,
    says=None,
    text=None,
    text_streamed=None,
    usage=None,
    calls=[],
    tool_call=None,
    tool_call_streamed=None,
    failures={},
)
"""For those who only embed."""
