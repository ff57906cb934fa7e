"""Every client surface, streamed and not, in front of every kind of upstream."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx
import pytest

from tests.gateway.http.lanes import TakeLane
from tests.scripted_replies import (
    chat,
    chat_stream,
    embeddings,
    message,
    message_stream,
)
from tests.scripted_upstream import json_reply

ASK = [{"role": "user", "content": "Say hello"}]

SURFACES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": ASK},
    "/v1/completions": {"prompt": "Say hello"},
    "/v1/responses": {"input": "Say hello"},
    "/v1/messages": {"messages": ASK, "max_tokens": 50},
}

ENDS = {
    "/v1/chat/completions": "[DONE]",
    "/v1/completions": "[DONE]",
    "/v1/responses": "response.completed",
    "/v1/messages": "message_stop",
}


def text_of(path: str, reply: dict[str, Any]) -> str:
    match path:
        case "/v1/chat/completions":
            return str(reply["choices"][0]["message"]["content"])
        case "/v1/completions":
            return str(reply["choices"][0]["text"])
        case "/v1/responses":
            parts = [part for item in reply["output"] for part in item["content"]]
            return "".join(part["text"] for part in parts)
    return "".join(block["text"] for block in reply["content"])


def usage_of(path: str, reply: dict[str, Any]) -> tuple[int, int]:
    usage = reply["usage"]
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage["completion_tokens"]
    return usage["input_tokens"], usage["output_tokens"]


def events_of(body: str) -> list[str]:
    return [line[6:] for line in body.splitlines() if line.startswith("data: ")]


def streamed_text(path: str, body: str) -> str:
    text = ""
    for raw in events_of(body):
        if raw == "[DONE]":
            continue
        event = json.loads(raw)
        match path:
            case "/v1/chat/completions":
                text += "".join(c["delta"].get("content") or "" for c in event["choices"])
            case "/v1/completions":
                text += "".join(c["text"] for c in event["choices"])
            case "/v1/responses":
                text += event["delta"] if event["type"] == "response.output_text.delta" else ""
            case "/v1/messages":
                text += event.get("delta", {}).get("text", "")
    return text


def last_of(path: str, body: str) -> str:
    last = events_of(body)[-1]
    return last if last == "[DONE]" else str(json.loads(last)["type"])


@pytest.mark.parametrize("path", SURFACES)
def test_simulated(client: httpx.Client, path: str) -> None:
    reply = client.post(path, json={"model": "sim", **SURFACES[path]})
    assert reply.status_code == 200, reply.text
    assert text_of(path, reply.json()).startswith("[simulated]")
    assert "Say hello" in text_of(path, reply.json())


@pytest.mark.parametrize("path", SURFACES)
def test_simulated_stream(client: httpx.Client, path: str) -> None:
    reply = client.post(path, json={"model": "sim", "stream": True, **SURFACES[path]})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert streamed_text(path, reply.text).startswith("[simulated]")
    assert last_of(path, reply.text) == ENDS[path]


REPLIES = {"plain": json_reply(chat("Hello there")), "claude": json_reply(message("Hello there"))}
STREAMS = {"plain": chat_stream("Hel", "lo there"), "claude": message_stream("Hel", "lo there")}


@pytest.mark.parametrize("family", REPLIES)
@pytest.mark.parametrize("path", [path for path in SURFACES if path != "/v1/completions"])
def test_every_dialect_reaches_every_vendor(
    client: httpx.Client, take: TakeLane, path: str, family: str
) -> None:
    lane = take(family).answers(REPLIES[family])
    reply = client.post(path, json={"model": lane.model, **SURFACES[path]})
    assert reply.status_code == 200, reply.text
    assert text_of(path, reply.json()) == "Hello there"
    assert usage_of(path, reply.json()) == (11, 2)
    assert lane.received[0].json["model"] == "up-model"
    assert lane.received[0].path == (
        "/v1/messages" if family == "claude" else "/v1/chat/completions"
    )


@pytest.mark.parametrize("family", STREAMS)
@pytest.mark.parametrize("path", [path for path in SURFACES if path != "/v1/completions"])
def test_every_dialect_streams_from_every_vendor(
    client: httpx.Client, take: TakeLane, path: str, family: str
) -> None:
    lane = take(family).answers(STREAMS[family])
    reply = client.post(path, json={"model": lane.model, "stream": True, **SURFACES[path]})
    assert reply.status_code == 200, reply.text
    assert streamed_text(path, reply.text) == "Hello there"
    assert last_of(path, reply.text) == ENDS[path]


def test_the_first_token_travels_before_the_last_is_made(
    client: httpx.Client, take: TakeLane
) -> None:
    """The upstream hangs after its first token until the client, who has it, leaves."""
    from tests.scripted_upstream import Do

    lane = take("plain").answers(chat_stream("first", Do.HANG))
    body = {"model": lane.model, "stream": True, "messages": ASK}
    with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert any("first" in line for line in reply.iter_lines())


@pytest.mark.parametrize("model", ["sim", "chat"])
@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_embeddings(client: httpx.Client, take: TakeLane, model: str, encoding: str | None) -> None:
    if model == "chat":
        lane = take("plain").answers(embeddings([0.25, -0.5]))
        model = lane.model
    body = {"model": model, "input": ["one"]}
    if encoding:
        body["encoding_format"] = encoding
    reply = client.post("/v1/embeddings", json=body)
    assert reply.status_code == 200, reply.text
    (row,) = reply.json()["data"]
    vector = row["embedding"]
    if isinstance(vector, str):
        raw = base64.b64decode(vector)
        vector = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert len(vector) >= 2
    assert reply.json()["usage"]["prompt_tokens"] > 0


def test_embeddings_as_base64_from_an_upstream_without(client: httpx.Client) -> None:
    body = {"model": "sim", "input": "one", "encoding_format": "base64"}
    vector = client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert len(base64.b64decode(vector)) == 64 * 4


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Bern"]}},
    "required": ["city"],
}


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "json_schema": {"name": "w", "schema": CITY}},
        {"type": "json_object", "value": CITY},
        {"type": "json_object", "schema": CITY},
    ],
    ids=["openai", "tgi", "llama.cpp"],
)
def test_a_schema_however_it_is_given(client: httpx.Client, form: dict[str, Any]) -> None:
    body = {"model": "sim", "messages": ASK, "response_format": form}
    reply = client.post("/v1/chat/completions", json=body).json()
    assert json.loads(reply["choices"][0]["message"]["content"]) == {"city": "Bern"}


def test_a_tool_call_on_each_chat_surface(client: httpx.Client) -> None:
    chat_reply = client.post(
        "/v1/chat/completions",
        json={
            "model": "sim",
            "messages": ASK,
            "tools": [{"type": "function", "function": {"name": "w", "parameters": CITY}}],
            "tool_choice": "required",
        },
    ).json()
    call = chat_reply["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (call["name"], json.loads(call["arguments"])) == ("w", {"city": "Bern"})
    assert chat_reply["choices"][0]["finish_reason"] == "tool_calls"

    message_reply = client.post(
        "/v1/messages",
        json={
            "model": "sim",
            "messages": ASK,
            "max_tokens": 50,
            "tools": [{"name": "w", "input_schema": CITY}],
            "tool_choice": {"type": "any"},
        },
    ).json()
    (block,) = [b for b in message_reply["content"] if b["type"] == "tool_use"]
    assert (block["name"], block["input"]) == ("w", {"city": "Bern"})
    assert message_reply["stop_reason"] == "tool_use"

    response = client.post(
        "/v1/responses",
        json={
            "model": "sim",
            "input": "Say hello",
            "tools": [{"type": "function", "name": "w", "parameters": CITY}],
            "tool_choice": "required",
        },
    ).json()
    (item,) = [i for i in response["output"] if i["type"] == "function_call"]
    assert (item["name"], json.loads(item["arguments"])) == ("w", {"city": "Bern"})
