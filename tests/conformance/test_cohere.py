"""Cohere's backend keeps the backend contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.cohere import CohereBackend
from headgate_providers.sdk.testing import BackendConformance, Exchange, Samples

USAGE = {
    "billed_units": {"input_tokens": 14, "output_tokens": 3},
    "tokens": {"input_tokens": 200, "output_tokens": 5},
}
FUNCTION = {"name": "get_weather", "arguments": '{"city":"Paris"}'}


def whole(reason: str, **message: Any) -> Exchange:
    said = {"role": "assistant", **message}
    return Exchange.json({"id": "m1", "message": said, "finish_reason": reason, "usage": USAGE})


def streamed(reason: str, *events: Mapping[str, Any]) -> Exchange:
    begun = {"message": {"role": "assistant", "content": [], "tool_calls": []}}
    return Exchange.sse(
        {"type": "message-start", "id": "m1", "delta": begun},
        *events,
        {"type": "message-end", "delta": {"finish_reason": reason, "usage": USAGE}},
        named=True,
    )


def text(words: str) -> dict[str, Any]:
    delta = {"message": {"content": {"text": words}}}
    return {"type": "content-delta", "index": 0, "delta": delta}


def called(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "index": 0, "delta": {"message": {"tool_calls": members}}}


def error(status: int, message: str) -> Exchange:
    return Exchange.json({"id": "e1", "message": message}, status)


class TestCohere(BackendConformance):
    backend = CohereBackend
    model = "command-a-03-2025"
    embedding_model = "embed-v4.0"
    declined = frozenset({"document"})  # only plain text, and the kit sends a PDF
    samples = Samples(
        says="Hello there.",
        text=whole("COMPLETE", content=[{"type": "text", "text": "Hello there."}]),
        text_streamed=streamed(
            "COMPLETE",
            {
                "type": "content-start",
                "index": 0,
                "delta": {"message": {"content": {"type": "text", "text": ""}}},
            },
            text("Hello"),
            text(" there."),
            {"type": "content-end", "index": 0},
        ),
        usage=(14, 3),
        calls=[("get_weather", {"city": "Paris"})],
        tool_call=whole(
            "TOOL_CALL",
            tool_plan="I will look.",
            tool_calls=[{"id": "get_weather_1", "type": "function", "function": FUNCTION}],
        ),
        tool_call_streamed=streamed(
            "TOOL_CALL",
            called(
                "tool-call-start",
                id="get_weather_1",
                type="function",
                function={"name": "get_weather", "arguments": ""},
            ),
            called("tool-call-delta", function={"arguments": '{"city"'}),
            called("tool-call-delta", function={"arguments": ':"Paris"}'}),
            {"type": "tool-call-end", "index": 0},
        ),
        embeddings=Exchange.json(
            {
                "id": "e1",
                "embeddings": {"float": [[0.25, -0.5], [0.5, 1.0]]},
                "texts": ["Paris", "Berlin"],
                "meta": {"billed_units": {"input_tokens": 2}},
            }
        ),
        refusals={
            "invalid_request": error(400, "invalid request: temperature must be at most 1"),
            "context_overflow": error(400, "too many tokens: size limit exceeded by 9 tokens"),
            "auth": error(401, "invalid api token"),
            "not_found": error(404, "model 'x' not found"),
            "rate_limited": error(429, "You are past the per minute request limit."),
            "http_5xx": error(500, "internal server error"),
            "overloaded": error(503, "service unavailable"),
        },
        failures={"http_5xx": streamed("ERROR", text("Hel"))},
        relayed={},
    )
