"""Bedrock's backend keeps the backend contract, in frames of its own."""

from __future__ import annotations

from typing import Any

from headgate_providers.bedrock import BedrockBackend
from headgate_providers.sdk.testing import BackendConformance, Exchange, Samples
from tests.providers.bedrock.frames import event, exception

USAGE = {"inputTokens": 10, "cacheReadInputTokens": 4, "outputTokens": 3, "totalTokens": 17}
CALL = {"toolUseId": "tooluse_1", "name": "get_weather"}
STREAM = {"content-type": "application/vnd.amazon.eventstream"}


def whole(block: dict[str, Any], reason: str) -> Exchange:
    message = {"role": "assistant", "content": [block]}
    return Exchange.json({"output": {"message": message}, "stopReason": reason, "usage": USAGE})


def streamed(*deltas: dict[str, Any], start: dict[str, Any] | None, reason: str) -> Exchange:
    begun = [] if start is None else [event("contentBlockStart", start | {"contentBlockIndex": 0})]
    return Exchange(
        200,
        STREAM,
        (
            event("messageStart", {"role": "assistant"}),
            *begun,
            *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": d}) for d in deltas),
            event("contentBlockStop", {"contentBlockIndex": 0}),
            event("messageStop", {"stopReason": reason}),
            event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
        ),
    )


def error(status: int, name: str, message: str) -> Exchange:
    return Exchange.json({"message": message}, status, {"x-amzn-errortype": f"{name}:http://x/"})


class TestBedrock(BackendConformance):
    backend = BedrockBackend
    region = "eu-central-1"
    model = "anthropic.claude-3-7-sonnet-20250219-v1:0"
    embedding_model = "cohere.embed-multilingual-v3"
    declined = frozenset({"dimensions"})  # Titan's and Nova's vectors have several sizes
    unknown_event = event("xUnknown", {"x": [1, None]})
    samples = Samples(
        says="Hello there.",
        text=whole({"text": "Hello there."}, "end_turn"),
        text_streamed=streamed(
            {"text": "Hello"}, {"text": " there."}, start=None, reason="end_turn"
        ),
        usage=(14, 3),
        calls=[("get_weather", {"city": "Paris"})],
        tool_call=whole({"toolUse": CALL | {"input": {"city": "Paris"}}}, "tool_use"),
        tool_call_streamed=streamed(
            {"toolUse": {"input": '{"city"'}},
            {"toolUse": {"input": ':"Paris"}'}},
            start={"start": {"toolUse": CALL}},
            reason="tool_use",
        ),
        embeddings=Exchange.json(
            {"embeddings": [[0.25, -0.5], [0.5, 1.0]], "id": "e1", "texts": ["Paris", "Berlin"]},
            headers={"x-amzn-bedrock-input-token-count": "2"},
        ),
        refusals={
            "invalid_request": error(400, "ValidationException", "Malformed input request."),
            "context_overflow": error(400, "ValidationException", "Input is too long."),
            "auth": error(403, "UnrecognizedClientException", "The security token is invalid."),
            "not_found": error(404, "ResourceNotFoundException", "Could not resolve the model."),
            "rate_limited": error(429, "ThrottlingException", "Too many requests."),
            "http_5xx": error(500, "InternalServerException", "Internal error."),
            "overloaded": error(503, "ServiceUnavailableException", "Unavailable."),
        },
        failures={
            "overloaded": Exchange(
                200,
                STREAM,
                (
                    event("messageStart", {"role": "assistant"}),
                    exception("serviceUnavailableException", "Unavailable."),
                ),
            ),
            "rate_limited": Exchange(
                200, STREAM, (exception("throttlingException", "Too many requests."),)
            ),
        },
        relayed={},
    )
