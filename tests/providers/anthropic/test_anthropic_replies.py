"""Replies of Anthropic that no recording shows: the ugly ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.anthropic import AnthropicBackend
from headgate_providers.anthropic.reply import MessageStream, decode_message
from headgate_providers.sdk import (
    BackendError,
    Call,
    Citation,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    Target,
    Timeouts,
    ToolCallDelta,
    UsageReported,
    fold,
)
from tests.providers.anthropic.canonical import ask
from tests.providers.anthropic.expectations import Canned, backend_of


def sse(*payloads: Any) -> bytes:
    return b"".join(
        b"event: x\ndata: " + (p if isinstance(p, bytes) else json.dumps(p).encode()) + b"\n\n"
        for p in payloads
    )


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def start(**usage: int) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}}


def end(reason: str = "end_turn", sequence: str | None = None, **usage: Any) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return {"type": "message_delta", "delta": delta, "usage": usage}


STOP = {"type": "message_stop"}
TEXT = {"type": "text", "text": ""}
HELLO = block(0, TEXT, {"type": "text_delta", "text": "Hello"})


def read(*payloads: Any) -> list[Event]:
    reader = MessageStream()
    return [*reader.feed(sse(*payloads)), *reader.close()]


def test_usage_grows_and_the_last_value_wins() -> None:
    creation = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4}
    first = start(input_tokens=10, cache_creation_input_tokens=4, output_tokens=1)
    first["message"]["usage"]["cache_creation"] = creation
    events = read(
        first,
        *HELLO,
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}},
        end(output_tokens=9, input_tokens=None),
        STOP,
    )
    usage = fold(events).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_write_1h_tokens) == (14, 9, 4)
    reports = [e.usage.output_tokens for e in events if isinstance(e, UsageReported)]
    assert reports == [1, 5, 9]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("a_new_one", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons(native: str, reason: str) -> None:
    sequence = "END" if native == "stop_sequence" else None
    finish = fold(read(start(), *HELLO, end(native, sequence), STOP)).choices[0].finish
    assert finish == Finish(reason, native, sequence)  # type: ignore[arg-type]


def test_interleaved_blocks_of_all_kinds() -> None:
    events = read(
        start(),
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "signature_delta", "signature": "pro"},
            {"type": "signature_delta", "signature": "of"},
        ),
        *block(1, {"type": "redacted_thinking", "data": "secret"}),
        *block(2, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
               {"type": "input_json_delta", "partial_json": '{"query":"x"}'}),
        *block(3, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        *HELLO[:1], *HELLO[1:],
        *block(5, {"type": "tool_use", "id": "t1", "name": "a", "input": {}}),
        *block(6, {"type": "tool_use", "id": "t2", "name": "b", "input": {"whole": True}}),
        *block(7, {"type": "tool_use", "id": "t3", "name": "c", "input": {}},
               {"type": "input_json_delta", "partial_json": ""},
               {"type": "input_json_delta", "partial_json": '{"x":'},
               {"type": "input_json_delta", "partial_json": "1}"}),
        end("tool_use"),
        STOP,
    )  # fmt: skip
    choice = fold(events).choices[0]
    assert choice.text == "Hello"
    blocks = [(b.text, b.signature, b.redacted) for b in choice.reasoning]
    assert blocks == [("Hm", "proof", None), ("", None, "secret")]
    calls = [(c.id, c.name, c.arguments) for c in choice.tool_calls]
    assert calls == [("t1", "a", "{}"), ("t2", "b", '{"whole":true}'), ("t3", "c", '{"x":1}')]


def test_a_web_citation_tells_which_text_it_stands_behind() -> None:
    web = {"type": "web_search_result_location", "url": "https://x", "title": "X",
           "cited_text": "source", "encrypted_index": "enc"}  # fmt: skip
    page = {"type": "page_location", "cited_text": "p", "document_index": 0}
    events = read(
        start(),
        *HELLO,
        *block(1, TEXT, {"type": "citations_delta", "citation": web},
               {"type": "text_delta", "text": " world"}),
        *block(2, {"type": "text", "text": "!", "citations": [page]}),
        end(),
        STOP,
    )  # fmt: skip
    found = [dict(event.annotation) for event in events if isinstance(event, Citation)]
    assert found[0]["type"] == "url_citation"
    assert found[0]["url_citation"] == {
        "url": "https://x",
        "title": "X",
        "cited_text": "source",
        "encrypted_index": "enc",
        "start_index": 5,
        "end_index": 11,
    }
    assert found[1] == page


def test_a_refusal_says_why() -> None:
    message = end("refusal")
    message["delta"]["stop_details"] = {"type": "refusal", "explanation": "Not this."}
    choice = fold(read(start(), message, STOP)).choices[0]
    assert choice.refusal == "Not this."


def test_garbage_is_skipped_and_a_block_left_open_is_closed() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "proof"}
    events = read(
        b"{not json",
        b'"a string"',
        start(),
        {"type": "ping"},
        {"type": "from_the_future", "index": 9},
        {"type": "content_block_start", "index": [], "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": 44, "delta": {"text": "lost"}},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        end(),
    )
    assert not any(isinstance(event, Failed) for event in events)
    choice = fold(events).choices[0]
    assert [(b.text, b.signature) for b in choice.reasoning] == [("Hm", "proof")]
    assert choice.text == ""


@pytest.mark.parametrize("payloads", [(), (start(),), (start(), *HELLO)])
def test_a_stream_that_breaks_off_has_failed(payloads: Any) -> None:
    last = read(*payloads)[-1]
    assert isinstance(last, Failed)
    assert last.error.kind == "reset"


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", "overloaded"),
        ("api_error", "Internal server error", "http_5xx"),
        ("rate_limit_error", "Slow down", "rate_limited"),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", "context_overflow"),
        ("timeout_error", "Timed out", "timeout"),
        ("something_new", "Oops", "http_5xx"),
    ],
)
def test_an_error_inside_a_stream(kind: str, message: str, expected: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    events = read(start(), *HELLO, error, *HELLO, end(), STOP)
    assert isinstance(events[-1], Failed)
    assert (events[-1].error.kind, events[-1].error.message) == (expected, message)
    with pytest.raises(BackendError) as whole:
        decode_message(json.dumps(error).encode())
    assert whole.value.kind == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b"{}", b'{"content":[]}', b'{"content":"x"}', b'{"content":['],
)
def test_what_is_no_message_is_no_success(body: bytes) -> None:
    with pytest.raises(BackendError) as refusal:
        decode_message(body)
    assert refusal.value.kind == "malformed"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "index", "delta", "message", "usage", "content_block", "content",
                         "error", "stop_reason", "text", "input", "citations", "citation"]),
        inner
        | st.sampled_from(["message_start", "content_block_start", "content_block_delta", "text",
                           "content_block_stop", "message_delta", "tool_use", "thinking"]),
        max_size=5,
    ),
    max_leaves=20,
))  # fmt: skip
def test_no_payload_breaks_the_reader(payload: Any) -> None:
    read(payload, *HELLO, payload, end(), STOP)
    try:
        decode_message(json.dumps(payload).encode())
    except BackendError:
        pass


@given(st.lists(st.integers(1, 400), max_size=12))
def test_a_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    reply = sse(start(input_tokens=3), *HELLO, end(output_tokens=2), STOP).replace(b"\n", b"\r\n")
    reader, events, at = MessageStream(), [], 0
    for cut in sorted(cuts):
        events += reader.feed(reply[at:cut])
        at = max(at, cut)
    events += [*reader.feed(reply[at:]), *reader.close()]
    assert fold(events) == fold(read(start(input_tokens=3), *HELLO, end(output_tokens=2), STOP))


def test_events_come_as_soon_as_they_are_complete() -> None:
    reader = MessageStream()
    calls = block(0, {"type": "tool_use", "id": "t", "name": "a", "input": {}})
    events = reader.feed(sse(start(), calls[0]))
    assert events[-1] == ToolCallDelta(0, "t", "a")
    thinking = {"type": "thinking", "thinking": "Hm", "signature": ""}
    opened = {"type": "content_block_start", "index": 1, "content_block": thinking}
    assert list(reader.feed(sse(opened))) == [ReasoningDelta("Hm")]


# Error replies

LONG = "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "messages.0: Input does not match", "invalid_request"),
        (400, "invalid_request_error", "prompt is too long: 9 > 8", "context_overflow"),
        (400, "invalid_request_error", LONG, "context_overflow"),
        (400, "invalid_request_error", "Your credit balance is too low", "quota"),
        (400, "invalid_request_error", "Your specified API usage limits", "quota"),
        (400, "invalid_request_error", "Blocked by content filtering policy", "content_filter"),
        (401, "authentication_error", "invalid x-api-key", "auth"),
        (402, "billing_error", "Payment failed", "quota"),
        (403, "permission_error", "Your key may not", "auth"),
        (404, "not_found_error", "model: claude-0", "not_found"),
        (413, "request_too_large", "Request exceeds the maximum size", "too_large"),
        (429, "rate_limit_error", "This request would exceed your limit", "rate_limited"),
        (500, "api_error", "Internal server error", "http_5xx"),
        (500, "overloaded_error", "Overloaded", "overloaded"),
        (504, "timeout_error", "Timed out", "timeout"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
    ],
)  # fmt: skip
def test_error_table(status: int, kind: str, message: str, expected: str) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = backend_of().refusal(status, {"retry-after": "7"}, body)
    assert (error.kind, error.code, error.status) == (expected, kind, status)
    assert error.retry_after_s == 7


def test_errors_name_the_member_they_are_about() -> None:
    body = {"error": {"type": "invalid_request_error", "message": "tools.0.name: too long"}}
    assert backend_of().refusal(400, {}, json.dumps(body).encode()).param == "tools.0.name"


def test_a_spent_contract_is_no_rate_limit() -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    body = {"error": {"type": "rate_limit_error", "message": "Too much", "details": details}}
    error = backend_of().refusal(429, {}, json.dumps(body).encode())
    assert (error.kind, error.code) == ("quota", "enforced_spend_limit_reached")


@pytest.mark.parametrize("body", [b"", b"<html>upstream.internal</html>", b"[]", b"null"])
def test_an_error_page_is_not_leaked(body: bytes) -> None:
    error = backend_of().refusal(502, {}, body)
    assert error.kind == "http_5xx"
    assert "html" not in error.message


# Beside the conversation


def _call() -> Call:
    request = ask(max_tokens=10, temperature=0.5, stop=("END",))
    return Call("chat", "openai_chat", {}, request.model, lambda: request)


async def test_counts_tokens_of_a_translated_call() -> None:
    canned = Canned(b'{"input_tokens": 12}')
    assert await backend_of(transport=canned).count_tokens(_call()) == 12
    sent = canned.requests[0]
    assert sent.url.endswith("/v1/messages/count_tokens")
    assert set(json.loads(sent.body)) == {"model", "messages"}


async def test_an_imitator_without_the_endpoint_tells_nothing() -> None:
    canned = Canned(b'{"detail":"Not Found"}', status=404)
    assert await backend_of(transport=canned).count_tokens(_call()) is None


@pytest.mark.parametrize(
    ("reply", "status", "kind"),
    [
        (b"{}", 200, "malformed"),
        (b"<html>", 200, "malformed"),
        (b'{"input_tokens": -1}', 200, "malformed"),
        (b'{"error":{"type":"authentication_error","message":"no"}}', 401, "auth"),
    ],
)
async def test_counting_may_fail(reply: bytes, status: int, kind: str) -> None:
    with pytest.raises(BackendError) as refusal:
        await backend_of(transport=Canned(reply, status)).count_tokens(_call())
    assert refusal.value.kind == kind


async def test_probe() -> None:
    canned = Canned(b'{"data": []}')
    await backend_of(transport=canned).probe()
    sent = canned.requests[0]
    assert (sent.method, sent.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1")
    assert sent.headers["x-api-key"] == "test-key"
    with pytest.raises(BackendError):
        await backend_of(transport=Canned(b"", 503)).probe()


async def test_a_probe_does_not_hang() -> None:
    class Silent(Canned):
        async def read(self, limit: int = 0) -> bytes:
            await asyncio.Event().wait()
            return b""

    target = Target("test", "claude-haiku-4-5", timeouts=Timeouts(total_s=0.01))
    with pytest.raises(BackendError) as refusal:
        await AnthropicBackend(target, Silent(b"")).probe()
    assert refusal.value.kind == "timeout"
