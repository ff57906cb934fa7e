"""Embeddings: `batchEmbedContents` of the Gemini API and `predict` of Vertex AI.

https://ai.google.dev/api/embeddings
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from headgate_providers.google.candidate import mapping, rows
from headgate_providers.google.refusal import stated
from headgate_providers.sdk import (
    BackendError,
    Embedding,
    EmbeddingRequest,
    Event,
    Failed,
    Finish,
    Start,
    UsageReported,
    normalise,
)

_TASKS = {
    "query": "RETRIEVAL_QUERY",
    "search_query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "passage": "RETRIEVAL_DOCUMENT",
    "search_document": "RETRIEVAL_DOCUMENT",
}
"""What other vendors call the same; Google's own words are taken in any case."""


def gemini_body(request: EmbeddingRequest, resource: str) -> dict[str, Any]:
    """The body of `batchEmbedContents`; `resource` is the model's full name."""
    common: dict[str, Any] = {"model": resource}
    settings: dict[str, Any] = {}
    if (task := _task(request)) is not None:
        settings["taskType"] = task
    if request.dimensions is not None:
        settings["outputDimensionality"] = request.dimensions
    return {
        "requests": [
            {**common, "content": {"parts": [{"text": text}]}, **settings}
            for text in _texts(request)
        ]
    }


def vertex_body(request: EmbeddingRequest) -> dict[str, Any]:
    """The body of `predict`."""
    task = _task(request)
    kind = {} if task is None else {"task_type": task}
    body: dict[str, Any] = {"instances": [{"content": text, **kind} for text in _texts(request)]}
    if request.dimensions is not None:
        body["parameters"] = {"outputDimensionality": request.dimensions}
    return body


def read_vectors(body: bytes) -> Sequence[Event]:
    """The events of a reply of either endpoint; raises `BackendError` if it is none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    payload = payload if isinstance(payload, dict) else {}
    if payload.get("error"):
        return [Failed(stated(payload))]
    predictions = [mapping(row, "embeddings") for row in rows(payload, "predictions")]
    found = predictions or rows(payload, "embeddings")
    vectors = [row["values"] for row in found if isinstance(row.get("values"), list)]
    if not vectors or len(vectors) != len(found):
        raise BackendError("malformed", "The upstream answered without any embedding.")
    events: list[Event] = [Start()]
    events += [Embedding(index, vector) for index, vector in enumerate(vectors)]
    return [*events, Finish("stop"), *_used(payload, predictions)]


def _used(payload: Mapping[str, Any], predictions: list[Mapping[str, Any]]) -> list[Event]:
    """Vertex AI counts each text, the newer Gemini models all; the older ones count nothing."""
    raw = mapping(payload, "usageMetadata")
    if predictions:
        counts = [mapping(row, "statistics").get("token_count") for row in predictions]
        known = [count for count in counts if isinstance(count, int | float)]
        raw = {"promptTokenCount": sum(known)} if known else {}
    return [UsageReported(normalise("google", raw))] if raw else []


def _task(request: EmbeddingRequest) -> str | None:
    if request.input_type is None:
        return None
    return _TASKS.get(request.input_type.lower(), request.input_type.upper())


def _texts(request: EmbeddingRequest) -> list[str]:
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise BackendError(
            "unsupported", "Gemini embeds text only: send strings, not token ids.", param="input"
        )
    return texts
