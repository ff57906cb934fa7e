"""Google's backends keep the backend contract: the Gemini API and Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate_providers.google import GoogleBackend, VertexBackend
from headgate_providers.sdk.testing import BackendConformance, Exchange, Received, Samples

USAGE = {"promptTokenCount": 14, "candidatesTokenCount": 3, "totalTokenCount": 17}


def payload(part: Mapping[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    usage = USAGE if reason is not None else {"promptTokenCount": 14, "totalTokenCount": 14}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }


def error(status: int, word: str, message: str) -> Exchange:
    return Exchange.json({"error": {"code": status, "message": message, "status": word}}, status)


CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}
BAD_KEY = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
        ],
    }
}

SAMPLES = Samples(
    says="Hello there.",
    text=Exchange.json(payload({"text": "Hello there."})),
    text_streamed=Exchange.sse(
        payload({"text": "Hello"}, None), payload({"text": " there"}, None), payload({"text": "."})
    ),
    usage=(14, 3),
    calls=[("get_weather", {"city": "Paris"})],
    tool_call=Exchange.json(payload(CALL)),
    tool_call_streamed=Exchange.sse(payload(CALL, None), payload({"text": ""})),
    embeddings=Exchange.json(
        {"embeddings": [{"values": [0.25, -0.5]}, {"values": [0.5, 1.0]}]},
    ),
    refusals={
        "invalid_request": error(400, "INVALID_ARGUMENT", "Invalid value at 'temperature'."),
        "context_overflow": error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        ),
        "auth": Exchange.json(BAD_KEY, 400),
        "not_found": error(404, "NOT_FOUND", "models/x is not found."),
        "rate_limited": error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
        "http_5xx": error(500, "INTERNAL", "An internal error has occurred."),
        "overloaded": error(503, "UNAVAILABLE", "The model is overloaded."),
    },
    failures={
        "overloaded": Exchange.sse(
            payload({"text": "Hel"}, None),
            {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}},
        )
    },
    relayed={},
)


class TestGoogle(BackendConformance):
    backend = GoogleBackend
    path = "/v1beta"
    model = "gemini-2.5-flash"
    embedding_model = "gemini-embedding-001"
    samples = SAMPLES

    def examine(self, request: Received) -> None:
        assert request.path.startswith("/v1beta/models/gemini-")


class TestVertex(BackendConformance):
    backend = VertexBackend
    path = "/v1"
    region = "europe-west4"
    options = {"project": "example"}
    model = "gemini-2.5-flash"
    embedding_model = "text-embedding-005"
    samples = replace(
        SAMPLES,
        embeddings=Exchange.json(
            {
                "predictions": [
                    {"embeddings": {"values": values, "statistics": {"token_count": 1}}}
                    for values in ([0.25, -0.5], [0.5, 1.0])
                ]
            }
        ),
        refusals={
            **SAMPLES.refusals,
            "auth": error(401, "UNAUTHENTICATED", "Request had invalid credentials."),
        },
    )

    def examine(self, request: Received) -> None:
        assert request.path.startswith("/v1/projects/example/locations/europe-west4/")
