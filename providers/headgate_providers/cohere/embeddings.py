"""Embeddings over `/v2/embed`.

https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from headgate_providers.cohere.reply import mapping
from headgate_providers.sdk import BackendError, EmbeddingRequest, Usage, normalise

TEXTS_MAX = 96
"""Cohere takes so many texts in one call."""

_TYPES = {
    "query": "search_query",
    "document": "search_document",
    "passage": "search_document",
}
"""What other vendors call the same; Cohere's own words are taken as they are."""


def bodies(request: EmbeddingRequest) -> list[dict[str, Any]]:
    """The bodies of as many calls as the inputs need, in order.

    Raises `BackendError` kind `unsupported`.
    """
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise BackendError(
            "unsupported", "Cohere embeds text, no token ids; send strings.", param="input"
        )
    kind = request.input_type or "search_document"
    common: dict[str, Any] = {
        "model": request.model,
        "input_type": _TYPES.get(kind, kind),
        "embedding_types": ["float"],
    }
    if request.dimensions is not None:
        common["output_dimension"] = request.dimensions
    return [
        {**common, "texts": texts[start : start + TEXTS_MAX]}
        for start in range(0, len(texts), TEXTS_MAX)
    ]


def read_vectors(body: bytes) -> tuple[list[Sequence[float]], Usage | None]:
    """The vectors of one reply and what they cost; raises `BackendError` if it has none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    payload = payload if isinstance(payload, dict) else {}
    vectors = mapping(payload, "embeddings").get("float")
    if not isinstance(vectors, list) or not vectors or not all(map(_is_vector, vectors)):
        raise BackendError("malformed", "The upstream answered without any embedding.")
    billed = mapping(mapping(payload, "meta"), "billed_units")
    return vectors, normalise("cohere", {"billed_units": billed}) if billed else None


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and bool(value)
