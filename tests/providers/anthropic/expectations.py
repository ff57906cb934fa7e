"""What each recording of Anthropic must give, read from its bytes with few lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.errors import InvalidRequest
from headgate_providers.anthropic import AnthropicBackend
from headgate_providers.sdk import (
    AiohttpTransport,
    Call,
    ChatRequest,
    Event,
    HttpRequest,
    HttpResponse,
    Message,
    Target,
    Text,
    Transport,
    fold,
)
from tests.recordings import Outcome, Recording, decoded, observed, refused, select

EXCEPTIONS: dict[str, str] = {}
"""Recordings that cannot pass, each with the reason. There are none."""

UNTRANSLATABLE = (
    "citations-with-claude-haiku-4-5-cites-tool-results-returned-as-search-results-1",
    "claude-sonnet-4-6-compacts-a-long-conversation-and-bills-the-summarization-pass-0",
    "code-execution-with-claude-haiku-4-5-runs-code-server-side-and-returns-the-result-blocks-0",
    "dd-anthropic-completion-error-0",
    "vercel-anthropic-refusal",
    "web-search-",
)
"""Requests (by the start of their name) that only Anthropic understands, or that are no requests.

They are relayed, and their replies are in scope.
"""

OPERATIONS = ("chat", "count-tokens")

FINISH = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def cases() -> list[Recording]:
    """All recordings in scope (not: batch and file)."""
    return select("anthropic", *OPERATIONS)


def check(recording: Recording) -> None:
    """Read the recorded reply with the product and compare; raises AssertionError."""
    backend, call = backend_of(), call_of(recording)
    if recording.operation == "count-tokens":
        backend.transport = Canned(recording.reply)
        tokens = json.loads(recording.reply)["input_tokens"]
        assert asyncio.run(backend.count_tokens(call)) == tokens
        return
    expected = expected_of(recording)
    if recording.status >= 400:
        error = backend.refusal(recording.status, recording.headers, recording.reply)
        assert refused(error) == expected
        return
    for size in (1, 7, 4096) if recording.streaming else (1 << 30,):
        events = read(backend, call, recording.reply, size)
        assert observed(events) == expected, f"in pieces of {size} bytes"
        check_usage(recording, events)


def backend_of(
    url: str | None = None,
    transport: Transport | None = None,
    model: str = "claude-haiku-4-5",
    **options: Any,
) -> AnthropicBackend:
    target = Target("test", model, url, {"key": "test-key"}, options=options)
    return AnthropicBackend(target, transport or AiohttpTransport())


def call_of(recording: Recording, **how: Any) -> Call:
    """The recorded request as a client's; what cannot be translated asks something simple."""
    body, model = recording.body, recording.body["model"]

    def decode() -> ChatRequest:
        try:
            return ANTHROPIC_MESSAGES.decode(body, model)
        except InvalidRequest:
            return ChatRequest(model, (Message("user", (Text("Hi"),)),), recording.streaming)

    return Call("chat", "anthropic_messages", body, model, decode, recording.streaming, **how)


def read(backend: AnthropicBackend, call: Call, reply: bytes, size: int = 1 << 30) -> list[Event]:
    """The events of a reply that comes in pieces of `size` bytes."""
    reader = backend.reader(call)
    events: list[Event] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    return [*events, *reader.close()]


def check_usage(recording: Recording, events: Iterable[Event]) -> None:
    """The totals contain the cache, which Anthropic counts apart, and a compaction's own pass."""
    usage, stated = fold(events).usage, recording.usage
    assert usage is not None
    assert stated is not None
    assert not stated["input_includes_cache"]
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    assert usage.cache_read_tokens == stated["cache_read_tokens"]
    assert written == stated["cache_write_tokens"]
    if "iterations" not in stated["raw"]:
        uncached = usage.input_tokens - usage.cache_read_tokens - written
        assert (uncached, usage.output_tokens) == (stated["input_tokens"], stated["output_tokens"])
    details = stated["raw"].get("output_tokens_details", {})
    assert usage.reasoning_tokens == details.get("thinking_tokens", 0)


def expected_of(recording: Recording) -> Outcome:
    """The outcome, from the recorded bytes alone."""
    if recording.status >= 400:
        return Outcome(error=True)
    message = streamed(recording.reply) if recording.streaming else json.loads(recording.reply)
    outcome = Outcome(finish=FINISH[message["stop_reason"]], usage=_usage(message["usage"]))
    for block in message["content"]:
        outcome.text += block.get("text", "")
        outcome.reasoning += block.get("thinking", "")
        if block["type"] == "tool_use":
            outcome.tool_calls.append((block["name"], block["input"]))
    return outcome


def _usage(raw: dict[str, Any]) -> tuple[int, int]:
    passes = [raw, *(step for step in raw.get("iterations", ()) if step["type"] == "compaction")]
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(p[name] for p in passes for name in names), sum(p["output_tokens"] for p in passes)


def streamed(reply: bytes) -> dict[str, Any]:
    """The message a stream stands for."""
    message: dict[str, Any] = {}
    pieces: dict[int, str] = {}
    for line in reply.decode().split("\n"):
        if not line.startswith("data:"):
            continue
        event = json.loads(line[5:])
        if event["type"] == "message_start":
            message = event["message"]
        elif event["type"] == "content_block_start":
            message["content"].append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], message["content"][event["index"]]
            for name in ("text", "thinking"):
                block[name] = block.get(name, "") + delta.get(name, "")
            pieces[event["index"]] = pieces.get(event["index"], "") + delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for index, block in enumerate(message["content"]):
        block["input"] = decoded(pieces.get(index, ""))
    return message


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
