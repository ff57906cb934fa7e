"""Every recording of Anthropic: its reply, its request there and back, a sample over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.errors import InvalidRequest
from headgate_providers.sdk import AiohttpTransport, BackendError, Event, Raw
from tests.providers.anthropic.expectations import (
    EXCEPTIONS,
    UNTRANSLATABLE,
    backend_of,
    call_of,
    cases,
    check,
    expected_of,
)
from tests.recordings import Recording, load, needs_recordings, observed, refused, replay_server

pytestmark = needs_recordings

CASES = cases()
TRANSLATABLE = [case for case in CASES if not case.name.startswith(UNTRANSLATABLE)]

SAMPLE = (
    "basic-claude-haiku-4-5-can-have-a-basic-conversation-0",
    "stream-claude-haiku-4-5-supports-streaming-responses-0",
    "thinking-claude-haiku-4-5-streams-thinking-content-when-available-0",
    "tools-claude-haiku-4-5-can-use-parallel-tool-calls-0",
    "tools-claude-haiku-4-5-can-use-tools-with-multi-turn-streaming-conversations-2",
    "citations-with-claude-haiku-4-5-streams-citations-0",
    "prompt-cache-round-trip-claude-haiku-4-5-writes-then-reads-the-prompt-cache-1",
    "vercel-anthropic-refusal-stream",
    "error-real-claude-haiku-4-5-handles-context-length-exceeded-errors-0",
    "error-handling-with-claude-haiku-4-5-raises-appropriate-auth-error-0",
)


@pytest.mark.parametrize("recording", CASES, ids=lambda r: r.name)
def test_recorded_reply(recording: Recording) -> None:
    if recording.id in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[recording.id])
    check(recording)


def test_scope() -> None:
    assert len(CASES) == 95
    assert len(TRANSLATABLE) > 80


@pytest.mark.parametrize("recording", TRANSLATABLE, ids=lambda r: r.name)
def test_request_survives_the_canonical_form(recording: Recording) -> None:
    """Decoded from the client's dialect and written for the vendor, a request is itself again."""
    call = call_of(recording)
    sent = json.loads(backend_of(model=call.model).request(call).body)
    recorded = normal(recording.body)
    if recording.operation == "count-tokens":
        sent = {name: sent[name] for name in recorded}
    assert sent == recorded


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded body with the short forms spelled out."""
    body = json.loads(json.dumps({"stream": False} | body))
    if isinstance(body.get("system"), str):
        body["system"] = [{"type": "text", "text": body["system"]}]
    for message in body["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return body


@pytest.mark.parametrize("name", [c.name for c in CASES if c.name.startswith(UNTRANSLATABLE[:3])])
def test_what_only_anthropic_can_do_is_named(name: str) -> None:
    body = load("anthropic", name).body
    if "context_management" in body:
        ANTHROPIC_MESSAGES.decode(body, "m")  # only tunes the vendor
        return
    with pytest.raises(InvalidRequest) as refusal:
        ANTHROPIC_MESSAGES.decode(body, "m")
    assert any(word in refusal.value.message for word in ("search_result", "code_execution"))


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with replay_server("--split", "7") as address:
        yield address


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("relayable", [False, True], ids=["translated", "relayed"])
async def test_over_http(base: str, name: str, relayable: bool) -> None:
    recording = load("anthropic", name)
    backend = backend_of(f"{base}/anthropic/@{name}")
    events: list[Event] = []
    try:
        try:
            reply = await backend.send(call_of(recording, relayable=relayable))
        except BackendError as error:
            assert refused(error) == expected_of(recording)
            return
        async for batch in reply:
            events += batch
        await reply.aclose()
    finally:
        await backend.transport.aclose()
    relayed = b"".join(event.data for event in events if isinstance(event, Raw))
    if relayable:
        assert relayed.rstrip() == recording.reply.rstrip()
    else:
        assert observed(events) == expected_of(recording)


async def test_counts_tokens_over_http(base: str) -> None:
    recording = load(
        "anthropic", "count-tokens-with-claude-haiku-4-5-counts-requests-with-thinking-enabled-0"
    )
    backend = backend_of(f"{base}/anthropic", AiohttpTransport())
    body = recording.body | {"max_tokens": 4000, "stream": True}
    recording = replace(recording, body=body)
    try:
        for relayable in (True, False):
            call = call_of(recording, relayable=relayable)
            assert await backend.count_tokens(call) == json.loads(recording.reply)["input_tokens"]
    finally:
        await backend.transport.aclose()
