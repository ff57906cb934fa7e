"""A reader of what the Anthropic dialect writes, independent of the product, and events to write.

The reader checks the grammar while it folds: it is the tests' notion of a strict client.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from headgate.dialects.base import ReplyHead
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)

HEAD = ReplyHead("abc", "assistant", 1_700_000_000, {"model": "assistant"}, usage_wanted=True)

DELTAS = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "redacted_thinking": (),
    "tool_use": ("input_json_delta",),
}
"""Block type → the deltas it takes."""


def stream(encoder: Any, events: list[Event], batch: int = 1) -> bytes:
    """The whole stream of a reply whose events come in batches."""
    pieces = [encoder.feed(events[i : i + batch]) for i in range(0, len(events), batch)]
    return b"".join(pieces) + encoder.close()


def sse_events(raw: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each named by its type."""
    assert raw.endswith(b"\n\n")
    events = []
    for block in raw.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def folded(raw: bytes) -> dict[str, Any]:
    """The message of a regularly ended stream.

    message_start, then blocks one after the other with rising indexes, message_delta, message_stop.
    """
    first, *middle, delta, last = sse_events(raw)
    assert first["type"] == "message_start"
    assert (delta["type"], last) == ("message_delta", {"type": "message_stop"})
    message: dict[str, Any] = first["message"]
    assert message["content"] == []
    assert message["stop_reason"] is None
    is_open = False
    for event in middle:
        if event["type"] == "content_block_start":
            assert not is_open, "a block begins inside another"
            assert event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"], pieces=""))
            is_open = True
            continue
        assert is_open, "outside of every block"
        assert event["index"] == len(message["content"]) - 1
        if event["type"] == "content_block_stop":
            _close(message["content"][-1])
            is_open = False
        else:
            assert event["type"] == "content_block_delta"
            _grow(message["content"][-1], event["delta"])
    assert not is_open, "a block was left open"
    assert delta["delta"]["stop_reason"]
    return message | delta["delta"] | {"usage": delta["usage"]}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    assert delta["type"] in DELTAS[block["type"]]
    assert not block.get("signature"), "nothing follows the signature"
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["pieces"] += delta["partial_json"]


def _close(block: dict[str, Any]) -> None:
    pieces = block.pop("pieces")
    if pieces:
        block["input"] = json.loads(pieces)
    assert block.get("text") != "", "an empty text block cannot be handed back"


# Events

words = st.text(max_size=12)
WEB = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.org", "title": "Example", "start_index": 0},
}
PAGE = {
    "type": "page_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": "T",
    "start_page_number": 1,
    "end_page_number": 2,
}
ARGUMENTS = st.dictionaries(words, words | st.integers(-9, 9) | st.lists(words), max_size=2)

usages = st.builds(
    lambda fresh, read, written, lasting, output, thought: Usage(
        input_tokens=fresh + read + written + lasting,
        output_tokens=output + thought,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=lasting,
        reasoning_tokens=thought,
    ),
    *[st.integers(0, 50)] * 6,
)

deltas: st.SearchStrategy[list[Event]] = st.one_of(
    st.builds(lambda text: [TextDelta(text)], words),
    st.builds(lambda text: [RefusalDelta(text)], words),
    st.builds(
        lambda text, proof: [ReasoningDelta(text), ReasoningDelta(signature=proof)],
        words,
        st.none() | st.text(min_size=1, max_size=5),
    ),
    st.just([ReasoningDelta(redacted="sealed")]),
    st.sampled_from([[Citation(WEB)], [Citation(PAGE)], [Citation({"type": "alien"})]]),
    st.just([MediaDelta("image/png", "aGk=")]),
    st.just([Logprobs([])]),
    st.builds(lambda text: [TextDelta(text, choice=1)], words),
)


@st.composite
def calls(draw: st.DrawFn, index: int) -> list[Event]:
    """A tool call whose arguments come in pieces."""
    text = json.dumps(draw(ARGUMENTS))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    first = ToolCallDelta(index, f"call_{index}", f"tool_{index}")
    return [first, *(ToolCallDelta(index, arguments=piece) for piece in pieces)]


@st.composite
def replies(draw: st.DrawFn) -> list[Event]:
    """The events of a regular reply: strands of its own order each, woven together at will."""
    strands = [draw(calls(index)) for index in range(draw(st.integers(0, 3)))]
    strands.append([event for group in draw(st.lists(deltas, max_size=6)) for event in group])
    strands.append([UsageReported(draw(usages)) for _ in range(draw(st.integers(0, 2)))])
    events: list[Event] = []
    while strands := [strand for strand in strands if strand]:
        events.append(draw(st.sampled_from(strands)).pop(0))
    reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    sequence = draw(st.none() | st.just("END"))
    return [Start("upstream-id", "upstream-model", 1), *events, Finish(reason, None, sequence)]
