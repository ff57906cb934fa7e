"""What each recording of Bedrock must give, read from its bytes with few lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from fnmatch import fnmatch
from typing import Any
from urllib.parse import unquote, urlsplit

from headgate_providers.bedrock import BedrockBackend
from headgate_providers.sdk import (
    Call,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Event,
    HttpRequest,
    HttpResponse,
    Message,
    Operation,
    Target,
    Text,
    Transport,
    fold,
)
from tests.providers.bedrock.frames import unframed
from tests.recordings import Outcome, Recording, observed, refused, select

_INVOKED = (
    "InvokeModelWithResponseStream with a body of the vendor's own: the gateway chats over "
    "Converse, which these models speak too (frames and checksums of the stream are checked)"
)
EXCEPTIONS: dict[str, str] = {
    "bedrock/dd-*-invoke-stream*": _INVOKED,
    "bedrock/llmetry-*-invoke-stream*": _INVOKED,
    "bedrock/llmetry-anthropic-3-completion-streaming-0": _INVOKED,
    "bedrock/openinf-test*invokemodelwith*": _INVOKED,
    "bedrock/otel-invoke-model-with-response-stream-[chnw]*": _INVOKED,
}
"""Recordings that cannot pass, by pattern, with the reason."""

ERRORS: dict[str, ErrorKind] = {
    "ExpiredTokenException": "auth",
    "UnrecognizedClientException": "auth",
    "The provided model identifier is invalid": "not_found",
    "Input Tokens Exceeded": "context_overflow",
}
"""What header or message of a refusal says → its kind."""

FINISH = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
}


def exception_of(recording: Recording) -> str | None:
    return next((why for name, why in EXCEPTIONS.items() if fnmatch(recording.id, name)), None)


def cases() -> list[Recording]:
    """All recordings of Bedrock, exceptions included."""
    return select("bedrock", "chat", "embeddings", "invoke")


def check(recording: Recording) -> None:
    """Read the recorded reply with the product and compare; raises AssertionError."""
    transport = Canned(recording)
    backend, call = backend_of(recording, transport=transport), call_of(recording)
    expected = expected_of(recording)
    if recording.status >= 400:
        error = backend.refusal(recording.status, recording.headers, recording.reply)
        assert refused(error) == expected
        said = recording.headers["x-amzn-errortype"] + recording.reply.decode()
        assert error.kind == next(kind for words, kind in ERRORS.items() if words in said)
        return
    if recording.operation == "embeddings":
        events = asyncio.run(all_of(backend, call))
        assert observed(events) == expected
        check_address(recording, transport.requests[0])
        return
    check_address(recording, backend.request(call))
    for size in (1, 7, 4096) if recording.streaming else (1 << 30,):
        events = read(backend, call, recording.reply, size)
        assert observed(events) == expected, f"in pieces of {size} bytes"
        check_usage(recording, events)


def backend_of(
    recording: Recording, url: str | None = None, transport: Transport | None = None
) -> BedrockBackend:
    secrets = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}
    target = Target("test", model_of(recording), url, secrets, region="us-east-1")
    return BedrockBackend(target, transport or Canned(recording))


def model_of(recording: Recording) -> str:
    return recording.path.split("/")[2]


def call_of(recording: Recording) -> Call:
    """A call to the recording's model and endpoint; of its words only the number matters."""
    model = model_of(recording)
    request: ChatRequest | EmbeddingRequest = ChatRequest(model, (Message("user", (Text("Hi"),)),))
    operation: Operation = "chat"
    if recording.operation == "embeddings":
        texts = recording.body.get("texts", ["Hi"])
        operation, request = "embeddings", EmbeddingRequest(model, tuple(texts))
    return Call(operation, "openai_chat", {}, model, lambda: request, recording.streaming)


def read(backend: BedrockBackend, call: Call, reply: bytes, size: int = 1 << 30) -> list[Event]:
    """The events of a reply that comes in pieces of `size` bytes."""
    reader = backend.reader(call)
    events: list[Event] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    return [*events, *reader.close()]


