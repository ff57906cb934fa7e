"""Anthropic's backend keeps the backend contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.anthropic import AnthropicBackend
from headgate_providers.sdk.testing import BackendConformance, Exchange, Samples
from tests.conformance.openai_samples import MESSAGE, MESSAGE_STREAMED

ENVELOPE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 3}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather"}


def whole(block: Mapping[str, Any], reason: str) -> Exchange:
    end = {"stop_reason": reason, "stop_sequence": None}
    return Exchange.json({**ENVELOPE, "content": [block], **end, "usage": USAGE})


def streamed(block: Mapping[str, Any], reason: str, *deltas: Mapping[str, Any]) -> Exchange:
    begun = {**ENVELOPE, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
    end = {"stop_reason": reason, "stop_sequence": None}
    return Exchange.sse(
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
        named=True,
    )


def error(status: int, kind: str, message: str) -> Exchange:
    return Exchange.json(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"},
        status,
    )


SAMPLES = Samples(
    says="Hello there.",
    text=whole({"type": "text", "text": "Hello there."}, "end_turn"),
    text_streamed=streamed(
        {"type": "text", "text": ""},
        "end_turn",
        {"type": "text_delta", "text": "Hello"},
        {"type": "text_delta", "text": " there."},
    ),
    usage=(14, 3),
    calls=[("get_weather", {"city": "Paris"})],
    tool_call=whole({**TOOL, "input": {"city": "Paris"}}, "tool_use"),
    tool_call_streamed=streamed(
        {**TOOL, "input": {}},
        "tool_use",
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"city"'},
        {"type": "input_json_delta", "partial_json": ':"Paris"}'},
    ),
    embeddings=None,
    refusals={
        "invalid_request": error(400, "invalid_request_error", "max_tokens: too small"),
        "context_overflow": error(400, "invalid_request_error", "prompt is too long: 9 > 8"),
        "auth": error(401, "authentication_error", "invalid x-api-key"),
        "not_found": error(404, "not_found_error", "model: claude-0"),
        "too_large": error(413, "request_too_large", "Request exceeds the maximum size"),
        "rate_limited": error(429, "rate_limit_error", "Slow down."),
        "http_5xx": error(500, "api_error", "Internal server error"),
        "overloaded": error(529, "overloaded_error", "Overloaded"),
    },
    failures={
        "overloaded": Exchange.sse(
            {"type": "message_start", "message": {**ENVELOPE, "content": [], "usage": USAGE}},
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            named=True,
        )
    },
    relayed={"anthropic_messages": [MESSAGE, MESSAGE_STREAMED]},
)


class TestAnthropic(BackendConformance):
    backend = AnthropicBackend
    model = "claude-haiku-4-5"
    samples = SAMPLES
