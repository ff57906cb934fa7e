"""Relayed replies: the client gets the vendor's bytes, the ledger what it needs of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.sdk import (
    BackendError,
    Dialect,
    Event,
    Failed,
    Finish,
    Raw,
    SseDecoder,
    Start,
    Usage,
    UsageReported,
    relay_reader,
)
from headgate_providers.sdk.sse import EVENT_BYTES_MAX

DONE = "[DONE]"
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
USAGE_CHUNK = {"id": "c", "choices": [], "usage": USAGE}


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


HELLO = (chunk(""), chunk("Hel"), chunk("lo"), chunk(None, "stop"))


def sse(*payloads: Any) -> bytes:
    lines = (p if isinstance(p, str) else json.dumps(p, ensure_ascii=False) for p in payloads)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


@dataclass
class Seen:
    """What came out of a reader."""

    sent: bytes = b""
    deltas: int = 0
    starts: list[Start] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)
    usage: Usage | None = None
    error: BackendError | None = None


def collect(events: list[Event]) -> Seen:
    seen = Seen()
    for event in events:
        assert seen.error is None, "something came after the failure"
        match event:
            case Raw():
                seen.sent += event.data
                seen.deltas += event.deltas
            case Start():
                seen.starts.append(event)
            case Finish():
                seen.finishes.append(event)
            case UsageReported():
                seen.usage = event.usage
            case Failed():
                seen.error = event.error
    return seen


def relay(
    data: bytes | list[bytes],
    dialect: Dialect = "openai_chat",
    *,
    stream: bool = True,
    usage_wanted: bool = False,
) -> Seen:
    reader = relay_reader(dialect, stream, usage_wanted)
    events: list[Event] = []
    for part in [data] if isinstance(data, bytes) else data:
        events += reader.feed(part)
    return collect([*events, *reader.close()])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


# The plain case ---------------------------------------------------------------------------------


def test_bytes_go_on_and_the_rest_is_read() -> None:
    data = sse(*HELLO, DONE)
    seen = relay(data)
    assert seen.sent == data
    assert seen.starts == [Start("c")]
    assert seen.finishes == [Finish("stop", "stop")]
    assert (seen.deltas, seen.usage, seen.error) == (2, None, None)


@pytest.mark.parametrize("wanted", [True, False])
def test_the_usage_chunk_is_for_those_who_asked(wanted: bool) -> None:
    seen = relay(sse(*HELLO, USAGE_CHUNK, DONE), usage_wanted=wanted)
    assert seen.sent == sse(*HELLO, *([USAGE_CHUNK] if wanted else []), DONE)
    assert seen.usage is not None
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == (5, 7)


def test_usage_beside_choices_is_not_kept_back() -> None:
    data = sse(chunk("a"), chunk(None, "stop", usage=USAGE), DONE)
    seen = relay(data)
    assert seen.sent == data
    assert seen.usage is not None


@pytest.mark.parametrize("place", ["x_groq", "choice"])
def test_usage_in_odd_places(place: str) -> None:
    last = chunk(None, "stop")
    if place == "x_groq":
        last["x_groq"] = {"usage": USAGE}
    else:
        last["choices"][0]["usage"] = USAGE
    assert relay(sse(chunk("a"), last, DONE)).usage is not None


def test_text_is_passed_on_without_being_parsed() -> None:
    """Once output has begun, a block of mere text may hold anything at all."""
    text = b'data: {"choices":[{"delta":{"content":"x"}}], "n": 1e99999}\n\ndata: {oops\n\n'
    reader = relay_reader("openai_chat", True, False)
    reader.feed(sse(chunk("a")))
    assert reader.feed(text) == (Raw(text, 2),)


def test_words_of_an_answer_do_not_count_as_its_end() -> None:
    talk = chunk('"finish_reason":"stop" "usage":{"prompt_tokens":9} "error":1 [DONE]')
    data = sse(chunk("a"), talk, chunk("b"), chunk(None, "length"), DONE)
    seen = relay([data[:80], data[80:]])
    assert seen.sent == data
    assert seen.finishes == [Finish("length", "length")]
    assert (seen.usage, seen.error) == (None, None)


# Ends -------------------------------------------------------------------------------------------


def test_a_missing_done_is_added() -> None:
    assert relay(sse(*HELLO)).sent == sse(*HELLO, DONE)
    assert relay(sse(*HELLO).rstrip()).sent == sse(*HELLO, DONE)


def test_nothing_follows_done() -> None:
    data = sse(*HELLO, DONE)
    assert relay(sse(*HELLO, DONE, DONE)).sent == data
    assert relay([data, sse(DONE), sse(chunk("x"))]).sent == data


def test_an_empty_finish_reason_is_no_end() -> None:
    seen = relay(sse(chunk("Hel", ""), chunk("lo", "")))
    assert seen.error is not None
    assert DONE.encode() not in seen.sent


def test_a_stream_that_breaks_off_fails() -> None:
    seen = relay(sse(chunk("a")))
    assert seen.error is not None
    assert seen.error.kind == "reset"
    assert seen.sent == sse(chunk("a"))
    empty = relay([])
    assert empty.error is not None
    assert (empty.error.kind, empty.deltas) == ("reset", 0)


# Errors -----------------------------------------------------------------------------------------

ERRORS = [
    (sse({"error": {"message": "slow down", "code": 429}}), "rate_limited"),
    (sse({"object": "error", "message": "bad", "code": 400}), "invalid_request"),
    (sse({"error": "just words"}), "http_5xx"),
    (sse(chunk(None, "error")), "http_5xx"),
    (sse({"choices": [{"error": {"code": 429, "message": "x"}, "delta": {}}]}), "rate_limited"),
    (b'error: {"error": {"message": "failed to decode"}}\n\n', "http_5xx"),
    (b"error: no json\n\n", "http_5xx"),
    (b'event: error\ndata: {"message": "x", "code": 503}\n\n', "overloaded"),
    (b"event: error\ndata: no json\n\n", "http_5xx"),
]


@pytest.mark.parametrize(("data", "kind"), ERRORS)
@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("cut", [1, 11, 1000])
def test_errors_inside_a_stream(data: bytes, kind: str, begun: bool, cut: int) -> None:
    before = sse(chunk(""), *([chunk("a"), chunk("b")] if begun else []))
    data = before + data + sse(chunk("c"), DONE)
    seen = relay([data[at : at + cut] for at in range(0, len(data), cut)])
    assert seen.error is not None
    assert seen.error.kind == kind
    assert seen.sent == before
    assert (seen.deltas > 0) is begun


def test_an_error_before_the_first_output_leaves_nothing_committed() -> None:
    seen = relay([b": PROCESSING\n\n", sse({"error": {"message": "x", "code": 502}})])
    assert seen.error is not None
    assert (seen.sent, seen.deltas) == (b": PROCESSING\n\n", 0)


def test_a_json_error_instead_of_a_stream() -> None:
    seen = relay([b"\n", b'{"error": {"message": "bu', b'sy", "code": 503}}'])
    assert seen.error is not None
    assert (seen.error.kind, seen.error.message, seen.sent) == ("overloaded", "busy", b"")
    seen = relay(json.dumps({"choices": [{"message": {"content": "x"}}]}).encode())
    assert seen.error is not None
    assert seen.error.kind == "malformed"


def test_an_event_over_the_limit_is_refused() -> None:
    reader = relay_reader("openai_chat", True, False)
    with pytest.raises(BackendError):
        for _ in range(3):
            reader.feed(b"data: " + b"x" * (EVENT_BYTES_MAX // 2))


# Whole replies ----------------------------------------------------------------------------------


def test_a_whole_reply_comes_back_byte_for_byte() -> None:
    choices = b'"choices":[{"finish_reason":"length","index":0}]'
    body = b' \n{"id":"c", %s, "usage":{"prompt_tokens":5}}' % choices
    seen = relay([body[:9], body[9:]], stream=False)
    assert seen.sent == body
    assert seen.finishes == [Finish("length", "length")]
    assert seen.usage == Usage(5, 0)
    assert seen.deltas == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": {}}', b'{"error": "x"}',
     b'{"choices": [{"finish_reason": "error"}]}', b'{"object": "error", "message": "x"}'],
)  # fmt: skip
def test_what_is_no_reply(body: bytes) -> None:
    seen = relay(body, stream=False)
    assert seen.error is not None
    assert seen.sent == b""


def test_embeddings() -> None:
    body = b'{"data": [{"embedding": "QUE="}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}'
    seen = relay(body, "openai_embeddings", stream=False)
    assert (seen.sent, seen.usage, seen.error) == (body, Usage(3, 0), None)
    assert relay(b"{}", "openai_embeddings", stream=False).error is not None


# Responses --------------------------------------------------------------------------------------


def typed(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


RESPONSE_USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
CREATED = typed("response.created", response={"id": "r", "status": "in_progress", "error": None})
DELTA = typed("response.output_text.delta", delta="a")


def ended(status: str, **members: Any) -> bytes:
    response = {"id": "r", "status": status, "usage": RESPONSE_USAGE, "error": None, **members}
    return typed(f"response.{status}", response=response)


@pytest.mark.parametrize(
    ("end", "finish"),
    [
        (ended("completed"), Finish("stop", "completed")),
        (ended("completed", output=[{"type": "function_call"}]), Finish("tool_calls", "completed")),
        (
            ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            Finish("length", "max_output_tokens"),
        ),
        (
            ended("incomplete", incomplete_details={"reason": "content_filter"}),
            Finish("content_filter", "content_filter"),
        ),
    ],
)
def test_responses(end: bytes, finish: Finish) -> None:
    data = CREATED + DELTA + DELTA + end
    seen = relay(data, "openai_responses")
    assert seen.sent == data
    assert seen.starts == [Start("r")]
    assert seen.finishes == [finish]
    assert seen.usage == Usage(5, 7)
    assert seen.deltas == 2


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "x"}), "rate_limited"),
        (ended("failed"), "http_5xx"),
        (ended("cancelled"), "http_5xx"),
        (typed("error", code="server_error", message="x"), "http_5xx"),
        (b"", "reset"),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
def test_responses_that_fail(end: bytes, kind: str, begun: bool) -> None:
    before = CREATED + (DELTA if begun else b"")
    seen = relay([before, end], "openai_responses")
    assert seen.error is not None
    assert seen.error.kind == kind
    assert seen.sent == before
    assert (seen.deltas > 0) is begun


def test_a_whole_response() -> None:
    body = json.dumps({"id": "r", "status": "completed", "error": None, "usage": RESPONSE_USAGE})
    seen = relay(body.encode(), "openai_responses", stream=False)
    assert (seen.sent, seen.usage) == (body.encode(), Usage(5, 7))
    failed = b'{"status": "failed", "error": {"code": "server_error", "message": "x"}}'
    assert relay(failed, "openai_responses", stream=False).error is not None


# Messages ---------------------------------------------------------------------------------------

MESSAGE_START = typed(
    "message_start", message={"id": "m", "model": "x", "usage": {"input_tokens": 5}}
)
MESSAGE_DELTA = typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"})
MESSAGE_END = typed(
    "message_delta",
    delta={"stop_reason": "stop_sequence", "stop_sequence": "#"},
    usage={"output_tokens": 7},
)


def test_messages() -> None:
    data = MESSAGE_START + MESSAGE_DELTA + MESSAGE_DELTA + MESSAGE_END + typed("message_stop")
    seen = relay(data, "anthropic_messages")
    assert seen.sent == data
    assert seen.starts == [Start("m", "x")]
    assert seen.finishes == [Finish("stop", "stop_sequence", "#")]
    assert seen.usage == Usage(5, 7)
    cut = MESSAGE_START + MESSAGE_DELTA + MESSAGE_END
    assert relay(cut, "anthropic_messages").sent.endswith(b'data: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("begun", [True, False])
def test_messages_that_fail(begun: bool) -> None:
    before = MESSAGE_START + (MESSAGE_DELTA if begun else b"")
    overloaded = typed("error", error={"type": "overloaded_error", "message": "Overloaded"})
    seen = relay([before, overloaded], "anthropic_messages")
    assert seen.error is not None
    assert (seen.error.kind, seen.sent) == ("overloaded", before)


# Anything ---------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
cuts = st.lists(st.integers(0, 10_000), max_size=12)


@st.composite
def chat_streams(draw: st.DrawFn) -> bytes:
    """Streams with everything that may stand in one, in a sensible order."""
    out = bytearray()
    for text in draw(st.lists(texts, min_size=1, max_size=5)):
        out += draw(st.sampled_from([b"", b": PROCESSING\n\n", b'data: {"x": "\xff"}\n\n']))
        out += sse(chunk(text))
    if draw(st.booleans()):
        out += draw(st.sampled_from([data for data, _ in ERRORS]))
    out += sse(chunk(None, "stop"))
    out += draw(st.sampled_from([b"", sse(USAGE_CHUNK)]))
    out += draw(st.sampled_from([b"", sse(DONE), sse(DONE, DONE)]))
    return bytes(out)


def essence(seen: Seen) -> tuple[Any, ...]:
    error = seen.error and (seen.error.kind, seen.error.message)
    return seen.sent, seen.starts, seen.finishes, seen.usage, error, seen.deltas > 0


@given(chat_streams(), cuts, st.booleans())
def test_any_cut_gives_the_same(data: bytes, cut: list[int], usage_wanted: bool) -> None:
    whole = relay(data, usage_wanted=usage_wanted)
    assert essence(relay(pieces(data, cut), usage_wanted=usage_wanted)) == essence(whole)


@given(chat_streams(), cuts, st.sampled_from([b"\r\n", b"\r"]))
def test_any_line_end_means_the_same(data: bytes, cut: list[int], end: bytes) -> None:
    """Compared as a client reads them: where a cut falls inside CRLF a blank line may remain."""
    other = relay(pieces(data.replace(b"\n", end), cut))
    seen = relay(data)
    assert events_in(other.sent) == events_in(seen.sent)
    assert essence(other)[1:] == essence(seen)[1:]


def events_in(data: bytes) -> Any:
    decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.close()]


@given(
    st.sampled_from(["openai_chat", "openai_responses", "anthropic_messages"]),
    st.lists(st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(
            ["error", "response.completed", "response.failed", "message_start", "message_delta"]
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(
                ["type", "choices", "delta", "usage", "error", "response", "message", "status",
                 "finish_reason", "index", "output", "incomplete_details", "x_groq", "object"]
            ),
            inner, max_size=4,
        ),
        max_leaves=10,
    ), max_size=4),
)  # fmt: skip
def test_no_payload_breaks_the_reader(dialect: Dialect, payloads: list[Any]) -> None:
    relay(sse(*(json.dumps(payload) for payload in payloads)), dialect)
    for payload in payloads:
        relay(json.dumps(payload).encode(), dialect, stream=False)
        relay(json.dumps(payload).encode(), "openai_embeddings", stream=False)
