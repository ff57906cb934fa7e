"""Every recording of TGI, and a sample of them over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate_providers.sdk import Event, Raw, UsageReported, fold
from tests.providers.tgi.expectations import (
    EXCEPTIONS,
    backend_of,
    call_of,
    cases,
    check,
    expected_of,
)
from tests.recordings import Recording, load, needs_recordings, observed, replay_server

pytestmark = needs_recordings

CASES = [recording for recording in cases() if recording.id not in EXCEPTIONS]
SAMPLE = (
    "tgi-chat-llama-flash-llama-simple",
    "tgi-completion-prompts-chat-openai-usage",
    "tgi-completion-prompts-flash-llama-completion-many-prompts-stream",
    "tgi-completion-prompts-flash-llama-completion-many-prompts",
    "tgi-json-schema-constrain-json-schema-stream",
    "tgi-tools-llama-flash-llama-grammar-tools-choice-stream",
    "tgi-tools-llama-flash-llama-grammar-tools-nostream",
    "tgi-bloom-560m-bloom-560m",
)


@pytest.mark.parametrize("recording", CASES, ids=lambda r: r.id)
def test_every_recording(recording: Recording) -> None:
    check(recording)


def test_scope() -> None:
    assert {r.operation for r in CASES} == {"chat", "completion", "generate"}
    assert len(CASES) == 74


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with replay_server("--split", "7") as address:
        yield address


async def exchanged(base: str, name: str, *, relayable: bool) -> list[Event]:
    recording = load("tgi", name)
    backend = backend_of(recording, f"{base}/tgi/@{name}/v1")
    try:
        reply = await backend.send(call_of(recording, relayable=relayable))
        events = [event async for batch in reply for event in batch]
        await reply.aclose()
    finally:
        await backend.transport.aclose()
    return events


@pytest.mark.parametrize("name", SAMPLE)
async def test_translated_over_http(base: str, name: str) -> None:
    events = await exchanged(base, name, relayable=False)
    assert observed(events) == expected_of(load("tgi", name))


@pytest.mark.parametrize("name", SAMPLE[:-1])
async def test_relayed_over_http(base: str, name: str) -> None:
    expected = expected_of(load("tgi", name)).usage
    events = await exchanged(base, name, relayable=True)
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    assert [(u.input_tokens, u.output_tokens) for u in usage[-1:]] == (
        [expected] if expected else []
    )
    assert any(isinstance(event, Raw) and event.deltas for event in events)


async def test_generated_without_the_length_of_the_prompt(base: str) -> None:
    """The recorded headers lack it, so that nothing is told of the usage."""
    reply = fold(await exchanged(base, "tgi-flash-gemma3-exceed-window", relayable=False))
    assert reply.choices[0].text.startswith(" the people")
    assert reply.usage is None
