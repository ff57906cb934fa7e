"""What each recording of Cohere must give, read from its bytes with few lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from headgate_providers.cohere import CohereBackend
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
from tests.recordings import Outcome, Recording, decoded, observed, refused, select

EXCEPTIONS: dict[str, str] = {}
"""Recordings that cannot pass, by pattern, with the reason. There are none."""

ERRORS: dict[str, ErrorKind] = {
    "Incorrect API key": "auth",
    "too many tokens": "context_overflow",
    "was removed on": "not_found",
}
"""What a refusal says → its kind."""

FINISH = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def cases() -> list[Recording]:
    """All recordings in scope (not: rerank and transcription)."""
    return select("cohere", "chat", "embeddings")


def check(recording: Recording) -> None:
    """Read the recorded reply with the product and compare; raises AssertionError."""
    transport = Canned(recording)
    backend, call = backend_of(recording, transport=transport), call_of(recording)
    expected = expected_of(recording)
    if recording.status >= 400:
        error = backend.refusal(recording.status, recording.headers, recording.reply)
        assert refused(error) == expected
        said = recording.reply.decode()
        assert error.kind == next(kind for words, kind in ERRORS.items() if words in said)
        return
    if recording.operation == "embeddings":
        events = asyncio.run(all_of(backend, call))
        assert observed(events) == expected
        assert recording.usage is not None
        assert expected.usage == (recording.usage["input_tokens"], 0)
        assert transport.requests[0].url.endswith(recording.path)
        return
    assert backend.request(call).url.endswith(recording.path)
    for size in (1, 7, 4096) if recording.streaming else (1 << 30,):
        events = read(backend, call, recording.reply, size)
        assert observed(events) == expected, f"in pieces of {size} bytes"
        check_usage(recording, events)


def backend_of(
    recording: Recording, url: str | None = None, transport: Transport | None = None
) -> CohereBackend:
    target = Target("test", "unused", url, {"key": "test-key"})
    return CohereBackend(target, transport or Canned(recording))


def call_of(recording: Recording) -> Call:
    """A call to the recording's endpoint; what it says does not matter here."""
    model = recording.body["model"]
    request: ChatRequest | EmbeddingRequest = ChatRequest(model, (Message("user", (Text("Hi"),)),))
    operation: Operation = "chat"
    if recording.operation == "embeddings":
        operation, request = "embeddings", EmbeddingRequest(model, tuple(recording.body["texts"]))
    return Call(operation, "openai_chat", {}, model, lambda: request, recording.streaming)


def read(backend: CohereBackend, call: Call, reply: bytes, size: int = 1 << 30) -> list[Event]:
    """The events of a reply that comes in pieces of `size` bytes."""
    reader = backend.reader(call)
    events: list[Event] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    return [*events, *reader.close()]


async def all_of(backend: CohereBackend, call: Call) -> list[Event]:
    """The events of a call."""
    reply = await backend.send(call)
    events = [event async for batch in reply for event in batch]
    await reply.aclose()
    return events


def check_usage(recording: Recording, events: list[Event]) -> None:
    """The classes inside the billed units.

    What is cached is counted with Cohere's own prompt text, which comes first and is not billed:
    only what of it reaches into the billed tokens is ours.
    """
    stated, usage = recording.usage, fold(events).usage
    assert stated is not None
    assert usage is not None
    assert usage.input_tokens == stated["input_tokens"]
    assert usage.output_tokens == stated["output_tokens"]
    assert usage.reasoning_tokens == stated.get("reasoning_tokens", 0)
    raw = stated["raw"]
    pictures = raw["tokens"].get("image_tokens", 0)
    unbilled = raw["tokens"]["input_tokens"] + pictures - raw["billed_units"]["input_tokens"]
    assert usage.image_input_tokens == pictures
    assert usage.cache_read_tokens == max(stated.get("cache_read_tokens", 0) - unbilled, 0)


def expected_of(recording: Recording) -> Outcome:
    """The outcome, from the recorded bytes alone."""
    if recording.status >= 400:
        return Outcome(error=True)
    if recording.streaming:
        lines = recording.reply.decode().split("\n")
        data = [line[5:] for line in lines if line.startswith("data:") and "[DONE]" not in line]
        return _streamed([json.loads(line) for line in data])
    payload = json.loads(recording.reply)
    if recording.operation == "embeddings":
        billed = payload["meta"]["billed_units"]
        return Outcome(
            finish="stop", vectors=len(payload["texts"]), usage=(billed["input_tokens"], 0)
        )
    message = payload["message"]
    outcome = Outcome(
        reasoning=message.get("tool_plan", ""),
        finish=FINISH[payload["finish_reason"]],
        usage=_usage(payload["usage"]),
    )
    for block in message.get("content", ()):
        outcome.text += block.get("text", "")
        outcome.reasoning += block.get("thinking", "")
    for call in message.get("tool_calls", ()):
        function = call["function"]
        outcome.tool_calls.append((function["name"], decoded(function["arguments"]) or {}))
    return outcome


def _streamed(payloads: list[dict[str, Any]]) -> Outcome:
    outcome = Outcome()
    calls: dict[int, tuple[str, str]] = {}
    for payload in payloads:
        delta = payload.get("delta", {})
        message = delta.get("message", {})
        outcome.reasoning += message.get("tool_plan", "")
        match payload["type"]:
            case "content-delta":
                outcome.text += message["content"].get("text", "")
                outcome.reasoning += message["content"].get("thinking", "")
            case "tool-call-start":
                calls[payload["index"]] = (message["tool_calls"]["function"]["name"], "")
            case "tool-call-delta":
                name, before = calls[payload["index"]]
                piece = message["tool_calls"]["function"]["arguments"]
                calls[payload["index"]] = (name, before + piece)
            case "message-end":
                outcome.finish = FINISH[delta["finish_reason"]]
                outcome.usage = _usage(delta["usage"])
    outcome.tool_calls = [(name, decoded(text)) for name, text in calls.values()]
    return outcome


def _usage(raw: dict[str, Any]) -> tuple[int, int]:
    billed = raw["billed_units"]
    return billed["input_tokens"], billed["output_tokens"]


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
