"""Whatever the reply, its stream is valid and says the same as its body and its events."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.errors import GatewayError
from headgate_providers.anthropic.reply import MessageStream, decode_message
from headgate_providers.sdk import Event, MediaDelta, RefusalDelta, TextDelta, ToolCallDelta, fold
from tests.gateway.dialects.anthropic_replies import HEAD, folded, replies, sse_events, stream


def encoder() -> Any:
    return ANTHROPIC_MESSAGES.encoder(HEAD)


@given(replies(), st.integers(1, 5))
def test_streamed_equals_whole(events: list[Event], batch: int) -> None:
    whole = json.loads(encoder().whole(events))
    assert folded(stream(encoder(), events, batch)) == whole


@given(replies(), st.integers(1, 5))
def test_every_split_gives_the_same_blocks(events: list[Event], batch: int) -> None:
    assert folded(stream(encoder(), events, batch)) == folded(stream(encoder(), events, 1000))


@given(replies())
def test_nothing_is_lost(events: list[Event]) -> None:
    """Text, reasoning and calls are those of the events; refusals and pictures are text here."""
    message = json.loads(encoder().whole(events))
    events = [event for event in events if getattr(event, "choice", 0) == 0]
    choice = fold(events).choices[0]
    content = message["content"]
    text = "".join(block.get("text", "") for block in content)
    assert text == "".join(map(_text_of, events))
    thinking = [b["thinking"] for b in content if b["type"] == "thinking"]
    assert "".join(thinking) == "".join(block.text for block in choice.reasoning)
    calls = {b["id"]: (b["name"], b["input"]) for b in content if b["type"] == "tool_use"}
    assert calls == {c.id: (c.name, json.loads(c.arguments)) for c in choice.tool_calls}


def _text_of(event: Event) -> str:
    match event:
        case TextDelta() | RefusalDelta():
            return event.text
        case MediaDelta():
            return f"![{event.media_type}](data:{event.media_type};base64,{event.data})"
    return ""


@given(replies())
def test_reading_it_back_gives_the_same_reply(events: list[Event]) -> None:
    """The vendor's reader understands our stream as it does our body."""
    raw = stream(encoder(), events)
    reader = MessageStream()
    streamed = fold([*reader.feed(raw), *reader.close()])
    whole = fold(decode_message(encoder().whole(events)))
    original = fold(e for e in events if getattr(e, "choice", 0) == 0)
    assert streamed.error is None
    assert streamed.choices[0].text == whole.choices[0].text
    assert streamed.choices[0].reasoning == whole.choices[0].reasoning
    calls = [(c.id, c.name, json.loads(c.arguments)) for c in streamed.choices[0].tool_calls]
    assert calls == [(c.id, c.name, json.loads(c.arguments)) for c in whole.choices[0].tool_calls]
    assert streamed.usage == whole.usage
    assert original.usage is None or streamed.usage == original.usage


@given(replies(), st.integers(0, 30))
def test_a_broken_stream_ends_with_its_error(events: list[Event], broken_at: int) -> None:
    writer = encoder()
    raw = b"".join(writer.feed([event]) for event in events[:broken_at])
    raw += writer.fail(GatewayError(502, "upstream_error", "The upstream broke."))
    *before, last = sse_events(raw)
    assert last["type"] == "error"
    assert not any(event["type"] in ("message_stop", "message_delta") for event in before)


@given(st.lists(st.builds(
    ToolCallDelta,
    st.integers(0, 2),
    st.none() | st.just("id"),
    st.none() | st.sampled_from(["", "name"]),
    st.text(max_size=6) | st.sampled_from(["{", "}", "{}", '{"a":1}']),
) | st.builds(TextDelta, st.text(max_size=3)), max_size=10))  # fmt: skip
def test_garbled_calls_still_give_a_valid_stream(events: list[Event]) -> None:
    opened = 0
    for event in sse_events(stream(encoder(), events)):
        opened += {"content_block_start": 1, "content_block_stop": -1}.get(event["type"], 0)
        assert opened in (0, 1)
    assert opened == 0
    for block in json.loads(encoder().whole(events))["content"]:
        assert block["type"] == "text" or isinstance(block["input"], dict)
