"""Embeddings."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.openai_embeddings import INPUTS_MAX, OPENAI_EMBEDDINGS
from headgate.errors import InvalidRequest
from headgate_providers.sdk import Embedding, EmbeddingRequest, Event, UsageReported
from tests.gateway.dialects.openai_replies import USAGE, head
from tests.gateway.dialects.openai_requests import EMBEDDING

EVENTS: list[Event] = [
    Embedding(1, [0.25, -1.5]),
    Embedding(0, [1.0, 2.0]),
    UsageReported(USAGE),
]


def body(**members: Any) -> dict[str, Any]:
    return {"model": "vectors", **members}


def test_a_full_request() -> None:
    summary = OPENAI_EMBEDDINGS.inspect(EMBEDDING)
    assert summary.features == {"dimensions"}
    assert summary.input_characters == 3
    assert OPENAI_EMBEDDINGS.decode(EMBEDDING, "upstream") == EmbeddingRequest(
        "upstream", ("a", "bc"), dimensions=256, input_type="query", user="u"
    )


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("a", ("a",)), (["a"], ("a",)), ([1, 2], ([1, 2],)), ([[1], [2]], ([1], [2]))],
)
def test_forms_of_input(given: Any, inputs: tuple[Any, ...]) -> None:
    assert OPENAI_EMBEDDINGS.decode(body(input=given), "m").inputs == inputs
    wants_ids = "token_ids" in OPENAI_EMBEDDINGS.inspect(body(input=given)).features
    assert wants_ids is not isinstance(inputs[0], str)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [1, "a"]}, "input"),
        ({"input": [None]}, "input"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": ["a"] * (INPUTS_MAX + 1)}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
    ],
)
def test_a_malformed_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as info:
        OPENAI_EMBEDDINGS.inspect(body(**members))
    assert info.value.param == param


def test_a_long_list_of_token_ids_is_one_input() -> None:
    assert len(OPENAI_EMBEDDINGS.decode(body(input=[7] * 5000), "m").inputs) == 1


def test_a_reply_in_numbers() -> None:
    reply = json.loads(OPENAI_EMBEDDINGS.encoder(head(body(input="a"))).whole(EVENTS))
    assert reply == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 2.0]},
            {"object": "embedding", "index": 1, "embedding": [0.25, -1.5]},
        ],
        "model": "assistant",
        "usage": {"prompt_tokens": 20, "total_tokens": 20},
    }


@given(vector=st.lists(st.floats(allow_nan=False), min_size=1, max_size=8))
def test_a_reply_in_base64_is_little_endian_float32(vector: list[float]) -> None:
    asked = body(input="a", encoding_format="base64")
    reply = json.loads(OPENAI_EMBEDDINGS.encoder(head(asked)).whole([Embedding(0, vector)]))
    raw = base64.b64decode(reply["data"][0]["embedding"])
    read = struct.unpack(f"<{len(vector)}f", raw)
    for got, sent in zip(read, vector, strict=True):
        assert got == pytest.approx(sent, rel=1e-6, abs=1e-44) or abs(sent) > 3.4e38
