"""What each recording of Gemini and Vertex AI must give, read from its bytes with few lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from headgate_providers.google import GoogleBackend, VertexBackend
from headgate_providers.google.backend import GenerateContentBackend
from headgate_providers.sdk import (
    AiohttpTransport,
    Call,
    ChatRequest,
    EmbeddingRequest,
    Event,
    HttpRequest,
    HttpResponse,
    Message,
    Operation,
    Target,
    Text,
    fold,
)
from tests.recordings import Outcome, Recording, observed, refused, select

EXCEPTIONS: dict[str, str] = {}
"""Recordings that cannot pass, each with the reason. There are none."""

OPERATIONS = ("chat", "embeddings", "count-tokens")


def cases() -> list[Recording]:
    """All recordings in scope (not: cache, file, batch, video and model management)."""
    return [r for vendor in ("gemini", "vertex") for r in select(vendor, *OPERATIONS)]


def check(recording: Recording) -> None:
    """Read the recorded reply with the product and compare; raises AssertionError."""
    backend, call = backend_of(recording), call_of(recording)
    if recording.operation == "count-tokens":
        backend.transport = Canned(recording.reply)
        total = json.loads(recording.reply)["totalTokens"]
        assert asyncio.run(backend.count_tokens(call)) == total
        return
    check_address(recording, backend.request(call))
    expected = expected_of(recording)
    if recording.status >= 400:
        error = backend.refusal(recording.status, recording.headers, recording.reply)
        assert refused(error) == expected
        return
    sizes = (1, 7, 4096) if recording.streaming else (1 << 30,)
    for size in sizes:
        events = read(backend, call, recording.reply, size)
        assert observed(events) == expected, f"in pieces of {size} bytes"
        check_usage(recording, events)


def backend_of(recording: Recording, url: str | None = None) -> GenerateContentBackend:
    """The backend of the recording's vendor; `url` stands before what follows the version."""
    if recording.vendor == "gemini":
        target = Target("test", "unused", url, {"key": "test-key"})
        return GoogleBackend(target, AiohttpTransport())
    target = Target(
        "test",
        "unused",
        url,
        {"key": "test-token"},
        region="us-central1",
        options={"project": "example-project"},
    )
    return VertexBackend(target, AiohttpTransport())


def call_of(recording: Recording) -> Call:
    """A call to the recording's model and endpoint; what it says does not matter here."""
    model = recording.path.rpartition("/")[2].partition(":")[0]
    request: ChatRequest | EmbeddingRequest = ChatRequest(model, (Message("user", (Text("Hi"),)),))
    operation: Operation = "chat"
    if recording.operation == "embeddings":
        operation, request = "embeddings", EmbeddingRequest(model, ("Hi",))
    return Call(operation, "openai_chat", {}, model, lambda: request, recording.streaming)


def read(
    backend: GenerateContentBackend, call: Call, reply: bytes, size: int = 1 << 30
) -> list[Event]:
    """The events of a reply that comes in pieces of `size` bytes."""
    reader = backend.reader(call)
    events: list[Event] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    return [*events, *reader.close()]


def check_address(recording: Recording, request: HttpRequest) -> None:
    """Method and path are the recorded ones; the recorder used preview versions of Vertex AI."""
    url = urlsplit(request.url)
    assert request.method == recording.method
    assert url.path.split("/", 2)[2] == recording.path.split("/", 2)[2]
    assert parse_qs(url.query) == ({"alt": ["sse"]} if recording.streaming else {})


def check_usage(recording: Recording, events: Iterable[Event]) -> None:
    """The classes inside the totals, as the reply states them."""
    if recording.usage is None:
        return
    usage = fold(events).usage
    assert usage is not None
    assert recording.usage["input_includes_cache"]
    assert usage.cache_read_tokens == recording.usage.get("cache_read_tokens", 0)
    assert usage.reasoning_tokens == recording.usage.get("reasoning_tokens", 0)
    if "total_tokens" in recording.usage:
        assert usage.total_tokens == recording.usage["total_tokens"]


def expected_of(recording: Recording) -> Outcome:
    """The outcome, from the recorded bytes alone."""
    if recording.status >= 400:
        return Outcome(error=True)
    payloads = payloads_of(recording.reply)
    raw: dict[str, Any] = {}
    for payload in payloads:
        raw |= payload.get("usageMetadata", {})
    if recording.operation == "embeddings":
        return _expected_vectors(payloads[0], raw)
    outcome = Outcome(usage=_usage(raw))
    for payload in payloads:
        for candidate in payload.get("candidates", ()):
            for part in candidate["content"]["parts"]:
                _add(outcome, part)
            if candidate.get("finishReason") == "STOP":
                outcome.finish = "tool_calls" if outcome.tool_calls else "stop"
    return outcome


def payloads_of(reply: bytes) -> list[dict[str, Any]]:
    text = reply.decode()
    if text.startswith("data:"):
        return [json.loads(line[5:]) for line in text.split("\n") if line.startswith("data:")]
    whole = json.loads(text)
    return whole if isinstance(whole, list) else [whole]


def _expected_vectors(payload: dict[str, Any], raw: dict[str, Any]) -> Outcome:
    rows = payload.get("predictions") or payload["embeddings"]
    tokens = [row["embeddings"]["statistics"]["token_count"] for row in rows if "embeddings" in row]
    usage = (sum(tokens), 0) if tokens else _usage(raw)
    return Outcome(vectors=len(rows), finish="stop", usage=usage)


def _usage(raw: dict[str, Any]) -> tuple[int, int] | None:
    if not raw:
        return None
    given = raw["promptTokenCount"] + raw.get("toolUsePromptTokenCount", 0)
    return given, raw.get("candidatesTokenCount", 0) + raw.get("thoughtsTokenCount", 0)


def _add(outcome: Outcome, part: dict[str, Any]) -> None:
    if part.get("thought"):
        outcome.reasoning += part["text"]
    else:
        outcome.text += part.get("text", "")
    call = part.get("functionCall", {})
    if "name" in call:
        outcome.tool_calls.append((call["name"], call.get("args", {})))
    for piece in call.get("partialArgs", ()):
        arguments, key = outcome.tool_calls[-1][1], piece["jsonPath"].removeprefix("$.")
        arguments[key] = arguments.get(key, "") + piece["stringValue"]


class Canned:
    """A transport whose upstream always answers with the same body, and what it was sent."""

    def __init__(self, reply: bytes, status: int = 200) -> None:
        self.reply = reply
        self.status = status
        self.headers: dict[str, str] = {}
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest, *, connect_s: float) -> HttpResponse:
        self.requests.append(request)
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.reply

    async def read(self, limit: int = 0) -> bytes:
        return self.reply

    async def aclose(self) -> None:
        pass


def ids(recordings: Sequence[Recording]) -> list[str]:
    return [recording.id for recording in recordings]
