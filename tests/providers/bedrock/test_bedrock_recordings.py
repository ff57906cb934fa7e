"""Every recording of Bedrock, and a sample of them over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headgate_providers.bedrock.eventstream import EventStreamDecoder
from headgate_providers.sdk import AiohttpTransport, BackendError
from tests.providers.bedrock.canonical import canonical, comparable
from tests.providers.bedrock.expectations import (
    Canned,
    all_of,
    backend_of,
    call_of,
    cases,
    check,
    exception_of,
    expected_of,
)
from tests.providers.bedrock.frames import unframed
from tests.recordings import Recording, load, needs_recordings, observed, refused, replay_server

pytestmark = needs_recordings

CASES = cases()
STREAMS = [recording for recording in CASES if recording.streaming]
REQUESTS = [recording for recording in CASES if canonical(recording) is not None]

SAMPLE = (
    "basic-amazon-nova-2-lite-v1-0-can-have-a-basic-conversation-0",
    "thinking-claude-haiku-4-5-streams-thinking-content-when-available-0",
    "citations-with-claude-haiku-4-5-streams-citations-0",
    "otel-converse-stream-with-content-tool-call-0",
    "web-search-with-amazon-nova-2-lite-v1-0-streams-grounded-turns-0",
    "llmetry-guardrail-converse-stream-0",
    "embedding-embedding-dialects-us-cohere-embed-v4-0-embeds-multiple-texts-with-custom-dimensions-0",
    "embedding-embedding-dialects-amazon-nova-2-multimodal-embeddings-v1-0-embeds-a-single-text-0",
    "error-real-amazon-nova-2-lite-v1-0-handles-context-length-exceeded-errors-0",
    "dd-bedrock-converse-error-0",
)


def _ids(recordings: list[Recording]) -> list[str]:
    return [recording.id for recording in recordings]


@pytest.mark.parametrize("recording", CASES, ids=_ids(CASES))
def test_recorded_reply(recording: Recording) -> None:
    if (reason := exception_of(recording)) is not None:
        pytest.skip(reason)
    check(recording)


@pytest.mark.parametrize("recording", STREAMS, ids=_ids(STREAMS))
@pytest.mark.parametrize("size", [1, 1000])
def test_recorded_frames(recording: Recording, size: int) -> None:
    decoder = EventStreamDecoder()
    reply = recording.reply
    messages = [m for at in range(0, len(reply), size) for m in decoder.feed(reply[at : at + size])]
    assert not decoder.incomplete
    assert [(dict(m.headers), m.payload) for m in messages] == unframed(reply)


@pytest.mark.parametrize("recording", REQUESTS, ids=_ids(REQUESTS))
async def test_recorded_request(recording: Recording) -> None:
    assert comparable(await sent_for(recording)) == comparable(recording.body)


async def sent_for(recording: Recording) -> object:
    """The body that the product sends for the canonical form of a recorded request."""
    transport = Canned(recording)
    backend, call = backend_of(recording, transport=transport), call_of(recording)
    call.decode = lambda: canonical(recording)  # type: ignore[assignment,return-value]
    if recording.operation == "embeddings":
        await all_of(backend, call)
        return json.loads(transport.requests[0].body)
    return json.loads(backend.request(call).body)


def test_exceptions_are_the_native_streams() -> None:
    excepted = [recording for recording in CASES if exception_of(recording)]
    assert all(r.operation == "invoke" and r.streaming and r.status == 200 for r in excepted)
    assert len(CASES) == 149
    assert len(REQUESTS) > 80


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with replay_server("--split", "7") as address:
        yield address


@pytest.mark.parametrize("name", SAMPLE)
async def test_over_http(base: str, name: str) -> None:
    recording = load("bedrock", name)
    transport = AiohttpTransport()
    backend = backend_of(recording, f"{base}/bedrock/@{name}", transport)
    try:
        events = await all_of(backend, call_of(recording))
        assert observed(events) == expected_of(recording)
    except BackendError as error:
        assert refused(error) == expected_of(recording)
    finally:
        await transport.aclose()
