"""Embeddings: bodies and replies of InvokeModel, which differ by the maker of the model.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from headgate_providers.bedrock.blocks import Json, rows
from headgate_providers.sdk import BackendError, EmbeddingRequest, Usage, normalise

TOKENS_HEADER = "x-amzn-bedrock-input-token-count"
Vectors = list[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Embedder:
    """How a kind of model is asked: `texts_max` at once, by `body`, and read by `vectors`."""

    texts_max: int
    body: Callable[[EmbeddingRequest, Sequence[str]], dict[str, Any]]
    vectors: Callable[[Json], Vectors]


def embedder_of(model: str) -> Embedder:
    """Raises `BackendError` kind `unsupported` for a model that is not known to embed."""
    for name, embedder in _EMBEDDERS.items():
        if name in model:
            return embedder
    raise BackendError(
        "unsupported", "This model's embeddings are not known on Bedrock.", param="model"
    )


def bodies(request: EmbeddingRequest, embedder: Embedder) -> list[dict[str, Any]]:
    """The bodies of as many calls as the inputs need, in order.

    Raises `BackendError` kind `unsupported`.
    """
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise BackendError(
            "unsupported", "Bedrock embeds text, no token ids; send strings.", param="input"
        )
    size = embedder.texts_max
    return [
        embedder.body(request, texts[start : start + size]) for start in range(0, len(texts), size)
    ]


def read_vectors(embedder: Embedder, body: bytes) -> Vectors:
    """The vectors of one reply; raises `BackendError` kind `malformed` if it has none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    vectors = embedder.vectors(payload) if isinstance(payload, dict) else []
    if not vectors or not all(isinstance(vector, list) and vector for vector in vectors):
        raise BackendError("malformed", "The upstream answered without any embedding.")
    return vectors


def usage_of(headers: Mapping[str, str], body: bytes) -> Usage | None:
    """The tokens of one reply: in a header, of Titan also in the body."""
    if (count := headers.get(TOKENS_HEADER, "")).isdecimal():
        return normalise("bedrock", {"inputTokenCount": int(count[:12])})
    payload = orjson.loads(body)
    return normalise("bedrock", payload) if "inputTextTokenCount" in payload else None


def _titan_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": texts[0], "normalize": True}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def _old_titan_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    if request.dimensions is not None:
        raise BackendError(
            "unsupported",
            "This model's vectors have one size; leave `dimensions` out.",
            param="dimensions",
        )
    return {"inputText": texts[0]}


def _picture_titan_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": texts[0]}
    if request.dimensions is not None:
        body["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
    return body


def _titan_vectors(payload: Json) -> Vectors:
    return [payload.get("embedding") or []]


_COHERE_TYPES = {
    "query": "search_query",
    "document": "search_document",
    "passage": "search_document",
}


def _cohere_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    kind = (request.input_type or "search_document").lower()
    body: dict[str, Any] = {"input_type": _COHERE_TYPES.get(kind, kind), "texts": list(texts)}
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    return body


def _old_cohere_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    _old_titan_body(request, texts)
    return _cohere_body(request, texts)


def _cohere_vectors(payload: Json) -> Vectors:
    """By type, or as one list where only floats were asked for."""
    found = payload.get("embeddings")
    if isinstance(found, Mapping):
        found = found.get("float")
    return found if isinstance(found, list) else []


_NOVA_PURPOSES = {
    "query": "GENERIC_RETRIEVAL",
    "search_query": "GENERIC_RETRIEVAL",
    "document": "GENERIC_INDEX",
    "passage": "GENERIC_INDEX",
    "search_document": "GENERIC_INDEX",
}


def _nova_body(request: EmbeddingRequest, texts: Sequence[str]) -> dict[str, Any]:
    kind = request.input_type or "document"
    params: dict[str, Any] = {
        "embeddingPurpose": _NOVA_PURPOSES.get(kind.lower(), kind.upper()),
        "text": {"truncationMode": "END", "value": texts[0]},
    }
    if request.dimensions is not None:
        params["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _nova_vectors(payload: Json) -> Vectors:
    return [row.get("embedding") or [] for row in rows(payload, "embeddings")]


_EMBEDDERS: Mapping[str, Embedder] = {
    "titan-embed-text-v2": Embedder(1, _titan_body, _titan_vectors),
    "titan-embed-image": Embedder(1, _picture_titan_body, _titan_vectors),
    "titan-embed": Embedder(1, _old_titan_body, _titan_vectors),
    "cohere.embed-v4": Embedder(96, _cohere_body, _cohere_vectors),
    "cohere.embed": Embedder(96, _old_cohere_body, _cohere_vectors),
    "nova-2-multimodal-embeddings": Embedder(1, _nova_body, _nova_vectors),
}
"""Part of a model's name → how it is asked; the first that fits counts."""
