"""Same dialect on both sides: the request and the reply travel as they are."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.gateway.http.lanes import UPSTREAM_KEY, TakeLane
from tests.gateway_process import GatewayProcess
from tests.scripted_replies import (
    DONE,
    ROLE,
    STOP,
    USAGE_CHUNK,
    chat,
    chunk,
    data,
    message,
    message_stream,
)
from tests.scripted_upstream import Scripted, event_stream, json_reply

ASK = [{"role": "user", "content": "Say hello", "x_unknown": {"kept": [1, None]}}]
UNKNOWN = {"x_vendor": {"deep": [1.5, "ü", None]}, "safety_mode": "off"}
ODD_BODY = b'{ "x_odd" : [1.0, 1e3],\r\n ' + json.dumps(chat(x_reply={"a": "\u2028"})).encode()[1:]
RESPONSE = {
    "id": "resp_up",
    "object": "response",
    "status": "completed",
    "model": "up-model",
    "output": [
        {
            "type": "message",
            "id": "msg_up",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 11, "output_tokens": 2, "total_tokens": 13},
    "x_reply": True,
}
COMPLETION = {
    "id": "cmpl_up",
    "object": "text_completion",
    "created": 1,
    "model": "up-model",
    "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
    "x_reply": True,
}

WHOLE: list[tuple[str, str, dict[str, Any], bytes]] = [
    ("chat", "/v1/chat/completions", {"messages": ASK}, ODD_BODY),
    ("chat", "/v1/responses", {"input": "Hello"}, json.dumps(RESPONSE).encode()),
    ("chat", "/v1/completions", {"prompt": "Hello"}, json.dumps(COMPLETION).encode()),
    (
        "claude",
        "/v1/messages",
        {"messages": ASK, "max_tokens": 9},
        json.dumps({**message(), "x_reply": True}).encode(),
    ),
]


@pytest.mark.parametrize(("family", "path", "body", "answer"), WHOLE, ids=[w[1] for w in WHOLE])
def test_a_reply_is_relayed_byte_by_byte(
    client: httpx.Client,
    take: TakeLane,
    family: str,
    path: str,
    body: dict[str, Any],
    answer: bytes,
) -> None:
    lane = take(family).answers(Scripted([answer], 200, {"content-type": "application/json"}))
    reply = client.post(path, json={"model": lane.model, **body, **UNKNOWN})
    assert reply.status_code == 200, reply.text
    assert reply.content == answer
    (arrived,) = lane.received
    assert arrived.path == path
    assert arrived.json == {"model": "up-model", **body, **UNKNOWN}


def test_only_the_gateways_credential_and_no_foreign_header_travels(
    client: httpx.Client, take: TakeLane, gateway: GatewayProcess
) -> None:
    lane = take("chat").answers(json_reply(chat()))
    headers = {"cookie": "a=b", "x-stainless-retry-count": "1", "x-custom": "c"}
    body = {"model": lane.model, "messages": ASK}
    client.post("/v1/chat/completions", json=body, headers=headers)
    (arrived,) = lane.received
    assert arrived.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert not {"cookie", "x-stainless-retry-count", "x-custom"} & arrived.headers.keys()
    assert gateway.admin_key not in str(arrived.headers)


CHUNKS = [
    ROLE,
    b": a comment\n\n",
    chunk({"content": "Hel", "x_unknown": [1]}),
    b'data: {"choices":[{"index":0,"delta":{"content":"l\\u2028o"}}] , "odd" :1.0}\r\n\r\n',
    STOP,
]


def test_a_stream_is_relayed_byte_by_byte_when_usage_was_asked_for(
    client: httpx.Client, take: TakeLane
) -> None:
    lane = take("chat").answers(event_stream(*CHUNKS, USAGE_CHUNK, DONE))
    options = {"include_usage": True, "x_more": 1}
    body = {"model": lane.model, "messages": ASK, "stream": True, "stream_options": options}
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.content == b"".join([*CHUNKS, USAGE_CHUNK, DONE])
    assert lane.received[0].json["stream_options"] == options


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {}])
def test_usage_is_asked_for_upstream_and_kept_from_those_who_did_not_ask(
    client: httpx.Client,
    take: TakeLane,
    gateway: GatewayProcess,
    options: dict[str, Any] | None,
) -> None:
    lane = take("chat").answers(event_stream(*CHUNKS, USAGE_CHUNK, DONE))
    body = {"model": lane.model, "messages": ASK, "stream": True}
    if options is not None:
        body["stream_options"] = options
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.content == b"".join([*CHUNKS, DONE])
    assert lane.received[0].json["stream_options"]["include_usage"] is True
    (attempt,) = gateway.attempt_rows(reply.headers["x-headgate-decision"])
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (11, 2)
    assert attempt["usage_source"] == "vendor"


def test_however_the_stream_is_cut_the_bytes_are_the_same(
    client: httpx.Client, take: TakeLane
) -> None:
    whole = b"".join([*CHUNKS, USAGE_CHUNK, DONE])
    for size in (1, 7, 1000):
        lane = take("chat").answers(
            event_stream(*(whole[at : at + size] for at in range(0, len(whole), size)))
        )
        body = {"model": lane.model, "messages": ASK, "stream": True}
        reply = client.post("/v1/chat/completions", json=body)
        assert reply.content == b"".join([*CHUNKS, DONE])


def test_a_stream_without_its_last_event_is_completed(
    client: httpx.Client, take: TakeLane, gateway: GatewayProcess
) -> None:
    lane = take("chat").answers(event_stream(*CHUNKS))
    body = {"model": lane.model, "messages": ASK, "stream": True}
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.content == b"".join([*CHUNKS, DONE])
    row = gateway.request_row(reply.headers["x-headgate-decision"])
    assert row["outcome"] == "ok"
    (attempt,) = gateway.attempt_rows(reply.headers["x-headgate-decision"])
    assert attempt["usage_source"] == "estimated"


def test_usage_on_the_last_chunk_stays_where_it_is(client: httpx.Client, take: TakeLane) -> None:
    """As `transformers serve` sends it, with a choice beside it."""
    last = chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 1})
    lane = take("chat").answers(event_stream(ROLE, chunk({"content": "Hi"}), last))
    body = {"model": lane.model, "messages": ASK, "stream": True}
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.content == b"".join([ROLE, chunk({"content": "Hi"}), last, DONE])


def test_anthropics_stream_is_relayed_byte_by_byte(client: httpx.Client, take: TakeLane) -> None:
    stream = message_stream("Hel", "lo")
    lane = take("claude").answers(stream)
    body = {"model": lane.model, "messages": ASK, "max_tokens": 9, "stream": True}
    reply = client.post("/v1/messages", json=body)
    assert reply.content == b"".join(piece for piece in stream.pieces if isinstance(piece, bytes))


def test_responses_stream_is_relayed_byte_by_byte(client: httpx.Client, take: TakeLane) -> None:
    events = [
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
        {"type": "response.output_text.delta", "delta": "Hello", "x": 1},
        {"type": "response.completed", "response": RESPONSE},
    ]
    pieces = [b"event: " + str(e["type"]).encode() + b"\n" + data(e) for e in events]
    lane = take("chat").answers(event_stream(*pieces))
    body = {"model": lane.model, "input": "Hello", "stream": True}
    assert client.post("/v1/responses", json=body).content == b"".join(pieces)


@pytest.mark.parametrize("version", [None, "2023-06-01", "2026-10-21"])
@pytest.mark.parametrize("beta", [None, "one-2025-01-01,two-2025-02-02"])
def test_anthropics_headers_travel_as_they_came(
    client: httpx.Client, take: TakeLane, version: str | None, beta: str | None
) -> None:
    lane = take("claude").answers(json_reply(message()))
    given = {"anthropic-version": version, "anthropic-beta": beta}
    reply = client.post(
        "/v1/messages?beta=true",
        json={"model": lane.model, "messages": ASK, "max_tokens": 9},
        headers={name: value for name, value in given.items() if value},
    )
    assert reply.status_code == 200
    (arrived,) = lane.received
    assert arrived.headers["anthropic-version"] == (version or "2023-06-01")
    assert arrived.headers.get("anthropic-beta") == beta
    assert arrived.headers["x-api-key"] == UPSTREAM_KEY
    assert "authorization" not in arrived.headers
