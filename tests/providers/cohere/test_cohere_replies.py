"""Replies that no recording shows: failures, odd arguments, log probabilities."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.cohere.refusal import refusal
from headgate_providers.cohere.reply import ChatStream, read_whole
from headgate_providers.sdk import BackendError, Completion, Event, Failed, fold
from tests.recordings import observed


def sse(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def text(words: str, **members: Any) -> bytes:
    delta = {"message": {"content": {"text": words}}}
    return sse("content-delta", index=0, delta=delta, **members)


def call(index: int, name: str, arguments: str = "") -> bytes:
    called = {"id": f"{name}_1", "function": {"name": name, "arguments": arguments}}
    return sse("tool-call-start", index=index, delta={"message": {"tool_calls": called}})


def more(index: int, arguments: str) -> bytes:
    delta = {"message": {"tool_calls": {"function": {"arguments": arguments}}}}
    return sse("tool-call-delta", index=index, delta=delta)


def end(reason: str, **members: Any) -> bytes:
    usage = {"billed_units": {"input_tokens": 1, "output_tokens": 2}}
    return sse("message-end", delta={"finish_reason": reason, "usage": usage, **members})


START = sse("message-start", id="m1")


def read(*chunks: bytes, one_call: bool = False) -> list[Event]:
    reader = ChatStream(one_call)
    return [*(event for chunk in chunks for event in reader.feed(chunk)), *reader.close()]


def whole(**members: Any) -> Completion:
    payload = {"id": "w1", "message": {"content": []}, "finish_reason": "COMPLETE", **members}
    return fold(read_whole(json.dumps(payload).encode()))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish(reason: str, kind: str) -> None:
    streamed = fold(read(START, text("Hi"), end(reason)))
    finish = streamed.choices[0].finish
    assert finish is not None
    assert (finish.reason, finish.native) == (kind, reason)
    assert streamed.start.id == "m1"
    assert whole(finish_reason=reason).choices[0].finish == finish


@pytest.mark.parametrize(
    ("reason", "said", "kind"),
    [
        ("ERROR", None, "http_5xx"),
        ("ERROR", "too many tokens: size limit exceeded", "context_overflow"),
        ("TIMEOUT", None, "timeout"),
    ],
)
def test_an_answer_given_up(reason: str, said: str | None, kind: str) -> None:
    reply = fold(read(START, text("Hi"), end(reason, error=said), text("lost")))
    assert reply.error is not None
    assert (reply.error.kind, reply.error.code) == (kind, reason)
    assert reply.choices[0].text == "Hi"
    assert reply.usage is not None
    assert whole(finish_reason=reason, error=said).error is not None


@pytest.mark.parametrize(
    "chunk",
    [b'data: {"message":"internal error","id":"x"}\n\n', sse("error", message="internal error")],
)
def test_an_error_inside_a_stream(chunk: bytes) -> None:
    events = read(START, chunk, text("lost"))
    assert isinstance(events[-1], Failed)
    assert (events[-1].error.kind, events[-1].error.message) == ("http_5xx", "internal error")
    assert not fold(events).choices


def test_a_stream_cut_short() -> None:
    events = read(START, text("Hi"), end("COMPLETE")[:40])
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "reset"


def test_bad_json_and_unknown_events_are_passed_over() -> None:
    reply = observed(
        read(START, b"data: {\n\n", b": ping\n\n", sse("debug"), text("Hi"), end("COMPLETE"))
    )
    assert (reply.text, reply.usage, reply.finish) == ("Hi", (1, 2), "stop")


@given(
    st.sampled_from(
        ["content-start", "content-delta", "tool-call-start", "tool-call-delta", "citation-start"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["delta", "message", "content", "tool_calls", "function", "citations", "index"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_any_payload_is_survived(kind: str, payload: Any) -> None:
    members = payload if isinstance(payload, dict) else {"delta": payload}
    fold(read(START, sse(kind, **members), end("COMPLETE")))


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ([], "{}"),
        (["null"], "{}"),
        (["nu", "ll"], "{}"),
        (["n", "a"], "na"),
        ([" ", '{"a":', "1}"], ' {"a":1}'),
    ],
)
def test_arguments(pieces: list[str], arguments: str) -> None:
    chunks = [call(0, "a"), *(more(0, piece) for piece in pieces)]
    ended = fold(read(START, *chunks, sse("tool-call-end", index=0), end("TOOL_CALL")))
    unended = fold(read(START, *chunks, end("TOOL_CALL")))
    for reply in (ended, unended):
        (found,) = reply.choices[0].tool_calls
        assert (found.id, found.name, found.arguments) == ("a_1", "a", arguments)


def test_only_the_first_call_where_calls_may_not_be_parallel() -> None:
    chunks = [call(0, "a"), more(0, "{}"), call(1, "b"), more(1, "{}"), end("TOOL_CALL")]
    assert [name for name, _ in observed(read(*chunks)).tool_calls] == ["a", "b"]
    assert [name for name, _ in observed(read(*chunks, one_call=True)).tool_calls] == ["a"]


def test_log_probabilities_of_both_kinds_of_reply() -> None:
    item = {"token_ids": [1, 2], "text": "Hi", "logprobs": [-0.5, -1]}
    streamed = fold(read(START, text("Hi", logprobs=item), end("COMPLETE")))
    entries = streamed.choices[0].logprobs
    assert entries == [
        {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []},
        {"token": "", "logprob": -1, "bytes": [], "top_logprobs": []},
    ]
    assert whole(logprobs=[item]).choices[0].logprobs == entries


def test_citations_of_sources_with_an_address_are_in_openais_shape() -> None:
    source = {"tool_output": {"url": "https://example.com", "title": "Ruby", "text": "…"}}
    page = {"start": 1, "end": 5, "text": "Ruby", "sources": [source], "type": "TEXT_CONTENT"}
    note = {"start": 1, "end": 5, "sources": [{"document": {"id": "doc:0"}}]}
    reply = whole(message={"content": [], "citations": [page, note]})
    assert reply.choices[0].citations == [
        {
            "type": "url_citation",
            "url_citation": {
                "url": "https://example.com",
                "title": "Ruby",
                "start_index": 1,
                "end_index": 5,
            },
        },
        note,
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b'{"message":{"content":[]}}', "malformed"),
        (b'{"id":"x","message":"internal error"}', "http_5xx"),
    ],
)
def test_no_reply(body: bytes, kind: str) -> None:
    with pytest.raises(BackendError) as caught:
        read_whole(body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "invalid request: unknown field"}, "invalid_request"),
        (400, {"message": "x", "error_type": "TOO_MANY_TOKENS"}, "context_overflow"),
        (400, {"message": "blocked output: the reply was unsafe"}, "content_filter"),
        (401, {"message": "invalid api token"}, "auth"),
        (402, {"message": "Please add a payment method."}, "quota"),
        (403, {"message": "forbidden"}, "auth"),
        (404, {"message": "model 'x' not found"}, "not_found"),
        (422, {"message": "bad"}, "invalid_request"),
        (429, {"message": "Trial key, limited to 1000 API calls / month."}, "quota"),
        (429, {"message": "Too many requests, limited to 20 calls / minute."}, "rate_limited"),
        (498, {"message": "invalid token"}, "auth"),
        (499, {"message": "cancelled"}, "timeout"),
        (500, {"message": "internal server error"}, "http_5xx"),
        (503, {"message": "unavailable"}, "overloaded"),
        (504, {"message": "gateway timeout"}, "timeout"),
    ],
)
def test_refusals(status: int, body: dict[str, str], kind: str) -> None:
    error = refusal(status, {}, json.dumps(body).encode())
    assert (error.kind, error.status, error.message) == (kind, status, body["message"])