async def all_of(backend: BedrockBackend, call: Call) -> list[Event]:
    """The events of a call."""
    reply = await backend.send(call)
    events = [event async for batch in reply for event in batch]
    await reply.aclose()
    return events


def check_address(recording: Recording, request: HttpRequest) -> None:
    assert request.method == recording.method
    assert unquote(urlsplit(request.url).path) == unquote(recording.path)


def check_usage(recording: Recording, events: list[Event]) -> None:
    """The classes inside the totals, as the reply states them; here they are beside the input."""
    stated, usage = recording.usage, fold(events).usage
    assert stated is not None
    assert usage is not None
    assert not stated["input_includes_cache"]
    assert usage.cache_read_tokens == stated.get("cache_read_tokens", 0)
    assert usage.cache_write_tokens == stated.get("cache_write_tokens", 0)
    assert usage.total_tokens == stated["total_tokens"]


def expected_of(recording: Recording) -> Outcome:
    """The outcome, from the recorded bytes alone."""
    if recording.status >= 400:
        return Outcome(error=True)
    if recording.streaming:
        payloads = [(h[":event-type"], json.loads(p)) for h, p in unframed(recording.reply)]
        return _streamed(payloads)
    payload = json.loads(recording.reply)
    if recording.operation == "embeddings":
        vectors = payload.get("embeddings", [payload.get("embedding")])
        count = len(vectors["float"] if isinstance(vectors, dict) else vectors)
        return Outcome(
            finish="stop", vectors=count, usage=((recording.usage or {})["input_tokens"], 0)
        )
    return _whole(payload)


def _whole(payload: dict[str, Any]) -> Outcome:
    outcome = Outcome(finish=FINISH[payload["stopReason"]], usage=_usage(payload))
    for block in payload["output"]["message"]["content"]:
        outcome.text += block.get("text", "")
        for piece in block.get("citationsContent", {}).get("content", ()):
            outcome.text += piece["text"]
        thought = block.get("reasoningContent", {}).get("reasoningText", {})
        outcome.reasoning += thought.get("text", "")
        call = block.get("toolUse")
        if call and call.get("type") != "server_tool_use":
            outcome.tool_calls.append((call["name"], call["input"]))
    return outcome


def _streamed(payloads: list[tuple[str, dict[str, Any]]]) -> Outcome:
    outcome = Outcome()
    calls: dict[int, tuple[str, str]] = {}
    for name, payload in payloads:
        delta, index = payload.get("delta", {}), payload.get("contentBlockIndex", 0)
        outcome.text += delta.get("text", "")
        outcome.reasoning += delta.get("reasoningContent", {}).get("text", "")
        call = payload.get("start", {}).get("toolUse")
        if call and call.get("type") != "server_tool_use":
            calls[index] = (call["name"], "")
        if "toolUse" in delta and index in calls:
            calls[index] = (calls[index][0], calls[index][1] + delta["toolUse"]["input"])
        if name == "messageStop":
            outcome.finish = FINISH[payload["stopReason"]]
        if name == "metadata":
            outcome.usage = _usage(payload)
    outcome.tool_calls = [(name, json.loads(text or "{}")) for name, text in calls.values()]
    return outcome


def _usage(payload: dict[str, Any]) -> tuple[int, int]:
    raw = payload["usage"]
    cached = raw.get("cacheReadInputTokens", 0) + raw.get("cacheWriteInputTokens", 0)
    return raw["inputTokens"] + cached, raw["outputTokens"]


class Canned:
    """A transport whose upstream always answers with one recording, and what it was sent."""

    def __init__(self, recording: Recording) -> None:
        self.status = recording.status
        self.headers = recording.headers
        self.requests: list[HttpRequest] = []
        self._reply = recording.reply

    async def send(self, request: HttpRequest, *, connect_s: float) -> HttpResponse:
        self.requests.append(request)
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._reply

    async def read(self, limit: int = 0) -> bytes:
        return self._reply

    async def aclose(self) -> None:
        pass
