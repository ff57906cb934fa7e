"""Every recording of Cohere's chat and embeddings, and a sample of them over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headgate_providers.sdk import AiohttpTransport, BackendError
from tests.providers.cohere.canonical import canonical, comparable
from tests.providers.cohere.expectations import (
    Canned,
    all_of,
    backend_of,
    call_of,
    cases,
    check,
    expected_of,
)
from tests.recordings import Recording, load, needs_recordings, observed, refused, replay_server

pytestmark = needs_recordings

CASES = cases()
REQUESTS = [recording for recording in CASES if canonical(recording) is not None]

SAMPLE = (
    "basic-command-a-03-2025-can-have-a-basic-conversation-0",
    "stream-command-a-03-2025-supports-streaming-responses-0",
    "citations-with-command-a-plus-05-2026-streams-citations-0",
    "tools-command-a-03-2025-can-use-parallel-tool-calls-0",
    "tools-command-a-03-2025-can-use-tools-with-multi-turn-streaming-conversations-2",
    "vercel-cohere-empty-tool-call-stream",
    "vercel-cohere-null-args",
    "embedding-embed-v4-0-can-handle-multiple-texts-0",
    "error-handling-with-command-a-03-2025-raises-appropriate-auth-error-0",
    "error-real-command-a-03-2025-handles-context-length-exceeded-errors-0",
)


def _ids(recordings: list[Recording]) -> list[str]:
    return [recording.id for recording in recordings]


@pytest.mark.parametrize("recording", CASES, ids=_ids(CASES))
def test_recorded_reply(recording: Recording) -> None:
    check(recording)


@pytest.mark.parametrize("recording", REQUESTS, ids=_ids(REQUESTS))
async def test_recorded_request(recording: Recording) -> None:
    transport = Canned(recording)
    backend, call = backend_of(recording, transport=transport), call_of(recording)
    call.decode = lambda: canonical(recording)  # type: ignore[assignment,return-value]
    if recording.operation == "embeddings":
        await all_of(backend, call)
        request = transport.requests[0]
    else:
        request = backend.request(call)
    assert comparable(json.loads(request.body)) == comparable(recording.body)
    assert request.headers["authorization"] == "Bearer test-key"


def test_scope() -> None:
    assert (len(CASES), len(REQUESTS)) == (69, 64)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with replay_server("--split", "7") as address:
        yield address


@pytest.mark.parametrize("name", SAMPLE)
async def test_over_http(base: str, name: str) -> None:
    recording = load("cohere", name)
    transport = AiohttpTransport()
    backend = backend_of(recording, f"{base}/cohere/@{name}", transport)
    try:
        events = await all_of(backend, call_of(recording))
        assert observed(events) == expected_of(recording)
    except BackendError as error:
        assert refused(error) == expected_of(recording)
    finally:
        await transport.aclose()
