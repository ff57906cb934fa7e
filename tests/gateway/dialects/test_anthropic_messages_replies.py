"""Anthropic's dialect: how replies, errors and lists are written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES, count_tokens_body
from headgate.dialects.anthropic_models import model_body, models_body
from headgate.errors import GatewayError
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)
from tests.gateway.dialects.anthropic_replies import HEAD, folded, sse_events, stream

USAGE = Usage(
    input_tokens=20,
    output_tokens=9,
    cache_read_tokens=5,
    cache_write_tokens=2,
    cache_write_1h_tokens=1,
    reasoning_tokens=4,
)
COUNTED = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
}


def written(*events: Event) -> dict[str, Any]:
    return folded(stream(ANTHROPIC_MESSAGES.encoder(HEAD), list(events)))


def test_a_stream_word_for_word() -> None:
    events: list[Event] = [
        Start("chatcmpl-1", "gpt"),
        ReasoningDelta("Hm"),
        ReasoningDelta(signature="proof"),
        TextDelta("Let me see."),
        ToolCallDelta(0, "call_1", "weather"),
        ToolCallDelta(0, arguments='{"at":'),
        ToolCallDelta(0, arguments='"B"}'),
        ToolCallDelta(1, "call_2", "clock"),
        Finish("tool_calls"),
        UsageReported(USAGE),
    ]
    found = sse_events(stream(ANTHROPIC_MESSAGES.encoder(HEAD), events))
    assert found[0]["message"] == {
        "id": "msg_abc",
        "type": "message",
        "role": "assistant",
        "model": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 0,
        },
    }
    said = [
        (e["type"], e.get("index"), e.get("content_block") or e.get("delta")) for e in found[1:]
    ]
    opened, grown, closed = "content_block_start", "content_block_delta", "content_block_stop"
    assert said == [
        (opened, 0, {"type": "thinking", "thinking": "", "signature": ""}),
        (grown, 0, {"type": "thinking_delta", "thinking": "Hm"}),
        (grown, 0, {"type": "signature_delta", "signature": "proof"}),
        (closed, 0, None),
        (opened, 1, {"type": "text", "text": ""}),
        (grown, 1, {"type": "text_delta", "text": "Let me see."}),
        (closed, 1, None),
        (opened, 2, {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}),
        (grown, 2, {"type": "input_json_delta", "partial_json": '{"at":'}),
        (grown, 2, {"type": "input_json_delta", "partial_json": '"B"}'}),
        (closed, 2, None),
        (opened, 3, {"type": "tool_use", "id": "call_2", "name": "clock", "input": {}}),
        (closed, 3, None),
        ("message_delta", None, {"stop_reason": "tool_use", "stop_sequence": None}),
        ("message_stop", None, None),
    ]
    assert found[-2]["usage"] == COUNTED


def test_pieces_leave_at_once() -> None:
    encoder = ANTHROPIC_MESSAGES.encoder(HEAD)
    assert encoder.feed([Start("x", "y"), UsageReported(USAGE)]) == b""
    first = sse_events(encoder.feed([TextDelta("a")]))
    assert [e["type"] for e in first] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
    ]
    assert first[0]["message"]["usage"] == COUNTED
    assert encoder.feed([TextDelta("b")]) == (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"b"}}\n\n'
    )
    assert encoder.feed([Finish("stop")]) == b""


def test_a_second_call_waits_for_the_first_to_be_complete() -> None:
    encoder = ANTHROPIC_MESSAGES.encoder(HEAD)
    encoder.feed([ToolCallDelta(0, "a", "x", '{"n":'), ToolCallDelta(1, "b", "y", "{}")])
    assert b'"b"' in encoder.feed([ToolCallDelta(0, arguments="1}")])
    message = written(
        ToolCallDelta(0, "a", "x", '{"n":'),
        TextDelta("between"),
        ToolCallDelta(1, "b", "y", "{}"),
        ToolCallDelta(0, arguments="1}"),
    )
    assert [b.get("name", b.get("text")) for b in message["content"]] == ["x", "between", "y"]


def test_ids_that_a_vendor_does_not_give_are_made() -> None:
    message = written(ToolCallDelta(0, None, "x"), ToolCallDelta(1, None, "y"))
    assert [block["id"] for block in message["content"]] == ["toolu_abc_0", "toolu_abc_1"]


@pytest.mark.parametrize(
    ("finish", "called", "expected"),
    [
        (Finish("stop"), False, "end_turn"),
        (Finish("stop"), True, "tool_use"),
        (Finish("stop", "end_turn"), True, "tool_use"),
        (Finish("length", "length"), True, "max_tokens"),
        (Finish("tool_calls"), True, "tool_use"),
        (Finish("content_filter"), False, "refusal"),
        (Finish("stop", "stop_sequence", "END"), False, "stop_sequence"),
        (Finish("stop", "pause_turn"), False, "pause_turn"),
        (Finish("length", "model_context_window_exceeded"), False, "model_context_window_exceeded"),
        (None, False, "end_turn"),
    ],
)
def test_stop_reasons(finish: Finish | None, called: bool, expected: str) -> None:
    events: list[Event] = [ToolCallDelta(0, "a", "x", "{}")] if called else [TextDelta("a")]
    message = written(*events, *([finish] if finish else []))
    assert message["stop_reason"] == expected
    assert message["stop_sequence"] == (finish.stop_sequence if finish else None)


def test_an_empty_reply_is_valid() -> None:
    assert written()["content"] == []
    assert json.loads(ANTHROPIC_MESSAGES.encoder(HEAD).whole([]))["stop_reason"] == "end_turn"


def test_citations_stay_with_their_text() -> None:
    page = {"type": "page_location", "cited_text": "p", "document_index": 0}
    web = {"url": "https://x", "title": "X", "start_index": 3, "end_index": 6}
    message = written(
        TextDelta("one"),
        Citation(page),
        TextDelta("two"),
        Citation({"type": "url_citation", "url_citation": web}),
        Citation({"type": "url_citation", **web, "cited_text": "source", "encrypted_index": "e"}),
        Citation({"type": "unheard_of"}),
        TextDelta("three"),
    )
    located = {"type": "web_search_result_location", "url": "https://x", "title": "X"}
    assert message["content"] == [
        {"type": "text", "text": "one", "citations": [page]},
        {
            "type": "text",
            "text": "two",
            "citations": [
                located | {"cited_text": "two", "encrypted_index": ""},
                located | {"cited_text": "source", "encrypted_index": "e"},
            ],
        },
        {"type": "text", "text": "three"},
    ]


def test_citations_that_come_first_wait_for_the_text() -> None:
    page = {"type": "page_location", "cited_text": "p", "document_index": 0}
    message = written(Citation(page), ReasoningDelta("Hm"), TextDelta("one"), TextDelta(" two"))
    assert message["content"][1] == {"type": "text", "text": "one two", "citations": [page]}


def test_half_a_surrogate_does_not_break_the_stream() -> None:
    assert written(TextDelta("a\ud800"))["content"][0]["text"] == "a\ufffd"


# Errors and small replies


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (415, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_errors(status: int, kind: str) -> None:
    error = GatewayError(status, "some_code", "Do that.", param="tools.0")
    inner = {"type": kind, "message": "Do that.", "code": "some_code", "param": "tools.0"}
    envelope = {"type": "error", "error": inner}
    assert json.loads(ANTHROPIC_MESSAGES.error(error)) == envelope
    raw = ANTHROPIC_MESSAGES.encoder(HEAD).fail(error)
    assert sse_events(raw) == [envelope]


def test_models() -> None:
    models = json.loads(models_body([("claude-a", 0), ("own", 1_700_000_000)]))
    assert (models["first_id"], models["last_id"], models["has_more"]) == ("claude-a", "own", False)
    assert models["data"][1] == {
        "type": "model",
        "id": "own",
        "display_name": "own",
        "created_at": "2023-11-14T22:13:20Z",
    }
    assert json.loads(model_body("own", 1_700_000_000)) == models["data"][1]
    assert json.loads(models_body([]))["first_id"] is None


def test_counted_tokens() -> None:
    assert json.loads(count_tokens_body(12)) == {"input_tokens": 12}


def test_finish_reasons_are_all_known() -> None:
    for reason in FinishReason.__args__:  # type: ignore[attr-defined]
        assert written(TextDelta("a"), Finish(reason))["stop_reason"]
