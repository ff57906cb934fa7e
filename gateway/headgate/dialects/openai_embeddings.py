"""OpenAI's embeddings, `POST /v1/embeddings`.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from headgate.dialects.base import JsonBody, ReplyHead, Summary
from headgate.dialects.openai_shared import (
    INTEGER,
    STRING,
    Member,
    always,
    asks,
    check_members,
    error_envelope,
    model_of,
    refuse,
    text_metadata,
    to_json,
    user_of,
)
from headgate.errors import GatewayError, InvalidRequest
from headgate_providers.sdk import Dialect, EmbeddingRequest, Event, Operation, fold

INPUTS_MAX = 2048
"""OpenAI's limit of inputs in one request."""


def _input(value: Any, at: str) -> None:
    """A string, a list of strings, token ids, or a list of lists of token ids."""
    if not value:
        raise InvalidRequest(f"`{at}` is empty: give a string or a list of strings.", at)
    if type(value) is str:
        return
    kinds = set(map(type, value))
    if kinds == {int}:
        return
    if len(value) > INPUTS_MAX:
        raise InvalidRequest(
            f"`{at}` holds {len(value)} inputs; send at most {INPUTS_MAX} in one request.", at
        )
    if kinds == {list}:
        for index, tokens in enumerate(value):
            if not tokens or set(map(type, tokens)) != {int}:
                raise InvalidRequest(
                    f"`{at}[{index}]` must be a list of token ids.", f"{at}[{index}]"
                )
    elif kinds != {str}:
        raise InvalidRequest(f"`{at}` must hold strings only, or token ids only.", at)


def _encoding(value: Any, at: str) -> None:
    if value not in ("float", "base64"):
        raise InvalidRequest(f"`{at}` must be float or base64.", at)


def _is_tokens(value: Any) -> bool:
    return type(value) is list and type(value[0]) is not str


_MEMBERS: dict[str, Member] = {
    "model": Member(STRING),
    "input": Member((str, list), shape=_input, feature=asks("token_ids", _is_tokens)),
    "dimensions": Member(INTEGER, 1, feature=asks("dimensions", always)),
    "encoding_format": Member(STRING, shape=_encoding),
    "user": Member(STRING),
    "safety_identifier": Member(STRING),
    "input_type": Member(STRING),
    "metadata": Member((dict,)),
}
"""`input_type` (query, document …) is an extension of Voyage, Cohere, NVIDIA and others."""


class OpenAIEmbeddings:
    """The client dialect of embeddings."""

    name: Dialect = "openai_embeddings"
    operation: Operation = "embeddings"

    def inspect(self, body: JsonBody) -> Summary:
        """See `ClientDialect.inspect`."""
        features = check_members(body, _MEMBERS)
        given = body.get("input")
        if given is None:
            refuse("input", "a string or a list of strings", given)
        inputs = [given] if type(given) is str else given
        return Summary(
            model=model_of(body),
            features=frozenset(features),
            input_characters=sum(len(one) for one in inputs if type(one) is str),
            metadata=text_metadata(body),
        )

    def decode(self, body: JsonBody, model: str) -> EmbeddingRequest:
        """See `ClientDialect.decode`."""
        self.inspect(body)
        given = body["input"]
        single = type(given) is str or type(given[0]) is int
        return EmbeddingRequest(
            model=model,
            inputs=(given,) if single else tuple(given),
            dimensions=body.get("dimensions"),
            input_type=body.get("input_type"),
            user=user_of(body),
        )

    def encoder(self, head: ReplyHead) -> EmbeddingEncoder:
        """See `ClientDialect.encoder`."""
        return EmbeddingEncoder(head)

    def error(self, error: GatewayError) -> bytes:
        """See `ClientDialect.error`."""
        return error_envelope(error)


class EmbeddingEncoder:
    """One list of vectors. The dialect has no streams: their methods write nothing."""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Encoder.feed`."""
        return b""

    def close(self) -> bytes:
        """See `Encoder.close`."""
        return b""

    def fail(self, error: GatewayError) -> bytes:
        """See `Encoder.fail`."""
        return error_envelope(error)

    def whole(self, events: Iterable[Event]) -> bytes:
        """See `Encoder.whole`."""
        reply = fold(events)
        packed = self._head.body.get("encoding_format") == "base64"
        body: dict[str, Any] = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _base64(vector) if packed else list(vector),
                }
                for index, vector in enumerate(reply.vectors)
            ],
            "model": self._head.model,
        }
        if reply.usage is not None:
            tokens = reply.usage.input_tokens
            body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return to_json(body)


def _base64(vector: Sequence[float]) -> str:
    """Little-endian float32, as the official Python client asks for by default."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


OPENAI_EMBEDDINGS = OpenAIEmbeddings()
