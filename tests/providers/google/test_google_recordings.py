"""Every recording of Gemini and Vertex AI, and a sample of them over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate_providers.sdk import AiohttpTransport, BackendError, Event
from tests.providers.google.expectations import (
    EXCEPTIONS,
    backend_of,
    call_of,
    cases,
    check,
    expected_of,
    ids,
)
from tests.recordings import (
    Recording,
    load,
    needs_recordings,
    observed,
    refused,
    replay_server,
)

pytestmark = needs_recordings

CASES = cases()

SAMPLE = (
    ("gemini", "basic-gemini-2-5-flash-can-have-a-basic-conversation-0"),
    ("gemini", "stream-gemini-2-5-flash-supports-streaming-responses-0"),
    ("gemini", "thinking-gemini-3-flash-preview-streams-thinking-content-when-available-0"),
    ("gemini", "llmgemini-tools-1"),
    ("gemini", "llmgemini-prompt-0"),
    ("gemini", "vercel-google-stream-no-args-tool-call-stream"),
    ("gemini", "vercel-google-429-retry-info"),
    ("gemini", "error-handling-with-gemini-2-5-flash-raises-appropriate-auth-error-0"),
    ("gemini", "llmgemini-embedding-gemini-embedding-2-0"),
    ("vertex", "stream-gemini-2-5-flash-supports-streaming-responses-1"),
    ("vertex", "tools-gemini-2-5-flash-can-use-parallel-tool-calls-1"),
    ("vertex", "embedding-text-embedding-004-can-handle-multiple-texts-1"),
    ("vertex", "otel-generate-content-missing-model-0"),
)
VERSIONS = {"gemini": "v1beta", "vertex": "v1beta1"}


@pytest.mark.parametrize("recording", CASES, ids=ids(CASES))
def test_recorded_reply(recording: Recording) -> None:
    if recording.id in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[recording.id])
    check(recording)


def test_scope_covers_both_vendors() -> None:
    assert {recording.vendor for recording in CASES} == {"gemini", "vertex"}
    assert len(CASES) > 200


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with replay_server("--split", "7") as address:
        yield address


@pytest.mark.parametrize(("vendor", "name"), SAMPLE)
async def test_over_http(base: str, vendor: str, name: str) -> None:
    recording = load(vendor, name)
    backend = backend_of(recording, f"{base}/{vendor}/@{name}/{VERSIONS[vendor]}")
    try:
        try:
            reply = await backend.send(call_of(recording))
        except BackendError as error:
            assert refused(error) == expected_of(recording)
            return
        events: list[Event] = []
        async for batch in reply:
            events += batch
        await reply.aclose()
        assert observed(events) == expected_of(recording)
    finally:
        assert isinstance(backend.transport, AiohttpTransport)
        await backend.transport.aclose()


@pytest.mark.parametrize(
    ("vendor", "name", "total"),
    [
        (
            "gemini",
            "count-tokens-with-gemini-3-5-flash-counts-the-next-request-as-configured-1",
            61,
        ),
        ("vertex", "count-tokens-with-gemini-2-5-flash-counts-a-staged-message-1", 7),
    ],
)
async def test_counts_tokens_over_http(base: str, vendor: str, name: str, total: int) -> None:
    recording = load(vendor, name)
    backend = backend_of(recording, f"{base}/{vendor}/@{name}/{VERSIONS[vendor]}")
    try:
        assert await backend.count_tokens(call_of(recording)) == total
    finally:
        await backend.transport.aclose()
