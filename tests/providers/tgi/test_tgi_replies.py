"""Replies of TGI: ends, stop sequences, errors as a status and inside a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.sdk import (
    BackendError,
    Call,
    ChatRequest,
    ErrorKind,
    Event,
    Failed,
    HttpRequest,
    Message,
    Raw,
    Target,
    Text,
    UsageReported,
    fold,
)
from headgate_providers.tgi import TgiBackend
from headgate_providers.tgi.errors import read_error
from headgate_providers.tgi.generation import GenerationReader, decode_generation
from headgate_providers.tgi.reply import ChatReader, decode_chat
from headgate_providers.tgi.stops import StopCutter
from tests.providers.tgi.expectations import read

OVERFLOW = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
    "Given: 4000 `inputs` tokens and 500 `max_new_tokens`"
)
ERRORS: list[tuple[int, str, str, ErrorKind]] = [
    (422, OVERFLOW, "validation", "context_overflow"),
    (
        422,
        "Input validation error: `inputs` must have less than 10 tokens. Given: 11",
        "validation",
        "context_overflow",
    ),
    (
        422,
        "Input validation error: `top_p` must be > 0.0 and < 1.0",
        "validation",
        "invalid_request",
    ),
    (422, "Input validation error: grammar is not supported", "validation", "unsupported"),
    (422, "Template error: template not found", "template_error", "unsupported"),
    (422, "Tool error: Tool choice now not found", "tool_error", "invalid_request"),
    (424, "Request failed during generation: CUDA out of memory", "generation", "http_5xx"),
    (429, "Model is overloaded", "overloaded", "overloaded"),
    (500, "Incomplete generation", "incomplete_generation", "http_5xx"),
]


def sse(*payloads: Any) -> bytes:
    lines = (p if isinstance(p, str) else json.dumps(p) for p in payloads)
    return b"".join(b"data:" + line.encode() + b"\n\n" for line in lines)


def token(text: str, *, special: bool = False, **more: Any) -> dict[str, Any]:
    row = {"id": 1, "text": text, "logprob": -0.5, "special": special}
    return {"index": 1, "token": row, "generated_text": None, "details": None, **more}


def last(text: str, reason: str = "eos_token", *, special: bool = False) -> dict[str, Any]:
    details = {"finish_reason": reason, "generated_tokens": 3, "seed": None, "input_length": 7}
    return token(text, special=special, generated_text="whole", details=details)


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": content},
        "finish_reason": finish,
    }
    return {"id": "", "created": 17, "model": "m", "choices": [choice], "usage": None, **more}


@pytest.mark.parametrize(("status", "message", "type_", "kind"), ERRORS, ids=str)
def test_refusals(status: int, message: str, type_: str, kind: ErrorKind) -> None:
    body = json.dumps({"error": message, "error_type": type_}).encode()
    error = read_error(status, {}, body)
    assert (error.kind, error.status, error.code) == (kind, status, type_)
    assert "CUDA" not in error.message


@pytest.mark.parametrize(("status", "message", "type_", "kind"), ERRORS, ids=str)
def test_errors_inside_streams(status: int, message: str, type_: str, kind: ErrorKind) -> None:
    own = sse(token("a"), {"error": message, "error_type": type_}, token("b"))
    openai = sse(
        chunk("a"), {"error": {"message": message, "http_status_code": 422}}, "[DONE]", chunk("b")
    )
    for reader, stream in ((GenerationReader(), own), (ChatReader(), openai)):
        events = read(reader, stream, 5)
        assert isinstance(events[-1], Failed)
        assert events[-1].error.kind == kind
        assert events[-1].error.status == status
        assert "CUDA" not in events[-1].error.message
        assert fold(events).choices[0].text == "a"


@pytest.mark.parametrize(("status", "message", "type_", "kind"), ERRORS, ids=str)
async def test_errors_inside_relayed_streams(
    status: int, message: str, type_: str, kind: ErrorKind
) -> None:
    stream = sse({"error": {"message": message, "http_status_code": 422}}, "[DONE]")
    events = await answered(stream, relayable=True)
    assert not [event for event in events if isinstance(event, Raw)]
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == kind


def test_a_body_of_the_wrong_shape_is_explained() -> None:
    text = b"Failed to deserialize the JSON body into the target type: missing field `messages`"
    error = read_error(422, {}, text)
    assert error.kind == "invalid_request"
    assert "missing field `messages`" in error.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"<html>", "auth"),
        (404, b"", "not_found"),
        (502, b"<html>", "http_5xx"),
        (503, b'{"error":"unhealthy","error_type":"healthcheck"}', "overloaded"),
    ],
)
def test_refusals_of_what_stands_in_front(status: int, body: bytes, kind: ErrorKind) -> None:
    error = read_error(status, {}, body)
    assert error.kind == kind
    assert "<" not in error.message


def test_generation_stream() -> None:
    stream = sse(token("Deep"), ":", token(" learning"), last("</s>", special=True))
    reply = fold(read(GenerationReader(), b":\n\n" + stream, 3))
    choice = reply.choices[0]
    assert choice.text == "Deep learning"
    assert choice.finish is not None
    assert (choice.finish.reason, choice.finish.native) == ("stop", "eos_token")
    assert choice.logprobs == []
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 3)
    assert reply.error is None


def test_generation_with_logprobs() -> None:
    top = [{"id": 2, "text": "é", "logprob": -2.0, "special": False}]
    stream = sse(token("a", top_tokens=top), last("</s>", "length", special=True))
    row = {"token": "a", "logprob": -0.5, "bytes": [97]}
    row["top_logprobs"] = [{"token": "é", "logprob": -2.0, "bytes": [195, 169]}]
    assert fold(read(GenerationReader(logprobs=True), stream)).choices[0].logprobs == [row]
    details = {
        "finish_reason": "length",
        "generated_tokens": 2,
        "prefill": [{"id": 1, "text": "x", "logprob": None}],
        "tokens": [token("a")["token"], token("</s>", special=True)["token"]],
        "top_tokens": [top, []],
    }
    body = json.dumps({"generated_text": "a", "details": details}).encode()
    reply = fold(decode_generation(body, logprobs=True))
    assert reply.choices[0].logprobs == [row]
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "length"
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1, 2)


def test_stop_sequences_are_cut_off() -> None:
    stream = sse(token("Hello"), token("\nUs"), token("eful\nUser"), last(":", "stop_sequence"))
    reply = fold(read(GenerationReader(("END", "\nUser:"), ("END",)), stream))
    assert reply.choices[0].text == "Hello\nUseful"
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.stop_sequence is None, "the template's own is nobody's business"
    body = json.dumps({"generated_text": "ab END", "details": {"finish_reason": "stop_sequence"}})
    choice = fold(decode_generation(body.encode(), (" END",), (" END",))).choices[0]
    assert choice.text == "ab"
    assert choice.finish is not None
    assert choice.finish.stop_sequence == " END"


def test_stop_sequences_of_chats_are_cut_off() -> None:
    stream = sse(chunk("one E"), chunk("N"), chunk("D", "stop_sequence"), "[DONE]")
    choice = fold(read(ChatReader((" END",)), stream)).choices[0]
    assert choice.text == "one"
    assert choice.finish is not None
    assert (choice.finish.reason, choice.finish.stop_sequence) == ("stop", " END")


def test_the_start_of_a_stop_sequence_is_text_after_all() -> None:
    stream = sse(chunk("one E"), chunk("N", "length"), "[DONE]")
    choice = fold(read(ChatReader((" END",)), stream)).choices[0]
    assert choice.text == "one EN"
    assert choice.finish is not None
    assert choice.finish.reason == "length"


@pytest.mark.parametrize(
    "stream",
    [
        sse(chunk("a")),
        sse(chunk("a"), "[DONE"),
        b"data: {",
        b"",
    ],
)
def test_broken_off(stream: bytes) -> None:
    for reader in (ChatReader(), GenerationReader()):
        event = read(reader, stream)[-1]
        assert isinstance(event, Failed)
        assert event.error.kind == "reset"


def test_a_finished_chat_without_its_last_event_is_complete() -> None:
    reply = fold(read(ChatReader(), sse(chunk("a"), chunk("", "stop"))))
    assert reply.error is None
    assert reply.choices[0].text == "a"


def test_an_end_without_an_answer() -> None:
    events = read(ChatReader(), sse("[DONE]"))
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "malformed"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"error": "x"}'])
def test_no_reply_is_an_error(body: bytes) -> None:
    for decode in (decode_chat, decode_generation):
        with pytest.raises(BackendError):
            decode(body)


def test_call_ids_differ_between_replies() -> None:
    def called(created: int) -> str:
        call = {"id": "0", "type": "function", "function": {"name": "now", "arguments": {"a": 1}}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"created": created, "choices": [choice]}).encode()
        made = fold(decode_chat(body)).choices[0]
        assert made.finish is not None
        assert made.finish.reason == "tool_calls"
        assert made.tool_calls[0].arguments == '{"a":1}'
        return made.tool_calls[0].id

    assert called(1) == called(1) == "call_1_0"
    assert called(2) != called(1)


class Canned:
    """A transport whose upstream always answers the same, in one piece."""

    status = 200

    def __init__(self, reply: bytes, headers: dict[str, str]) -> None:
        self.reply = reply
        self.headers = headers
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest, *, connect_s: float) -> Canned:
        self.requests.append(request)
        return self

    async def chunks(self) -> Any:
        yield self.reply

    async def read(self, limit: int = 0) -> bytes:
        return self.reply

    async def aclose(self) -> None:
        pass


async def answered(
    reply: bytes,
    headers: dict[str, str] | None = None,
    *,
    relayable: bool = False,
    stream: bool = True,
    **options: Any,
) -> list[Event]:
    target = Target("own", "tgi", "http://127.0.0.1:1", options=options)
    backend = TgiBackend(target, Canned(reply, headers or {}))
    request = ChatRequest("tgi", (Message("user", (Text("Hi"),)),), stream=stream)
    body = {"messages": [], "stream": stream}
    call = Call("chat", "openai_chat", body, "tgi", lambda: request, stream, relayable)
    opened = await backend.send(call)
    return [event async for batch in opened for event in batch]


async def test_the_length_of_the_prompt_comes_in_a_header() -> None:
    details = {"finish_reason": "length", "generated_tokens": 20, "prefill": []}
    body = json.dumps({"generated_text": "x", "details": details}).encode()
    headers = {"x-prompt-tokens": "11"}
    events = await answered(body, headers, stream=False, api="generate")
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    assert [(usage.input_tokens, usage.output_tokens) for usage in usages] == [(11, 20)]


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (b'[{"id": 1, "text": "a", "start": 0, "stop": 1}]', 1),
        (b'{"tokenize_response": [{"id": 1}, {"id": 2}], "templated_text": "ab"}', 2),
        (b"<html>", None),
    ],
)
@pytest.mark.parametrize(("api", "path"), [("chat", "/chat_tokenize"), ("generate", "/tokenize")])
async def test_counts_tokens(answer: bytes, count: int | None, api: str, path: str) -> None:
    transport = Canned(answer, {})
    target = Target("own", "tgi", "http://127.0.0.1:1", options={"api": api})
    request = ChatRequest("tgi", (Message("user", (Text("Hi"),)),))
    call = Call("chat", "openai_chat", {}, "tgi", lambda: request)
    assert await TgiBackend(target, transport).count_tokens(call) == count
    assert transport.requests[0].url == "http://127.0.0.1:1" + path


@given(st.text("abE ND", max_size=30), st.lists(st.text("aEND", min_size=1, max_size=4)), st.data())
def test_cutting_does_not_depend_on_the_pieces(
    text: str, stops: Sequence[str], data: st.DataObject
) -> None:
    hits = [at for stop in stops if (at := text.find(stop)) >= 0]
    expected = text[: min(hits)] if hits else text
    cutter = StopCutter(stops)
    passed, rest = "", text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        passed += cutter.feed(rest[:size])
        rest = rest[size:]
    passed += cutter.close()
    if len(stops) <= 1:
        assert passed == expected
    assert text.startswith(passed)
    assert (cutter.hit is not None) == bool(hits)


MEMBERS = (
    "choices",
    "delta",
    "message",
    "index",
    "tool_calls",
    "function",
    "logprobs",
    "content",
    "usage",
    "token",
    "top_tokens",
    "details",
    "error",
    "finish_reason",
    "generated_text",
)

PAYLOADS = st.lists(
    st.one_of(
        st.sampled_from([chunk("a"), chunk("b", "stop"), token("c"), last("d")]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(MEMBERS),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
    ),
    max_size=5,
)


@given(PAYLOADS, st.integers(1, 40))
def test_any_stream_ends_in_order(payloads: list[Any], size: int) -> None:
    stream = sse(*(json.dumps(payload) for payload in payloads))
    for reader in (ChatReader(("b",)), GenerationReader(("b",), logprobs=True)):
        reply = fold(read(reader, stream, size))
        assert reply.error is not None or reply.choices[0].finish is not None


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes(stream: bytes, size: int) -> None:
    for reader in (ChatReader(), GenerationReader()):
        assert isinstance(read(reader, stream, size)[-1], Failed)


async def test_the_control_plane_says_which_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    monkeypatch.delitem(__import__("sys").modules, "headgate_providers.tgi.control", raising=False)
    backend = TgiBackend(Target("own", "tgi", "http://127.0.0.1:1"), Canned(b"", {}))
    with pytest.raises(BackendError, match=r"headgate-providers\[tgi\]") as refused:
        await asyncio.wait_for(backend.probe(), 5)
    assert refused.value.kind == "unsupported"
