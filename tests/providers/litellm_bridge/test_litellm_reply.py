"""litellm's answers → events, without litellm: its chunks are plain data here."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.litellm_bridge.reply import (
    ChatEvents,
    embedding_reply,
    usage_events,
    whole_reply,
)
from headgate_providers.sdk import (
    BackendError,
    Citation,
    Finish,
    MediaDelta,
    Start,
    Usage,
    UsageReported,
    fold,
)


def chunk(delta: Mapping[str, Any], reason: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": dict(delta), "finish_reason": reason}
    return {"id": "c1", "created": 1, "model": "m", "choices": [choice]}


def read(*chunks: Mapping[str, Any]) -> Any:
    reader = ChatEvents()
    return fold(event for one in chunks for event in reader.read(one))


@given(st.lists(st.text(min_size=1), max_size=8))
def test_text_in_any_pieces(pieces: list[str]) -> None:
    reply = read(chunk({"role": "assistant"}), *(chunk({"content": p}) for p in pieces))
    assert reply.start == Start("c1", "m", 1)
    assert "".join(choice.text for choice in reply.choices) == "".join(pieces)


def test_tool_calls_without_ids_get_some() -> None:
    calls = [
        {"index": 0, "function": {"name": "a", "arguments": '{"x"'}},
        {"index": 1, "id": "given", "function": {"name": "b", "arguments": "{}"}},
    ]
    more = [{"index": 0, "function": {"name": "a", "arguments": ":1}"}}]
    reply = read(
        chunk({"tool_calls": calls}), chunk({"tool_calls": more}), chunk({}, "stop")
    )  # some vendors finish with `stop` although they call
    (choice,) = reply.choices
    assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == [
        ("call_0_0", "a", '{"x":1}'),
        ("given", "b", "{}"),
    ]
    assert choice.finish == Finish("tool_calls", "stop")


def test_thoughts_with_proof_come_once() -> None:
    block = {"type": "thinking", "thinking": "Hm.", "signature": "S"}
    reply = read(
        chunk({"reasoning_content": "Hm.", "thinking_blocks": [block]}),
        chunk({"reasoning_content": "More."}),
        chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "R"}]}),
    )
    blocks = [(b.text, b.signature, b.redacted) for b in reply.choices[0].reasoning]
    assert blocks == [("Hm.", "S", None), ("More.", None, "R")]


def test_a_gemini_signature_stays_with_its_call() -> None:
    call = {
        "id": "c",
        "function": {"name": "a", "arguments": "{}"},
        "provider_specific_fields": {"thought_signature": "T"},
    }
    assert read(chunk({"tool_calls": [call]})).choices[0].tool_calls[0].signature == "T"


def test_pictures_and_sources() -> None:
    picture = {"image_url": {"url": "data:image/png;base64,AA=="}}
    elsewhere = {"image_url": {"url": "https://example.com/a.png"}}
    note = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}
    reader = ChatEvents()
    events = list(reader.read(chunk({"images": [picture, elsewhere], "annotations": [note]})))
    assert events[1:] == [
        MediaDelta("image/png", "AA=="),
        Citation({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
        Citation(note),
    ]


def test_usage_is_the_vendors_or_marked() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "cost": 0.5,
    }
    (event,) = usage_events({"usage": raw})
    assert isinstance(event, UsageReported)
    assert event.usage == Usage(10, 5, cache_read_tokens=4, reasoning_tokens=2)
    assert event.usage.cost_usd != Decimal("0.5"), "litellm's own price is not the vendor's"
    (event,) = usage_events({"usage": raw}, counted=True)
    assert isinstance(event, UsageReported)
    assert event.usage.source == "estimated"
    assert usage_events({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}) == []
    assert usage_events({}) == []


def test_embeddings() -> None:
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    reply = fold(embedding_reply({"model": "m", "data": rows, "usage": {"prompt_tokens": 2}}))
    assert reply.vectors == [[1.0], [2.0]]
    assert reply.usage == Usage(2)


@pytest.mark.parametrize("payload", [{}, {"data": []}, {"data": [{}]}, {"data": ["x"]}])
def test_no_embedding_is_no_reply(payload: dict[str, Any]) -> None:
    with pytest.raises(BackendError):
        embedding_reply(payload)
    with pytest.raises(BackendError):
        whole_reply({"choices": []})
